/**
 * The direction of imports, for dependency-cruiser:
 *
 *   main → cli → gate → inbound | egress | admin → config → credentials | oauth | hmac | session
 *        | ntlm | tls → http → observe → secret, errors
 *
 * Import to the right only, never across a bar, no cycles, types included. Packages only where they
 * are allowed. `test/architecture.test.ts` proves that every rule fails on a violation.
 */

/** From left to right; what stands in one row may not import its neighbours. */
const ROWS = [
  ['main.ts'],
  ['cli'],
  ['gate.ts|gate'],
  ['inbound', 'egress', 'admin'],
  ['config'],
  ['credentials', 'oauth', 'hmac', 'session', 'ntlm', 'tls'],
  ['http'],
  ['observe'],
  ['secret.ts', 'errors.ts', 'version.ts'],
]

/** Files and folders that stand beside the rows. */
const ASIDE = ['custom.ts', 'custom']

const folder = (name) =>
  `^src/(${name
    .split('|')
    .map((part) => (part.endsWith('.ts') ? part.replace('.', '\\.') + '$' : `${part}/`))
    .join('|')})`

function directionRules() {
  return ROWS.flatMap((row, index) =>
    row.map((name) => {
      const left = ROWS.slice(0, index).flat()
      const across = row.filter((other) => other !== name)
      return {
        name: `direction-${name}`,
        severity: 'error',
        comment: `${name} imports to the right only, never across a bar`,
        from: { path: folder(name) },
        to: { path: [...left, ...across].map(folder) },
      }
    }),
  ).filter((rule) => rule.to.path.length > 0)
}

/** Package → where it may be imported. A package that is not named here may not be imported at all. */
const PACKAGES = {
  zod: ['src/config/'],
  yaml: ['src/config/', 'src/cli/import'],
  chokidar: ['src/config/'],
  'prom-client': ['src/observe/'],
  pino: ['src/observe/'],
  undici: ['src/http/', 'src/oauth/', 'src/egress/', 'src/ntlm/'],
  'lru-cache': ['src/credentials/', 'src/oauth/', 'src/tls/', 'src/inbound/', 'src/egress/'],
  bcryptjs: ['src/credentials/'],
  jose: ['src/oauth/'],
  '@peculiar/x509': ['src/tls/'],
  'reflect-metadata': ['src/tls/'],
}

function packageRules() {
  const known = Object.keys(PACKAGES).map((name) => `node_modules/${name}/`)
  const rules = Object.entries(PACKAGES).map(([name, folders]) => ({
    name: `package-${name}`,
    severity: 'error',
    comment: `${name} is imported only in ${folders.join(', ')}`,
    from: { path: '^src/', pathNot: folders.map((path) => `^${path}`) },
    to: { path: `node_modules/${name}/` },
  }))
  rules.push({
    name: 'package-unknown',
    severity: 'error',
    comment: 'A runtime dependency needs a reason in docs/decisions and a line in PACKAGES',
    from: { path: '^src/' },
    to: {
      path: 'node_modules/',
      pathNot: [...known, 'node_modules/@types/', 'node_modules/undici-types/'],
    },
  })
  return rules
}

const forbidden = [
  {
    name: 'no-cycles',
    severity: 'error',
    comment: 'Two files that need each other are one, or hide a third',
    from: {},
    to: { circular: true },
  },
  {
    name: 'not-resolvable',
    severity: 'error',
    comment: 'An import that leads nowhere would escape every other rule',
    from: { path: '^src/' },
    to: { couldNotResolve: true },
  },
  {
    name: 'source-imports-source',
    severity: 'error',
    comment: 'Nothing in src knows the tests, the benchmark or what was built',
    from: { path: '^src/' },
    to: { path: '^(test|bench|build|dist|scripts)/' },
  },
  {
    name: 'nobody-imports-main',
    severity: 'error',
    comment: 'main.ts is the executable',
    from: { path: '^src/', pathNot: '^src/main\\.ts$' },
    to: { path: '^src/main\\.ts$' },
  },
  {
    name: 'ntlm-is-pure',
    severity: 'error',
    comment: 'The NTLM engine is bytes in, bytes out: no sockets, clocks or files',
    from: { path: '^src/ntlm/' },
    to: {
      path: '^(node:)?(net|tls|http|https|http2|dgram|dns|fs|fs/promises|timers|timers/promises|child_process|perf_hooks|worker_threads)$',
    },
  },
  {
    name: 'custom-stands-alone',
    severity: 'error',
    comment: 'The published types and the worker of custom schemes import nothing of the gate',
    from: { path: ASIDE.map(folder) },
    to: { path: '^src/', pathNot: [...ASIDE, 'secret.ts', 'errors.ts'].map(folder) },
  },
  ...directionRules(),
  ...packageRules(),
]

module.exports = {
  forbidden,
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(build|dist)/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'types', 'node', 'default'],
    },
  },
}
