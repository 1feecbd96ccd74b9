/** How instants are written in what is signed. */
import type { TimestampFormat } from './settings.ts'

/** RFC 3339, section 5.6. */
const RFC_3339 = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)$/

/** What a timestamp may look like, as the source of a regular expression. */
export const timestampPatterns = {
  unix: '\\d{1,12}',
  unix_ms: '\\d{1,15}',
  iso8601: '[0-9TtZz:.+-]{20,40}',
} as const satisfies Record<TimestampFormat, string>

/** Writes an instant; `iso8601` to the second, in UTC. */
export function formatTimestamp(atMs: number, format: TimestampFormat): string {
  if (format === 'unix') return String(Math.floor(atMs / 1000))
  if (format === 'unix_ms') return String(Math.floor(atMs))
  return `${new Date(atMs).toISOString().slice(0, 19)}Z`
}

/** Milliseconds since 1970; `undefined` for what is no instant in this format. */
export function parseTimestamp(text: string, format: TimestampFormat): number | undefined {
  if (format === 'iso8601') {
    const atMs = RFC_3339.test(text) ? Date.parse(text) : NaN
    return Number.isNaN(atMs) ? undefined : atMs
  }
  if (!/^\d{1,15}$/.test(text)) return undefined
  const number = Number(text)
  return format === 'unix' ? number * 1000 : number
}
