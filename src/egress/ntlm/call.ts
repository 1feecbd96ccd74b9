/**
 * One request to a server that asks for NTLM. On a connection that has shaken hands it goes as it is;
 * on a new one the type 1 message goes first, without a body, and the request follows once with the
 * type 3 message. A refusal ends the connection, and is never tried again by itself.
 */
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { SidegateError } from '../../errors.ts'
import type { RawHeaders } from '../../http/exchange.ts'
import {
  UpstreamCall,
  type ConnectionSource,
  type SentRequest,
  type UpstreamEvents,
  type UpstreamRequest,
} from '../../http/upstream-call.ts'
import type { UpstreamConnection } from '../../http/upstream-connection.ts'
import type { Turn } from './account.ts'
import type { Asker } from './asker.ts'
import { ntlmFailed, type NtlmReason } from './failure.ts'
import { isNtlmChallenge, readOffer, type Offer } from '../../ntlm/offer.ts'

/** From the first wish for a connection to the challenge. */
const HANDSHAKE_MS = 30_000
/** How long a call that nobody waits for waits for the verdict. */
const VERDICT_MS = 5_000
/** More of a challenge's page than this is not read to keep a connection. */
const MAX_PAGE_BYTES = 1024 * 1024
/** A longer body is not kept to be sent again: it goes where the server surely listens. */
const MAX_KEPT_BYTES = 64 * 1024
/** New connections for one request: one that broke between the legs, and one more. */
const MAX_HANDSHAKES = 2

/** What one handshake needs of the engine; it knows the exact bytes of its own first message. */
export interface Handshake {
  /** The type 1 message. */
  start(): Buffer
  /** The type 3 message; throws where the challenge cannot be answered safely. */
  finish(type2: Buffer, socket: Socket | undefined): Buffer
}

export type HandshakeResult = 'success' | 'refused' | 'failed'

/** Whoever has the connections. */
export interface CallHost {
  readonly settings: {
    readonly asker: Asker
    readonly createHandshake: () => Handshake
    readonly onHandshake: (result: HandshakeResult) => void
  }
  /** What the server wants to hear before the token; it is learnt. */
  scheme: 'NTLM' | 'Negotiate'
  /** The target as it goes on the wire. */
  targetOf(request: UpstreamRequest): string
  /** Gives the call a connection now or later, or fails it. */
  enter(call: NtlmCall): void
  /** The call waits no longer. */
  leave(call: NtlmCall): void
  /** Takes back a connection that has shaken hands, and whose request and answer are complete. */
  giveBack(connection: UpstreamConnection): void
  /** Closes a connection for good. */
  discard(connection: UpstreamConnection): void
  /** The server asked anew on a connection that had shaken hands. */
  noteForgotten(): void
  /** The server did not ask on a connection that had shaken hands. */
  noteKnown(): void
}

/**
 * `first` and `second` are the legs; `warm` goes on a connection that has shaken hands; `plain` is an
 * answer to the first leg that is no challenge, and so the answer to the request; an `orphan` has shown
 * the password and nobody waits for it, but what the server thinks of it has to be known.
 */
type Phase = 'waiting' | 'first' | 'second' | 'warm' | 'plain' | 'orphan' | 'over'

export class NtlmCall implements SentRequest, UpstreamEvents, ConnectionSource {
  needsNewConnection: boolean
  readonly #host: CallHost
  readonly #request: UpstreamRequest
  readonly #events: UpstreamEvents
  #phase: Phase = 'waiting'
  #connection: UpstreamConnection | undefined
  #call: UpstreamCall | undefined
  #turn: Turn | undefined
  #handshake: Handshake | undefined
  /** The value of the header of the leg. */
  #authorization = ''
  #handshakeCount = 0
  #offer: Offer | undefined
  #pageBytes = 0
  #isConnectionKept = false
  #hasConnected = false
  #isJudged = false
  #timer: NodeJS.Timeout | undefined

  constructor(host: CallHost, request: UpstreamRequest, events: UpstreamEvents) {
    this.#host = host
    this.#request = request
    this.#events = events
    this.needsNewConnection =
      request.needsNewConnection === true || request.isWebSocket || hasLongBody(request)
  }

