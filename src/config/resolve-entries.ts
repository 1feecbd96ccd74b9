/**
 * Passwords and keys of a definition: one said directly, or several in a list, each with label and life.
 */
import { createHash } from 'node:crypto'
import type { KeyEntry, PasswordEntry } from '../credentials/entries.ts'
import type { HmacKey } from '../hmac/settings.ts'
import { parsePasswordHash } from '../credentials/hash.ts'
import type { ResolveContext } from './context.ts'
import { findHeaderValueFault, hasControl } from './header-rules.ts'
import type { Path } from './tree.ts'

/** Label and life as parsed. */
interface ParsedLife {
  readonly label?: string | undefined
  readonly not_before?: number | undefined
  readonly not_after?: number | undefined
}

interface ParsedPassword extends ParsedLife {
  readonly password?: string | undefined
  readonly password_hash?: string | undefined
}

interface ParsedKey extends ParsedLife {
  readonly key?: string | undefined
  readonly key_hash?: string | undefined
}

interface Life {
  readonly label: string
  readonly notBeforeMs: number | undefined
  readonly notAfterMs: number | undefined
}

/** The passwords of a basic_auth definition. */
export function resolvePasswords(
  context: ResolveContext,
  path: Path,
  parsed: ParsedPassword & { readonly passwords?: readonly ParsedPassword[] | undefined },
): readonly PasswordEntry[] {
  const places = findEntries(context, path, parsed, parsed.passwords, 'passwords')
  return places.flatMap(({ path: at, entry, life }) => {
    const isHash = chooseOne(context, at, entry, 'password', 'password_hash')
    if (isHash === undefined) return []
    return [isHash ? readHash(entry.password_hash ?? '', life) : readPassword(context, at, life)]
  })
}

function readHash(text: string, life: Life): PasswordEntry {
  return { ...life, source: 'hash', password: undefined, hash: parsePasswordHash(text) }
}

function readPassword(context: ResolveContext, path: Path, life: Life): PasswordEntry {
  const at = [...path, 'password']
  const password = context.secretAt(at)
  if (hasControl(password.reveal())) {
    context.report(at, 'a control character in the password: a line break at its end, perhaps?')
  }
  return { ...life, source: password.source, password, hash: undefined }
}

/** The keys of an api_key definition. */
export function resolveKeys(
  context: ResolveContext,
  path: Path,
  parsed: ParsedKey & { readonly keys?: readonly ParsedKey[] | undefined },
): readonly KeyEntry[] {
  const places = findEntries(context, path, parsed, parsed.keys, 'keys')
  return places.flatMap(({ path: at, entry, life }) => {
    const isHash = chooseOne(context, at, entry, 'key', 'key_hash')
    if (isHash === undefined) return []
    if (isHash) {
      const digest = Buffer.from((entry.key_hash ?? '').slice('sha256:'.length), 'hex')
      return [{ ...life, source: 'hash', key: undefined, digest }]
    }
    return [readKey(context, [...at, 'key'], life)]
  })
}

function readKey(context: ResolveContext, path: Path, life: Life): KeyEntry {
  const key = context.secretAt(path)
  const fault = findHeaderValueFault(key.reveal())
  if (fault !== undefined) context.report(path, `the key goes into a header, ${fault}`)
  // As it stands on the wire: one char is one byte.
  const digest = createHash('sha256').update(key.reveal(), 'latin1').digest()
  return { ...life, source: key.source, key, digest }
}

/** The keys of an hmac definition. */
export function resolveHmacKeys(
  context: ResolveContext,
  path: Path,
  parsed: ParsedLife & {
    readonly key?: string | undefined
    readonly keys?: readonly (ParsedLife & { readonly key: string })[] | undefined
    readonly key_encoding: 'utf8' | 'hex' | 'base64'
  },
): readonly HmacKey[] {
  const own: ParsedKey = parsed
  return findEntries(context, path, own, parsed.keys, 'keys').flatMap(({ path: at, life }) => {
    const keyPath = [...at, 'key']
    if (!context.has(keyPath)) {
      context.report(at, 'without a key, wanted key or keys')
      return []
    }
    const key = context.secretAt(keyPath)
    if (!isEncoded(key.reveal(), parsed.key_encoding)) {
      context.report(keyPath, `the key is not ${parsed.key_encoding}, as key_encoding says`)
    }
    return [{ ...life, source: key.source, key }]
  })
}

function isEncoded(text: string, encoding: 'utf8' | 'hex' | 'base64'): boolean {
  if (encoding === 'hex') return /^(?:[0-9A-Fa-f]{2})+$/.test(text)
  if (encoding === 'base64') return /^[A-Za-z0-9+/]+={0,2}$/.test(text) && text.length % 4 === 0
  return true
}

interface EntryPlace<E> {
  readonly path: Path
  readonly entry: E
  readonly life: Life
}

/** The entry said on the definition itself, or those of its list; both together are an error. */
function findEntries<E extends ParsedLife>(
  context: ResolveContext,
  path: Path,
  own: E,
  several: readonly E[] | undefined,
  listKey: 'passwords' | 'keys',
): readonly EntryPlace<E>[] {
  if (several === undefined) {
    return [
      { path, entry: own, life: { label: '', notBeforeMs: undefined, notAfterMs: undefined } },
    ]
  }
  const single = ['password', 'password_hash', 'key', 'key_hash'].find(
    (key) => (own as Record<string, unknown>)[key] !== undefined,
  )
  if (single !== undefined) {
    context.reportKey([...path, single], `found both ${single} and ${listKey}, wanted one of them`)
  }
  const labels = new Set<string>()
  return several.map((entry, index) => {
    const at = [...path, listKey, index]
    const label = entry.label ?? (several.length === 1 ? '' : String(index + 1))
    if (labels.has(label)) {
      context.report(
        entry.label === undefined ? at : [...at, 'label'],
        `the label "${label}" stands twice, wanted one of its own for each entry`,
      )
    }
    labels.add(label)
    const { not_before: notBeforeMs, not_after: notAfterMs } = entry
    if (notBeforeMs !== undefined && notAfterMs !== undefined && notBeforeMs >= notAfterMs) {
      context.report([...at, 'not_after'], 'not later than not_before, so that it is never valid')
    }
    return { path: at, entry, life: { label, notBeforeMs, notAfterMs } }
  })
}

/** Whether the entry has the hash; `undefined` where it has both or none, which is reported. */
function chooseOne<K extends string, H extends string>(
  context: ResolveContext,
  path: Path,
  entry: Partial<Record<K | H, unknown>>,
  plain: K,
  hash: H,
): boolean | undefined {
  const hasPlain = entry[plain] !== undefined
  const hasHash = entry[hash] !== undefined
  if (hasPlain !== hasHash) return hasHash
  const places = path.length === 2 ? `, ${hash} or ${plain}s` : ` or ${hash}`
  if (hasPlain)
    context.reportKey([...path, hash], `found both ${plain} and ${hash}, wanted one of them`)
  else context.report(path, `missing its secret, wanted ${plain}${places}`)
  return undefined
}
