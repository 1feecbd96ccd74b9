/**
 * Published exchanges, byte for byte: MS-NLMP 4.2, a Windows 7 browser with a Windows Server 2008 R2
 * (test data of gss-ntlmssp; the credentials are its publisher's lab), and one with all features at
 * once whose response, key and code were checked with another implementation.
 */

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(/\s/g, ''), 'hex')
const base64 = (text: string): Buffer => Buffer.from(text.replaceAll(/\s/g, ''), 'base64')

/** RFC 1320, appendix A.5. */
export const md4Vectors: readonly (readonly [text: string, digest: string])[] = [
  ['', '31d6cfe0d16ae931b73c59d7e0c089c0'],
  ['a', 'bde52cb31de33e46245e05fbdbd6fb24'],
  ['abc', 'a448017aaf21d8525fc10ae87aa6729d'],
  ['message digest', 'd9130a8164549fe818874806e1c7014b'],
  ['abcdefghijklmnopqrstuvwxyz', 'd79e1c308aa5bbcdeea8ed63df412da9'],
  [
    'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789',
    '043f8582f241db351ce627e153e7f0e4',
  ],
  ['1234567890'.repeat(8), 'e33b4ddc9c38f2199c3e7b164fcc0536'],
]

/** MS-NLMP 4.2.4: no timestamp, so no code, and LMv2 is sent. */
export const specification = {
  user: 'User',
  domain: 'Domain',
  password: 'Password',
  workstation: 'COMPUTER',
  clientNonce: hex('aaaaaaaaaaaaaaaa'),
  ntHash: hex('a4f49c406510bdcab6824ee7c30fd852'),
  responseKey: hex('0c868a403bfd7a93a3001ef22ef02e3f'),
  proof: hex('68cd0ab851e51c96aabc927bebef6a1c'),
  lmResponse: hex('86c35097ac9cec102554764a57cccc19aaaaaaaaaaaaaaaa'),
  /** The blob of the specification has a time of zero, which is 1601. */
  nowMs: -11_644_473_600_000,
  type2: hex(`
    4e544c4d53535000020000000c000c003800000033828ae20123456789abcdef00000000000000002400240044000000
    060070170000000f53006500720076006500720002000c0044006f006d00610069006e0001000c005300650072007600
    6500720000000000`),
}

/** The blob of the browser's response, as it was sent. */
export const windows = {
  user: 'Administrator',
  domain: 'WS2008R2',
  password: 'P@ssw0rd',
  ntHash: hex('e19ccf75ee54e06b06a5907af13cef42'),
  responseKey: hex('22fe5b1bc73d136282aef78e70c8dd58'),
  nonce: hex('a2c5e8ca3084aa72'),
  proof: hex('5a6a21ae1a44c044693eee59fc5d81e0'),
  sessionKey: hex('9bd3f8be97c125f9e2f02bb60eb53ec7'),
  mic: hex('f054a542b090b66c1fea1a2cc82e930b'),
  type1: base64('TlRMTVNTUAABAAAAB4IIogAAAAAAAAAAAAAAAAAAAAAGAbAdAAAADw=='),
  type2: base64(`
    TlRMTVNTUAACAAAAEAAQADgAAAAFgomiosXoyjCEqnIAAAAAAAAAALYAtgBIAAAABgGwHQAAAA9XAFMAMgAwADAAOABSADIA
    AgAQAFcAUwAyADAAMAA4AFIAMgABABYARABDAC0AVwBTADIAMAAwADgAUgAyAAQAHAB3AHMAMgAwADAAOAByADIALgBsAG8A
    YwBhAGwAAwA0AEQAQwAtAHcAcwAyADAAMAA4AHIAMgAuAHcAcwAyADAAMAA4AHIAMgAuAGwAbwBjAGEAbAAFABwAdwBzADIA
    MAAwADgAcgAyAC4AbABvAGMAYQBsAAcACAB75z/DC97NAQAAAAA=`),
  type3: base64(`
    TlRMTVNTUAADAAAAGAAYAJQAAAB8AXwBrAAAABAAEABYAAAAGgAaAGgAAAASABIAggAAAAAAAAAoAgAABYKIogYBsB0AAAAP
    8FSlQrCQtmwf6hosyC6TC1cAUwAyADAAMAA4AFIAMgBBAGQAbQBpAG4AaQBzAHQAcgBhAHQAbwByAFcASQBOADcALQAyAC0A
    UABDAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAFpqIa4aRMBEaT7uWfxdgeABAQAAAAAAAHvnP8ML3s0BJ/wRgILC+90AAAAA
    AgAQAFcAUwAyADAAMAA4AFIAMgABABYARABDAC0AVwBTADIAMAAwADgAUgAyAAQAHAB3AHMAMgAwADAAOAByADIALgBsAG8A
    YwBhAGwAAwA0AEQAQwAtAHcAcwAyADAAMAA4AHIAMgAuAHcAcwAyADAAMAA4AHIAMgAuAGwAbwBjAGEAbAAFABwAdwBzADIA
    MAAwADgAcgAyAC4AbABvAGMAYQBsAAcACAB75z/DC97NAQYABAACAAAACAAwADAAAAAAAAAAAQAAAAAgAABNaw0nVBAi9f+m
    c9or/P3xlC8le+EaSclUGXrKiq8urwoAEABlhumdgcL8mE5HFy/U3QMQCQA+AEgAVABUAFAALwBkAGMALQB3AHMAMgAwADAA
    OAByADIALgB3AHMAMgAwADAAOAByADIALgBsAG8AYwBhAGwAAAAAAAAAAAAAAAAA`),
}

/** Timestamp, code, service name and channel binding. */
export const everything = {
  user: 'User',
  domain: 'Domain',
  workstation: 'COMPUTER',
  ntHash: specification.ntHash,
  clientNonce: hex('aaaaaaaaaaaaaaaa'),
  spn: 'HTTP/server.example',
  certificateHash: hex('e3ca49271e5089cc48ce82109f1324f41dbeddc29a777410c738f7868c4ff405'),
  channelBinding: hex('6ea19df066da4622051f9c4f92c6df74'),
  type1: hex('4e544c4d5353500001000000058208a2000000000000000000000000000000000a0063450000000f'),
  type2: hex(`
    4e544c4d53535000020000000c000c003800000005828aa20123456789abcdef00000000000000003000300044000000
    0a0063450000000f53006500720076006500720002000c0044006f006d00610069006e0001000c005300650072007600
    650072000700080000c0d16ae9a1da0100000000`),
  type3: hex(`
    4e544c4d5353500003000000180018007c000000a600a600940000000c000c0058000000080008006400000010001000
    6c000000000000003a01000005828aa20a0063450000000f991ebb7f9ec2d9e419579e5d5389591744006f006d006100
    69006e00550073006500720043004f004d00500055005400450052000000000000000000000000000000000000000000
    00000000049a6a19e70aa311d858781ed045bbbe010100000000000000c0d16ae9a1da01aaaaaaaaaaaaaaaa00000000
    02000c0044006f006d00610069006e0001000c005300650072007600650072000700080000c0d16ae9a1da0106000400
    020000000a0010006ea19df066da4622051f9c4f92c6df740900260048005400540050002f0073006500720076006500
    72002e006500780061006d0070006c0065000000000000000000`),
}
