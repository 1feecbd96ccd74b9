// Tokens of a certified OAuth server: every way of showing who the client is, what it is told when it
// is refused, and tokens that grow old or are taken back.
import { generateKeyPairSync } from 'node:crypto'
import { text as readText } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { Canary } from '../harness/egress-canary.ts'
import { eventually } from '../harness/eventually.ts'
import { SidegateProcess } from '../harness/sidegate-process.ts'
import { ask } from './bytes.ts'
import {
  type OidcWorld,
  RESOURCE,
  SCOPES,
  SHORT_TTL_S,
  openOidcWorld,
} from './egress-oidc-provider.ts'

// What a form has to encode, in a secret too: encoded twice or not at all it is another one.
const SECRET = 'oidc+secret/% &=:~"Qv7TnXk4=='
const WRONG = 'oidc-wrong-Hb2KsYm9DzPw5LfR'
const CLIENT = 'my:client+1'

const keys = generateKeyPairSync('rsa', { modulusLength: 2048 })
const others = generateKeyPairSync('rsa', { modulusLength: 2048 })
const pem = ({ privateKey }: typeof keys): string =>
  privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()

interface World {
  readonly oidc: OidcWorld
  readonly gate: SidegateProcess
  readonly canary: Canary
  /** Their statuses. */
  readonly calls: number[]
}

interface Told {
  readonly status: number
  readonly body: Readonly<Record<string, unknown>>
}

/** One definition `token`, as the case has it, for one connection `api`. */
async function openWorld(
  t: Test,
  client: Readonly<Record<string, unknown>>,
  definition: Readonly<Record<string, unknown>>,
): Promise<World> {
  const oidc = await openOidcWorld(t, [{ client_id: CLIENT, ...client }])
  const gate = await SidegateProcess.start(t, {
    config: {
      egress: { listen: '127.0.0.1:0' },
      admin: { listen: '127.0.0.1:0' },
      log: { level: 'trace', format: 'json' },
      shutdown: { drain_delay: '0s', drain_timeout: '2s' },
      security: [
        {
          name: 'token',
          type: 'bearer_token',
          username: CLIENT,
          auth_server_url: oidc.tokenUrl,
          scopes: SCOPES,
          ...definition,
        },
      ],
      outgoing: [{ name: 'api', url: `${oidc.apiUrl}/v1`, security: 'token' }],
    },
    env: { OIDC_SECRET: SECRET, OIDC_WRONG: WRONG },
    files: { 'client.pem': pem(keys), 'other.pem': pem(others) },
  })
  await gate.listener('egress')
  const canary = new Canary()
  for (const secret of [SECRET, WRONG]) canary.guard(secret)
  canary.watchOutput(gate)
  return { oidc, gate, canary, calls: [] }
}

/** One call of an application, by the NAME form. */
async function call({ gate, calls }: World, headers: Record<string, string> = {}): Promise<Told> {
  const answer = await ask(gate.port('egress'), '/api/users', { headers })
  const body = await readText(answer)
  const parsed = body.startsWith('{') ? (JSON.parse(body) as Told['body']) : { body }
  const status = answer.statusCode ?? 0
  calls.push(status)
  return { status, body: parsed }
}

/** No secret and no token is anywhere that can be read of the gate. */
async function check(t: Test, { oidc, gate, canary, calls }: World): Promise<void> {
  const countLogged = () => gate.lines.filter(({ event }) => event === 'access').length
  await eventually('a line for every call', () => countLogged() === calls.length)
  t.strictSame(oidc.faults, [])
  for (const { token } of oidc.visits) canary.guard(token)
  await canary.check(t, gate)
}

const post = { token_endpoint_auth_method: 'client_secret_post', client_secret: SECRET }
const basic = { token_endpoint_auth_method: 'client_secret_basic', client_secret: SECRET }
const jwt = {
  token_endpoint_auth_method: 'private_key_jwt',
  jwks: {
    keys: [{ ...keys.publicKey.export({ format: 'jwk' }), kid: 'client-1', use: 'sig' }],
  },
}
const password = '${env:OIDC_SECRET}'
const privateKey = { client_auth: 'private_key_jwt', private_key_id: 'client-1' }

const right = [
  { method: 'client_secret_post', client: post, definition: { password } },
  {
    method: 'client_secret_basic',
    client: basic,
    definition: { password, client_auth: 'basic' },
  },
  {
    method: 'private_key_jwt',
    client: jwt,
    definition: { ...privateKey, private_key: '${file:client.pem}' },
  },
  {
    method: 'private_key_jwt with PS256',
    client: { ...jwt, token_endpoint_auth_signing_alg: 'PS256' },
    definition: { ...privateKey, private_key: '${file:client.pem}', algorithm: 'PS256' },
  },
]

