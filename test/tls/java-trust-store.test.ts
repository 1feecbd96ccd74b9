import { spawnSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import t from 'tap'
import { createAuthority } from '../../src/tls/authority.ts'
import { renderTrustStore } from '../../src/tls/java-trust-store.ts'
import { createPemFolder, skipWithout } from './verifiers.ts'

const skip = skipWithout('keytool', '-help')

t.test("Java's keytool reads the store, with and without its password", { skip }, async (t) => {
  const certificates = await Promise.all(
    ['a.example.com', 'b.example.com'].map(async (host) => {
      const options = { hosts: [host], validityDays: 1, nowMs: Date.now() }
      return new X509Certificate((await createAuthority(options)).certPem)
    }),
  )
  const path = createPemFolder(t)('store.jks', renderTrustStore(certificates, Date.now()))
  for (const password of [['-storepass', 'changeit'], []]) {
    const args = ['-list', '-v', '-keystore', path, ...password]
    const { stdout } = spawnSync('keytool', args, { encoding: 'utf8', input: '\n' })
    t.match(stdout, /contains 2 entries/)
    for (const { fingerprint256 } of certificates) t.ok(stdout.includes(fingerprint256))
  }
  const wrong = spawnSync('keytool', ['-list', '-keystore', path, '-storepass', 'another'], {
    encoding: 'utf8',
  })
  t.match(wrong.stdout, /password was incorrect/)
})
