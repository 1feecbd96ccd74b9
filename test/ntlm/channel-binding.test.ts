/** Bindings to certificates that OpenSSL made, against what Python's hashlib makes of them. */
import { createHash } from 'node:crypto'
import t from 'tap'
import { channelBindingOf, checksum } from '../../src/ntlm/channel-binding.ts'
import { Dice, everything } from './vectors.ts'

interface Sample {
  readonly name: string
  /** In hexadecimal. */
  readonly binding: string
  /** DER in base64. */
  readonly certificate: string
}

const SAMPLES: readonly Sample[] = [
  {
    name: 'ECDSA with SHA-1, raised to SHA-256',
    binding: 'f4870518dde9c394d23b075d6d0f7735',
    certificate: `
      MIH9MIGlAgEBMAkGByqGSM49BAEwDDEKMAgGA1UEAwwBYTAeFw0yNjExMjQwNDExMTBaFw0zNjExMjEwNDExMTBaMAwx
      CjAIBgNVBAMMAWEwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAATxFEpxPw7aLqt0LqX1SsQzxBI83uXRtUbVHyfDoDJC
      Xtz3zMa9f6EgpO9hrRUS2BCL1TRlGasWpH/XYPeqY3hEMAkGByqGSM49BAEDSAAwRQIgAbv4DPC8ru+24atmdGme+Aqh
      JyCQUlR4OB5Z++RsheMCIQCES6UmV9sangJiUSAGyode740OooE7bBNuVqbk1f+8RQ==`,
  },
  {
    name: 'ECDSA with SHA-384',
    binding: '26ecfceded68e8737d20a7067e5e99bd',
    certificate: `
      MIIBADCBpgIBATAKBggqhkjOPQQDAzAMMQowCAYDVQQDDAFhMB4XDTI2MTEyNDA0MTExMVoXDTM2MTEyMTA0MTExMVow
      DDEKMAgGA1UEAwwBYTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABCWZMFsTMt/nlvlb701KcksfUDD6QbIsBGZ897hk
      oV7aQItyOpVNtZ6KWNAO3Rj541/xkb/xJ+M8pVdNTBKlYZswCgYIKoZIzj0EAwMDSQAwRgIhAK3ZMbhHG++Lk9Cnmh97
      b1+gqOj8IpKAiXiIusbffLl1AiEArUK6pYrao2J+wEk9hWJC8cVE48vpa0TwfVNvVylzegU=`,
  },
  {
    name: 'ECDSA with SHA-512',
    binding: '1165846ce937dd2a6d1b90a78ec7e999',
    certificate: `
      MIH+MIGmAgEBMAoGCCqGSM49BAMEMAwxCjAIBgNVBAMMAWEwHhcNMjYxMTI0MDQxMTExWhcNMzYxMTIxMDQxMTExWjAM
      MQowCAYDVQQDDAFhMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEbkKQVFmwDVuuvSwrfhG0WEG2Y3QkrOL9Depdspu3
      Es2WMGc0toedWYojwQPKrgeeS8+fZg4Ix/GwXi8oIxc5VDAKBggqhkjOPQQDBANHADBEAiADV3sgQo9o2pCsBlyXC+H5
      AYMDXVrL0EGP52E+TKGmwgIgGiY+sXJmSWz70VBY24BsgZxiOKGgNpJaUb1KNGyWMdE=`,
  },
  {
    name: 'Ed25519, which has no hash of its own',
    binding: '167181b9eeba25b076597dfa6a39c323',
    certificate: `
      MIG+MHICAQEwBQYDK2VwMAwxCjAIBgNVBAMMAWEwHhcNMjYxMTI0MDQxMTExWhcNMzYxMTIxMDQxMTExWjAMMQowCAYD
      VQQDDAFhMCowBQYDK2VwAyEAJcjw3tpkyAPhGyi5JZ/vVS/reVnZrTCywYMDKGfvI7kwBQYDK2VwA0EAQAJ7pDl7mxhB
      P9KxO67I9PDnZxb87ee3LJzJS8p9pE9ih5nV8nCvBhiIz6RcALBA9YhklIEZdfoYpalEmeSHDw==`,
  },
  {
    name: 'RSA with MD5, raised to SHA-256',
    binding: 'cab525f6c725d821055f4d7975b89d2b',
    certificate: `
      MIIBhjCB8AIBATANBgkqhkiG9w0BAQQFADAMMQowCAYDVQQDDAFhMB4XDTI2MTEyNDA0MTExMVoXDTM2MTEyMTA0MTEx
      MVowDDEKMAgGA1UEAwwBYTCBnzANBgkqhkiG9w0BAQEFAAOBjQAwgYkCgYEAv8itWTvKuIxFxh7XFABQ2FU9oHYx0sz5
      Sh2VtdxoxzBg7vdtweGthzaTBDLSv/AKtqi308kngk4Fc9RpiP0TGZB+PpDMEXmExTtZEw5scgBqCW/rwD54acQSVbnx
      gd2jxI27G2/XBA3u5Vw6LXEIza6RyHy6Yv8ospQ5MBy+QCcCAwEAATANBgkqhkiG9w0BAQQFAAOBgQBi7Y7Hnxdke1La
      jgYmSM7m4/hcUKy2GqFDDT/I4d2yiIlPM1rHeNhOLQrmgcMCprqSMyJMJSy8iDtCKj4tGPSw3p4/Gowm2GutSA4G8MhU
      UHeRjtXVMfQSnOqHiHdTOePi/Gkg9AyvtNLwXFYJWv1P4yR2Yg6wy59t5WlVeUcIAw==`,
  },
  {
    name: 'RSA with SHA-384',
    binding: 'd42bada63fb3581352b3a2d8a87ca595',
    certificate: `
      MIIBhjCB8AIBATANBgkqhkiG9w0BAQwFADAMMQowCAYDVQQDDAFhMB4XDTI2MTEyNDA0MTExMVoXDTM2MTEyMTA0MTEx
      MVowDDEKMAgGA1UEAwwBYTCBnzANBgkqhkiG9w0BAQEFAAOBjQAwgYkCgYEAsCtRS3srdWkg2kU/gotYaGKOjxGmZRwz
      GBAXfJyj1HObD+L6IsyyWQJQrVs4nsboGbIvxp47oFevoxQ2/xYbSo/ELa/cGjhikZqReGvHocYHz+FK7mgMPf949i/I
      iDCvwqlaETY5/6TjhWdOcFHdUNFizW9esBCab9BvZqI6VlsCAwEAATANBgkqhkiG9w0BAQwFAAOBgQCjFxxBA+yZfVZX
      d3qs3LIYhSWSdvOTymsPO2HX65I8QqDkpJjD6nar6vMSAfbBSoRRgxD4mBBp0dwMBJBRKW/sWEfx3PguRW8xzO9tqFPj
      Mtxh1khfSNKJn8foANesHlr6aDViWsoT3ixYOPLiGm1eoSQBGqVmXYbEKcm+Ldp92g==`,
  },
  {
    name: 'RSASSA-PSS with its defaults, SHA-1, raised',
    binding: '017879d09d3525fd438bf04752f92043',
    certificate: `
      MIIBkDCB9QIBATASBgkqhkiG9w0BAQowBaIDAgFqMAwxCjAIBgNVBAMMAWEwHhcNMjYxMTI0MDQxMTExWhcNMzYxMTIx
      MDQxMTExWjAMMQowCAYDVQQDDAFhMIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDVocuDtmdTwr1gnHKHt8d4F5xn
      jB2r/LO3LnNdshvzk9o5xYc92Eal0FrAM3SgSmv37xYxMrBeSppnrcv42vtmeyxZKfzBKRxfl5F/2RMkmInKC5i4fEXs
      bOCxCQfWihFQFWaSnrY5BkYZqYKXlHGpGfSODwuIuvV2nAtuhUXSlQIDAQABMBIGCSqGSIb3DQEBCjAFogMCAWoDgYEA
      cK31bPQBNzZYVyIhjJuLj4iiFCbSiHWVsQAjuNKNjqpXy10sr8RJmZ5jwNIFeOcUl4TnsfK81f0RFjNQJKqk3EmpCWub
      zIwB5D/ZMR/jUH6DjaSAuXPYngF/X0wQHx5F8SxLw9uKc+77zye25/fUlGF0J7YkzsmAUg18kip1sgY=`,
  },
  {
    name: 'RSASSA-PSS with SHA-384',
    binding: '5718cff668a2bda4ec5d88ef78c134d6',
    certificate: `
      MIIB7zCCASQCAQEwQQYJKoZIhvcNAQEKMDSgDzANBglghkgBZQMEAgIFAKEcMBoGCSqGSIb3DQEBCDANBglghkgBZQME
      AgIFAKIDAgEwMAwxCjAIBgNVBAMMAWEwHhcNMjYxMTI0MDQxMTExWhcNMzYxMTIxMDQxMTExWjAMMQowCAYDVQQDDAFh
      MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDvw22j4GpHrnktEDnGK2u1RKWXUL1o7DDlJmuPnW7EIjxIaQCldfvv
      mm1eRR+0bD0QA9wUkRTPQbj19OFStP9zn777jEPeUlBnso14urFxdepSkAuePE4LlkvH1HNBQ0Gipkp+BkI1g6fAzGEn
      tP4boQXV9kMTDMebsLRz9eLliQIDAQABMEEGCSqGSIb3DQEBCjA0oA8wDQYJYIZIAWUDBAICBQChHDAaBgkqhkiG9w0B
      AQgwDQYJYIZIAWUDBAICBQCiAwIBMAOBgQAQ3cmTWTKVOKaWuKtRVS77WBlNpUUOCY4x4vZ6x9vDPV1ifqfSM3mgfjnS
      hF2NEGaIGaiNdZaxnevqh61mXqqHWGdh4r4CJvZP0YShb+H4CggtjYw9WCZRpk153hV0IlMm8Q88bE5SM/HB5URXiao3
      SpSEpxYYgQdxI5DFeW1RsQ==`,
  },
]

