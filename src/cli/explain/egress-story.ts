/**
 * Tells the story of a call that nobody made, with the very functions that serve real ones, in the
 * order of egress/handler.ts and egress/connect.ts. A test compares it with what `serve` does.
 */
import type { OutgoingConfig } from '../../config/model.ts'
import { checkDestination } from '../../egress/destination-lookup.ts'
import type { Destination } from '../../egress/destination.ts'
import { NO_RULES, forwardHeaders } from '../../egress/forward-headers.ts'
import type { OutgoingRoute } from '../../egress/generation.ts'
import type { Route } from '../../egress/route.ts'
import { type Target, type Tunnel, findTarget } from '../../egress/target.ts'
import { type Code, SidegateError } from '../../errors.ts'
import { findHeader, hasRepeated } from '../../http/headers.ts'
import { type Judgement, type RequestHead, judgeHead } from '../../http/strict.ts'
import { type ParentProxy, authorizationFor } from '../../http/connector.ts'
import type { ImaginedCall } from './call.ts'
import type { EgressWorld } from './egress-world.ts'
import { sign } from '../../egress/signing.ts'
import { imagineCredential, readScopes } from './credential.ts'
import { Refusal } from './refusal.ts'

/** What would happen, with what is known about why. */
export interface EgressStory {
  /** How it came, in words. */
  readonly arrival: string | undefined
  /** The definition of the client, where clients are asked who they are. */
  readonly client: string | undefined
  readonly connection: OutgoingConfig | undefined
  readonly outcome: Sent | Passed | Refused
}

/** The API gets a request. */
export interface Sent {
  readonly kind: 'sent'
  readonly destination: Destination
  readonly method: string
  readonly target: string
  readonly headers: readonly string[]
  readonly proxy: ParentProxy | undefined
  /** What else is to be said. */
  readonly notes: readonly string[]
}

/** Bytes pass through a tunnel as they are, or it would end here and wait for requests. */
export interface Passed {
  readonly kind: 'passed'
  readonly words: string
}

export interface Refused {
  readonly kind: 'refused'
  /** `undefined`: the connection is closed without an answer. */
  readonly code: Code | undefined
  /** For the operator, with the cure; may have several lines. */
  readonly reason: string
}

/** Tells it; `peer` is the address that the client connects from. */
export async function tellEgressStory(
  world: EgressWorld,
  call: ImaginedCall,
  peer: string,
): Promise<EgressStory> {
  const teller = new Teller(world, call, peer)
  const outcome = await teller.tell().catch((error: unknown): Refused => {
    if (error instanceof Refusal) {
      return { kind: 'refused', code: error.code, reason: error.message }
    }
    if (!(error instanceof SidegateError)) throw error
    return { kind: 'refused', code: error.code, reason: error.message }
  })
  const { arrival, client, connection } = teller
  return { arrival, client, connection, outcome }
}

class Teller {
  readonly #world: EgressWorld
  readonly #call: ImaginedCall
  readonly #peer: string
  arrival: string | undefined
  client: string | undefined
  connection: OutgoingConfig | undefined

  constructor(world: EgressWorld, call: ImaginedCall, peer: string) {
    this.#world = world
    this.#call = call
    this.#peer = peer
  }

  async tell(): Promise<EgressStory['outcome']> {
    const { connect, request } = this.#call
    if (!this.#world.generation.isPeerAllowed(this.#peer)) {
      throw new Refusal(undefined, `${this.#peer} is not in egress.client_networks`)
    }
    const first = connect ?? request
    if (first === undefined) throw new Error('a call without a request')
    const judgement = judge(first)
    await this.#identify(first, judgement)
    if (connect === undefined) return this.#take(first, judgement, undefined)
    const tunnel = this.#connect(connect, judgement)
    if (!('host' in tunnel)) return tunnel
    if (request === undefined) return { kind: 'passed', words: describeEnd(tunnel) }
    return this.#take(request, judge(request), tunnel)
  }

  async #identify({ rawHeaders }: RequestHead, { names }: Judgement): Promise<void> {
    const { clients } = this.#world.generation
    if (clients === undefined) return
    const value = findHeader(names, rawHeaders, 'proxy-authorization')
    const verdict = await clients.verify(value, this.#peer)
    if (verdict.kind === 'client') {
      this.client = verdict.client?.definition
      return
    }
    const reason =
      value === undefined
        ? 'no Proxy-Authorization was sent, and egress.clients asks for it'
        : 'the Proxy-Authorization is none of egress.clients, or none that is valid now'
    throw new Refusal('client_unauthorized', reason)
  }

