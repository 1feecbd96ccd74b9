/**
 * Lines of the log for people: one readable line made of one line of JSON. Nothing here is fast, a
 * terminal is not where a gate under load writes to.
 */
import { escapeControls, quote } from './quote.ts'

/** Those that stand at the front of an access line, or are said there. */
const spoken = new Set([
  'time',
  'level',
  'event',
  'side',
  'method',
  'host',
  'path',
  'status',
  'duration_ms',
])

/** `20:16:00.123 INFO  event key=value …` of a line of JSON; line breaks included. */
export function formatLine(json: string): string {
  const record = JSON.parse(json) as Record<string, unknown>
  const time = plain(record['time']).slice(11, 23)
  const level = plain(record['level']).toUpperCase().padEnd(5)
  let line = `${time} ${level} ${plain(record['event'])}`
  const isAccess = record['event'] === 'access'
  if (isAccess) line += formatAccess(record)
  for (const [key, value] of Object.entries(record)) {
    if (isAccess ? spoken.has(key) : key === 'time' || key === 'level' || key === 'event') continue
    line += ` ${plain(key)}=${plain(value)}`
  }
  return `${line}\n`
}

/** ` inbound GET host/path 200 1.2ms` */
function formatAccess(record: Record<string, unknown>): string {
  let text = ''
  for (const key of ['side', 'method'])
    if (record[key] !== undefined) text += ` ${plain(record[key])}`
  const where = `${asText(record['host'])}${asText(record['path'])}`
  if (where !== '') text += ` ${plain(where)}`
  if (record['status'] !== undefined) text += ` ${plain(record['status'])}`
  if (record['duration_ms'] !== undefined) text += ` ${plain(record['duration_ms'])}ms`
  return text
}

function asText(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

/** A value without quotes where none are needed; nothing in it can start a line or a colour. */
function plain(value: unknown): string {
  if (typeof value !== 'string') return escapeControls(JSON.stringify(value))
  return /^[\x21\x23-\x3c\x3e-\x5b\x5d-\x7e]+$/.test(value) ? value : quote(value)
}
