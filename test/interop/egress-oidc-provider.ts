/**
 * oidc-provider, a certified OAuth server that nobody here wrote, on loopback, and an API that lets in
 * whom it confirms: by introspection (RFC 7662), or by its keys where the token is a JWT (RFC 9068).
 */
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { type IncomingMessage, type RequestListener, type Server, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createRemoteJWKSet, jwtVerify } from 'jose'
import type { Test } from 'tap'

/** What the API's tokens are for, where they are JWT. */
export const RESOURCE = 'https://api.example.com'
/** What may be asked for. */
export const SCOPES = 'read:users write:users'
/** Seconds that tokens of the client `short` live; of others it is an hour. */
export const SHORT_TTL_S = 4

/** A client as the provider's metadata has it (RFC 7591), with what is common to ours left out. */
export type ClientMetadata = Readonly<Record<string, unknown>> & { readonly client_id: string }

/** The part of the package that is used; it brings no types. */
interface ProviderModule {
  readonly default: new (issuer: string, settings: object) => Provider
}
interface Provider {
  callback(): RequestListener
  on(event: 'grant.success' | 'grant.error', told: (context: GrantContext) => void): unknown
}
interface GrantContext {
  readonly oidc: { readonly params?: { readonly client_id?: string } }
}

/** A token as the API was shown it, and what the provider said of it. */
export interface Visit {
  readonly token: string
  readonly client: unknown
  readonly scope: unknown
}

/** A running provider and its API. */
export class OidcWorld {
  readonly issuer: string
  readonly apiUrl: string
  /** Those that the API let in. */
  readonly visits: Visit[] = []
  /** Requests to the API that it did not let in. */
  refused = 0
  /** What went wrong when the API asked; a forged JWT is among it. */
  readonly faults: unknown[] = []
  /** How often tokens were given out, and how often they were not. */
  granted = 0
  denied = 0

  constructor(issuer: string, apiUrl: string) {
    this.issuer = issuer
    this.apiUrl = apiUrl
  }

  /** Where clients ask for tokens. */
  get tokenUrl(): string {
    return `${this.issuer}/token`
  }

  /** Takes a token back, as its client could (RFC 7009). */
  async revoke(token: string, clientId: string, secret: string): Promise<void> {
    const fields = { token, client_id: clientId, client_secret: secret }
    const body = new URLSearchParams(fields)
    const answer = await fetch(`${this.issuer}/token/revocation`, { method: 'POST', body })
    if (answer.status !== 200) throw new Error(`revocation: ${answer.status}`)
  }
}

const API_CLIENT = { client_id: 'the-api', client_secret: 'api-secret-Nw6RzYk3VmQx9TbJ' }

/** Starts both; they end with the test. */
export async function openOidcWorld(
  t: Test,
  clients: readonly ClientMetadata[],
): Promise<OidcWorld> {
  const provider = createServer()
  const api = createServer()
  const issuer = await listen(t, provider)
  const world = new OidcWorld(issuer, await listen(t, api))
  // Without types; as text it is not looked for when this is compiled.
  const name: string = 'oidc-provider'
  const { default: Provider } = (await import(name)) as ProviderModule
  const running = new Provider(issuer, settings(clients))
  running.on('grant.success', () => (world.granted += 1))
  running.on('grant.error', () => (world.denied += 1))
  provider.on('request', running.callback())
  api.on('request', serveApi(world))
  return world
}

function settings(clients: readonly ClientMetadata[]): object {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const common = {
    grant_types: ['client_credentials'],
    response_types: [],
    redirect_uris: [],
    scope: SCOPES,
  }
  return {
    clients: [
      ...clients.map((client) => ({ ...common, ...client })),
      {
        ...common,
        ...API_CLIENT,
        grant_types: [],
        token_endpoint_auth_method: 'client_secret_basic',
      },
    ],
    scopes: SCOPES.split(' '),
    jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), kid: 'signing', use: 'sig' }] },
    ttl: {
      ClientCredentials: (_context: unknown, _token: unknown, client: { clientId: string }) =>
        client.clientId === 'short' ? SHORT_TTL_S : 3600,
    },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      introspection: { enabled: true },
      revocation: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: () => ({
          scope: SCOPES,
          audience: RESOURCE,
          accessTokenFormat: 'jwt',
          accessTokenTTL: 3600,
        }),
      },
    },
  }
}

/** 200 with the client and the scope that the token stands for; never the token. */
function serveApi(world: OidcWorld): RequestListener {
  const keys = createRemoteJWKSet(new URL(`${world.issuer}/jwks`))
  const judge = async (token: string): Promise<Visit | undefined> => {
    if (token.split('.').length === 3) {
      const expected = { issuer: world.issuer, audience: RESOURCE, typ: 'at+jwt' }
      const { payload } = await jwtVerify(token, keys, expected)
      return { token, client: payload['client_id'], scope: payload['scope'] }
    }
    const body = new URLSearchParams({ token })
    const { client_id: id, client_secret: secret } = API_CLIENT
    const authorization = `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`
    const url = `${world.issuer}/token/introspection`
    const answer = await fetch(url, { method: 'POST', headers: { authorization }, body })
    if (answer.status !== 200) throw new Error(`introspection: ${await answer.text()}`)
    const said = (await answer.json()) as Record<string, unknown>
    if (said['active'] !== true) return undefined
    return { token, client: said['client_id'], scope: said['scope'] }
  }
  return (request, response) => {
    const ignore = (error: unknown): undefined => {
      world.faults.push(error)
    }
    void judge(findToken(request))
      .catch(ignore)
      .then((visit) => {
        if (visit === undefined) {
          world.refused += 1
          response.writeHead(401, { 'WWW-Authenticate': 'Bearer error="invalid_token"' }).end()
          return
        }
        world.visits.push(visit)
        response.end(JSON.stringify({ client: visit.client, scope: visit.scope }))
      })
  }
}

/** The token of exactly one `Authorization`. */
function findToken(request: IncomingMessage): string {
  const values = request.headersDistinct['authorization'] ?? []
  const found = values.length === 1 ? /^Bearer (.+)$/.exec(values[0] ?? '')?.[1] : undefined
  return found ?? ''
}

async function listen(t: Test, server: Server): Promise<string> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}
