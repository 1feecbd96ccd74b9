// The rules of architecture.cjs against a small source tree that breaks every one of them: a rule
// that cannot fail protects nothing.
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'

interface Report {
  readonly summary: {
    readonly violations: readonly {
      readonly from: string
      readonly rule: { readonly name: string }
    }[]
  }
}

/** File → the files and packages it imports. */
type Tree = Readonly<Record<string, readonly string[]>>

function findViolations(root: string, tree: Tree): readonly string[] {
  for (const file of ['tsconfig.json', 'test/architecture.cjs', 'package.json']) {
    mkdirSync(dirname(join(root, file)), { recursive: true })
    cpSync(file, join(root, file))
  }
  symlinkSync(join(process.cwd(), 'node_modules'), join(root, 'node_modules'))
  for (const [file, imports] of Object.entries(tree)) {
    mkdirSync(dirname(join(root, file)), { recursive: true })
    const lines = imports.map((name, index) => `import type * as i${index} from '${name}'`)
    writeFileSync(join(root, file), [...lines, 'export const x = 1', ''].join('\n'))
  }
  const cruiser = join('node_modules', 'dependency-cruiser', 'bin', 'dependency-cruise.mjs')
  const run = spawnSync(
    process.execPath,
    [cruiser, '--config', 'test/architecture.cjs', '--output-type', 'json', 'src'],
    { cwd: root, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 },
  )
  const report = JSON.parse(run.stdout) as Report
  return report.summary.violations.map(({ from, rule }) => `${from} ${rule.name}`).sort()
}

const breaking: readonly (readonly [file: string, imported: string, rule: string])[] = [
  ['src/cli/serve.ts', '../main.ts', 'nobody-imports-main'],
  ['src/gate.ts', './cli/check.ts', 'direction-gate.ts|gate'],
  ['src/inbound/handler.ts', '../egress/target.ts', 'direction-inbound'],
  ['src/egress/handler.ts', '../admin/status.ts', 'direction-egress'],
  ['src/admin/handler.ts', '../inbound/channels.ts', 'direction-admin'],
  ['src/config/load.ts', '../egress/policy.ts', 'direction-config'],
  ['src/credentials/cache.ts', '../oauth/token-cache.ts', 'direction-credentials'],
  ['src/oauth/token-client.ts', '../config/model.ts', 'direction-oauth'],
  ['src/ntlm/engine.ts', '../tls/ca.ts', 'direction-ntlm'],
  ['src/ntlm/messages.ts', 'node:net', 'ntlm-is-pure'],
  ['src/tls/certificates.ts', '../ntlm/md4.ts', 'direction-tls'],
  ['src/http/server.ts', '../credentials/hash.ts', 'direction-http'],
  ['src/observe/log.ts', '../http/path.ts', 'direction-observe'],
  ['src/errors.ts', './observe/metrics.ts', 'direction-errors.ts'],
  ['src/secret.ts', './version.ts', 'direction-secret.ts'],
  ['src/http/headers.ts', './path-guard.ts', 'no-cycles'],
  ['src/http/upgrade.ts', './nowhere.ts', 'not-resolvable'],
  ['src/http/tunnel.ts', '../../test/harness/raw.ts', 'source-imports-source'],
  ['src/custom.ts', './gate.ts', 'custom-stands-alone'],
  ['src/inbound/authenticate.ts', 'zod', 'package-zod'],
  ['src/admin/health.ts', 'yaml', 'package-yaml'],
  ['src/inbound/route.ts', 'pino', 'package-pino'],
  ['src/http/problem.ts', 'prom-client', 'package-prom-client'],
  ['src/admin/metrics.ts', 'undici', 'package-undici'],
  ['src/http/basic.ts', 'bcryptjs', 'package-bcryptjs'],
  ['src/egress/connect.ts', 'http-proxy', 'package-unknown'],
]

void t.test('every rule of the architecture fails on its violation', (t) => {
  const tree: Record<string, string[]> = {
    'src/main.ts': [],
    'src/http/path-guard.ts': ['./headers.ts'],
    'test/harness/raw.ts': [],
  }
  for (const [file, imported] of breaking) {
    tree[file] = [imported]
    if (imported.startsWith('.') && !imported.includes('nowhere')) {
      tree[join(dirname(file), imported)] ??= []
    }
  }
  const found = findViolations(t.testdir(), tree)
  for (const [file, imported, rule] of breaking) {
    t.ok(found.includes(`${file} ${rule}`), `${file} may not import ${imported}`)
  }
  t.end()
})

void t.test('imports to the right are let through', (t) => {
  const found = findViolations(t.testdir(), {
    'src/main.ts': ['./cli/serve.ts'],
    'src/cli/serve.ts': ['../gate.ts', 'node:process'],
    'src/cli/import/zato.ts': ['yaml'],
    'src/gate.ts': ['./inbound/handler.ts', './egress/handler.ts', './admin/handler.ts'],
    'src/inbound/handler.ts': ['../config/load.ts', '../custom.ts'],
    'src/egress/handler.ts': ['../oauth/cache.ts', '../ntlm/engine.ts'],
    'src/admin/handler.ts': ['../config/load.ts'],
    'src/config/load.ts': ['../credentials/hash.ts', 'zod', 'yaml', 'chokidar'],
    'src/credentials/hash.ts': ['../secret.ts', 'bcryptjs'],
    'src/oauth/cache.ts': ['../http/path.ts', 'lru-cache'],
    'src/ntlm/engine.ts': ['../errors.ts', 'node:crypto'],
    'src/http/path.ts': ['../observe/log.ts', 'undici', 'node:net'],
    'src/observe/log.ts': ['../secret.ts', 'pino', 'prom-client'],
    'src/custom.ts': [],
    'src/secret.ts': ['node:util'],
    'src/errors.ts': [],
  })
  t.same(found, [])
  t.end()
})
