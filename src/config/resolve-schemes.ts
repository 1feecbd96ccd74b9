/**
 * hmac, session and custom from the schema's form to their settings.
 */
import type { HmacPart, HmacSettings } from '../hmac/settings.ts'
import type { SessionCall, SessionSettings } from '../session/settings.ts'
import type { ResolveContext } from './context.ts'
import { hash } from 'node:crypto'
import { foldName } from '../http/headers.ts'
import { checkPlaintext } from './credential-rules.ts'
import { findHeaderValueFault } from './header-rules.ts'
import { resolveHmacKeys } from './resolve-entries.ts'
import type { ParsedDefinition } from './schema.ts'
import type { CustomSettings } from './schemes.ts'
import { findTemplateFault, readTemplateNames } from './templates.ts'
import type { Path } from './tree.ts'

type ParsedOf<T extends ParsedDefinition['type']> = Extract<ParsedDefinition, { type: T }>
type Pairs = readonly (readonly [string, string])[]

/** The settings of an hmac definition. */
export function resolveHmac(
  context: ResolveContext,
  path: Path,
  parsed: ParsedOf<'hmac'>,
): HmacSettings {
  const headers = resolvePairs(context, [...path, 'headers'], parsed.headers)
  const known = ['signature', 'timestamp', 'nonce', 'key_id']
  checkTemplates(context, [...path, 'headers'], headers, known)
  const names = headers.flatMap(([, template]) => readTemplateNames(template))
  const parts = parsed.string_to_sign.map(parsePart)
  // A literal that only the two sides know is a secret too.
  for (const key of ['string_to_sign', 'separator', 'key_id']) context.markReferred([...path, key])
  const signed = new Set(parts.map((part) => part.kind))
  const count = (word: string): number => names.filter((name) => name === word).length
  if (count('signature') !== 1) {
    context.report(
      [...path, 'headers'],
      `found {signature} ${count('signature')} times, wanted it once`,
    )
  }
  for (const word of ['timestamp', 'nonce'] as const) {
    const isSent = count(word) > 0
    if (isSent === signed.has(word)) continue
    const problem = isSent
      ? `{${word}} is sent and not signed, wanted ${word} in string_to_sign`
      : `${word} is signed and not sent, wanted {${word}} in headers`
    context.report([...path, isSent ? 'string_to_sign' : 'headers'], problem)
  }
  checkKeyId(context, path, parsed, count('key_id') > 0)
  const { tolerance } = parsed
  return {
    keys: resolveHmacKeys(context, path, parsed),
    keyEncoding: parsed.key_encoding,
    keyId: parsed.key_id,
    keyHeader: parsed.key_header,
    algorithm: parsed.algorithm,
    stringToSign: parts,
    separator: parsed.separator,
    encoding: parsed.encoding,
    headers,
    timestampFormat: parsed.timestamp_format,
    toleranceMs: tolerance === 'none' ? undefined : tolerance,
    bodyLimitBytes: parsed.body_limit,
  }
}

function checkKeyId(
  context: ResolveContext,
  path: Path,
  parsed: ParsedOf<'hmac'>,
  isInTemplate: boolean,
): void {
  const { key_id: keyId, key_header: keyHeader } = parsed
  if (keyId === undefined && (isInTemplate || keyHeader !== undefined)) {
    context.report(path, 'missing "key_id", which headers or key_header send')
  }
  const fault = keyId === undefined ? undefined : findHeaderValueFault(keyId)
  if (fault !== undefined)
    context.report([...path, 'key_id'], `the key id goes into a header, ${fault}`)
}

function parsePart(text: string): HmacPart {
  if (text.startsWith('"')) return { kind: 'literal', text: text.slice(1, -1) }
  if (text.startsWith('header:')) return { kind: 'header', name: text.slice('header:'.length) }
  return { kind: text as Exclude<HmacPart['kind'], 'header' | 'literal'> }
}

/** Name and value as written; values must be fit for a header. */
export function resolvePairs(
  context: ResolveContext,
  path: Path,
  parsed: Readonly<Record<string, unknown>>,
): Pairs {
  context.markReferred(path)
  return Object.keys(parsed).map((key) => {
    const at = [...path, key]
    const value = context.verbatimAt(at)
    const fault = findHeaderValueFault(value)
    if (fault !== undefined) context.report(at, `goes into a header, ${fault}`)
    return [key, value] as const
  })
}

