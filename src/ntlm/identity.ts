/** Who logs in: names as they go on the wire, and the hash that stands for the password. */
import { createHmac } from 'node:crypto'
import type { Secret } from '../secret.ts'
import { md4 } from './md4.ts'

/** A user as MS-NLMP has it. */
export interface NtlmIdentity {
  readonly user: string
  /** In its own spelling: servers hash it as it is written. */
  readonly domain: string
}

/**
 * Reads `DOMAIN\user`, `user@domain` or a plain user with `domain`. A principal name goes whole, with
 * an empty domain, as Windows does it.
 */
export function readIdentity(username: string, domain: string | undefined): NtlmIdentity {
  const at = username.indexOf('\\')
  if (at !== -1) return { user: username.slice(at + 1), domain: username.slice(0, at) }
  if (username.includes('@')) return { user: username, domain: '' }
  return { user: username, domain: domain ?? '' }
}

/** MD4 of the password in UTF-16LE (MS-NLMP 3.3.2, NTOWFv2): as good as the password itself. */
export function ntHashOf(password: Secret): Buffer {
  const bytes = Buffer.from(password.reveal(), 'utf16le')
  const hash = md4(bytes)
  bytes.fill(0)
  return hash
}

/** The key of an identity (MS-NLMP 3.3.2, NTOWFv2). */
export function responseKey(ntHash: Buffer, { user, domain }: NtlmIdentity): Buffer {
  return createHmac('md5', ntHash)
    .update(`${upperCase(user)}${domain}`, 'utf16le')
    .digest()
}

/**
 * As Windows does it (MS-UCODEREF 3.1.5.3): letter by letter, never to two (`ß`), and never to a letter
 * whose lower case is another one (`ı`, `µ`, `ſ`; of these only `ς` is raised). What Unicode gave capitals
 * after that table was made stays as it is.
 */
export function upperCase(text: string): string {
  let upper = ''
  for (let at = 0; at < text.length; at++) upper += raise(text.charAt(at))
  return upper
}

/** Georgian and Cherokee. */
const LATER_CAPITALS = /[\u10d0-\u10ff\uab70-\uabbf]/

function raise(letter: string): string {
  const raised = letter.toUpperCase()
  if (LATER_CAPITALS.test(letter)) return letter
  // Two letters never become one again.
  return raised.toLowerCase() === letter || letter === 'ς' ? raised : letter
}
