// Files that are not what they should be: one clear error, nothing written.
import { chmod, lstat, readFile, readdir, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { runCli } from '../run-cli.ts'
import { checkWritten, importRefused, importWhole, importZato, named } from './import-run.ts'

const good = 'security:\n  - { name: a, type: apikey }\n'
const bomb = `a: &a [x,x,x,x,x,x,x,x,x,x]\n${'bcdefgh'
  .split('')
  .map(
    (name, at) =>
      `${name}: &${name} [${Array(10)
        .fill(`*${'abcdefg'.charAt(at)}`)
        .join(',')}]\n`,
  )
  .join('')}security: *h\n`

const faults: readonly [name: string, text: string | Buffer, message: RegExp][] = [
  ['an empty file', '', /^sidegate import: export\.yaml: the file is empty\n$/],
  ['a list', '- a\n', /export\.yaml:1:1: found a list, wanted an enmasse file/],
  ['XML', '<zato><channel/></zato>\n', /export\.yaml:1:1: found a single value/],
  ['another YAML', 'services:\n  web: {}\n', /export\.yaml:1:1: without any section of an enmasse/],
  [
    'our own',
    'inbound: {}\nsecurity: []\n',
    /export\.yaml:1:1: this is a configuration of Sidegate/,
  ],
  ['half a JSON', '{"security": [{"name": "a", "type"', /export\.yaml:1:\d+: /],
  [
    'an open quote',
    'security:\n  - name: "a\n',
    /export\.yaml:\d+:\d+: a closing quote is missing/,
  ],
  ['several documents', `${good}---\n${good}`, /export\.yaml:3:1: a second document/],
  ['a key twice', 'security: []\nsecurity: []\n', /export\.yaml:2:1: a key that is given twice/],
  ['a tag', 'security: !!python/object:x {}\n', /export\.yaml:1:11: an unknown tag/],
  ['a section that is no list', 'security: {}\n', /export\.yaml:1:11: "security" is no list/],
  [
    'an item that is no map',
    'security: [hunter2]\n',
    /export\.yaml:1:12: an item of "security" is no map/,
  ],
  ['an alias bomb', bomb, /export\.yaml:\d+:\d+: aliases \(\*\) stand for more than 10000 values/],
  ['an alias in itself', 'security: &a [*a]\n', /an alias \(\*\) inside of what it stands for/],
  ['an alias of nothing', 'security: *hunter2\n', /export\.yaml:1:11: /],
  ['deep nesting', `security: ${'['.repeat(100_000)}`, /export\.yaml:1:\d+: nested deeper than 64/],
  [
    'not UTF-8',
    Buffer.from([0x73, 0x3a, 0x0a, 0x78, 0x3a, 0xff]),
    /export\.yaml: not UTF-8 text \(line 2\)/,
  ],
  ['UTF-16', Buffer.from('\ufeffsecurity:', 'utf16le'), /saved as UTF-16 \(little endian\)/],
  [
    'nothing to do',
    'scheduler:\n  - { name: a }\nsecurity: []\n',
    /nothing in it that Sidegate could do/,
  ],
  [
    'an octal name',
    'security:\n  - { name: 0123, type: apikey }\n',
    /name is read as not what is written there/,
  ],
  [
    'a number of YAML 1.1',
    'security:\n  - { name: 1_000, type: apikey }\n',
    /name is read as not what is written there/,
  ],
  ['no name', 'security:\n  - { type: apikey }\n', /export\.yaml:2:5: security "": without a name/],
]

for (const [name, text, message] of faults) {
  t.test(`${name} is told`, async (t) => {
    const { stderr } = await importRefused(t, text)
    t.match(stderr, message)
    t.notMatch(stderr, /hunter2|bug in Sidegate/)
  })
}

t.test('a file of 50 MB is refused before it is read', async (t) => {
  const startedAt = performance.now()
  const { stderr } = await importRefused(t, Buffer.alloc(50_000_000, '- x\n'))
  t.match(stderr, /^sidegate import: export\.yaml: more than 4 MiB, /)
  t.ok(performance.now() - startedAt < 10_000)
})

t.test('includes: relative to the file, each once, circles and missing ones told', async (t) => {
  const files = {
    'sub/b.yaml': 'include: [../c.json]\nsecurity:\n  - { name: b, type: apikey }\n',
    'c.json': '{"security": [{"name": "c", "type": "apikey"}]}',
  }
  const text = `include:\n  - sub/b.yaml\n  - c.json\n${good}`
  const { config } = await importWhole(t, text, { files })
  t.same(
    config.security?.map(({ name }) => name),
    ['c', 'b', 'a'],
  )
  const circle = { 'b.yaml': 'include: [export.yaml]\n' }
  const circular = await importRefused(t, 'include: [b.yaml]\n', { files: circle })
  t.match(circular.stderr, 'b.yaml:1:11: "export.yaml" includes itself')
  const missing = await importRefused(t, 'include: [b.yaml]\n')
  t.match(missing.stderr, 'b.yaml: no such file')
})

t.test(
  'JSON, merge keys, anchors and the truth of YAML 1.1 are read as Zato reads them',
  async (t) => {
    const text = `
base: &base { type: basic_auth, realm: r }
security:
  - { <<: *base, name: a, username: a, is_active: no }
  - &b { <<: [*base], name: b, username: 7, is_active: on }
groups:
  - { name: g, members: [a, b] }
`
    const { config } = await importWhole(t, text)
    t.match(named(config.security, 'a'), { type: 'basic_auth', realm: 'r', is_active: false })
    t.match(named(config.security, 'b'), { username: '7', realm: 'r' })
  },
)

t.test('--out writes for the owner alone, and leaves nothing beside', async (t) => {
  const { code, stdout, stderr, folder } = await importZato(t, good, {
    args: ['--out', 'out.yaml'],
  })
  t.equal(code, 0)
  t.equal(stdout, '')
  t.match(stderr, /Wrote out\.yaml\. Set the variables, then: sidegate check --config out\.yaml/)
  t.equal((await stat(join(folder, 'out.yaml'))).mode & 0o777, 0o600)
  t.same((await readdir(folder)).sort(), ['export.yaml', 'out.yaml'])
  await checkWritten(t, folder, await readFile(join(folder, 'out.yaml'), 'utf8'))
})

t.test('an existing file stays without --force, and goes with it', async (t) => {
  const files = { 'out.yaml': 'mine' }
  const kept = await importRefused(t, good, { files, args: ['--out', 'out.yaml'] })
  t.match(kept.stderr, '"out.yaml" exists and is left as it is (--force overwrites it)')
  t.equal(await readFile(join(kept.folder, 'out.yaml'), 'utf8'), 'mine')
  await chmod(join(kept.folder, 'out.yaml'), 0o644)
  const line = ['import', 'zato', 'export.yaml', '--out', 'out.yaml', '--force']
  t.equal((await runCli(line, { cwd: kept.folder })).code, 0)
  t.match(await readFile(join(kept.folder, 'out.yaml'), 'utf8'), 'api_key')
  t.equal((await stat(join(kept.folder, 'out.yaml'))).mode & 0o777, 0o600)
})

t.test('a refused import leaves an existing file as it is, with --force, too', async (t) => {
  const files = { 'out.yaml': 'mine' }
  const args = ['--out', 'out.yaml', '--force']
  const open = `${good}channel_rest:\n  - { name: a, service: s, url_path: /a }\n`
  const { folder } = await importRefused(t, open, { files, args })
  t.equal(await readFile(join(folder, 'out.yaml'), 'utf8'), 'mine')
  t.same((await readdir(folder)).sort(), ['export.yaml', 'out.yaml'])
})

t.test('what is imported is never overwritten, nor what a link leads to', async (t) => {
  const args = ['--out', 'export.yaml', '--force']
  t.match((await importRefused(t, good, { args })).stderr, 'is what is imported, wanted another')
  const { folder } = await importWhole(t, good)
  await writeFile(join(folder, 'target'), 'mine')
  await symlink('target', join(folder, 'link'))
  const line = ['import', 'zato', 'export.yaml', '--out', 'link']
  t.equal((await runCli(line, { cwd: folder })).code, 1)
  t.equal((await runCli([...line, '--force'], { cwd: folder })).code, 0)
  t.equal(await readFile(join(folder, 'target'), 'utf8'), 'mine')
  t.ok((await lstat(join(folder, 'link'))).isFile())
})
