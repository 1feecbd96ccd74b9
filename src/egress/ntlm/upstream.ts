/**
 * The connections to one upstream that asks for NTLM, for one account and one client: a server takes
 * every request on a connection for that user's, so that a connection is never anybody else's. There
 * are few of them, each shakes hands once, and who finds none waits in a line.
 */
import { SidegateError } from '../../errors.ts'
import {
  absoluteTarget,
  type RequestSender,
  type SentRequest,
  type UpstreamEvents,
  type UpstreamRequest,
} from '../../http/upstream-call.ts'
import { UpstreamConnection, type UpstreamOptions } from '../../http/upstream-connection.ts'
import type { NtlmAccount, Turn } from './account.ts'
import type { Asker } from './asker.ts'
import { NtlmCall, type CallHost, type Handshake, type HandshakeResult } from './call.ts'

/** Connections to one upstream for one account and client. */
const MAX_CONNECTIONS = 32
const MAX_WAITING = 1024
/** A server that asks anew on kept connections this often asks on every request. */
const ASKS_ALWAYS = 3

export interface NtlmUpstreamSettings {
  /** `scheme://host:port`. */
  readonly origin: string
  readonly options: UpstreamOptions
  readonly account: NtlmAccount
  readonly asker: Asker
  readonly createHandshake: () => Handshake
  readonly onHandshake: (result: HandshakeResult) => void
}

export class NtlmUpstream implements RequestSender, CallHost {
  readonly settings: NtlmUpstreamSettings
  scheme: 'NTLM' | 'Negotiate' = 'NTLM'
  /** The one used last is on top: its socket is the least likely to be stale. */
  #free: UpstreamConnection[] = []
  readonly #waiting = new Set<NtlmCall>()
  #openCount = 0
  #hasWish = false
  #forgottenCount = 0
  #isClosed = false

  constructor(settings: NtlmUpstreamSettings) {
    this.settings = settings
  }

  prepare(request: UpstreamRequest, events: UpstreamEvents): SentRequest {
    return new NtlmCall(this, request, events)
  }

  /** Lets free connections go; those in use end with their request. */
  close(): void {
    this.#isClosed = true
    for (const connection of this.#free.splice(0)) this.discard(connection)
  }

  enter(call: NtlmCall): void {
    const error = this.settings.account.heldError
    if (error !== undefined) {
      call.refuse(error)
      return
    }
    const free = call.needsNewConnection ? undefined : this.#take()
    if (free !== undefined) {
      call.goOn(free)
    } else if (this.#waiting.size >= MAX_WAITING) {
      const detail = `${MAX_WAITING} requests wait for a connection already`
      call.refuse(new SidegateError('overloaded', { detail, retryAfterS: 1 }))
    } else {
      this.#waiting.add(call)
      this.#wishForTurn()
    }
  }

  leave(call: NtlmCall): void {
    this.#waiting.delete(call)
  }

  targetOf(request: UpstreamRequest): string {
    const { asker } = this.settings
    return asker.status === 407 ? absoluteTarget(request) : request.path
  }

  giveBack(connection: UpstreamConnection): void {
    const { account } = this.settings
    if (this.#isClosed || this.#asksAlways || account.hold !== undefined) {
      this.discard(connection)
      return
    }
    for (const call of this.#waiting) {
      if (call.needsNewConnection) continue
      this.#waiting.delete(call)
      call.goOn(connection)
      return
    }
    connection.isFree = true
    this.#free.push(connection)
  }

  discard(connection: UpstreamConnection): void {
    connection.isFree = false
    connection.destroy()
    this.#openCount -= 1
    this.#wishForTurn()
  }

  noteForgotten(): void {
    this.#forgottenCount += 1
  }

  noteKnown(): void {
    if (!this.#asksAlways) this.#forgottenCount = 0
  }

  get #asksAlways(): boolean {
    return this.#forgottenCount >= ASKS_ALWAYS
  }

  #take(): UpstreamConnection | undefined {
    for (let found = this.#free.pop(); found !== undefined; found = this.#free.pop()) {
      found.isFree = false
      if (found.socket?.destroyed === false) return found
      this.discard(found)
    }
    return undefined
  }

  #wishForTurn(): void {
    if (this.#hasWish || this.#waiting.size === 0) return
    if (this.#openCount >= MAX_CONNECTIONS && this.#free.length === 0) return
    this.#hasWish = true
    this.settings.account.wish(this.#onTurn)
  }

  readonly #onTurn = (turn: Turn): void => {
    this.#hasWish = false
    const error = this.settings.account.heldError
    if (error !== undefined) {
      turn.given()
      this.#failAll(error)
      return
    }
    const [call] = this.#waiting
    if (call === undefined || (this.#openCount >= MAX_CONNECTIONS && !this.#makeRoom())) {
      turn.given()
      return
    }
    this.#waiting.delete(call)
    call.shakeHands(this.#open(), turn)
    this.#wishForTurn()
  }

  /** The free connection that was not used for the longest time gives way. */
  #makeRoom(): boolean {
    const oldest = this.#free.shift()
    if (oldest === undefined) return false
    oldest.isFree = false
    oldest.destroy()
    this.#openCount -= 1
    return true
  }

  #open(): UpstreamConnection {
    const { origin, options } = this.settings
    this.#openCount += 1
    const connection = new UpstreamConnection(origin, options, () => {
      const at = this.#free.indexOf(connection)
      if (at === -1) return
      this.#free.splice(at, 1)
      this.#openCount -= 1
      this.#wishForTurn()
    })
    connection.isPinned = true
    return connection
  }

  #failAll(error: SidegateError): void {
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const call of waiting) call.refuse(error)
  }
}
