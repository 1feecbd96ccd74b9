/**
 * Whether the gate that runs on this machine holds a credential. Another try would bring the account
 * nearer to being locked, so that it is asked first; where none answers, nothing is held.
 */
import { request } from 'node:http'
import type { Config, Listen } from '../../config/model.ts'

const TIMEOUT_MS = 1000
const MAX_STATUS_BYTES = 16 * 1024 * 1024

/** What `/status` says of a definition that is held. */
export interface Held {
  readonly definition: string
  readonly refusals: number
  /** RFC 3339; `null` where no time ends it. */
  readonly until: string | null
}

/** The first of these definitions that is held; `undefined` where none is. */
export async function findHeld(
  { admin }: Config,
  definitions: readonly string[],
): Promise<Held | undefined> {
  if (admin === undefined || definitions.length === 0) return undefined
  const text = await readStatus(admin.listen)
  return readHeld(text).find(({ definition }) => definitions.includes(definition))
}

function readHeld(text: string): Held[] {
  try {
    const { held } = JSON.parse(text) as { readonly held?: unknown }
    return Array.isArray(held) ? held.filter(isHeld) : []
  } catch {
    return []
  }
}

function isHeld(value: unknown): value is Held {
  if (typeof value !== 'object' || value === null) return false
  const { definition, refusals, until } = value as Record<string, unknown>
  const isTime = until === null || (typeof until === 'string' && !Number.isNaN(Date.parse(until)))
  return typeof definition === 'string' && typeof refusals === 'number' && isTime
}

function readStatus(listen: Listen): Promise<string> {
  return new Promise((resolve) => {
    const none = (): void => {
      resolve('')
    }
    if (listen.kind === 'tcp' && listen.port === 0) {
      none()
      return
    }
    const call = request(
      { ...placeOf(listen), path: '/status', agent: false, timeout: TIMEOUT_MS },
      (answer) => {
        let text = ''
        answer.setEncoding('utf8')
        answer.on('data', (chunk: string) => {
          text += chunk
          if (text.length > MAX_STATUS_BYTES) call.destroy()
        })
        answer.on('end', () => {
          resolve(text)
        })
        answer.on('error', none)
      },
    )
    call.on('timeout', () => call.destroy())
    call.on('error', none)
    call.on('close', none)
    call.end()
  })
}

/** Listeners on every address are asked on loopback. */
function placeOf(listen: Listen) {
  if (listen.kind === 'unix') return { socketPath: listen.path }
  const { host, port } = listen
  return { host: host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host, port }
}
