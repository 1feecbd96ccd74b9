/** Every YAML example of the documentation is loaded, with the files and variables that it names. */
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import t from 'tap'
import { loadConfiguration } from '../../src/config/load.ts'
import { formatProblem } from '../../src/config/problems.ts'
import { type Fence, listPages, readFences } from './fences.ts'

const folder = mkdtempSync(join(tmpdir(), 'sidegate-docs-'))
t.teardown(() => {
  rmSync(folder, { recursive: true, force: true })
})

const keysFile = `mobile  sha256:${'a'.repeat(64)}\nkiosk-7 sha256:${'b'.repeat(64)}\n`
const htpasswdFile = 'anna:$2y$10$abcdefghijklmnopqrstuuDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDD\n'

/** One pair for all names: what is loaded is checked to belong together. */
function createCertificate(): { readonly cert: string; readonly key: string } | undefined {
  const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')]
  const subject = ['-subj', '/CN=example.com', '-days', '3650', '-out', cert, '-keyout', key]
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
  try {
    execFileSync('openssl', ['req', '-x509', ...kind, ...subject], { stdio: 'ignore' })
  } catch {
    return undefined
  }
  const read = (path: string) => execFileSync('cat', [path], { encoding: 'utf8' })
  return { cert: read(cert), key: read(key) }
}

const certificate = createCertificate()

/** Puts what an example names next to it; absolute places are moved below its folder. */
function writeFiles(text: string, place: string): void {
  const write = (path: string, content: string) => {
    mkdirSync(dirname(join(place, path)), { recursive: true })
    writeFileSync(join(place, path), content, { mode: 0o600 })
  }
  for (const [path] of text.matchAll(/schemes\/[\w-]+\.mjs/g)) {
    write(path, readFileSync(join('docs/recipes', path), 'utf8'))
  }
  write('keys.txt', keysFile)
  write('users.htpasswd', htpasswdFile)
  for (const [, path = ''] of text.matchAll(/\$\{file:([^}]+)\}/g)) {
    write(path, randomBytes(32).toString('hex'))
  }
  for (const [path] of text.matchAll(/[\w./-]+\.pem\b/g)) {
    const content = path.includes('-key') ? certificate?.key : certificate?.cert
    write(path, content ?? '')
  }
}

/** What a fragment leans on, without what it brings itself. */
function renderBase(fragment: string): string {
  const brought = new Set([...fragment.matchAll(/name: ([\w.-]+)/g)].map(([, name]) => name))
  const definitions = ['crm', 'mobile', 'partner']
    .filter((name) => !brought.has(name))
    .map(
      (name) => `  - { name: ${name}, type: api_key, key: "${randomBytes(32).toString('hex')}" }`,
    )
  const groups = ['partners', 'internal']
    .filter((name) => !brought.has(name))
    .map((name) => `  - { name: ${name}, members: [partner] }`)
  return [
    ...(/^inbound:/m.test(fragment)
      ? []
      : ['inbound: { listen: 127.0.0.1:0, upstream: "http://127.0.0.1:1" }']),
    'security:',
    ...definitions,
    'groups:',
    ...groups,
    'channels:',
    '  - { name: base-of-fragments, path: /base-of-fragments, groups: [partners] }',
  ].join('\n')
}

async function load(fence: Fence, index: number) {
  const place = join(folder, String(index))
  mkdirSync(place, { recursive: true })
  writeFiles(fence.text, place)
  const moved = fence.text.replace(/(\$\{file:)\//g, `$1${place}/`)
  const paths = [join(place, 'example.yaml')]
  writeFileSync(join(place, 'example.yaml'), moved, { mode: 0o600 })
  if (fence.text.startsWith('# fragment')) {
    paths.unshift(join(place, 'base.yaml'))
    writeFileSync(join(place, 'base.yaml'), renderBase(fence.text), { mode: 0o600 })
  }
  const variables = [...fence.text.matchAll(/\$\{env:(\w+)\}/g)].map(([, name = '']) => name)
  const env = Object.fromEntries(variables.map((name) => [name, randomBytes(32).toString('hex')]))
  const fingerprintKey = randomBytes(32)
  return loadConfiguration({ paths, env, fingerprintKey, nowMs: Date.now() })
}

const fences = listPages().flatMap((page) => readFences(page))
const examples = fences.filter(({ language }) => language === 'yaml')

t.test('there are examples', async (t) => {
  t.ok(examples.length >= 15, `${examples.length} examples`)
})

examples.forEach((fence, index) => {
  const needsCertificate = fence.text.includes('.pem') && certificate === undefined
  const skip = needsCertificate && 'openssl, which makes the certificates, is not here'
  t.test(`${fence.file}:${fence.line} is a valid configuration`, { skip }, async (t) => {
    const loaded = await load(fence, index)
    t.same('problems' in loaded ? loaded.problems.map(formatProblem) : [], [])
    t.same(loaded.warnings.map(formatProblem), [], 'no warnings')
  })
})
