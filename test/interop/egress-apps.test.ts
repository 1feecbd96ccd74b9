// Applications with nothing but the variables that `sidegate run` sets: each gets what needs a
// credential, over http:// and https://, and never sees one.
import t, { type Test } from 'tap'
import { Canary } from '../harness/egress-canary.ts'
import { TestAuthority } from '../harness/egress-certificates.ts'
import { TlsFront } from '../harness/egress-tls-front.ts'
import { RecordingUpstream, answer, type Script } from '../harness/recording-upstream.ts'
import { type AppClient, listAppClients } from './egress-app-clients.ts'
import { type AppGate, HOST, type RunOptions, skipNames, startAppGate } from './egress-gate.ts'
import { createFolder, missing } from './programs.ts'

const secrets = {
  key: 'apps+key/Rk5YwMd8qPz2LtXc==a1',
  password: 'päss:wörd+/Zb7NqVh4TsJ9eGuC==a2',
  clientKey: 'client+key/Wf3XpLm6DvKa8YtR==a3',
} as const
const basic = `Basic ${Buffer.from(`svc:${secrets.password}`).toString('base64')}`
const BODY = 'hello from the upstream'

interface Place {
  readonly outgoing: string
  readonly definition: string
  readonly scheme: 'http' | 'https'
  readonly upstream: RecordingUpstream
  readonly authority: string
  readonly slot: string
  readonly credential: string
}

interface AppWorld {
  readonly gate: AppGate
  readonly front: TlsFront
  readonly canary: Canary
  readonly places: readonly Place[]
  /** What applications printed since the last look. */
  printed: string
  readonly folder: string
}

async function openWorld(t: Test, egress: Record<string, unknown> = {}): Promise<AppWorld> {
  const authority = new TestAuthority(t, 'Upstreams')
  const plain = await RecordingUpstream.listen(t)
  const secured = await RecordingUpstream.listen(t)
  const front = await TlsFront.listen(t, authority.issue({ names: `DNS:${HOST}` }), secured.port)
  const gate = await startAppGate(t, {
    egress,
    security: [
      { name: 'api', type: 'api_key', key: '${env:API_KEY}' },
      { name: 'svc', type: 'basic_auth', username: 'svc', password: '${env:SVC_PASSWORD}' },
      { name: 'app', type: 'api_key', key: '${env:CLIENT_KEY}' },
    ],
    outgoing: [
      {
        name: 'plain',
        url: `http://${HOST}:${plain.port}`,
        security: 'api',
        allow_plaintext: true,
      },
      {
        name: 'secured',
        url: `https://${HOST}:${front.port}`,
        security: 'svc',
        https: 'intercept',
        tls: { ca: 'upstreams.crt' },
      },
    ],
    env: { API_KEY: secrets.key, SVC_PASSWORD: secrets.password, CLIENT_KEY: secrets.clientKey },
    files: { 'upstreams.crt': authority.cert },
    names: [HOST],
  })
  const canary = new Canary()
  const world: AppWorld = {
    gate,
    front,
    canary,
    printed: '',
    folder: await createFolder(t),
    places: [
      {
        outgoing: 'plain',
        definition: 'api',
        scheme: 'http',
        upstream: plain,
        authority: `${HOST}:${plain.port}`,
        slot: 'X-API-Key',
        credential: secrets.key,
      },
      {
        outgoing: 'secured',
        definition: 'svc',
        scheme: 'https',
        upstream: secured,
        authority: `${HOST}:${front.port}`,
        slot: 'Authorization',
        credential: basic,
      },
    ],
  }
  for (const secret of Object.values(secrets)) canary.guard(secret)
  canary.watchOutput(gate.sidegate)
  for (const { scheme, upstream, slot, credential } of world.places) {
    canary.watchUpstream(scheme, upstream, [`${slot}: ${credential}\r\n`])
  }
  canary.watch('an application', () => {
    const { printed } = world
    world.printed = ''
    return printed
  })
  return world
}

