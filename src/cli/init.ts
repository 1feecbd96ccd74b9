/**
 * `sidegate init`: a commented configuration to start from, with random secrets that only their
 * hashes are kept of. An existing file is never touched.
 */
import { writeFile } from 'node:fs/promises'
import { createScryptHash, sha256Hex } from '../credentials/hash.ts'
import { type Command, CommandError, UsageError, defineManual, parseOptions } from './command.ts'
import { createKey, createPassword } from './random-secret.ts'
import { createPaint, print } from './terminal.ts'
import { renderScalar } from './yaml-text.ts'

const manual = defineManual({
  name: 'init',
  usage: '[PATH] [--upstream URL] [--listen ADDRESS]',
  about:
    'Writes a commented configuration (./sidegate.yaml unless PATH says otherwise) with two callers, prints their secrets ' +
    'once and the commands to try. An existing file is never overwritten.',
  options: {
    upstream: {
      kind: 'value',
      value: 'URL',
      text: 'the service to protect, http://127.0.0.1:8080 unless told otherwise',
    },
    listen: {
      kind: 'value',
      value: 'ADDRESS',
      text: 'where callers come in, 127.0.0.1:8000 unless told otherwise',
    },
  },
  examples: [
    ['sidegate init', 'writes ./sidegate.yaml'],
    [
      'sidegate init conf.d/main.yaml --upstream http://127.0.0.1:3000',
      'another file, another service',
    ],
  ],
})

interface Start {
  readonly listen: string
  readonly upstream: string
  readonly passwordHash: string
  readonly keyHash: string
}

async function runInit(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseOptions(manual, args)
  const [path = 'sidegate.yaml', extra] = positionals
  if (extra !== undefined) throw new UsageError(`unexpected argument "${extra}"`)
  const { upstream = 'http://127.0.0.1:8080', listen = '127.0.0.1:8000' } = values
  if (!/^(https?:\/\/|unix:\/).+/.test(upstream)) {
    throw new UsageError(
      `--upstream "${upstream}": http://HOST:PORT, https://… or unix:/path was wanted`,
    )
  }
  const password = createPassword()
  const key = createKey()
  const text = renderStart({
    listen,
    upstream,
    passwordHash: await createScryptHash(password),
    keyHash: `sha256:${sha256Hex(key)}`,
  })
  await writeNew(path, text)
  printNext(path, listen, password, key)
  return 0
}

/** `wx` makes checking and writing one step; 0600 because other secrets may be added. */
async function writeNew(path: string, text: string): Promise<void> {
  try {
    await writeFile(path, text, { flag: 'wx', mode: 0o600 })
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') {
      throw new CommandError(`"${path}" exists and is left as it is`)
    }
    throw error
  }
}

function printNext(path: string, listen: string, password: string, key: string): void {
  const paint = createPaint(process.stdout, process.env)
  const isDefault = path === 'sidegate.yaml'
  const base = `http://${listen.replace(/^(0\.0\.0\.0|\[::\])(?=:)/, '127.0.0.1')}`
  print(`${paint.bold(`Wrote ${path}.`)} Its two secrets are shown only now:`)
  print(`  password of crm     ${password}`)
  print(`  API key of mobile   ${key}`)
  print()
  print(paint.bold('Next:'))
  print(`  sidegate serve${isDefault ? '' : ` --config ${path}`}`)
  print(`  curl -i ${base}/api/hello                        # refused: 401`)
  print(`  curl -i -u crm:${password} ${base}/api/hello`)
  print(`  curl -i -H 'X-API-Key: ${key}' ${base}/api/hello`)
}

function renderStart({ listen, upstream, passwordHash, keyHash }: Start): string {
  return `# Sidegate: who may call this service. "sidegate check" finds every mistake in this file, and
# a saved change takes effect while Sidegate runs. Every setting: docs/configuration.md

inbound:
  # Where callers come in. To be reachable from other machines: 0.0.0.0:8000, with tls.
  listen: ${renderScalar(listen)}
  # The service. It must not be reachable around Sidegate: let it listen on 127.0.0.1 only.
  upstream: ${renderScalar(upstream)}

# Who is known. New callers: "sidegate generate basic_auth NAME" or "sidegate generate api_key NAME".
security:
  - name: crm
    type: basic_auth
    username: crm
    password_hash: "${passwordHash}"
  - name: mobile
    type: api_key # in the header X-API-Key
    key_hash: ${keyHash}

# Names for several callers at once.
groups:
  - name: partners
    members: [crm, mobile]

# Who may call what. The most specific path wins; what no channel names is answered with 404.
channels:
  - name: api
    path: /api/*
    groups: [partners]
  # - name: orders
  #   path: /api/orders/{id}
  #   methods: [GET, POST]
  #   security: crm # a definition, a list of them, or none
  - name: health
    path: /healthz
    security: none # open to everybody
`
}

/** `sidegate init`. */
export const initCommand: Command = { manual, run: runInit }