for (const { method, client, definition } of right) {
  void t.test(`${method}: the provider confirms the token to the API`, async (t) => {
    const world = await openWorld(t, client, definition)
    for (const attempt of [1, 2, 3]) {
      const { status, body } = await call(world)
      t.equal(status, 200, `call ${attempt}`)
      t.strictSame(body, { client: CLIENT, scope: SCOPES })
    }
    t.equal(world.oidc.granted, 1, 'one token for all calls')
    t.equal(world.oidc.refused, 0)
    await check(t, world)
  })
}

void t.test('a JWT for a resource stands up to the keys of the provider', async (t) => {
  const world = await openWorld(t, post, { password, extra_fields: { resource: RESOURCE } })
  const { status, body } = await call(world)
  t.equal(status, 200)
  t.strictSame(body, { client: CLIENT, scope: SCOPES })
  t.equal(world.oidc.visits[0]?.token.split('.').length, 3, 'it is a JWT')
  await check(t, world)
})

void t.test('scopes of one call are those of its token, and of no other', async (t) => {
  const world = await openWorld(t, post, { password })
  const narrow = { 'X-Sidegate-Scopes': 'read:users' }
  t.equal((await call(world)).body['scope'], SCOPES)
  t.equal((await call(world, narrow)).body['scope'], 'read:users')
  t.equal((await call(world)).body['scope'], SCOPES)
  t.equal((await call(world, narrow)).body['scope'], 'read:users')
  t.equal(world.oidc.granted, 2)
  await check(t, world)
})

const wrong = [
  {
    method: 'client_secret_post with a wrong secret',
    client: post,
    definition: { password: '${env:OIDC_WRONG}' },
    error: 'invalid_client',
  },
  {
    method: 'client_secret_basic with a wrong secret',
    client: basic,
    definition: { password: '${env:OIDC_WRONG}', client_auth: 'basic' },
    error: 'invalid_client',
  },
  {
    method: 'a password where the provider wants a signature',
    client: jwt,
    definition: { password },
    error: 'invalid_client',
  },
  {
    method: "private_key_jwt with somebody else's key",
    client: jwt,
    definition: { ...privateKey, private_key: '${file:other.pem}' },
    error: 'invalid_client',
  },
  {
    method: 'a scope that the client may not have',
    client: { ...post, scope: 'read:users' },
    definition: { password },
    error: 'invalid_scope',
  },
]

for (const { method, client, definition, error } of wrong) {
  void t.test(`${method}: 502, ${error} in the log, and no request to the API`, async (t) => {
    const world = await openWorld(t, client, definition)
    for (const attempt of [1, 2, 3]) {
      const { status, body } = await call(world)
      t.equal(status, 502, `call ${attempt}`)
      t.equal(body['code'], 'token_unavailable')
    }
    t.equal(world.oidc.denied, 1, 'the provider is not asked again at once')
    t.equal(world.oidc.visits.length + world.oidc.refused, 0)
    const told = await world.gate.line(
      'why there is no token',
      ({ event }) => event === 'token_fetch_failed',
    )
    t.match(told, { definition: 'token', result: 'refused', detail: new RegExp(error) })
    await check(t, world)
  })
}

void t.test('a token is renewed by the first call after half of its life', async (t) => {
  const short = { ...post, client_id: 'short' }
  const world = await openWorld(t, short, { username: 'short', password })
  const halfMs = (SHORT_TTL_S * 1000) / 2
  const startedAt = performance.now()
  t.equal((await call(world)).status, 200)
  await sleep(halfMs * 0.6)
  t.equal((await call(world)).status, 200)
  t.equal(world.oidc.granted, 1, `${performance.now() - startedAt} ms`)
  await sleep(halfMs * 0.6)
  t.equal((await call(world)).status, 200)
  t.equal(world.oidc.granted, 2)
  const [first, second, third] = world.oidc.visits.map(({ token }) => token)
  t.equal(first, second)
  t.not(second, third)
  t.equal(world.oidc.refused, 0, 'nothing was tried with an old one')
  await check(t, world)
})

void t.test(
  'a token that is taken back is replaced, and the caller sees nothing of it',
  async (t) => {
    const world = await openWorld(t, post, { password })
    t.equal((await call(world)).status, 200)
    const token = world.oidc.visits[0]?.token ?? ''
    await world.oidc.revoke(token, CLIENT, SECRET)
    // A token that is younger is not doubted: the API may know it only soon.
    await sleep(5200)
    const { status, body } = await call(world)
    t.equal(status, 200)
    t.strictSame(body, { client: CLIENT, scope: SCOPES })
    t.equal(world.oidc.refused, 1)
    t.equal(world.oidc.granted, 2)
    t.not(world.oidc.visits.at(-1)?.token, token)
    await check(t, world)
  },
)
