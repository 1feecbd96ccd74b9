/**
 * The log of the process: JSON lines (or text for a terminal), each an event and its fields, none
 * with a secret in it. Written together with the access lines, see `lines.ts`.
 */
import { pino } from 'pino'
import type { Destination } from './destination.ts'
import { cleanFields, cleanText } from './fields.ts'
import type { Fields } from './fields.ts'
import { Lines } from './lines.ts'
import type { LineFormat } from './lines.ts'
import { escapeControls } from './quote.ts'
import type { Redactor } from './redact.ts'
import { formatInstant } from './timestamp.ts'

export type Level = 'trace' | 'debug' | 'info' | 'warn' | 'error'

/** Says what happened: `event` is a constant in snake_case, the rest goes into fields. */
export type LogEvent = (event: string, fields?: Fields) => void

/** What modules log with. */
export type Log = Readonly<Record<Level, LogEvent>>

/** The log with what only its owner does to it. */
export interface ProcessLog extends Log {
  /** Where access lines go too. */
  readonly lines: Lines
  isEnabled(level: Level): boolean
  setLevel(level: Level): void
  /** Resolves when every line is out. */
  flush(): Promise<void>
  /** Writes every line at once; for the `exit` event and for crashes. */
  flushSync(): void
}

export interface LogOptions {
  readonly level: Level
  readonly format: LineFormat
  readonly stream: Destination
  readonly redactor: Redactor
  /** Milliseconds since 1970. */
  readonly nowMs: () => number
}

/** What `log.format` means: `auto` is text on a terminal and JSON elsewhere. */
export function resolveFormat(format: 'auto' | LineFormat, isTty: boolean): LineFormat {
  if (format !== 'auto') return format
  return isTty ? 'text' : 'json'
}

/** Creates the log of the process. */
export function createLog(options: LogOptions): ProcessLog {
  const { redactor, nowMs } = options
  const lines = new Lines(options.stream, options.format, nowMs)
  const logger = pino(
    {
      level: options.level,
      base: null,
      timestamp: () => `,"time":"${formatInstant(nowMs())}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    {
      write(line: string) {
        lines.write(escapeControls(line))
      },
    },
  )

  function at(level: Level): LogEvent {
    return (event, fields) => {
      // Before the fields are cleaned: most lines of debug and trace are never wanted.
      if (!logger.isLevelEnabled(level)) return
      const record: Record<string, unknown> = { event: cleanText(event, redactor) }
      if (fields !== undefined) {
        for (const [key, value] of Object.entries(cleanFields(fields, redactor))) {
          record[isOurs(key) ? `${key}_` : key] = value
        }
      }
      logger[level](record)
    }
  }

  return {
    trace: at('trace'),
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    lines,
    isEnabled: (level) => logger.isLevelEnabled(level),
    setLevel: (level) => {
      logger.level = level
    },
    flush: () => lines.flush(),
    flushSync: () => {
      lines.flushSync()
    },
  }
}

/** A field must not pass for a member of ours, nor give the line the same key twice. */
function isOurs(key: string): boolean {
  return key === 'event' || key === 'time' || key === 'level'
}
