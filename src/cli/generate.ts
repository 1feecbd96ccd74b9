/**
 * `sidegate generate TYPE NAME`: a security definition that `check` accepts. The YAML goes to
 * stdout and can be a file of a configuration directory as it is; the secret, once, to stderr.
 */
import type { DefinitionType } from '../config/model.ts'
import {
  type Command,
  UsageError,
  defineManual,
  expectPositionals,
  parseOptions,
  suggest,
} from './command.ts'
import { createKey, createPassword } from './random-secret.ts'
import { print, printError } from './terminal.ts'
import { renderScalar, renderVariable } from './yaml-text.ts'

const manual = defineManual({
  name: 'generate',
  usage: 'TYPE NAME',
  about:
    'Prints a security definition as YAML on stdout and its random secret, once, on stderr. basic_auth and api_key are for ' +
    'callers of yours: the YAML holds only a hash. The other types (bearer_token, ntlm, hmac, session, custom) name the ' +
    'environment variables that their secrets will come from.',
  options: {},
  examples: [
    ['sidegate generate basic_auth crm', 'a caller with a password'],
    [
      'sidegate generate api_key mobile > conf.d/mobile.yaml',
      'a caller with a key, as a file of its own',
    ],
    [
      'sidegate generate bearer_token salesforce',
      'what to fill in for OAuth 2.0 client credentials',
    ],
  ],
})

/** A definition and what to tell its owner. */
interface Generated {
  /** Lines below `name` and `type`. */
  readonly settings: readonly string[]
  /** The random secret, where there is one. */
  readonly secret?: string
  /** What to do with it, said on stderr. */
  readonly note: string
}

const generators = {
  basic_auth: async (name) => {
    const { createScryptHash } = await import('../credentials/hash.ts')
    const secret = createPassword()
    return {
      settings: [
        `username: ${renderScalar(name)}`,
        `password_hash: "${await createScryptHash(secret)}"`,
      ],
      secret,
      note: 'the password of',
    }
  },
  api_key: async () => {
    const { sha256Hex } = await import('../credentials/hash.ts')
    const secret = createKey()
    return { settings: [`key_hash: sha256:${sha256Hex(secret)}`], secret, note: 'the API key of' }
  },
  bearer_token: (name) => ({
    settings: [
      'username: my-client-id # the client id',
      `password: ${renderReference(name, 'SECRET')} # the client secret`,
      'auth_server_url: https://auth.example.com/oauth2/token',
      'scopes: |',
      '  read:users',
    ],
    note: noteVariable(name, 'SECRET'),
  }),
  ntlm: (name) => ({
    settings: [
      'username: CORP\\svc-app # or user@domain',
      `password: ${renderReference(name, 'PASSWORD')}`,
    ],
    note: noteVariable(name, 'PASSWORD'),
  }),
  hmac: (name) => ({
    settings: [
      `key: ${renderReference(name, 'KEY')}`,
      'algorithm: sha256',
      `string_to_sign: [timestamp, '"."', body]`,
      'headers: { X-Signature: "sha256={signature}", X-Timestamp: "{timestamp}" }',
      'timestamp_format: unix',
      'tolerance: 5m',
    ],
    secret: createKey(),
    note: `a random key, for ${renderVariable(name, 'KEY')} and for the other side of`,
  }),
  session: (name) => ({
    settings: [
      `username: ${renderScalar(name)}`,
      `password: ${renderReference(name, 'PASSWORD')}`,
      'login:',
      '  url: https://api.example.com/login',
      '  headers: { Content-Type: application/json }',
      `  body: '{{"user":"{username}","password":"{password}"}}'`,
      'extract: { token: /token } # a JSON Pointer; or cookie:NAME, header:NAME',
      'apply: { headers: { X-Session: "{token}" } }',
      'ttl: 10m',
    ],
    note: noteVariable(name, 'PASSWORD'),
  }),
  custom: (name) => ({
    settings: [
      'module: ./schemes/my-scheme.mjs',
      `secrets: { KEY: "${renderReference(name, 'KEY')}" }`,
      'headers: [X-My-Scheme] # what the module may set',
    ],
    note: noteVariable(name, 'KEY'),
  }),
} satisfies Record<DefinitionType, (name: string) => Generated | Promise<Generated>>

const types = Object.keys(generators)

async function runGenerate(args: readonly string[]): Promise<number> {
  const { positionals } = parseOptions(manual, args)
  expectPositionals(manual, positionals, ['TYPE', 'NAME'])
  const [type = '', name = ''] = positionals
  if (!isDefinitionType(type)) {
    throw new UsageError(
      `unknown type "${type}"${suggest(type, types) || `, one of ${types.join(', ')} was wanted`}`,
    )
  }
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/.test(name)) {
    throw new UsageError(
      `name "${name}": 1 to 128 of A-Za-z0-9._- were wanted, a letter or digit first`,
    )
  }
  const { settings, secret, note }: Generated = await generators[type](name)
  print(
    ['security:', `  - name: ${renderScalar(name)}`, `    type: ${type}`]
      .concat(settings.map((line) => `    ${line}`))
      .join('\n'),
  )
  if (secret === undefined) printError(note)
  else printError(`${note} "${name}", shown only now:\n${secret}`)
  return 0
}

function isDefinitionType(type: string): type is DefinitionType {
  return Object.hasOwn(generators, type)
}

function renderReference(name: string, suffix: string): string {
  return `\${env:${renderVariable(name, suffix)}}`
}

function noteVariable(name: string, suffix: string): string {
  return `set ${renderVariable(name, suffix)} in the environment of Sidegate before it loads this`
}

/** `sidegate generate TYPE NAME`. */
export const generateCommand: Command = { manual, run: runGenerate }
