/**
 * Verifies an API key: looked up by a keyed digest of its SHA-256, so that neither the number of keys nor
 * how close a guess came shows in the time it takes. Never waits.
 */
import { hash } from 'node:crypto'
import { isLive } from '../../credentials/entries.ts'
import type { KeyEntry } from '../../credentials/entries.ts'
import type { KeyTable } from '../../credentials/key-table.ts'
import type { ChannelAccess, KeyOwner } from '../credential-index.ts'
import type { Verdict } from '../principal.ts'
import { judge, MALFORMED, UNKNOWN } from '../verdict.ts'
import type { Verification } from '../verdict.ts'

/** Verifies the whole value (Latin-1, as on the wire) of the header `slot` as a key. */
export function verifyApiKey(
  verification: Verification,
  channel: ChannelAccess,
  slot: string,
  keys: KeyTable<KeyOwner>,
  value: string,
): Verdict {
  if (value === '') return MALFORMED
  const digest = hash('sha256', Buffer.from(value, 'latin1'), 'buffer')
  const owner = keys.find(verification.index.digestKey(digest))
  if (owner === undefined) return UNKNOWN
  const nowMs = verification.nowMs()
  const entry = findEntry(owner, digest, nowMs)
  // Cannot be: the table holds keys of its owners only.
  if (entry === undefined) return UNKNOWN
  const match = { indexed: owner, label: entry.label, isLive: isLive(entry, nowMs) }
  return judge(verification, channel, slot, match)
}

/** The entry with this key; a live one where the key is there twice. */
function findEntry(owner: KeyOwner, digest: Buffer, nowMs: number): KeyEntry | undefined {
  let found: KeyEntry | undefined
  for (const entry of owner.definition.keys) {
    if (!entry.digest.equals(digest)) continue
    if (isLive(entry, nowMs)) return entry
    found = entry
  }
  return found
}
