/**
 * Judges the answer of a token server (RFC 6749 5.1 and 5.2). It is hostile input: what it brings
 * becomes a header, so that only the grammar of tokens passes, and of its errors only a word.
 */
import type { RawHeaders } from '../http/exchange.ts'

/** An answer that has come in whole. */
export interface ReceivedAnswer {
  readonly status: number
  readonly headers: RawHeaders
  readonly body: Buffer
}

export type TokenAnswer =
  | {
      readonly kind: 'token'
      readonly accessToken: string
      /** `undefined` where it says nothing; 0 for zero, negative and nonsense. */
      readonly lifeMs: number | undefined
      /** Without `token_type`, which RFC 6749 wants. */
      readonly isTypeMissing: boolean
      /** What was granted, where it says so. */
      readonly scopes: readonly string[] | undefined
    }
  /** `error` only if it is a code by its grammar. */
  | { readonly kind: 'refused'; readonly error: string | undefined }
  /** `problem` is in our words. */
  | { readonly kind: 'malformed'; readonly problem: string }

type Members = ReadonlyMap<string, unknown>

const MAX_TOKEN_LENGTH = 64 * 1024
/** RFC 6750 2.1: b64token. */
const TOKEN = /^[A-Za-z0-9\-._~+/]+=*$/
/** What the codes of RFC 6749 5.2 look like; whatever else fits its grammar could quote a secret. */
const ERROR_CODE = /^[a-z][a-z_]{0,63}$/
const NUMBER = /^[+-]?\d{1,20}(?:\.\d{1,20})?$/

/**
 * What an answer means. A 201 is taken like a 200: servers that treat a token as something created
 * answer so, with the same body.
 */
export function parseTokenAnswer(answer: ReceivedAnswer): TokenAnswer {
  const members = readMembers(answer)
  const isSuccess = answer.status === 200 || answer.status === 201
  if (typeof members === 'string') {
    return isSuccess
      ? { kind: 'malformed', problem: members }
      : { kind: 'refused', error: undefined }
  }
  const error = members.get('error') ?? undefined
  if (!isSuccess || error !== undefined) return { kind: 'refused', error: findErrorCode(error) }
  return judgeToken(members)
}

function judgeToken(members: Members): TokenAnswer {
  const type = members.get('token_type') ?? undefined
  if (type !== undefined && (typeof type !== 'string' || type.toLowerCase() !== 'bearer')) {
    return malformed('token_type is not Bearer')
  }
  const accessToken = members.get('access_token')
  if (typeof accessToken !== 'string') return malformed('no access_token in it')
  if (accessToken.length > MAX_TOKEN_LENGTH) return malformed('access_token is over 64 KiB long')
  if (!TOKEN.test(accessToken)) return malformed('access_token is no token (RFC 6750 2.1)')
  const scope = members.get('scope')
  return {
    kind: 'token',
    accessToken,
    lifeMs: readLife(members.get('expires_in') ?? undefined),
    isTypeMissing: type === undefined,
    scopes: typeof scope === 'string' ? scope.split(' ') : undefined,
  }
}

function malformed(problem: string): TokenAnswer {
  return { kind: 'malformed', problem }
}

/** Seconds as a number or in a string. */
function readLife(value: unknown): number | undefined {
  if (value === undefined) return undefined
  const isText = typeof value === 'string' && NUMBER.test(value)
  const seconds = isText || typeof value === 'number' ? Number(value) : 0
  return Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : 0
}

function findErrorCode(error: unknown): string | undefined {
  return typeof error === 'string' && ERROR_CODE.test(error) ? error : undefined
}

/** The members of the body, or what is wrong with it. */
function readMembers({ headers, body }: ReceivedAnswer): Members | string {
  const encodings = valuesOf(headers, 'content-encoding')
  if (encodings.some((value) => value.toLowerCase() !== 'identity')) {
    return 'the body is compressed, which was not asked for'
  }
  const types = valuesOf(headers, 'content-type')
  const format = types.length === 1 ? formatOf(types[0] ?? '') : undefined
  if (format === undefined) return 'the body is neither JSON nor a form by its content type'
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(body)
  } catch {
    return 'the body is not UTF-8'
  }
  return format === 'json' ? readJson(text) : readForm(text)
}

function formatOf(contentType: string): 'json' | 'form' | undefined {
  const type = (contentType.split(';', 1)[0] ?? '').trim().toLowerCase()
  if (type === 'application/x-www-form-urlencoded') return 'form'
  return /^(?:application|text)\/(?:[a-z0-9.-]+\+)?json$/.test(type) ? 'json' : undefined
}

function readJson(text: string): Members | string {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return 'the body is not JSON'
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return 'the body is not a JSON object'
  }
  return new Map(Object.entries(value))
}

/** RFC 6749 5.1 by way of its section 3.1: no parameter stands twice. */
function readForm(text: string): Members | string {
  const members = new Map<string, string>()
  for (const [name, value] of new URLSearchParams(text)) {
    if (members.has(name)) return 'the body has a field twice'
    members.set(name, value)
  }
  return members
}

/** The values of a header; `name` in lower case. */
export function valuesOf(headers: RawHeaders, name: string): readonly string[] {
  return headers.filter((_, i) => i % 2 === 1 && headers[i - 1]?.toLowerCase() === name)
}
