/**
 * `sidegate hash`: the hash of a secret that comes on stdin, never on the command line, where
 * `ps` and the shell's history would keep it.
 */
import { type Command, CommandError, UsageError, defineManual, parseOptions } from './command.ts'
import { print, printError, readSecret } from './terminal.ts'

const manual = defineManual({
  name: 'hash',
  usage: '[--bcrypt | --sha256] < SECRET',
  about:
    'Reads a secret from stdin (one line break at its end is cut; on a terminal it asks twice, without echo) and prints ' +
    'its hash: scrypt for password_hash unless told otherwise, sha256 for key_hash. A secret on the command line is refused.',
  options: {
    bcrypt: {
      kind: 'flag',
      text: 'bcrypt, for password_hash and htpasswd files (72 bytes at most)',
    },
    sha256: { kind: 'flag', text: 'sha256:HEX, for key_hash: only for long random keys, in ASCII' },
  },
  examples: [
    ['sidegate hash', 'asks for a password and prints its scrypt hash'],
    ['sidegate hash < password.txt', 'hashes the contents of a file'],
    ['openssl rand -hex 32 | tee key.txt | sidegate hash --sha256', 'a new API key and its hash'],
  ],
  argumentsMayBeSecret: true,
})

/** A key under 128 bits can be guessed when its fast hash leaks: 22 characters of base64 are 128. */
const SHORTEST_KEY_CHARS = 22
const BCRYPT_MAX_BYTES = 72

async function runHash(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseOptions(manual, args)
  if (positionals.length > 0) {
    throw new UsageError(
      'a secret on the command line can be read by everybody on this machine; give it on stdin',
    )
  }
  if (values.bcrypt && values.sha256)
    throw new UsageError('--bcrypt and --sha256 exclude each other')
  const secret = await readSecret()
  checkSecret(secret, values.bcrypt)
  if (values.sha256) checkKey(secret)
  const { createBcryptHash, createScryptHash, sha256Hex } = await import('../credentials/hash.ts')
  if (values.sha256) {
    if (secret.length < SHORTEST_KEY_CHARS) {
      printError('warning: this key is short; sha256 protects only long random keys')
    }
    print(`sha256:${sha256Hex(secret)}`)
  } else {
    print(await (values.bcrypt ? createBcryptHash(secret) : createScryptHash(secret)))
  }
  return 0
}

/** Refuses what could never log in: an empty secret, control characters, too long for bcrypt. */
function checkSecret(secret: string, isBcrypt: boolean): void {
  if (secret === '') throw new CommandError('the secret is empty, nothing was hashed')
  // eslint-disable-next-line no-control-regex -- these are what is looked for
  if (/[\u0000-\u001f\u007f]/.test(secret)) {
    throw new CommandError('the secret holds a line break or control character, nothing was hashed')
  }
  if (isBcrypt && Buffer.byteLength(secret) > BCRYPT_MAX_BYTES) {
    throw new CommandError('bcrypt takes no more than 72 bytes, nothing was hashed')
  }
}

/**
 * Refuses a key that could never arrive: headers are bytes, which clients make of other characters than
 * ASCII in different ways, and blanks at the ends of a header are no part of it.
 */
function checkKey(key: string): void {
  if (/[^\u0020-\u007e]/.test(key)) {
    throw new CommandError(
      'the key holds a character outside of ASCII, which clients send in different ways, nothing was hashed',
    )
  }
  if (key !== key.trim()) {
    throw new CommandError(
      'the key begins or ends with a blank, which no header keeps, nothing was hashed',
    )
  }
}

/** `sidegate hash`. */
export const hashCommand: Command = { manual, run: runHash }
