// Paths and methods of channels: what takes another way than in Zato never comes to a weaker channel.
import t from 'tap'
import { runCli } from '../run-cli.ts'
import { checkWritten, importRefused, importWhole, named } from './import-run.ts'

const security = `
security:
  - { name: crm, type: basic_auth, username: crm, password: "\${CRM}" }
  - { name: erp, type: basic_auth, username: erp, password: "\${ERP}" }
channel_rest:
`
const channels = (...lines: string[]) =>
  security + lines.map((line) => `  - { service: s, ${line} }\n`).join('')

t.test('a last parameter matches slashes, unless match_slash says otherwise', async (t) => {
  const { config, stderr } = await importWhole(
    t,
    channels(
      'name: a, url_path: "/a/{id}", security: crm',
      'name: b, url_path: "/b/{id}", security: crm, match_slash: false',
      'name: c, url_path: "/c/{id}/items", security: crm',
      'name: d, url_path: "/d/{my.id}/{x}", security: crm, match_slash: false',
    ),
  )
  const paths = config.channels?.map(({ path }) => path)
  t.same(paths, ['/a/*', '/b/{id}', '/c/{id}/items', '/d/{my_id}/{x}'])
  t.match(stderr, 'channel "a": "/a/*" takes everything below')
  t.match(stderr, 'channel "c": a parameter within the path is one segment')
})

t.test('a star of Zato is a star and nothing more', async (t) => {
  const { config } = await importWhole(t, channels('name: a, url_path: "/a/*", security: crm'))
  t.equal(named(config.channels, 'a')['path'], '/a/%2A')
})

t.test('a path with slashes in a parameter does not fall to an open channel', async (t) => {
  const text = channels(
    'name: open, url_path: "/{path}"',
    'name: items, url_path: "/c/{id}/items", security: crm',
  )
  const { stderr } = await importRefused(t, text, { args: ['--confirm-public'] })
  t.match(
    stderr,
    'channel_rest "items": paths with a slash in a parameter would go to channel "open"',
  )
})

t.test('with match_slash: false nothing falls, and nothing is refused', async (t) => {
  const text = channels(
    'name: open, url_path: "/{path}"',
    'name: items, url_path: "/c/{id}/items", security: crm, match_slash: false',
  )
  await importWhole(t, text, { args: ['--confirm-public'] })
})

t.test('an open channel does not take the path before it from a protected one', async (t) => {
  const text = channels(
    'name: wide, url_path: "/{path}", security: crm',
    'name: open, url_path: "/pub/{file}"',
  )
  const { config, folder, stdout } = await importWhole(t, text, { args: ['--confirm-public'] })
  t.equal(named(config.channels, 'open')['path'], '/pub/{file}')
  await checkWritten(t, folder, stdout)
  const ask = (path: string) =>
    runCli(['explain', 'GET', `http://127.0.0.1:8000${path}`, '-c', 'written.yaml'], {
      cwd: folder,
      env: { CRM: 'crm-password', ERP: 'erp-password' },
    })
  t.equal((await ask('/pub/logo.png')).code, 0, 'open as it was')
  t.equal((await ask('/pub')).code, 1, 'protected as it was')
  t.equal((await ask('/pub/a/b')).code, 1, 'more protected than it was')
})

t.test('channels that lets in others, either way, are refused', async (t) => {
  const text = channels(
    'name: wide, url_path: "/{path}", security: crm',
    'name: other, url_path: "/pub/{file}", security: erp',
  )
  t.match((await importRefused(t, text)).stderr, 'would go to channel "wide", which lets in others')
})

t.test('channels told apart by methods keep one path', async (t) => {
  const text = channels(
    'name: wide, url_path: "/{path}", security: crm',
    'name: read, url_path: "/pub/{file}", method: GET',
    'name: write, url_path: "/pub/{name}", method: "post,put", security: crm',
  )
  const { config } = await importWhole(t, text, { args: ['--confirm-public'] })
  t.match(named(config.channels, 'read'), { path: '/pub/{file}', methods: ['GET'] })
  t.match(named(config.channels, 'write'), { path: '/pub/{name}', methods: ['POST', 'PUT'] })
})

const faults: readonly [settings: string, why: RegExp][] = [
  ['url_path: "/files/{name}.json"', /a parameter is not a whole segment/],
  ['url_path: orders', /url_path is missing or begins without \//],
  ['method: GET', /url_path is missing or begins without \//],
  ['url_path: "/a/../b"', /dot segment/],
  ['url_path: "/a;x"', /path_parameters: true/],
]

for (const [settings, why] of faults) {
  t.test(`cannot be said and is refused: ${settings}`, async (t) => {
    t.match((await importRefused(t, channels(`name: a, security: crm, ${settings}`))).stderr, why)
  })
}

t.test('channels that only Accept tells apart are refused, at their place', async (t) => {
  const text = channels(
    'name: a, url_path: /a, http_accept: text/csv, security: crm',
    'name: b, url_path: /a, http_accept: text/xml, security: crm',
  )
  const { stderr } = await importRefused(t, text)
  t.match(
    stderr,
    /export\.yaml:7:5: channels "b" path: the same host and path as channel "a", wanted methods/,
  )
  t.match(stderr, 'channel "a": Accept and SOAPAction are not looked at')
})

t.test('routes in a section that nobody knows are refused, other sections are told', async (t) => {
  const unknown = `${security}\nchannel_rst:\n  - { name: x, url_path: /x }\n`
  t.match(
    (await importRefused(t, unknown)).stderr,
    'section "channel_rst" has routes and is not known',
  )
  const text = `${channels('name: a, url_path: /a, security: crm')}scheduler:\n  - { name: job }\n`
  t.match((await importWhole(t, text)).stderr, 'section "scheduler": 1 left out')
})

t.test('trap 5: a service needs an upstream', async (t) => {
  const text = channels(
    'name: a, url_path: /a, security: crm',
    'name: b, service: t, url_path: /b, security: crm',
  ).replace('service: s, name: b, ', 'name: b, ')
  const files = { 'map.yaml': 's: http://127.0.0.1:8081\n' }
  const missing = await importRefused(t, text, { files, args: ['--upstreams', 'map.yaml'] })
  t.match(missing.stderr, 'channel_rest "b": service "t": where does it run?')
  t.notMatch(missing.stderr, 'service "s"')
  const args = ['--upstreams', 'map.yaml', '--upstream', 'unix:/run/app.sock']
  const { config } = await importWhole(t, text, { files, args })
  t.equal(config.inbound?.['upstream'], 'unix:/run/app.sock')
  t.equal(named(config.channels, 'a')['upstream'], 'http://127.0.0.1:8081')
  t.equal(named(config.channels, 'b')['upstream'], undefined)
})

t.test('a wrong URL of an upstream is told without what it holds', async (t) => {
  const text = channels('name: a, url_path: /a, security: crm')
  const url = 'http://user:hunter2@127.0.0.1:8080'
  const files = { 'map.yaml': `s: ${url}\n` }
  const mapped = await importRefused(t, text, { files, args: ['--upstreams', 'map.yaml'] })
  t.match(mapped.stderr, /map\.yaml:1:4: "s": wanted a URL without userinfo/)
  t.notMatch(mapped.stderr, 'hunter2')
})