  start(): void {
    this.#timer = setTimeout(() => {
      this.refuse(new SidegateError('upstream_timeout', { detail: 'no challenge came in time' }))
    }, HANDSHAKE_MS)
    this.#host.enter(this)
  }

  resume(): void {
    this.#call?.resume()
  }

  abort(): void {
    if (this.#phase === 'over' || this.#phase === 'orphan') return
    if (this.#phase === 'second' && !this.#isJudged) {
      this.#phase = 'orphan'
      this.#timer = setTimeout(() => {
        this.#end()
      }, VERDICT_MS)
      return
    }
    this.#end()
    this.#host.leave(this)
  }

  // What the upstream says

  /** There is none for it. */
  refuse(error: SidegateError): void {
    if (this.#phase === 'over') return
    this.#end()
    this.#host.leave(this)
    this.#events.failed(error)
  }

  /** Sends the request on a connection that has shaken hands. */
  goOn(connection: UpstreamConnection): void {
    this.#phase = 'warm'
    this.#authorization = ''
    this.#send(connection, this.#request)
  }

  /** Begins on a new connection; the turn is given back as soon as the server has judged. */
  shakeHands(connection: UpstreamConnection, turn: Turn): void {
    const handshake = this.#host.settings.createHandshake()
    this.#turn = turn
    this.#handshake = handshake
    this.#handshakeCount += 1
    this.#phase = 'first'
    this.#authorization = this.#render(handshake.start())
    this.#offer = undefined
    this.#pageBytes = 0
    this.#send(connection, { ...this.#request, body: undefined, isWebSocket: false })
  }

  #render(message: Buffer): string {
    return `${this.#host.scheme} ${message.toString('base64')}`
  }

  #send(connection: UpstreamConnection, request: UpstreamRequest): void {
    if (this.#phase !== 'first') clearTimeout(this.#timer)
    this.#connection = connection
    this.#isConnectionKept = false
    this.#hasConnected = false
    this.#call = new UpstreamCall(this, connection, request, this)
    this.#call.start()
  }

  // The source of the call's connections

  targetOf(request: UpstreamRequest): string {
    return this.#host.targetOf(request)
  }

  headersOf({ headers }: UpstreamRequest): RawHeaders {
    const { answerName } = this.#host.settings.asker
    const added = this.#authorization === '' ? [] : [answerName, this.#authorization]
    // Before the server has asked, it sees nothing of a request that it could act upon.
    const base = this.#phase === 'first' && !this.#isWholeRequest ? headOf(headers) : headers
    return [...base, ...added]
  }

  giveBack(): void {
    this.#isConnectionKept = true
  }

  reopen(): undefined {
    return undefined
  }

  /** Whether the first leg is all of the request, so that its answer may be the one. */
  get #isWholeRequest(): boolean {
    return this.#request.body === undefined && !this.#request.isWebSocket
  }

  // What the call tells

  connected(): void {
    this.#hasConnected = true
    if (this.#phase !== 'first' && this.#phase !== 'orphan') this.#events.connected()
  }

  information(status: number, headers: Buffer[]): void {
    if (this.#phase === 'first' || this.#phase === 'orphan') return
    this.#events.information(status, headers)
  }

  answered(status: number, raw: Buffer[]): boolean {
    const { asker } = this.#host.settings
    const isAsked = status === asker.status
    if (this.#phase === 'first') return this.#answeredFirst(status, raw, isAsked)
    if (this.#phase === 'second' || this.#phase === 'orphan') {
      if (isAsked) this.#refused()
      else this.#accepted()
      if (this.#call === undefined) return true
    } else if (isAsked) {
      return this.#askedAnew(status, raw)
    } else {
      this.#host.noteKnown()
    }
    return this.#events.answered(status, this.#withoutChallenges(raw))
  }

  #answeredFirst(status: number, raw: Buffer[], isAsked: boolean): boolean {
    if (isAsked) {
      this.#offer = readOffer(raw, this.#host.settings.asker.challengeName)
      return true
    }
    this.#turn?.given()
    if (!this.#isWholeRequest) {
      const detail = `the server answered ${status} to the first leg and asked for nothing`
      this.#failHandshake('not_asked', detail)
      return true
    }
    clearTimeout(this.#timer)
    this.#phase = 'plain'
    this.#events.connected()
    return this.#events.answered(status, raw)
  }

  #accepted(): void {
    this.#isJudged = true
    this.#turn?.accepted()
    this.#host.settings.onHandshake('success')
    if (this.#phase === 'orphan') this.#end()
  }

  #refused(): void {
    const isAwaited = this.#phase !== 'orphan'
    this.#turn?.refused()
    this.#host.settings.onHandshake('refused')
    this.#end()
    if (!isAwaited) return
    const detail =
      'The server refused the username, the password or the channel binding; nothing is tried again'
    this.#events.failed(ntlmFailed(this.#host.settings.asker, 'refused', detail))
  }

  /** The server has forgotten who this is, or asks with every request. */
  #askedAnew(status: number, raw: Buffer[]): boolean {
    this.#host.noteForgotten()
    if (!this.#isWholeRequest) return this.#events.answered(status, raw)
    this.#again()
    return true
  }

  /** From the beginning, on a new connection. */
  #again(): void {
    this.#dropConnection()
    clearTimeout(this.#timer)
    this.#phase = 'waiting'
    this.needsNewConnection = true
    this.start()
  }

  received(chunk: Buffer): boolean {
    if (this.#phase !== 'first') return this.#events.received(chunk)
    this.#pageBytes += chunk.length
    if (this.#pageBytes > MAX_PAGE_BYTES)
      this.#failHandshake('unanswerable', 'the page of the challenge is too long')
    return true
  }

  ended(trailers: Buffer[]): void {
    if (this.#phase === 'first') {
      // Whether the server keeps the connection shows behind the end of its answer.
      setImmediate(() => {
        this.#challenged()
      })
      return
    }
    const connection = this.#connection
    const isShaken = this.#phase !== 'plain'
    this.#phase = 'over'
    if (connection !== undefined) {
      if (this.#isConnectionKept && isShaken) this.#host.giveBack(connection)
      else this.#host.discard(connection)
    }
    this.#events.ended(trailers)
  }

  /** The first leg is over. */
  #challenged(): void {
    if (this.#phase !== 'first') return
    const { scheme } = this.#host
    const offer = this.#offer
    const token = offer?.tokens[scheme]
    if (token === undefined) {
      this.#unasked(offer)
      return
    }
    const connection = this.#connection
    const isOpen = this.#isConnectionKept && connection?.socket?.destroyed === false
    if (connection === undefined || !isOpen || connection.socket?.readableEnded === true) {
      this.#broken()
      return
    }
    try {
      const answer = this.#handshake?.finish(token, connection.socket)
      if (answer === undefined) return
      this.#authorization = this.#render(answer)
    } catch (error) {
      this.#failHandshake('unanswerable', error instanceof Error ? error.message : String(error))
      return
    }
    this.#phase = 'second'
    this.#isJudged = false
    this.#turn?.shown()
    this.#send(connection, this.#request)
  }

  /** A challenge without a token: another scheme, a server that was not ready yet, or none at all. */
  #unasked(offer: Offer | undefined): void {
    const { scheme } = this.#host
    const other = scheme === 'NTLM' ? 'Negotiate' : 'NTLM'
    const hasOther = offer?.schemes.includes(other.toLowerCase()) === true
    const hasThis = offer?.schemes.includes(scheme.toLowerCase()) === true
    if (this.#handshakeCount < MAX_HANDSHAKES && (hasThis || hasOther)) {
      if (!hasThis) this.#host.scheme = other
      this.#turn?.given()
      this.#again()
      return
    }
    const schemes = offer?.schemes ?? []
    if (hasThis || hasOther) {
      this.#failHandshake('no_challenge', 'the server offers NTLM and gives no challenge', schemes)
      return
    }
    const list = schemes.length === 0 ? 'nothing' : `only ${schemes.join(', ')}`
    const detail = `the server offers ${list}, wanted NTLM or Negotiate`
    this.#failHandshake('not_offered', detail, schemes)
  }

  /** The server closed between the legs. */
  #broken(): void {
    this.#turn?.given()
    if (this.#handshakeCount < MAX_HANDSHAKES) this.#again()
    else this.#failHandshake('closes', 'the server closes the connection between the legs')
  }

  #failHandshake(reason: NtlmReason, detail: string, schemes?: readonly string[]): void {
    this.#host.settings.onHandshake('failed')
    this.#end()
    this.#events.failed(ntlmFailed(this.#host.settings.asker, reason, detail, schemes))
  }

  upgraded(status: number, headers: Buffer[], socket: Duplex): void {
    if (this.#phase === 'second' || this.#phase === 'orphan') this.#accepted()
    if (this.#call === undefined) {
      socket.destroy()
      return
    }
    this.#phase = 'over'
    // The socket is the WebSocket's from now on.
    if (this.#connection !== undefined) this.#host.discard(this.#connection)
    this.#events.upgraded(status, this.#withoutChallenges(headers), socket)
  }

  failed(error: SidegateError, isUnsent = false): void {
    if (this.#phase === 'orphan') {
      this.#end()
      return
    }
    const { body } = this.#request
    const isSafe = isUnsent || (!this.#hasConnected && body === undefined)
    if (this.#phase === 'warm' && isSafe) {
      this.#again()
    } else if (this.#phase === 'second' && !this.#hasConnected && body === undefined) {
      this.#broken()
    } else {
      if (this.#phase !== 'warm') this.#host.settings.onHandshake('failed')
      this.#end()
      this.#events.failed(error)
    }
  }

  #withoutChallenges(raw: Buffer[]): Buffer[] {
    const { challengeName } = this.#host.settings.asker
    return raw.filter((_, at) => {
      const [name, value] = [raw[at - (at % 2)], raw[at - (at % 2) + 1]]
      return !isNtlmChallenge(name, value, challengeName)
    })
  }

  #end(): void {
    clearTimeout(this.#timer)
    this.#phase = 'over'
    this.#turn?.given()
    this.#dropConnection()
  }

  #dropConnection(): void {
    this.#call?.abort()
    this.#call = undefined
    if (this.#connection !== undefined) this.#host.discard(this.#connection)
    this.#connection = undefined
  }
}

/** What the server has to see to ask: `Host`, and who we are. */
function headOf(headers: RawHeaders): string[] {
  const kept: string[] = []
  for (let at = 0; at + 1 < headers.length; at += 2) {
    const name = headers[at] ?? ''
    if (/^(?:host|user-agent|via)$/i.test(name)) kept.push(name, headers[at + 1] ?? '')
  }
  return kept
}

function hasLongBody({ body, headers }: UpstreamRequest): boolean {
  if (body === undefined) return false
  const at = headers.findIndex((name, i) => i % 2 === 0 && name.toLowerCase() === 'content-length')
  return at === -1 || Number(headers[at + 1]) > MAX_KEPT_BYTES
}
