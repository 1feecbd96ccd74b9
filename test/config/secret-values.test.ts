/**
 * The attack: an upstream, a token server or a bug repeats a secret, and it ends in the log. Whatever
 * came through a reference is known to the redactor, in whichever setting it stands; what was
 * written out beside it, such as an audience, stays readable.
 */
import { generateKeyPairSync } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { loadInWorker } from '../../src/config/load-in-worker.ts'
import type { Config } from '../../src/config/model.ts'
import { secretValues } from '../../src/config/secret-values.ts'
import { createRedactor } from '../../src/observe/redact.ts'

const KEY = generateKeyPairSync('rsa', { modulusLength: 2048 })
  .privateKey.export({ type: 'pkcs8', format: 'pem' })
  .toString()

const YAML = `
inbound: { listen: 127.0.0.1:8000, upstream: "http://127.0.0.1:8080" }
egress: { listen: 127.0.0.1:3128 }
security:
  - name: map
    type: bearer_token
    username: client
    password: \${env:S_PASSWORD}
    auth_server_url: https://\${env:PUBLIC_HOST}/token
    extra_fields: { audience: "https://literal.example", assertion: "\${env:S_MAP}", mixed: "literal-\${env:S_PART}" }
  - name: text
    type: bearer_token
    username: client
    auth_server_url: https://login.example/token
    client_auth: private_key_jwt
    private_key: rsa.key
    extra_fields: |
      audience=https://literal.example/of-the-text-form
      otp=\${env:S_TEXT}
  - name: list
    type: bearer_token
    username: client
    password: \${env:S_PASSWORD}
    auth_server_url: https://login.example/token
    extra_fields: ["audience=https://literal.example", "otp=\${file:otp}"]
  - name: signed
    type: hmac
    key: \${env:S_HMAC}
    key_id: \${env:S_KEY_ID}
    string_to_sign: ['"\${env:S_SIGNED}"', body]
    headers: { X-Sig: "{signature}", X-Tenant: "\${env:S_HMAC_HEADER}" }
    tolerance: none
  - name: portal
    type: session
    username: portal
    password: \${env:S_SESSION}
    login: { url: "https://portal.example/login", headers: { X-Api: "\${env:S_LOGIN_HEADER}" }, body: "p={password}&o=\${env:S_BODY}" }
    steps: [{ url: "https://portal.example/2", body: "pin=\${env:S_STEP}" }]
    extract: { sid: "cookie:ID" }
    apply: { headers: { X-App: "\${env:S_APPLY}" }, cookies: { ID: "{sid}", C: "\${env:S_COOKIE}" } }
  - name: module
    type: custom
    module: scheme.mjs
    options: { deep: [{ token: "\${env:S_OPTION}", mode: literal-mode }] }
    secrets: { TOKEN: "\${env:S_CUSTOM}" }
outgoing:
  - name: one
    url: https://one.example
    security: none
    headers: { X-Key: "Bearer \${env:S_HEADER}", X-Several: ["\${env:S_HEADER_2}", literal-value], X-Short: "\${env:SHORT}" }
`

const VARIABLES = [...YAML.matchAll(/env:(S_[A-Z0-9_]+)/g)].map(([, name]) => name ?? '')
const ENV = {
  ...Object.fromEntries(VARIABLES.map((name) => [name, `canary-of-${name.toLowerCase()}`])),
  PUBLIC_HOST: 'login.example',
  SHORT: 'abc',
}

async function loadConfig(t: Test): Promise<Config> {
  const folder = t.testdir({ 'scheme.mjs': '', otp: 'canary-of-a-file\n' })
  writeFileSync(join(folder, 'rsa.key'), KEY, { mode: 0o600 })
  writeFileSync(join(folder, 'sidegate.yaml'), YAML, { mode: 0o600 })
  const result = await loadInWorker({
    paths: [join(folder, 'sidegate.yaml')],
    env: ENV,
    fingerprintKey: Buffer.alloc(32, 1),
    nowMs: Date.now(),
  })
  if ('problems' in result) throw new Error(JSON.stringify(result.problems))
  return result.config
}

t.test('what came through a reference is redacted, wherever it stands', async (t) => {
  const redactor = createRedactor()
  await redactor.setSecrets(secretValues(await loadConfig(t)))
  t.ok(VARIABLES.length > 15)
  for (const name of new Set(VARIABLES)) {
    const value = `canary-of-${name.toLowerCase()}`
    t.equal(redactor.redact(`it said ${value}!`), 'it said [redacted]!', name)
  }
  t.equal(redactor.redact('canary-of-a-file'), '[redacted]', 'through a file')
})

t.test('a session is redacted as Basic would write it', async (t) => {
  const redactor = createRedactor()
  await redactor.setSecrets(secretValues(await loadConfig(t)))
  const basic = Buffer.from('portal:canary-of-s_session').toString('base64')
  t.equal(redactor.redact(`Basic ${basic}`).includes(basic.slice(0, 20)), false)
})

t.test('a private key is redacted whole and line by line', async (t) => {
  const redactor = createRedactor()
  await redactor.setSecrets(secretValues(await loadConfig(t)))
  t.equal(redactor.redact(KEY).trim(), '[redacted]')
  for (const line of KEY.trim().split('\n').slice(1, -1)) {
    if (line.length >= 16) t.equal(redactor.redact(line), '[redacted]')
  }
})

t.test('what is written out, public or too short stays readable', async (t) => {
  const redactor = createRedactor()
  await redactor.setSecrets(secretValues(await loadConfig(t)))
  const text =
    'https://literal.example/of-the-text-form literal-mode literal-value Bearer login.example abc'
  t.equal(redactor.redact(text), text)
})
