/** The requests of a session as they go on the wire: a call with its values, and the log-out. */
import type { SmallRequest } from './exchange.ts'
import type { Applied } from './session.ts'
import type { Pairs, SessionCall } from './settings.ts'
import { escapeOf, renderHeaders, renderTemplate, type Values } from './template.ts'

/** A login or a step; throws `UnfitValue` for what cannot be sent. */
export function createCall(call: SessionCall, values: Values): SmallRequest {
  const headers = renderHeaders(call.headers, values)
  const escape = escapeOf(findHeader(headers, 'content-type'))
  const body = call.body === undefined ? undefined : renderTemplate(call.body, values, escape)
  return frame(call.method, call.url, headers, body)
}

/** Logs out the session that these headers and cookies carry. */
export function createLogout(
  { method, url }: { readonly method: string; readonly url: string },
  { headers, cookies }: Applied,
): SmallRequest {
  const pairs = cookies.map(([name, value]) => `${name}=${value}`)
  const all: Pairs = pairs.length === 0 ? headers : [...headers, ['Cookie', pairs.join('; ')]]
  return frame(method, url, all, undefined)
}

function frame(
  method: string,
  text: string,
  own: Pairs,
  bodyText: string | undefined,
): SmallRequest {
  const url = new URL(text)
  const body = bodyText === undefined ? undefined : Buffer.from(bodyText)
  const headers = ['Host', url.host, ...own.flat()]
  if (findHeader(own, 'accept') === undefined) headers.push('Accept', '*/*')
  if (findHeader(own, 'user-agent') === undefined) headers.push('User-Agent', 'sidegate')
  // Without a body undici says so itself, for the methods of which servers want to know.
  if (body !== undefined) headers.push('Content-Length', String(body.length))
  // A POST is not sent again on its own: one that meets a kept connection just as the server closes
  // it would be lost. There are few enough of these for a connection each.
  headers.push('Connection', 'close')
  return { method, path: `${url.pathname}${url.search}`, headers, body }
}

function findHeader(headers: Pairs, name: string): string | undefined {
  return headers.find((pair) => pair[0].toLowerCase() === name)?.[1]
}
