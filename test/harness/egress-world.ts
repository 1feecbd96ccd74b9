/**
 * Everything around an egress gate: an upstream for each kind of credential, each in cleartext and
 * behind TLS, a token server, the authorities, and secrets whose spellings all differ.
 */
import type { Test } from 'tap'
import { TokenServer, sendJson } from '../oauth/token-server.ts'
import { Canary } from './egress-canary.ts'
import { TestAuthority } from './egress-certificates.ts'
import { TlsFront } from './egress-tls-front.ts'
import { RecordingUpstream } from './recording-upstream.ts'

/** The definitions' secrets; raw, URL-encoded, base64 and UTF-8 as Latin-1 all look different. */
export const secrets = {
  key: 'egress+key/Vd4KpTz8mRx2WqLc==e1',
  password: 'pässwörd:€+/Hy6NbQw3ZtGf9JsX==e2',
  clientSecret: 'client+secret/Bm7UeRk5YvPo1DxA==e3',
  clientKey: 'client+key/Jn9FhXc2SwTa6LgQ==e4',
  clientPassword: 'clïent:p+w/Qr5MvZd8KuEy3HbN==e5',
} as const

const base64 = (text: string): string => Buffer.from(text, 'utf8').toString('base64')

/** The kinds of connections, named for what they add. */
export type Kind = 'key' | 'basic' | 'token' | 'open'

export const kinds = ['key', 'basic', 'token', 'open'] as const satisfies readonly Kind[]

/** The header that each kind owns. */
export const slots = {
  key: 'X-API-Key',
  basic: 'Authorization',
  token: 'Authorization',
  open: undefined,
} as const satisfies Record<Kind, string | undefined>

/** The base path of each kind's `url`. */
export const bases = {
  key: '/base/v1',
  basic: '',
  token: '/base',
  open: '/base/',
} as const satisfies Record<Kind, string>

/** The target that the upstream of a kind gets: `url` without its final slash, and `rest`. */
export function upstreamTarget(kind: Kind, rest: string): string {
  return bases[kind].replace(/\/$/, '') + rest
}

/** `Authorization` of the connection `basic`: UTF-8 (RFC 7617 2.1). */
export const basicValue = `Basic ${base64(`svc:${secrets.password}`)}`

/** `Proxy-Authorization` of the clients of the port, and what is said in their Basic. */
export const clientPairs = {
  app: `app:${secrets.clientKey}`,
  batch: `batch-user:${secrets.clientPassword}`,
} as const

/** A header line with CRLF that shows who the client is. */
export function proxyAuthorization(pair: string): string {
  return `Proxy-Authorization: Basic ${base64(pair)}\r\n`
}

/** What stands around the gate. */
export class World {
  readonly canary = new Canary()
  /** Signs what the upstreams show; the connections trust it. */
  readonly authority: TestAuthority
  /** `egress.ca`; the application trusts it. */
  readonly interceptor: TestAuthority
  readonly upstreams: Readonly<Record<Kind, RecordingUpstream>>
  readonly fronts: Readonly<Record<Kind, TlsFront>>
  readonly tokens: TokenServer
  /** Every token that was given out. */
  readonly issued: string[] = []

  constructor(
    authorities: readonly [TestAuthority, TestAuthority],
    upstreams: Readonly<Record<Kind, RecordingUpstream>>,
    fronts: Readonly<Record<Kind, TlsFront>>,
    tokens: TokenServer,
  ) {
    ;[this.authority, this.interceptor] = authorities
    this.upstreams = upstreams
    this.fronts = fronts
    this.tokens = tokens
    this.#guard()
    tokens.answer = (response) => {
      sendJson(response, this.grant())
    }
  }

  static async open(t: Test): Promise<World> {
    const authority = new TestAuthority(t, 'Upstreams')
    const leaf = authority.issue()
    const upstreams = {} as Record<Kind, RecordingUpstream>
    const fronts = {} as Record<Kind, TlsFront>
    for (const kind of kinds) {
      upstreams[kind] = await RecordingUpstream.listen(t)
      fronts[kind] = await TlsFront.listen(t, leaf, upstreams[kind].port)
    }
    const interceptor = new TestAuthority(t, 'Egress')
    return new World([authority, interceptor], upstreams, fronts, await TokenServer.start(t))
  }

  /** `host:port` of a kind's upstream. */
  authorityOf(kind: Kind, scheme: 'http' | 'https'): string {
    return `127.0.0.1:${this[scheme === 'http' ? 'upstreams' : 'fronts'][kind].port}`
  }

  /** What must stand in the slot of a kind; of `token` the newest. */
  credentialOf(kind: Kind): string | undefined {
    if (kind === 'open') return undefined
    if (kind === 'key') return secrets.key
    return kind === 'basic' ? basicValue : `Bearer ${this.issued.at(-1) ?? 'none yet'}`
  }

  /** A new token, as a token server says it; the upstream `token` may see it from now on. */
  grant(settings: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
    const random = crypto.getRandomValues(new Uint8Array(12))
    const token = `tok+${this.issued.length}/${Buffer.from(random).toString('hex')}.~x==`
    this.issued.push(token)
    this.canary.guard(token)
    this.canary.allow('token', `Authorization: Bearer ${token}\r\n`)
    return { access_token: token, token_type: 'Bearer', expires_in: 3600, ...settings }
  }

  #guard(): void {
    const { canary, upstreams } = this
    for (const secret of Object.values(secrets)) canary.guard(secret)
    canary.guard(`svc:${secrets.password}`)
    for (const pair of Object.values(clientPairs)) canary.guard(pair)
    canary.watchUpstream('key', upstreams.key, [`X-API-Key: ${secrets.key}\r\n`])
    canary.watchUpstream('basic', upstreams.basic, [`Authorization: ${basicValue}\r\n`])
    canary.watchUpstream('token', upstreams.token)
    canary.watchUpstream('open', upstreams.open)
    let seen = 0
    const takeTokenRequests = () => {
      const texts = this.tokens.requests.slice(seen).map((each) => JSON.stringify(each))
      seen = this.tokens.requests.length
      return texts.join('\n')
    }
    const field = new URLSearchParams({ client_secret: secrets.clientSecret }).toString()
    canary.watch('the token server', takeTokenRequests, [field])
  }
}