/** 200 to whoever shows the credential, once, and nothing that is meant for the gate. */
function guard({ slot, credential }: Place): Script {
  return (request, socket) => {
    const shown = request.values(slot)
    const isRight = shown.length === 1 && shown[0] === credential
    const isClean = request.values('proxy-authorization').length === 0
    socket.write(isRight && isClean ? answer(200, [], BODY) : answer(401, [], 'who are you?'))
  }
}

async function call(
  t: Test,
  world: AppWorld,
  client: AppClient,
  runOptions?: RunOptions,
): Promise<void> {
  for (const place of world.places) {
    const path = `/v1/${client.name.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-')}`
    place.upstream.scripts.set(path, guard(place))
    const url = `${place.scheme}://${place.authority}${path}?of=${place.scheme}`
    const { gate, folder } = world
    const done = await gate.run(client.command(url, folder), runOptions)
    world.printed += `${done.stdout}\n${done.stderr}\n`
    t.equal(done.stdout, BODY, `${place.scheme}: ${done.stderr}`)
    t.equal(done.exitCode, 0, place.scheme)
    const requests = place.upstream.requestsFor(path)
    t.equal(requests.length, 1, `${place.scheme}: one request and no other`)
    t.equal(requests[0]?.target, `${path}?of=${place.scheme}`)
    t.strictSame(requests[0]?.values('host'), [place.authority])
    const line = await world.gate.sidegate.line(
      'its line',
      (each) =>
        each['event'] === 'access' && each['path'] === path && each['outgoing'] === place.outgoing,
    )
    t.match(line, { status: 200, definition: place.definition, mode: /^(absolute|intercept)$/ })
  }
  await world.canary.check(t, world.gate.sidegate)
}

const clients = listAppClients()

void t.test('behind sidegate run', { skip: skipNames, timeout: 180_000 }, async (t) => {
  const world = await openWorld(t)
  for (const client of clients) {
    await t.test(
      `${client.name} gets what needs a key and what needs a password`,
      { skip: client.skip },
      async (t) => {
        await client.prepare?.(world.folder)
        await call(t, world, client)
      },
    )
  }
  await t.test('every upstream was called by its name', (t) => {
    t.strictSame([...new Set(world.front.serverNames)], [HOST])
    t.strictSame(world.gate.sidegate.severeLines, [])
    t.end()
  })
  await t.test('an application is handed none of the secrets', async (t) => {
    const { exitCode, stdout } = await world.gate.run(['env'])
    world.printed += stdout
    t.equal(exitCode, 0)
    t.match(stdout, /^HTTPS_PROXY=http:/m)
    for (const name of ['API_KEY', 'SVC_PASSWORD', 'CLIENT_KEY']) {
      t.notMatch(stdout, new RegExp(`^${name}=`, 'm'))
    }
    await world.canary.check(t, world.gate.sidegate)
  })
})

void t.test('where the port asks who calls', { skip: skipNames, timeout: 120_000 }, async (t) => {
  const world = await openWorld(t, { clients: ['app'] })
  const options: RunOptions = {
    options: ['--proxy-user', 'app'],
    env: { SIDEGATE_PROXY_PASSWORD: secrets.clientKey },
  }
  for (const client of clients.filter(({ knowsProxyUsers }) => knowsProxyUsers)) {
    await t.test(
      `${client.name} says who it is by the proxy URL`,
      { skip: client.skip },
      async (t) => {
        await call(t, world, client, options)
      },
    )
  }
  await t.test(
    'an application that says nothing gets nowhere',
    { skip: missing('curl') },
    async (t) => {
      const [plain] = world.places
      const url = `http://${plain?.authority ?? ''}/v1/nobody`
      const proxy = ['-x', `http://127.0.0.1:${world.gate.port}`]
      const args = ['-sS', '-o', '/dev/null', '-w', '%{http_code}', ...proxy, url]
      const { stdout } = await world.gate.run(['curl', ...args], options)
      t.equal(stdout, '407')
      t.equal(plain?.upstream.requestsFor('/v1/nobody').length, 0)
    },
  )
})
