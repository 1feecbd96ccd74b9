// Names, words and sizes that neither the compiler nor the linter holds: drawers without a subject,
// left-over markers, paths and hosts of somebody's machine, a lockfile that names a host.
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { basename } from 'node:path'

const problems = []
const warnings = []

const files = execFileSync(
  'git',
  ['ls-files', '-z', '--cached', '--others', '--exclude-standard'],
  {
    encoding: 'utf8',
  },
)
  .split('\0')
  .filter((file) => file !== '' && existsSync(file))

const DRAWERS = /^(utils?|helpers?|common|types|index|misc|shared)(\.|$)/
const MAX_LINES = 300
// Put together from pieces, so that this file does not contain what it looks for.
const FORBIDDEN = [
  { pattern: new RegExp(`(^|[^\\w.*/-])/${'work'}/`), why: 'a path of one machine' },
  { pattern: new RegExp(`\\b${'registry'}\\.(npm|yarn)`), why: 'the host of a package registry' },
  {
    pattern: new RegExp(`\\b(${['TO' + 'DO', 'FIX' + 'ME', 'X' + 'XX'].join('|')})\\b`),
    why: 'a left-over',
  },
]
const SOURCE =
  /\.(ts|mjs|cjs|js|json|md|ya?ml|sh|conf|txt|tpl|toml)$|(^|\/)(Makefile|Dockerfile|run)$/

for (const file of files) {
  const isSource = /^(src|test|bench)\//.test(file)
  if (isSource && file.split('/').some((part) => DRAWERS.test(part))) {
    problems.push(`${file}: a drawer; name the file after what it is responsible for`)
  }
  if (!SOURCE.test(basename(file)) || file.includes('/fixtures/')) continue
  const text = readFileSync(file, 'utf8')
  const lines = text.split('\n')
  if (file !== 'package-lock.json') {
    lines.forEach((line, index) => {
      for (const { pattern, why } of FORBIDDEN) {
        if (pattern.test(line)) problems.push(`${file}:${index + 1}: ${why}: ${line.trim()}`)
      }
    })
  }
  if (file.startsWith('src/') && file.endsWith('.ts')) {
    if (lines.length - 1 > MAX_LINES)
      warnings.push(`${file}: ${lines.length - 1} lines; is it two?`)
    if (!text.startsWith('/*') && !text.startsWith('//') && !text.startsWith('#!')) {
      problems.push(`${file}: does not open with what it is responsible for`)
    }
  }
}

if (/https?:\/\/[^"]+\.tgz/.test(readFileSync('package-lock.json', 'utf8'))) {
  problems.push('package-lock.json: names a host; install with the .npmrc of this repository')
}
const runtime = Object.entries(JSON.parse(readFileSync('package-lock.json', 'utf8')).packages)
for (const [path, entry] of runtime) {
  if (path !== '' && !entry.dev && !entry.devOptional && entry.hasInstallScript) {
    problems.push(`package-lock.json: ${path} has an install script`)
  }
}

for (const warning of warnings) console.log(`warning: ${warning}`)
for (const problem of problems) console.error(problem)
process.exitCode = problems.length > 0 ? 1 : 0
