/**
 * What ties a login to one TLS connection: the hash of the server's certificate
 * (`tls-server-end-point`, RFC 5929, section 4), as the checksum that NTLM wants (MS-NLMP 3.1.5.1.2).
 */
import { createHash } from 'node:crypto'

const SHA256 = '608648016503040201'
const RSA_PSS = '2a864886f70d01010a'
const SHA1 = '2b0e03021a'

/** Signature algorithms and hashes, as the bytes of their object identifiers, to what OpenSSL calls them. */
const HASHES: ReadonlyMap<string, string> = new Map([
  ['2a864886f70d01010b', 'sha256'],
  ['2a864886f70d01010c', 'sha384'],
  ['2a864886f70d01010d', 'sha512'],
  ['2a864886f70d01010e', 'sha224'],
  ['2a8648ce3d040301', 'sha224'],
  ['2a8648ce3d040302', 'sha256'],
  ['2a8648ce3d040303', 'sha384'],
  ['2a8648ce3d040304', 'sha512'],
  [SHA256, 'sha256'],
  ['608648016503040202', 'sha384'],
  ['608648016503040203', 'sha512'],
  ['608648016503040204', 'sha224'],
])

/** The checksum for a certificate in DER, 16 bytes. */
export function channelBindingOf(certificate: Buffer): Buffer {
  return checksum(createHash(hashOf(certificate)).update(certificate).digest())
}

/** MD5 of `gss_channel_bindings_struct`: no addresses, and the prefixed hash (RFC 2744, section 3.11). */
export function checksum(certificateHash: Buffer): Buffer {
  const data = Buffer.concat([Buffer.from('tls-server-end-point:', 'latin1'), certificateHash])
  const length = Buffer.alloc(4)
  length.writeUInt32LE(data.length)
  return createHash('md5').update(Buffer.alloc(16)).update(length).update(data).digest()
}

/**
 * The hash of the certificate's signature algorithm; MD5 and SHA-1 count as SHA-256, and so does what
 * has none of its own (Ed25519). Node tells the algorithm from version 24 on only.
 */
function hashOf(certificate: Buffer): string {
  const inner = readElement(certificate, 0)
  const body = inner === undefined ? undefined : readElement(inner.value, 0)
  const algorithm =
    inner === undefined || body === undefined ? undefined : readElement(inner.value, body.end)
  if (algorithm === undefined) return 'sha256'
  const id = readElement(algorithm.value, 0)
  const oid = id?.value.toString('hex') ?? ''
  if (oid === RSA_PSS && id !== undefined) return hashOfPss(algorithm.value.subarray(id.end))
  return HASHES.get(oid) ?? 'sha256'
}

/** RSASSA-PSS-params: the hash is `[0]`, SHA-1 unless given (RFC 4055, section 3.1). */
function hashOfPss(parameters: Buffer): string {
  const sequence = readElement(parameters, 0)
  const tagged = sequence === undefined ? undefined : readElement(sequence.value, 0)
  const algorithm = tagged?.tag === 0xa0 ? readElement(tagged.value, 0) : undefined
  const oid = algorithm === undefined ? undefined : readElement(algorithm.value, 0)
  return HASHES.get(oid?.value.toString('hex') ?? SHA1) ?? 'sha256'
}

interface Element {
  readonly tag: number
  readonly value: Buffer
  readonly end: number
}

/** One element of DER; `undefined` where it is cut. */
function readElement(bytes: Buffer, at: number): Element | undefined {
  const tag = bytes[at]
  const first = bytes[at + 1]
  if (tag === undefined || first === undefined) return undefined
  let start = at + 2
  let length = first
  if (first >= 0x80) {
    const count = first & 0x7f
    if (count === 0 || count > 4 || start + count > bytes.length) return undefined
    length = bytes.readUIntBE(start, count)
    start += count
  }
  const end = start + length
  return end > bytes.length ? undefined : { tag, value: bytes.subarray(start, end), end }
}