/** Just enough of a certificate: a body, an algorithm, no signature. */
function createCertificate(algorithm: string): Buffer {
  const sequence = Buffer.from(algorithm, 'hex')
  const content = Buffer.concat([Buffer.from('3000', 'hex'), sequence])
  return Buffer.concat([Buffer.from([0x30, content.length]), content])
}

function bindingWith(hash: string, certificate: Buffer): Buffer {
  return checksum(createHash(hash).update(certificate).digest())
}

function decode({ certificate }: Sample): Buffer {
  return Buffer.from(certificate, 'base64')
}

t.test('the published hash of a certificate gives the published checksum', (t) => {
  t.strictSame(checksum(everything.certificateHash), everything.channelBinding)
  t.end()
})

t.test('the algorithm of the signature decides the hash', (t) => {
  for (const sample of SAMPLES) {
    t.equal(channelBindingOf(decode(sample)).toString('hex'), sample.binding, sample.name)
  }
  t.end()
})

t.test('every algorithm that is in use, by its identifier', (t) => {
  const algorithms: readonly (readonly [hash: string, algorithm: string, name: string])[] = [
    ['sha256', '300d06092a864886f70d0101050500', 'sha1WithRSAEncryption'],
    ['sha256', '300d06092a864886f70d01010b0500', 'sha256WithRSAEncryption'],
    ['sha384', '300d06092a864886f70d01010c0500', 'sha384WithRSAEncryption'],
    ['sha512', '300d06092a864886f70d01010d0500', 'sha512WithRSAEncryption'],
    ['sha224', '300d06092a864886f70d01010e0500', 'sha224WithRSAEncryption'],
    ['sha224', '300a06082a8648ce3d040301', 'ecdsa-with-SHA224'],
    ['sha256', '300a06082a8648ce3d040302', 'ecdsa-with-SHA256'],
    ['sha384', '300a06082a8648ce3d040303', 'ecdsa-with-SHA384'],
    ['sha512', '300a06082a8648ce3d040304', 'ecdsa-with-SHA512'],
    ['sha256', '300506032b6571', 'Ed448'],
    ['sha256', '300b06092a864886f70d01010a', 'RSASSA-PSS without parameters'],
    ['sha256', '300d06092a864886f70d01010a3000', 'RSASSA-PSS with empty parameters'],
    [
      'sha512',
      // SHA-512 for the message, SHA-256 for the mask.
      '303e06092a864886f70d01010a3031a00d300b0609608648016503040203a11830160609' +
        '2a864886f70d010108300b0609608648016503040201a203020140a303020101',
      'RSASSA-PSS with another hash for its mask',
    ],
  ]
  for (const [hash, algorithm, name] of algorithms) {
    const certificate = createCertificate(algorithm)
    t.strictSame(channelBindingOf(certificate), bindingWith(hash, certificate), name)
  }
  t.end()
})

t.test('a certificate that is cut or tampered with gives some binding and no fault', (t) => {
  const dice = new Dice(5929)
  for (const sample of SAMPLES) {
    const certificate = decode(sample)
    for (let length = 0; length < 64; length++) {
      t.equal(channelBindingOf(certificate.subarray(0, length)).length, 16)
    }
    for (let count = 0; count < 500; count++) {
      const tampered = Buffer.from(certificate)
      tampered[dice.roll(tampered.length)] = dice.roll(256)
      if (channelBindingOf(tampered).length !== 16) t.fail('another length')
    }
  }
  t.end()
})
