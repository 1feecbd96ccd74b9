import { X509Certificate } from 'node:crypto'
import t from 'tap'
import { createAuthority } from '../../src/tls/authority.ts'
import { Leaves } from '../../src/tls/leaves.ts'
import { createPemFolder, openssl, skipOpenssl, verifyStrictly } from './verifiers.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const hosts = ['api.example.com', '*.wild.example.com', '10.1.2.3', 'fd00::5']

t.test('the authority is what openssl takes for one', { skip: skipOpenssl }, async (t) => {
  const { certPem } = await createAuthority({ hosts, validityDays: 30, nowMs: Date.now() })
  const path = createPemFolder(t)('ca.pem', certPem)
  const text = openssl(['x509', '-in', path, '-noout', '-text'])
  t.match(text, /Basic Constraints: critical\s+CA:TRUE, pathlen:0\n/)
  t.match(text, /Key Usage: critical\s+Certificate Sign, CRL Sign\n/)
  t.match(text, /Subject Key Identifier:/)
  t.match(text, /Public Key Algorithm: id-ecPublicKey[\s\S]*NIST CURVE: P-256/)
  t.match(text, /Name Constraints: critical\s+Permitted:\s+DNS:api\.example\.com\n/)
  t.match(openssl(['verify', '-x509_strict', '-CAfile', path, path]), /: OK/)
})

t.test('it is backdated by an hour and lives as long as it was told', async (t) => {
  const nowMs = Date.parse('2026-11-24T12:00:00Z')
  const { certPem } = await createAuthority({ hosts, validityDays: 30, nowMs })
  const { validFrom, validTo } = new X509Certificate(certPem)
  t.equal(Date.parse(validFrom), nowMs - HOUR_MS)
  t.equal(Date.parse(validTo), nowMs + 30 * DAY_MS)
})

t.test('an end after 2049 is written as it must be then', { skip: skipOpenssl }, async (t) => {
  const { certPem } = await createAuthority({ hosts, validityDays: 36_500, nowMs: Date.now() })
  const path = createPemFolder(t)('ca.pem', certPem)
  t.match(openssl(['asn1parse', '-in', path]), /GENERALIZEDTIME/)
  t.match(openssl(['verify', '-x509_strict', '-CAfile', path, path]), /: OK/)
})

t.test('serial numbers are positive, of 128 bits, and never the same', async (t) => {
  const serials = new Set<string>()
  for (let i = 0; i < 20; i++) {
    const { certPem } = await createAuthority({ hosts, validityDays: 1, nowMs: Date.now() })
    const { serialNumber } = new X509Certificate(certPem)
    t.match(serialNumber, /^[4-7][0-9A-F]{31}$/)
    serials.add(serialNumber)
  }
  t.equal(serials.size, 20)
})

t.test('its leaves are accepted for the configured hosts', { skip: skipOpenssl }, async (t) => {
  const authority = await createAuthority({ hosts, validityDays: 30, nowMs: Date.now() })
  const leaves = new Leaves(authority)
  for (const host of ['api.example.com', 'x.wild.example.com', '10.1.2.3', 'fd00::5']) {
    const { chainPem } = await leaves.issue(host)
    t.equal(verifyStrictly(t, authority.certPem, chainPem, host), 'OK', host)
  }
})

t.test('its leaves for any other host are refused', { skip: skipOpenssl }, async (t) => {
  const authority = await createAuthority({ hosts, validityDays: 30, nowMs: Date.now() })
  const leaves = new Leaves(authority)
  for (const host of ['bank.example', 'example.com', 'xapi.example.com', '10.1.2.4', 'fd00::6']) {
    const { chainPem } = await leaves.issue(host)
    const verdict = verifyStrictly(t, authority.certPem, chainPem, host)
    t.equal(verdict, 'permitted subtree violation', host)
  }
})

t.test('kinds of names without a host are shut out whole', { skip: skipOpenssl }, async (t) => {
  const cases = [
    { only: ['api.example.com'], host: '10.1.2.3' },
    { only: ['api.example.com'], host: '::1' },
    { only: ['10.1.2.3'], host: 'api.example.com' },
    { only: ['10.1.2.3'], host: '::1', verdict: 'permitted subtree violation' },
  ]
  for (const { only, host, verdict = 'excluded subtree violation' } of cases) {
    const authority = await createAuthority({ hosts: only, validityDays: 30, nowMs: Date.now() })
    const { chainPem } = await new Leaves(authority).issue(host)
    t.equal(verifyStrictly(t, authority.certPem, chainPem, host), verdict, `${only[0]}: ${host}`)
  }
})

t.test('an authority for no host at all is a mistake', async (t) => {
  await t.rejects(createAuthority({ hosts: [], validityDays: 1, nowMs: 0 }), RangeError)
})
