/**
 * The signed assertion by which a client shows who it is without sending a secret (`private_key_jwt`,
 * RFC 7523 2.2 and 3). The package that signs is loaded with the first one.
 */
import { createPrivateKey, randomUUID } from 'node:crypto'
import type { TokenDefinition } from './token-definition.ts'

/** RFC 7523 2.2. */
export const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

/** Long enough for a clock that is off by some seconds, too short to be of use to a thief. */
const LIFE_S = 60

/** Signs an assertion for one token request; `nowMs` is of the wall clock. */
export async function signAssertion(definition: TokenDefinition, nowMs: number): Promise<string> {
  const { username, privateKey, privateKeyId, algorithm, authServerUrl } = definition
  if (privateKey === undefined) throw new Error('private_key_jwt without private key')
  const { SignJWT } = await import('jose')
  const issuedAt = Math.floor(nowMs / 1000)
  return await new SignJWT()
    .setProtectedHeader({
      alg: algorithm,
      typ: 'JWT',
      ...(privateKeyId === undefined ? {} : { kid: privateKeyId }),
    })
    .setIssuer(username)
    .setSubject(username)
    .setAudience(authServerUrl)
    .setJti(randomUUID())
    .setIssuedAt(issuedAt)
    .setExpirationTime(issuedAt + LIFE_S)
    .sign(createPrivateKey(privateKey.reveal()))
}
