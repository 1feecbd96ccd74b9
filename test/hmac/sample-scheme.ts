import { HmacScheme } from '../../src/hmac/scheme.ts'
import type { HmacKey, HmacSettings } from '../../src/hmac/settings.ts'
import type { SignedRequest } from '../../src/hmac/signature.ts'
import { Secret } from '../../src/secret.ts'

export function makeKey(text: string, overrides: Partial<HmacKey> = {}): HmacKey {
  return {
    label: '',
    source: 'literal',
    notBeforeMs: undefined,
    notAfterMs: undefined,
    key: new Secret(text),
    ...overrides,
  }
}

/** A scheme that signs the body, as the defaults of the configuration are. */
export function makeScheme(overrides: Partial<HmacSettings> = {}): HmacScheme {
  return new HmacScheme({
    keys: [makeKey('a key that nobody knows')],
    keyEncoding: 'utf8',
    keyId: undefined,
    keyHeader: undefined,
    algorithm: 'sha256',
    stringToSign: [{ kind: 'body' }],
    separator: '\n',
    encoding: 'hex',
    headers: [['X-Sig', 'sha256={signature}']],
    timestampFormat: 'unix',
    toleranceMs: 300_000,
    bodyLimitBytes: 1024 * 1024,
    ...overrides,
  })
}

export function makeRequest(overrides: Partial<SignedRequest> = {}): SignedRequest {
  return {
    method: 'POST',
    target: '/orders?x=1&y=2',
    host: 'api.example.com',
    headers: ['Content-Type', 'application/json'],
    body: Buffer.from('{"a":1}'),
    ...overrides,
  }
}
