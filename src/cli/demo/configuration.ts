/**
 * The configuration of the demo and its throw-away secrets.
 */
import { createScryptHash, sha256Hex } from '../../credentials/hash.ts'
import { createKey, createPassword } from '../random-secret.ts'

/** Secrets that live as long as one demo. */
export interface DemoSecrets {
  readonly crmPassword: string
  readonly mobileKey: string
  readonly warehouseKey: string
  /** What the embedded API wants, and the service need not know. */
  readonly billingKey: string
  /** What the embedded token server wants. */
  readonly clientSecret: string
}

/** Fresh random secrets. */
export function createDemoSecrets(): DemoSecrets {
  return {
    crmPassword: createPassword(),
    mobileKey: createKey(),
    warehouseKey: createKey(),
    billingKey: createKey(),
    clientSecret: createPassword(),
  }
}

/** Ports of the embedded servers. */
export interface DemoPorts {
  readonly upstream: number
  /** Of the API and of the token server. */
  readonly api: number
}

/** Who we are to the embedded token server, and what may be asked of it. */
export const CLIENT_ID = 'demo-service'
export const SCOPES = ['sales:read', 'sales:write'] as const

/** What an edit appends to the file: the list of channels stands last for that. */
export const ADDED_CHANNEL = '  - { name: reports, path: /reports/*, security: crm }'

/** The YAML, with hashes in place of the secrets that are only checked. */
export async function renderDemoConfiguration(
  secrets: DemoSecrets,
  ports: DemoPorts,
): Promise<string> {
  const api = `http://127.0.0.1:${ports.api}`
  return `# The configuration of "sidegate demo". Change it: saved changes take effect at once.
inbound: # calls to the service
  listen: 127.0.0.1:0 # a free port
  upstream: http://127.0.0.1:${ports.upstream}
egress: # calls that the service makes
  listen: 127.0.0.1:0
admin:
  listen: 127.0.0.1:0
shutdown: { drain_delay: 0s, drain_timeout: 2s }
log: { format: json }

security:
  # Who may call the service: hashes are enough.
  - name: crm
    type: basic_auth
    username: crm
    password_hash: "${await createScryptHash(secrets.crmPassword)}"
  - name: mobile
    type: api_key
    key_hash: sha256:${sha256Hex(secrets.mobileKey)}
  - name: warehouse
    type: api_key
    key_hash: sha256:${sha256Hex(secrets.warehouseKey)}
  # What the service would have to know without Sidegate.
  - name: billing-key
    type: api_key
    key: "${secrets.billingKey}"
  - name: sales-token
    type: bearer_token
    username: ${CLIENT_ID}
    password: "${secrets.clientSecret}"
    auth_server_url: ${api}/token
    scopes: [${SCOPES[0]}]
    allowed_scopes: [${SCOPES.join(', ')}]

groups:
  - name: partners
    members: [warehouse]

outgoing:
  - name: billing
    url: ${api}/billing
    security: billing-key
  - name: sales
    url: ${api}/sales
    security: sales-token

channels:
  - name: health
    path: /healthz
    security: none
  - name: orders
    path: /api/orders/*
    security: [crm, mobile]
  - name: stock
    path: /api/stock/*
    groups: [partners]
`
}