  /** What a CONNECT comes to: a tunnel that ends here, or the end of the story. */
  #connect(head: RequestHead, judgement: Judgement): Tunnel | Passed {
    const { generation } = this.#world
    const target = this.#aim(head, judgement, undefined)
    if (target.kind !== 'connect') throw new Error('a CONNECT is for a host and a port')
    const { host, port, isOwn } = target
    const asked = `CONNECT ${host}:${port}`
    const tls = this.#call.request !== undefined
    if (isOwn) {
      this.arrival = `${asked}, which is our own address`
      if (tls) throw closeForTls('our own address takes cleartext HTTP in a CONNECT')
      return { host, port, isTls: false, isOwn }
    }
    const choice = generation.routes.findTunnel(host, port)
    if (choice.kind === 'refused') {
      this.arrival = asked
      this.connection = this.#find(choice.outgoing)
      throw new Refusal(choice.code, choice.detail)
    }
    if (choice.kind === 'unmatched') {
      this.arrival = asked
      checkDestination(generation.policy, choice.destination)
      if (!choice.endsHere) return passUntouched('no outgoing connection names the host')
      if (tls) throw closeForTls('port 80 takes cleartext HTTP')
      return { host, port, isTls: false, isOwn }
    }
    if (choice.kind === 'passes') {
      this.arrival = `${asked}, https: tunnel`
      const [route] = choice.routes
      this.connection = route?.value.connection
      for (const each of choice.routes) this.#checkClient(each)
      checkDestination(generation.policy, choice.destination)
      return passUntouched('https: tunnel')
    }
    const { intercepts, routes } = choice
    this.arrival = `${asked}, ${intercepts ? 'https: intercept' : 'cleartext HTTP in it'}`
    if (tls && !intercepts) {
      this.connection = routes[0]?.value.connection
      throw closeForTls('the outgoing connection takes cleartext HTTP there: call it with http://')
    }
    return { host, port, isTls: intercepts, isOwn }
  }

  /** A request, on its own or inside a tunnel that ends here. */
  #take(head: RequestHead, judgement: Judgement, tunnel: Tunnel | undefined): Sent {
    const { routes } = this.#world.generation
    const { method } = head
    const target = this.#aim(head, judgement, tunnel)
    if (target.kind === 'connect') throw new Error('a CONNECT is told elsewhere')
    if (target.kind === 'name') this.arrival ??= 'in NAME form'
    else this.arrival ??= 'as an absolute URL, which is how a client asks its proxy'
    const choice =
      target.kind === 'name'
        ? routes.findByName(target.name, target.rest, method)
        : routes.findByAuthority(target.scheme, target.authority, target.target, method)
    if (choice.kind === 'refused') {
      this.connection = this.#find(choice.outgoing)
      throw new Refusal(choice.code, choice.detail)
    }
    const route = choice.kind === 'outgoing' ? choice.route : undefined
    this.connection = route?.value.connection
    if (route !== undefined) this.#checkClient(route)
    if (judgement.hasUnknownExpectation) {
      throw new Refusal('expectation_failed', 'only Expect: 100-continue is known')
    }
    const notes: string[] = []
    const scopes = readScopes(head, judgement, route?.value)
    checkDestination(this.#world.generation.policy, choice.destination)
    const credential = imagineCredential(judgement, route?.value, scopes, notes)
    const dial = route?.value.dial ?? this.#world.generation.unmatchedDial
    const proxy = dial.proxyFor(choice.destination.host)
    if (proxy !== undefined) authorizationFor(proxy)
    const headers = forwardHeaders({
      names: judgement.names,
      headers: head.rawHeaders,
      rules: route?.value.rules ?? NO_RULES,
      credential,
      authority: choice.destination.authority,
      pseudonym: 'sidegate-(random)',
    })
    if (credential?.signature !== undefined) {
      notes.push('the signature is made of the request as it is sent, its time and its nonce')
      const request = { method, target: choice.target, host: choice.destination.authority, headers }
      headers.push(...sign(credential.signature, request, undefined))
    }
    return {
      kind: 'sent',
      destination: choice.destination,
      method,
      target: choice.target,
      headers,
      proxy,
      notes,
    }
  }

  #aim(
    head: RequestHead,
    { names, host }: Judgement,
    tunnel: Tunnel | undefined,
  ): Exclude<Target, { kind: 'refused' }> {
    const { generation, ports } = this.#world
    const { method, target, rawHeaders: headers } = head
    const found = findTarget(
      { method, target, host, names, headers },
      {
        own: generation.own,
        ports,
        isUnix: this.#peer === 'unix' || ports.size === 0,
        isTls: this.#call.isTls && tunnel === undefined,
        ...(tunnel === undefined ? {} : { tunnel }),
      },
    )
    if (found.kind === 'refused') throw new Refusal(found.code, found.detail)
    return found
  }

  #checkClient({ value: { clients, connection } }: Route<OutgoingRoute>): void {
    if (clients === undefined || (this.client !== undefined && clients.has(this.client))) return
    throw new Refusal(
      'outgoing_refused',
      `The outgoing connection "${connection.name}" is for other clients`,
    )
  }

  #find(name: string | undefined): OutgoingConfig | undefined {
    return this.#world.config.outgoing.find((outgoing) => outgoing.name === name)
  }
}

const WATCHED: ReadonlySet<string> = new Set(['proxy-authorization'])

function judge(head: RequestHead): Judgement {
  const judgement = judgeHead(head, 'any')
  if (judgement.fault !== undefined) {
    const reason = 'strict HTTP: it could be read in more than one way'
    throw new Refusal(judgement.fault, reason)
  }
  if (hasRepeated(judgement.names, WATCHED)) {
    throw new Refusal('bad_request', 'Proxy-Authorization is there twice')
  }
  return judgement
}

function passUntouched(reason: string): Passed {
  return {
    kind: 'passed',
    words: `TLS passes as it is and nothing is added (${reason}); cleartext HTTP in it would take the rules of a request`,
  }
}

function describeEnd({ isTls, isOwn }: Tunnel): string {
  if (isOwn) return 'the tunnel ends here, and takes requests in NAME form'
  return `the tunnel ends here, and takes ${isTls ? 'TLS or cleartext HTTP' : 'cleartext HTTP'}; each request in it is chosen by itself`
}

function closeForTls(reason: string): Refusal {
  return new Refusal(undefined, `TLS came where cleartext HTTP was expected: ${reason}`)
}
