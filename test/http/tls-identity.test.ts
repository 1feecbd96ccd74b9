import { rootCertificates } from 'node:tls'
import t from 'tap'
import { contextOf, digestTls } from '../../src/http/tls-identity.ts'

const none = { ca: undefined, cert: undefined, key: undefined }
const [one = '', two = ''] = rootCertificates

t.test('equal settings are read once', async (t) => {
  t.equal(contextOf({ ...none, ca: one }), contextOf({ ...none, ca: one }))
  t.equal(contextOf(none), contextOf({ ...none }))
  t.not(contextOf({ ...none, ca: one }), contextOf({ ...none, ca: two }))
  t.not(contextOf({ ...none, ca: one }), contextOf(none))
})

t.test('a digest is short and tells settings apart', async (t) => {
  const cert = 'cert'
  const digests = [
    none,
    { ...none, ca: cert },
    { ...none, cert },
    { ...none, cert, key: 'key' },
    { ...none, cert, key: 'kez' },
  ].map(digestTls)
  t.equal(new Set(digests).size, digests.length)
  for (const digest of digests) t.equal(digest.length, 43)
  t.equal(digestTls({ ...none, cert, key: 'key' }), digests[3])
})

t.test('what is no PEM text is an error, each time', async (t) => {
  for (let i = 0; i < 2; i++) t.throws(() => contextOf({ ...none, cert: 'x', key: 'y' }))
})
