import { X509Certificate } from 'node:crypto'
import { rootCertificates } from 'node:tls'
import t from 'tap'
import { createAuthority } from '../../src/tls/authority.ts'
import { loadRoots, parseCertificates, renderBundle } from '../../src/tls/roots.ts'
import { createPemFolder } from './verifiers.ts'

const create = () =>
  createAuthority({ hosts: ['api.example.com'], validityDays: 1, nowMs: Date.now() })

const fingerprint = (pem: string) => new X509Certificate(pem).fingerprint256

t.test("the roots hold Node's, those of the variables and the given ones, each once", async (t) => {
  const [own, extra, given] = [await create(), await create(), await create()]
  const write = createPemFolder(t)
  const path = write('own.pem', own.certPem + own.certPem)
  const env = { NODE_EXTRA_CA_CERTS: path, PIP_CERT: path, AWS_CA_BUNDLE: '' }
  const { certificates, faults } = loadRoots(env, [
    { path: write('given.pem', given.certPem) },
    { pem: extra.certPem + own.certPem },
  ])
  t.same(faults, [])
  const found = certificates.map((certificate) => certificate.fingerprint256)
  t.equal(new Set(found).size, found.length)
  for (const pem of [own.certPem, extra.certPem, given.certPem, ...rootCertificates]) {
    t.ok(found.includes(fingerprint(pem)))
  }
})

t.test('a bundle is PEM alone and reads as what it was made of', async (t) => {
  const { certificates } = loadRoots({}, [])
  const text = renderBundle(certificates)
  t.equal(text.replace(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n/g, ''), '')
  t.equal(parseCertificates(text).length, certificates.length)
})

t.test('what cannot be read is told, and the rest still read', async (t) => {
  const { certPem, keyPem } = await create()
  const write = createPemFolder(t)
  const nonsense = `-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n`
  const { certificates, faults } = loadRoots({ SSL_CERT_FILE: '/no/such' }, [
    { path: write('key.pem', keyPem) },
    { path: write('partly.pem', nonsense + certPem) },
  ])
  t.match(faults, [/the file of SSL_CERT_FILE "\/no\/such" cannot be read/, /holds no certificate/])
  t.ok(certificates.some(({ fingerprint256 }) => fingerprint256 === fingerprint(certPem)))
  t.notMatch(renderBundle(certificates), 'PRIVATE')
})
