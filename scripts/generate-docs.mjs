// Writes the pages that are made from code: docs/configuration.md from the schema and docs/errors.md
// from the catalogue. With --check it writes nothing and fails where a page differs. Needs a build.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'

const isCheck = process.argv.includes('--check')

async function renderConfiguration() {
  const { renderConfigurationReference } = await import('../dist/config/reference.js')
  return renderConfigurationReference()
}

async function renderErrors() {
  const { catalogue } = await import('../dist/errors.js')
  const rows = Object.entries(catalogue).map(
    ([code, { status, title, cure }]) => `| ${status} | \`${code}\` | ${title} | ${cure} |`,
  )
  return `# Error codes

<!-- Made from src/errors.ts by scripts/generate-docs.mjs. Change that, then run \`make docs\`. -->

An answer of Sidegate's own carries \`X-Sidegate-Error: CODE\` and a body of type
\`application/problem+json\` with the same \`code\`. Codes are permanent; the wording is not. An answer
without that header came from the upstream: the header is removed from theirs.

| status | code | what happened | what to do |
| --- | --- | --- | --- |
${rows.join('\n')}
`
}

const pages = [
  ['docs/errors.md', renderErrors],
  ['docs/configuration.md', renderConfiguration],
]

for (const [path, render] of pages) {
  const wanted = `${(await render()).trimEnd()}\n`
  let found = ''
  try {
    found = readFileSync(path, 'utf8')
  } catch {
    // A page that is not there differs.
  }
  if (found === wanted) continue
  if (isCheck) {
    console.error(`${path} differs from what the code says; run "make docs" and commit it`)
    process.exitCode = 1
  } else {
    mkdirSync('docs', { recursive: true })
    writeFileSync(path, wanted)
    console.log(`wrote ${path}`)
  }
}
