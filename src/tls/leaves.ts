/**
 * The certificates that are shown to applications in place of the real servers' ones: issued by the
 * authority when a host is first asked for, kept, renewed before they end. All have one key: it lives
 * and dies with the process that holds the key of the authority too, so that many would protect nothing.
 */
import { X509Certificate, generateKeyPairSync } from 'node:crypto'
import { isIP } from 'node:net'
import { createSecureContext } from 'node:tls'
import type { SecureContext } from 'node:tls'
import { LRUCache } from 'lru-cache'
import type * as X509 from '@peculiar/x509'
import {
  BACKDATED_MS,
  type SigningKey,
  createSerialNumber,
  findKeyIdentifier,
  importSigningKey,
} from './signer.ts'
import { loadX509 } from './x509.ts'

const DAY_MS = 86_400_000
const LIFE_MS = 7 * DAY_MS
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g

/** What leaves are issued with. */
export interface LeavesOptions {
  /** The certificate of the authority, further ones of its chain behind it. */
  readonly certPem: string
  readonly keyPem: string
  /** How many hosts are kept; 1000 unless told. */
  readonly max?: number
  /** Milliseconds since 1970; the clock of the system unless told. */
  readonly now?: () => number
}

/** A leaf as it is kept. */
interface Leaf {
  readonly context: SecureContext
  readonly renewAtMs: number
}

/** A leaf before it is a context: its own certificate, then those of the chain but for the root. */
export interface IssuedLeaf {
  readonly chainPem: string
  readonly notAfterMs: number
}

/** What `node:tls` has, and its types do not. */
interface NativeContext {
  readonly close?: () => void
}

/** Issues and keeps leaves for hosts. */
export class Leaves {
  readonly #now: () => number
  readonly #kept: LRUCache<string, Leaf>
  readonly #underWay = new Map<string, Promise<SecureContext>>()
  readonly #authority: X509Certificate
  readonly #intermediates: readonly string[]
  readonly #keyPem: string
  readonly #leafKeyPem: string
  readonly #leafPublicKey: Buffer
  #signer: Promise<Signer> | undefined

  constructor({ certPem, keyPem, max = 1000, now = Date.now }: LeavesOptions) {
    const blocks = certPem.match(CERTIFICATE) ?? []
    this.#now = now
    this.#kept = new LRUCache({
      max,
      dispose: (leaf) => {
        free(leaf.context)
      },
    })
    this.#authority = new X509Certificate(blocks[0] ?? certPem)
    this.#intermediates = blocks.filter((block) => !isSelfIssued(new X509Certificate(block)))
    this.#keyPem = keyPem
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    this.#leafKeyPem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
    this.#leafPublicKey = publicKey.export({ type: 'spki', format: 'der' })
  }

  /** How many hosts are kept. */
  get size(): number {
    return this.#kept.size
  }

  /** The context of a host that is kept and not near its end. */
  findContext(host: string): SecureContext | undefined {
    const leaf = this.#kept.get(host)
    return leaf !== undefined && this.#now() < leaf.renewAtMs ? leaf.context : undefined
  }

  /**
   * The context for a host name or IP address (lower case, no brackets): kept, or issued now; equal
   * calls at one time share one. To be used at once, because it is freed when it is pushed out. Rejects
   * when the authority has ended.
   */
  contextFor(host: string): Promise<SecureContext> {
    const kept = this.findContext(host)
    if (kept !== undefined) return Promise.resolve(kept)
    const underWay = this.#underWay.get(host)
    if (underWay !== undefined) return underWay
    const issuing = this.#create(host).finally(() => this.#underWay.delete(host))
    this.#underWay.set(host, issuing)
    return issuing
  }

  async #create(host: string): Promise<SecureContext> {
    const nowMs = this.#now()
    const { chainPem, notAfterMs } = await this.issue(host)
    const context = createSecureContext({
      cert: chainPem,
      key: this.#leafKeyPem,
      minVersion: 'TLSv1.2',
    })
    // At half-life, so that no client meets one that ends under its eyes.
    this.#kept.set(host, { context, renewAtMs: nowMs + (notAfterMs - nowMs) / 2 })
    return context
  }

  /** Issues a leaf for a host without keeping it. */
  async issue(host: string): Promise<IssuedLeaf> {
    const nowMs = this.#now()
    const endMs = Date.parse(this.#authority.validTo)
    if (endMs <= nowMs) throw new RangeError('the certificate of egress.ca has ended')
    const startMs = Date.parse(this.#authority.validFrom)
    const notAfterMs = Math.min(nowMs + LIFE_MS, endMs)
    this.#signer ??= createSigner(this.#authority, this.#keyPem, this.#leafPublicKey)
    const { x509, issuer, key, extensions } = await this.#signer
    const kind = isIP(host) === 0 ? 'dns' : 'ip'
    const certificate = await x509.X509CertificateGenerator.create({
      serialNumber: createSerialNumber(),
      // No common name: it has 64 characters at most, and a host may have 253.
      subject: new x509.Name([{ O: ['Sidegate'] }]),
      issuer,
      notBefore: new Date(Math.max(nowMs - BACKDATED_MS, startMs)),
      notAfter: new Date(notAfterMs),
      publicKey: new x509.PublicKey(this.#leafPublicKey),
      signingKey: key.key,
      signingAlgorithm: key.algorithm,
      extensions: [
        ...extensions,
        new x509.SubjectAlternativeNameExtension([{ type: kind, value: host }]),
      ],
    })
    const chainPem = [certificate.toString('pem'), ...this.#intermediates, ''].join('\n')
    return { chainPem, notAfterMs }
  }
}

/**
 * Tens of kilobytes that the garbage collector knows nothing of: clients choose hosts, and it would
 * come too late. Connections that have begun hold what they need themselves.
 */
function free(context: SecureContext): void {
  // Whoever was given it a moment ago begins within this turn of the loop.
  setImmediate(() => {
    ;(context.context as NativeContext).close?.()
  })
}

/** What is the same for all leaves. */
interface Signer {
  readonly x509: typeof X509
  readonly issuer: X509.Name
  readonly key: SigningKey
  readonly extensions: readonly X509.Extension[]
}

async function createSigner(
  authority: X509Certificate,
  keyPem: string,
  leafPublicKey: Buffer,
): Promise<Signer> {
  const { x509 } = loadX509()
  const parsed = new x509.X509Certificate(authority.raw)
  const known = findKeyIdentifier(parsed, x509.SubjectKeyIdentifierExtension)
  const authorityKey =
    known === undefined
      ? await x509.AuthorityKeyIdentifierExtension.create(parsed.publicKey)
      : new x509.AuthorityKeyIdentifierExtension(known)
  return {
    x509,
    issuer: parsed.subjectName,
    key: await importSigningKey(keyPem),
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      await x509.SubjectKeyIdentifierExtension.create(new x509.PublicKey(leafPublicKey)),
      authorityKey,
    ],
  }
}

function isSelfIssued({ subject, issuer }: X509Certificate): boolean {
  return subject === issuer
}
