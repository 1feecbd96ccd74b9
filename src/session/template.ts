/**
 * Fills the templates of a session. What is put in was written by a server or is a password: it
 * may not leave the place that the template gives it, neither in a body nor in a header.
 */
import { parseTemplate } from '../http/template.ts'
import type { Pairs } from './settings.ts'

/** Name → text. */
export type Values = ReadonlyMap<string, string>

/** How values are written where they are put. */
export type Escape = 'json' | 'form' | 'none'

/** What cannot be sent, in our words and without values. */
export class UnfitValue extends Error {}

/** The text with its values; throws `UnfitValue` where one is missing. */
export function renderTemplate(template: string, values: Values, escape: Escape): string {
  let text = ''
  for (const part of parseTemplate(template)) {
    if (part.kind === 'text') text += part.text
    else if (part.kind === 'fault') throw new UnfitValue('a template has a single brace')
    else text += escapeValue(valueOf(part.name, values), escape)
  }
  return text
}

/** How a body of this type is written; `undefined`: of no type. */
export function escapeOf(contentType: string | undefined): Escape {
  const type = (contentType?.split(';', 1)[0] ?? '').trim().toLowerCase()
  if (type === 'application/x-www-form-urlencoded') return 'form'
  return /^[a-z]+\/(?:[a-z0-9.+-]+\+)?json$/.test(type) ? 'json' : 'none'
}

/** Headers with their values; throws `UnfitValue` for what would end one or begin another. */
export function renderHeaders(headers: Pairs, values: Values): Pairs {
  return headers.map(([name, template]) => {
    const value = renderTemplate(template, values, 'none')
    const fault = findHeaderFault(value)
    if (fault !== undefined) throw new UnfitValue(`${fault} would stand in header "${name}"`)
    return [name, value] as const
  })
}

/** Cookies with their values; throws `UnfitValue` for what would end one or begin another. */
export function renderCookies(cookies: Pairs, values: Values): Pairs {
  return cookies.map(([name, template]) => {
    const value = renderTemplate(template, values, 'none')
    const fault = findCookieFault(value)
    if (fault !== undefined) throw new UnfitValue(`${fault} would stand in cookie "${name}"`)
    return [name, value] as const
  })
}

/** Why a text may not be the value of a cookie; quotes and commas are common and harm nobody. */
export function findCookieFault(value: string): string | undefined {
  return value.includes(';') ? 'a semicolon' : findHeaderFault(value)
}

function findHeaderFault(value: string): string | undefined {
  for (let i = 0; i < value.length; i++) {
    const unit = value.charCodeAt(i)
    if (unit > 0xff) return 'a character that is not Latin-1'
    if ((unit < 0x20 && unit !== 9) || unit === 0x7f) return 'a control character'
  }
  return value === value.trim() ? undefined : 'a blank at the beginning or the end'
}

function valueOf(name: string, values: Values): string {
  const value = values.get(name)
  if (value === undefined) throw new UnfitValue(`there is no {${name}}`)
  return value
}

function escapeValue(value: string, escape: Escape): string {
  if (escape === 'json') return JSON.stringify(value).slice(1, -1)
  if (escape === 'form') return new URLSearchParams([['', value]]).toString().slice(1)
  return value
}
