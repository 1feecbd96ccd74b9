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
}

/** Fresh random secrets. */
export function createDemoSecrets(): DemoSecrets {
  return { crmPassword: createPassword(), mobileKey: createKey(), warehouseKey: createKey() }
}

/** What an edit appends to the file: the list of channels stands last for that. */
export const ADDED_CHANNEL = '  - { name: reports, path: /reports/*, security: crm }'

/** The YAML, with hashes in place of the secrets. */
export async function renderDemoConfiguration(
  secrets: DemoSecrets,
  upstreamPort: number,
): Promise<string> {
  return `# The configuration of "sidegate demo". Change it: saved changes take effect at once.
inbound:
  listen: 127.0.0.1:0 # a free port
  upstream: http://127.0.0.1:${upstreamPort}
admin:
  listen: 127.0.0.1:0
shutdown: { drain_delay: 0s, drain_timeout: 2s }
log: { format: json }

security:
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

groups:
  - name: partners
    members: [warehouse]

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