function checkTemplates(
  context: ResolveContext,
  path: Path,
  pairs: Pairs,
  known: readonly string[],
): void {
  for (const [key, template] of pairs) checkTemplate(context, [...path, key], template, known)
}

function checkTemplate(
  context: ResolveContext,
  path: Path,
  template: string,
  known: readonly string[],
): void {
  const fault = findTemplateFault(template, known)
  if (fault !== undefined) context.report(path, fault)
}

/** The settings of a session definition. */
export function resolveSession(
  context: ResolveContext,
  path: Path,
  parsed: ParsedOf<'session'>,
): SessionSettings {
  const known = ['username', 'password']
  const login = resolveCall(context, [...path, 'login'], parsed.login, known, parsed)
  const extract = Object.entries(parsed.extract)
  known.push(...extract.map(([name]) => name))
  const steps = parsed.steps.map((step, index) => {
    const call = resolveCall(context, [...path, 'steps', index], step, known, parsed)
    const taken = Object.entries(step.extract)
    known.push(...taken.map(([name]) => name))
    return { ...call, extract: taken }
  })
  const headers = resolvePairs(context, [...path, 'apply', 'headers'], parsed.apply.headers)
  const cookies = resolvePairs(context, [...path, 'apply', 'cookies'], parsed.apply.cookies)
  checkTemplates(context, [...path, 'apply', 'headers'], headers, known)
  checkTemplates(context, [...path, 'apply', 'cookies'], cookies, known)
  for (const [name] of headers) {
    if (foldName(name) !== 'cookie') continue
    const problem = 'cookies of the app would be lost, wanted them under apply.cookies'
    context.reportKey([...path, 'apply', 'headers', name], problem)
  }
  if (headers.length + cookies.length === 0) {
    context.report([...path, 'apply'], 'applies nothing, wanted headers or cookies')
  }
  if (parsed.logout !== undefined) {
    checkPlaintext(context, [...path, 'logout', 'url'], parsed.logout.url, parsed.allow_plaintext)
  }
  return {
    username: parsed.username,
    password: context.secretAt([...path, 'password']),
    login,
    extract,
    steps,
    apply: { headers, cookies },
    ttlMs: parsed.ttl,
    expiredWhen: { status: parsed.expired_when.status, location: parsed.expired_when.location },
    logout: parsed.logout,
    timeoutMs: parsed.timeout,
    allowPlaintext: parsed.allow_plaintext,
  }
}

function resolveCall(
  context: ResolveContext,
  path: Path,
  parsed: ParsedOf<'session'>['login'],
  known: readonly string[],
  session: ParsedOf<'session'>,
): SessionCall {
  checkPlaintext(context, [...path, 'url'], parsed.url, session.allow_plaintext)
  const headers = resolvePairs(context, [...path, 'headers'], parsed.headers)
  checkTemplates(context, [...path, 'headers'], headers, known)
  context.markReferred([...path, 'body'])
  if (parsed.body !== undefined) checkTemplate(context, [...path, 'body'], parsed.body, known)
  return {
    method: parsed.method,
    url: parsed.url,
    headers,
    body: parsed.body,
    success: parsed.success,
  }
}

/** The settings of a custom definition. */
export function resolveCustom(
  context: ResolveContext,
  path: Path,
  parsed: ParsedOf<'custom'>,
): CustomSettings {
  const at = [...path, 'module']
  const file = context.fileAt(at, parsed.module)
  const content = context.readFileAt(at, parsed.module)
  context.markReferred([...path, 'options'])
  return {
    module: file.absolutePath,
    moduleDigest: hash('sha256', content?.text ?? ''),
    options: parsed.options,
    secrets: Object.keys(parsed.secrets).map(
      (name) => [name, context.secretAt([...path, 'secrets', name])] as const,
    ),
    timeoutMs: parsed.timeout,
    memoryBytes: parsed.memory,
    body: parsed.body,
    bodyLimitBytes: parsed.body_limit,
    headers: parsed.headers,
  }
}
