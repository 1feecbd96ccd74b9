/**
 * Which header names and values a configuration may set: tokens, and none that frame the message,
 * belong to the connection, or are ours.
 */
import { foldName, hopByHopNames, isToken } from '../http/headers.ts'

/** What belongs to the connection or to the message itself. */
const TRANSPORT = new Set([...hopByHopNames, 'content-length', 'host', 'expect'])

/** What the gate itself writes or reads on the inbound side. */
const GATE = new Set([
  'forwarded',
  'x-real-ip',
  'x-original-url',
  'x-rewrite-url',
  'x-request-id',
  'traceparent',
  'tracestate',
  'via',
  'origin',
  'sec-fetch-site',
  'content-type',
  'content-encoding',
  'range',
  'accept-encoding',
])

/** Why a header may not be set or read as a credential: `wanted …`; `undefined` if it may. */
export function findCredentialHeaderFault(name: string): string | undefined {
  const folded = foldName(name)
  const fault = findHeaderFault(name)
  if (fault !== undefined) return fault
  if (folded.startsWith('x-authenticated-'))
    return 'wanted another header: X-Authenticated-* tells who was let in'
  if (folded === 'cookie' || folded === 'set-cookie') {
    return 'wanted another header: cookies hold more than the credential'
  }
  if (GATE.has(folded) || folded.startsWith('x-forwarded-')) {
    return 'wanted a header of its own: this one has another meaning'
  }
  return undefined
}

/** Why a header may not be set on a request: `wanted …`; `undefined` if it may. */
export function findHeaderFault(name: string): string | undefined {
  if (!isToken(name)) return "wanted a header name: letters, digits and !#$%&'*+-.^_`|~"
  const folded = foldName(name)
  if (TRANSPORT.has(folded)) {
    return 'wanted another header: this one belongs to the connection or frames the message'
  }
  if (folded.startsWith('x-sidegate-')) return 'wanted another header: X-Sidegate-* is ours'
  return undefined
}

/** Why a header may not carry the identity: `wanted …`; `undefined` if it may. */
export function findIdentityHeaderFault(name: string): string | undefined {
  const fault = findHeaderFault(name)
  if (fault !== undefined) return fault
  const folded = foldName(name)
  if (!/^[A-Za-z0-9-]+$/.test(name)) return 'wanted a header name of letters, digits and "-"'
  const isTaken = GATE.has(folded) || folded.startsWith('x-forwarded-') || folded.endsWith('cookie')
  if (isTaken || folded === 'authorization') {
    return 'wanted a header of its own: this one has another meaning'
  }
  if (/^x-authenticated-(?:definition|type|groups)$/.test(folded)) {
    return 'wanted another header: forward_identity uses this one'
  }
  return undefined
}

/** Why a text may not be the value of a header: `wanted …`; `undefined` if it may. */
export function findHeaderValueFault(value: string): string | undefined {
  for (let i = 0; i < value.length; i++) {
    const unit = value.charCodeAt(i)
    if (unit > 0xff) return 'wanted Latin-1: this character cannot stand in a header'
    if ((unit < 0x20 && unit !== 9) || unit === 0x7f) {
      return 'wanted no control character: a line break at the end, perhaps?'
    }
  }
  if (value !== value.trim()) return 'wanted no blank at the beginning and the end'
  return undefined
}

/** Whether a text holds a control character (C0 or DEL). */
export function hasControl(value: string): boolean {
  for (let i = 0; i < value.length; i++) {
    const unit = value.charCodeAt(i)
    if (unit < 0x20 || unit === 0x7f) return true
  }
  return false
}
