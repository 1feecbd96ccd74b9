/**
 * A trust store for Java, which reads no PEM: the JKS format, of which trusted certificates need
 * neither a password nor encryption. Its digest is what the format asks for and protects nothing.
 */
import { createHash } from 'node:crypto'
import type { X509Certificate } from 'node:crypto'

const MAGIC = 0xfeedfeed
const VERSION = 2
const TRUSTED_CERTIFICATE = 2
/** `changeit`, as everywhere in Java: whoever reads without a password checks no digest. */
const DIGEST_SEED = Buffer.concat([
  Buffer.from('changeit', 'utf16le').swap16(),
  Buffer.from('Mighty Aphrodite', 'latin1'),
])

/** The bytes of a JKS file with these certificates. */
export function renderTrustStore(certificates: readonly X509Certificate[], nowMs: number): Buffer {
  const entries = certificates.map((certificate, index) =>
    Buffer.concat([
      integer(TRUSTED_CERTIFICATE),
      text(`ca-${index}`),
      instant(nowMs),
      text('X.509'),
      integer(certificate.raw.length),
      certificate.raw,
    ]),
  )
  const body = Buffer.concat([
    integer(MAGIC),
    integer(VERSION),
    integer(certificates.length),
    ...entries,
  ])
  const digest = createHash('sha1').update(DIGEST_SEED).update(body).digest()
  return Buffer.concat([body, digest])
}

function integer(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

function instant(ms: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(BigInt(ms))
  return bytes
}

/** DataOutput.writeUTF, for ASCII. */
function text(value: string): Buffer {
  const bytes = Buffer.from(value, 'latin1')
  const length = Buffer.alloc(2)
  length.writeUInt16BE(bytes.length)
  return Buffer.concat([length, bytes])
}
