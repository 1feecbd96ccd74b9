/** The recipes for signed requests, each against the example that the sender itself publishes. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { loadConfiguration } from '../../src/config/load.ts'
import { HmacScheme } from '../../src/hmac/scheme.ts'
import { skipOpenssl } from '../tls/verifiers.ts'
import { readFences } from './fences.ts'

const PAGE = 'docs/recipes/signed-requests.md'

const folder = mkdtempSync(join(tmpdir(), 'sidegate-recipes-'))
t.teardown(() => {
  rmSync(folder, { recursive: true, force: true })
})

/** The scheme of the recipe that defines `name`, with the key of the published example. */
async function readScheme(name: string, env: Record<string, string>): Promise<HmacScheme> {
  const fence = readFences(PAGE).find(({ text }) => text.includes(`- name: ${name}\n`))
  const path = join(folder, `${name}.yaml`)
  writeFileSync(path, fence?.text ?? '')
  const loaded = await loadConfiguration({
    paths: [path],
    env,
    fingerprintKey: Buffer.alloc(32),
    nowMs: Date.now(),
  })
  const definition = 'config' in loaded ? loaded.config.definitions.get(name) : undefined
  if (definition?.type !== 'hmac') throw new Error(`no recipe for ${name}`)
  return new HmacScheme(definition.settings)
}

interface Example {
  readonly headers: readonly string[]
  readonly body: string
  readonly atMs: number
}

/** The published request is taken, and the same with another body is not. */
function check(t: Test, scheme: HmacScheme, { headers, body, atMs }: Example): void {
  const values = scheme.form.read(headers)
  t.ok(values, 'the headers have the form of the recipe')
  if (values === undefined) return
  t.ok(scheme.findEnd(values, atMs))
  const request = { method: 'POST', target: '/', host: 'h', headers, body: Buffer.from(body) }
  t.ok(scheme.findKey(values, request))
  t.notOk(scheme.findKey(values, { ...request, body: Buffer.from(`${body} `) }))
}

t.test('GitHub: "Testing the webhook payload validation"', async (t) => {
  const scheme = await readScheme('github', {
    GITHUB_WEBHOOK_SECRET: "It's a Secret to Everybody",
  })
  const signature = '757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17'
  const headers = ['X-Hub-Signature-256', `sha256=${signature}`]
  check(t, scheme, { headers, body: 'Hello, World!', atMs: Date.now() })
})

t.test('Slack: "Verifying requests from Slack"', async (t) => {
  const scheme = await readScheme('slack', {
    SLACK_SIGNING_SECRET: '8f742231b10e8888abcd99yyyzzz85a5',
  })
  const body =
    'token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V' +
    '&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=' +
    '&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN' +
    '&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c'
  const signature = 'a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503'
  const headers = [
    'X-Slack-Request-Timestamp',
    '1531420618',
    'X-Slack-Signature',
    `v0=${signature}`,
  ]
  check(t, scheme, { headers, body, atMs: 1_531_420_618_000 })
  const values = scheme.form.read(headers)
  t.equal(values && scheme.findEnd(values, 1_531_420_618_000 + 300_001), undefined)
})

t.test('SAP Open Connectors: "Hash verification"', async (t) => {
  const scheme = await readScheme('sap', { SAP_SIGNATURE_KEY: 'MySecretEventSignatureKey' })
  const headers = [
    'Elements-Webhook-Signature',
    'sha256=jHdbRx5EZAsOfTwAPJOGkNUzQMVVdu5VJlxcsk+G6jQ=',
  ]
  check(t, scheme, { headers, body: '<INSERT_EVENT_NOTIFICATION_RESPONSE_BODY>', atMs: Date.now() })
})

t.test('what the recipe of your own signs it lets in', async (t) => {
  const scheme = await readScheme('billing', { BILLING_KEY: 'k'.repeat(32) })
  const [key] = scheme.settings.keys
  const body = Buffer.from('{}')
  const request = { method: 'PUT', target: '/orders/1?a=b', host: 'ledger', headers: [], body }
  const headers = key === undefined ? [] : scheme.sign(request, key, Date.now())
  const values = scheme.form.read(headers)
  t.ok(values && scheme.findKey(values, { ...request, headers }))
  t.notOk(values && scheme.findKey(values, { ...request, headers, method: 'GET' }))
})

t.test('ServiceNow: as another implementation signs it', { skip: skipOpenssl }, async (t) => {
  const env = { SERVICENOW_SHARED_SECRET: 'a shared secret of the instance' }
  const scheme = await readScheme('servicenow', env)
  const body = '{"short_description":"it is slow"}'
  const mac = ['dgst', '-sha256', '-binary', '-hmac', env.SERVICENOW_SHARED_SECRET]
  const expected = execFileSync('openssl', mac, { input: body }).toString('base64')
  const [key] = scheme.settings.keys
  if (key === undefined) throw new Error('no key')
  const request = { method: 'POST', target: '/', host: 'h', headers: [], body: Buffer.from(body) }
  t.same(scheme.sign(request, key, Date.now()), ['x-sn-hmac-signature-256', expected])
})
