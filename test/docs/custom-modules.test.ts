/** The modules of the recipes, against examples that others publish, and as callers meet them. */
import { execFileSync } from 'node:child_process'
import { createHmac } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import t from 'tap'
import { createFolder } from '../cli/run-cli.ts'
import { RecordingUpstream } from '../harness/recording-upstream.ts'
import { SidegateProcess } from '../harness/sidegate-process.ts'

t.setTimeout(60_000)

const FOLDER = 'docs/recipes/schemes'
const load = (name: string): Promise<unknown> => import(pathToFileURL(resolve(FOLDER, name)).href)

interface SigV4 {
  readonly sign: (request: object, options: object) => Record<string, string>
}

t.test('AWS: its Signature Version 4 test suite', async (t) => {
  const { sign } = (await load('aws-sigv4.mjs')) as SigV4
  const options = {
    accessKeyId: 'AKIDEXAMPLE',
    secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
    region: 'us-east-1',
    service: 'service',
    date: '20150830T123600Z',
  }
  const scope = 'Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request'
  const cases = [
    ['get-vanilla', 'GET', '', '5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31'],
    [
      'post-vanilla',
      'POST',
      '',
      '5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b',
    ],
    [
      'get-vanilla-query-order-key-case',
      'GET',
      'Param2=value2&Param1=value1',
      'b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500',
    ],
  ] as const
  for (const [name, method, query, signature] of cases) {
    const host = 'example.amazonaws.com'
    const headers = sign({ method, path: '/', query, host, body: '' }, options)
    t.equal(
      headers['authorization'],
      `AWS4-HMAC-SHA256 ${scope}, SignedHeaders=host;x-amz-date, Signature=${signature}`,
      name,
    )
  }
})

t.test('AWS: what leaves is signed with its body', async (t) => {
  const upstream = await RecordingUpstream.listen(t)
  const sidegate = await SidegateProcess.start(t, {
    env: {},
    files: { 'aws-sigv4.mjs': await readFile(join(FOLDER, 'aws-sigv4.mjs'), 'utf8') },
    config: {
      egress: { listen: '127.0.0.1:0' },
      admin: { listen: '127.0.0.1:0' },
      security: [
        {
          name: 'aws',
          type: 'custom',
          module: 'aws-sigv4.mjs',
          options: { region: 'eu-central-1', service: 'execute-api' },
          secrets: { ACCESS_KEY_ID: 'AKIDEXAMPLE', SECRET_ACCESS_KEY: 'a-secret-of-the-account' },
          body: true,
          headers: ['Authorization', 'X-Amz-Date'],
        },
      ],
      outgoing: [{ name: 'api', url: upstream.url, security: 'aws', allow_plaintext: true }],
    },
  })
  const url = `http://127.0.0.1:${await sidegate.listener('egress')}/api/a%20b?y=2&x=1`
  t.equal((await fetch(url, { method: 'PUT', body: 'hello' })).status, 200)
  const [request] = upstream.requests
  const { sign } = (await load('aws-sigv4.mjs')) as SigV4
  const expected = sign(
    {
      method: 'PUT',
      path: '/a%20b',
      query: 'y=2&x=1',
      host: request?.values('host')[0],
      body: 'hello',
    },
    {
      accessKeyId: 'AKIDEXAMPLE',
      secretAccessKey: 'a-secret-of-the-account',
      region: 'eu-central-1',
      service: 'execute-api',
      date: request?.values('x-amz-date')[0],
    },
  )
  t.same(request?.values('authorization'), [expected['authorization']])
})

t.test('JWT: RFC 7515, appendix A.1', async (t) => {
  const { verify } = (await load('jwt-hs256.mjs')) as {
    readonly verify: (token: string, key: Buffer, nowS: number) => object | undefined
  }
  const key = Buffer.from(
    'AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow',
    'base64url',
  )
  const token =
    'eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9' +
    '.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ' +
    '.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk'
  t.match(verify(token, key, 1_300_819_380), { iss: 'joe' })
  t.equal(verify(token, key, 1_300_819_411), undefined, 'it has ended')
  t.equal(verify(token.replace('.dB', '.dC'), key, 1_300_819_380), undefined)
  t.equal(verify(`${token}.x`, key, 1_300_819_380), undefined)
})

t.test('JWT: callers are let in by what the token says', async (t) => {
  const upstream = await RecordingUpstream.listen(t)
  const key = Buffer.from('a key that the partner shares with us')
  const sidegate = await SidegateProcess.start(t, {
    env: { PARTNERS_KEY: key.toString('base64url') },
    files: { 'jwt-hs256.mjs': await readFile(join(FOLDER, 'jwt-hs256.mjs'), 'utf8') },
    config: {
      inbound: { listen: '127.0.0.1:0', upstream: upstream.url },
      admin: { listen: '127.0.0.1:0' },
      security: [
        {
          name: 'partners',
          type: 'custom',
          module: 'jwt-hs256.mjs',
          options: { issuer: 'https://issuer.example', audience: 'orders' },
          secrets: { KEY: '${env:PARTNERS_KEY}' },
        },
      ],
      channels: [{ name: 'orders', path: '/*', security: 'partners' }],
    },
  })
  const port = await sidegate.listener('inbound')
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const ask = async (claims: object, alg = 'HS256', signWith = key) => {
    const text = `${encode({ alg })}.${encode(claims)}`
    const signature = createHmac('sha256', signWith).update(text).digest('base64url')
    const headers = { Authorization: `Bearer ${text}.${signature}` }
    return (await fetch(`http://127.0.0.1:${port}/x`, { headers })).status
  }
  const good = { iss: 'https://issuer.example', aud: 'orders', sub: 'ada', exp: 4_000_000_000 }
  t.equal(await ask(good), 200)
  t.same(upstream.requests[0]?.values('x-authenticated-user'), ['ada'])
  for (const wrong of [
    { iss: 'x' },
    { aud: 'x' },
    { sub: 1 },
    { exp: 1 },
    { nbf: 4_000_000_000 },
  ]) {
    t.equal(await ask({ ...good, ...wrong }), 401, JSON.stringify(wrong))
  }
  t.equal(await ask(good, 'none'), 401)
  t.equal(await ask(good, 'HS256', Buffer.from('another key')), 401)
  t.equal((await fetch(`http://127.0.0.1:${port}/x`)).status, 401)
})

t.test('the modules have the types that the package publishes', async (t) => {
  const folder = await createFolder(t)
  const config = {
    extends: resolve('tsconfig.json'),
    compilerOptions: {
      allowJs: true,
      checkJs: true,
      noEmit: true,
      strict: false,
      exactOptionalPropertyTypes: false,
      noPropertyAccessFromIndexSignature: false,
      rootDir: '/',
      typeRoots: [resolve('node_modules/@types')],
      paths: { 'sidegate/custom': [resolve('src/custom.ts')] },
    },
    include: [resolve(FOLDER, '*.mjs')],
  }
  const file = join(folder, 'tsconfig.json')
  await writeFile(file, JSON.stringify(config))
  t.equal(execFileSync('node_modules/.bin/tsc', ['-p', file], { encoding: 'utf8' }), '')
  const { exports } = JSON.parse(await readFile('package.json', 'utf8')) as {
    exports: Record<string, { types: string }>
  }
  t.equal(exports['./custom']?.types, './dist/custom.d.ts')
})
