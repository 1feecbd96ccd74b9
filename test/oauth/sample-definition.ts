/** A definition of the configuration, with its defaults. */
import type { BearerTokenDefinition } from '../../src/config/model.ts'
import { Secret } from '../../src/secret.ts'

export const clientSecret = 'client-secret-9f2c'

export function sampleDefinition(
  changes: Partial<BearerTokenDefinition> = {},
): BearerTokenDefinition {
  return {
    name: 'crm',
    type: 'bearer_token',
    isActive: true,
    identity: 'crm',
    fingerprint: 'f1',
    username: 'my-client',
    password: new Secret(clientSecret),
    authServerUrl: 'http://127.0.0.1:1/token',
    scopes: ['read:users', 'write:users'],
    clientIdField: 'client_id',
    clientSecretField: 'client_secret',
    grantType: 'client_credentials',
    extraFields: [],
    dataFormat: 'form',
    clientAuth: 'post',
    privateKey: undefined,
    privateKeyId: undefined,
    algorithm: 'RS256',
    refreshWaitMs: 500,
    prefetch: false,
    allowedScopes: undefined,
    allowPlaintext: false,
    tls: undefined,
    proxy: undefined,
    timeoutMs: 10_000,
    defaultTtlMs: 60_000,
    ...changes,
  }
}
