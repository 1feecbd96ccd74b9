/**
 * The access log: one line a request. Written by hand, since it is the only line on the request
 * path. What came from the client is redacted and quoted; what came from the configuration or was
 * counted is quoted alone.
 */
import type { Code } from '../errors.ts'
import type { ProcessLog } from './log.ts'
import { quote } from './quote.ts'
import type { Redactor } from './redact.ts'
import { formatInstant } from './timestamp.ts'

/** A longer path, method or Host is cut; all of a header block in every line would help a flooder. */
const maxLength = 2048

/** One request; what is not known is left out of the line. */
export interface AccessRecord {
  readonly side: 'inbound' | 'egress'
  readonly requestId: string
  readonly traceId?: string | undefined
  readonly generation: number
  readonly channel?: string | undefined
  readonly outgoing?: string | undefined
  readonly mode?: string | undefined
  /** The definition that was verified (inbound) or added (egress), and which of its secrets. */
  readonly definition?: string | undefined
  readonly label?: string | undefined
  /** The identity, only where it was verified. */
  readonly user?: string | undefined
  readonly method: string
  readonly host?: string | undefined
  /** A query in it is cut off. */
  readonly path?: string | undefined
  /** `undefined` where the client was gone before it could be answered. */
  readonly status?: number | undefined
  /** Of an answer of ours. */
  readonly code?: Code | undefined
  readonly bytesIn: number
  readonly bytesOut: number
  readonly durationMs: number
  readonly upstreamMs?: number | undefined
  /** The rightmost untrusted address. */
  readonly remote?: string | undefined
}

/** `refused` writes the requests only that we answered with a code of ours. */
export type AccessMode = boolean | 'refused'

export interface AccessLog {
  setMode(mode: AccessMode): void
  /** Whether such a request gets a line; ask it to save building the record. */
  isWanted(code: Code | undefined, isChannelLogged: boolean): boolean
  /** Writes a line if one is wanted; `isChannelLogged` is `access_log` of the channel. */
  write(record: AccessRecord, isChannelLogged?: boolean): void
}

export interface AccessLogOptions {
  /** Access lines have the level info and share the order of this log. */
  readonly log: Pick<ProcessLog, 'lines' | 'isEnabled'>
  readonly redactor: Redactor
  readonly mode: AccessMode
  /** Milliseconds since 1970. */
  readonly nowMs: () => number
}

/** Creates the access log beside the log of the process. */
export function createAccessLog({ log, redactor, mode, nowMs }: AccessLogOptions): AccessLog {
  let current = mode

  function isWanted(code: Code | undefined, isChannelLogged: boolean): boolean {
    if (!isChannelLogged || current === false || !log.isEnabled('info')) return false
    return current === true || code !== undefined
  }

  return {
    setMode(mode) {
      current = mode
    },
    isWanted,
    write(record, isChannelLogged = true) {
      if (!isWanted(record.code, isChannelLogged)) return
      log.lines.write(formatAccess(record, nowMs(), redactor))
    },
  }
}

/** One line of JSON. Names in it are ours, so only values are quoted. */
function formatAccess(record: AccessRecord, nowMs: number, redactor: Redactor): string {
  const { traceId, channel, outgoing, mode, definition, label, user, host, path } = record
  const { status, code, upstreamMs, remote } = record
  let line = `{"level":"info","time":"${formatInstant(nowMs)}","event":"access","side":"${record.side}"`
  line += `,"request_id":${foreign(record.requestId, redactor)}`
  if (traceId !== undefined) line += `,"trace_id":${foreign(traceId, redactor)}`
  line += `,"generation":${record.generation}`
  if (channel !== undefined) line += `,"channel":${quote(channel)}`
  if (outgoing !== undefined) line += `,"outgoing":${quote(outgoing)}`
  if (mode !== undefined) line += `,"mode":${quote(mode)}`
  if (definition !== undefined) line += `,"definition":${quote(definition)}`
  if (label !== undefined && label !== '') line += `,"label":${quote(label)}`
  if (user !== undefined) line += `,"user":${foreign(user, redactor)}`
  line += `,"method":${foreign(record.method, redactor)}`
  if (host !== undefined) line += `,"host":${foreign(withoutUserinfo(host), redactor)}`
  if (path !== undefined) line += `,"path":${foreign(withoutQuery(path), redactor)}`
  if (status !== undefined) line += `,"status":${status}`
  if (code !== undefined) line += `,"code":"${code}"`
  line += `,"bytes_in":${record.bytesIn},"bytes_out":${record.bytesOut}`
  line += `,"duration_ms":${rounded(record.durationMs)}`
  if (upstreamMs !== undefined) line += `,"upstream_ms":${rounded(upstreamMs)}`
  if (remote !== undefined) line += `,"remote":${foreign(remote, redactor)}`
  return `${line}}\n`
}

/** A text that a client had a hand in. */
function foreign(text: string, redactor: Redactor): string {
  // Redacted before it is cut, or half a secret could stay.
  const clean = redactor.redact(text)
  return quote(clean.length > maxLength ? `${clean.slice(0, maxLength)}…` : clean)
}

/** Microseconds are enough, and 17 digits are noise. */
function rounded(ms: number): number {
  return Math.round(ms * 1000) / 1000
}

/** Refused targets come as they are, and a fragment is as private as a query. */
function withoutQuery(path: string): string {
  const query = path.indexOf('?')
  const fragment = path.indexOf('#')
  if (query === -1 && fragment === -1) return path
  return path.slice(
    0,
    query === -1 ? fragment : fragment === -1 ? query : Math.min(query, fragment),
  )
}

/** Hosts of refused requests may hold `user:password@`. */
function withoutUserinfo(host: string): string {
  const at = host.lastIndexOf('@')
  return at === -1 ? host : `[redacted]${host.slice(at)}`
}
