// Lets in callers with a JWT that was signed with a key they share with you (HS256).
//
//   options: { issuer: https://issuer.example, audience: orders }
//   secrets: { KEY }, in base64url
import { createHmac, timingSafeEqual } from 'node:crypto'

const LEEWAY_S = 30

/** The claims of a good token, else `undefined`; `nowS` in seconds since 1970. */
export function verify(token, key, nowS) {
  const [head = '', payload = '', signature = '', ...more] = token.split('.')
  if (more.length > 0) return undefined
  const expected = createHmac('sha256', key).update(`${head}.${payload}`).digest()
  const shown = Buffer.from(signature, 'base64url')
  if (shown.length !== expected.length || !timingSafeEqual(shown, expected)) return undefined
  // Both were written by whoever has the key.
  const { alg } = JSON.parse(Buffer.from(head, 'base64url').toString())
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString())
  if (alg !== 'HS256' || typeof claims.exp !== 'number') return undefined
  if (claims.exp + LEEWAY_S < nowS) return undefined
  return claims.nbf === undefined || claims.nbf - LEEWAY_S <= nowS ? claims : undefined
}

/** @type {import('sidegate/custom').Authenticate} */
export function authenticate({ headers, secrets, options }) {
  const value = headers['authorization']
  const token = typeof value === 'string' ? /^bearer +(\S+)$/i.exec(value)?.[1] : undefined
  if (token === undefined) return null
  const key = Buffer.from(secrets.KEY ?? '', 'base64url')
  const claims = verify(token, key, Date.now() / 1000)
  if (claims === undefined) return null
  if (claims.iss !== options.issuer || claims.aud !== options.audience) return null
  return typeof claims.sub === 'string' ? { user: claims.sub } : null
}
