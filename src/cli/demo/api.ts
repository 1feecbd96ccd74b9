/**
 * The API of the demo and its token server: `/billing` wants a key, `/sales` a token that lives for
 * seconds, and both show what they got, masked, so that one can see what was added on the way.
 */
import { randomBytes } from 'node:crypto'
import { type IncomingMessage, type ServerResponse, createServer } from 'node:http'
import { CLIENT_ID, type DemoSecrets, SCOPES } from './configuration.ts'
import { type DemoServer, listen } from './server.ts'

/** So short that one can watch it: fetched anew after half of it. */
export const TOKEN_LIFE_S = 10

/** A token that was given out. */
interface IssuedToken {
  readonly number: number
  readonly scope: string
  readonly expiresAtMs: number
}

/** What a credential is to the API, in words without it. */
interface Recognized {
  readonly header: 'x-api-key' | 'authorization'
  readonly words: string
}

/** A token request is a few hundred bytes. */
const MAX_FORM_BYTES = 4096

/** Starts API and token server on one free port of 127.0.0.1. */
export function createDemoApi(secrets: DemoSecrets): Promise<DemoServer> {
  const api = new DemoApi(secrets)
  return listen(
    createServer((request, response) => {
      api.handle(request, response)
    }),
  )
}

class DemoApi {
  readonly #secrets: DemoSecrets
  readonly #tokens = new Map<string, IssuedToken>()

  constructor(secrets: DemoSecrets) {
    this.#secrets = secrets
  }

  handle(request: IncomingMessage, response: ServerResponse): void {
    let text = ''
    request.setEncoding('latin1').on('data', (chunk: string) => {
      text = (text + chunk).slice(0, MAX_FORM_BYTES)
    })
    request.on('end', () => {
      if (request.url === '/token') this.#issue(new URLSearchParams(text), response)
      else this.#show(request, response)
    })
  }

  /** RFC 6749 4.4, as little as it takes. */
  #issue(form: URLSearchParams, response: ServerResponse): void {
    const isClient =
      form.get('client_id') === CLIENT_ID &&
      form.get('client_secret') === this.#secrets.clientSecret
    if (!isClient) {
      answer(response, 401, { error: 'invalid_client' })
      return
    }
    const scope = form.get('scope') ?? SCOPES[0]
    const token = randomBytes(32).toString('base64url')
    const expiresAtMs = performance.now() + TOKEN_LIFE_S * 1000
    this.#tokens.set(token, { number: this.#tokens.size + 1, scope, expiresAtMs })
    const type = { token_type: 'Bearer', expires_in: TOKEN_LIFE_S }
    answer(response, 200, { access_token: token, ...type, scope })
  }

  #show(request: IncomingMessage, response: ServerResponse): void {
    const { method, url = '', headers } = request
    const recognized = this.#recognize(url, headers)
    if (recognized === undefined) {
      const wanted = 'a key in X-API-Key for /billing, a valid bearer token for /sales'
      answer(response, 401, { api: 'refused', wanted })
      return
    }
    const shown = { ...headers, [recognized.header]: recognized.words }
    answer(response, 200, {
      api: 'an API that wants credentials',
      method,
      path: url,
      headers: shown,
    })
  }

  #recognize(url: string, headers: IncomingMessage['headers']): Recognized | undefined {
    if (/^\/billing(?:[/?]|$)/.test(url)) {
      if (headers['x-api-key'] !== this.#secrets.billingKey) return undefined
      return { header: 'x-api-key', words: '[the right key]' }
    }
    if (!/^\/sales(?:[/?]|$)/.test(url)) return undefined
    const [, presented = ''] = /^Bearer (.+)$/.exec(headers.authorization ?? '') ?? []
    const token = this.#tokens.get(presented)
    const now = performance.now()
    if (token === undefined || now >= token.expiresAtMs) return undefined
    const left = Math.ceil((token.expiresAtMs - now) / 1000)
    const words = `Bearer [token ${token.number}] for ${token.scope}, ${left} s left`
    return { header: 'authorization', words }
  }
}

function answer(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'Content-Type': 'application/json' })
  response.end(`${JSON.stringify(body, undefined, 2)}\n`)
}
