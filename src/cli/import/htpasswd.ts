/**
 * `sidegate import htpasswd FILE`: bcrypt hashes are kept as they are, and one entry of another kind
 * refuses the file. A problem never repeats what stands on a line: it may be a password.
 */
import { findHeaderValueFault, hasControl } from '../../config/header-rules.ts'
import { parsePasswordHash } from '../../credentials/hash.ts'
import { quote } from '../../observe/quote.ts'
import { CommandError } from '../command.ts'
import { createPaint, printError } from '../terminal.ts'
import { Findings } from './findings.ts'
import type { ImportValues } from './manual.ts'
import { NameSpace } from './names.ts'
import { readText } from './read-text.ts'
import { renderConfiguration } from './render.ts'
import { formatPlace } from './source-node.ts'
import { verifyConfiguration } from './verify.ts'
import { checkTarget, writeResult } from './write-result.ts'
import { type Draft, literal } from './zato/model.ts'

const MAX_BYTES = 1024 * 1024
const TOO_BIG = 'wanted so many users in a file of their own: htpasswd_file of a group reads it'
const CURE = 'only the user can make another: ask for a new password, and htpasswd -B'
const MAX_PROBLEMS = 20

/** Hashes of others, and why they are not kept. */
const foreignHashes: readonly (readonly [RegExp, string])[] = [
  [/^$/, 'no hash behind the colon'],
  [/^\$apr1\$/, 'apr1 is a fast hash (MD5) and weak'],
  [/^\$1\$/, 'md5-crypt is a fast hash and weak'],
  [/^\{S?SHA\}/i, '{SHA} is a fast hash, without salt, and weak'],
  [/^\$[56]\$/, 'sha-crypt is not among the hashes that Sidegate checks'],
  [/^\$(?:y|7|argon2)/, 'this hash is not among those that Sidegate checks'],
  [/^[./0-9A-Za-z]{13}$/, 'crypt sees 8 characters only and is weak'],
]

/** Imports an htpasswd file; gives the exit code. */
export async function importHtpasswd(file: string, values: ImportValues): Promise<number> {
  const target = { out: values.out, force: values.force }
  await checkTarget(target, [file])
  const findings = new Findings()
  const drafts = readUsers(file, readText(file, MAX_BYTES, TOO_BIG), findings)
  if (drafts.length === 0 && findings.count('problem') === 0) {
    throw new CommandError(`${file}: without any user, wanted lines USER:HASH`)
  }
  const lists = { security: drafts, groups: [], channels: [], outgoing: [] }
  const text = renderConfiguration('Made by "sidegate import htpasswd".', {}, lists)
  if (findings.count('problem') === 0) {
    const { problems } = await verifyConfiguration(text, {})
    for (const { path, problem } of problems) {
      const [, index = ''] = /^security\.(\d+)/.exec(path) ?? []
      findings.add('problem', drafts[Number(index)]?.place, problem)
    }
  }
  const isRefused = findings.count('problem') > 0
  const paint = createPaint(process.stderr, process.env)
  const refused = new Set(isRefused ? (['problem'] as const) : [])
  for (const line of findings.render(refused, paint)) printError(line)
  if (isRefused) {
    printError(paint.red('Nothing was written'))
    return 1
  }
  await writeResult(text, target)
  const where = values.out === undefined ? '' : ` in ${values.out}`
  printError(`${drafts.length} users${where}: name them, or a group of them, on a channel`)
  return 0
}

function readUsers(file: string, text: string, findings: Findings): readonly Draft[] {
  const names = new NameSpace('user')
  const lines = text.split(/\r?\n/)
  names.reserve(lines.map((line) => line.slice(0, Math.max(0, line.indexOf(':')))))
  const places = new Map<string, string>()
  const identities = new Set<string>()
  const drafts: Draft[] = []
  let faults = 0
  for (const [index, line] of lines.entries()) {
    if (line.trim() === '' || line.trimStart().startsWith('#')) continue
    const place = { file, line: index + 1, column: 1 }
    const colon = line.indexOf(':')
    const username = line.slice(0, Math.max(0, colon))
    // nginx takes a comment behind a second colon.
    const stored =
      line
        .slice(colon + 1)
        .split(':', 1)[0]
        ?.trim() ?? ''
    const fault = findFault(colon, username, stored, places)
    if (fault !== undefined) {
      if (++faults <= MAX_PROBLEMS) findings.add('problem', place, fault)
      continue
    }
    places.set(username, formatPlace(place))
    drafts.push({ place, entry: createEntry(username, stored, names, identities) })
    const name = drafts.at(-1)?.entry['name']
    if (typeof name === 'string' && name !== username) {
      findings.add('renamed', place, `user ${quote(username)} is the definition ${quote(name)}`)
    }
  }
  if (faults > MAX_PROBLEMS) {
    findings.add('problem', undefined, `${faults - MAX_PROBLEMS} more lines are faulty`)
  }
  return drafts
}

function findFault(
  colon: number,
  username: string,
  stored: string,
  places: ReadonlyMap<string, string>,
): string | undefined {
  if (colon === -1) return 'found no colon, wanted USER:HASH as htpasswd -B writes it'
  if (username === '') return 'found no user before the colon'
  if (hasControl(username)) return 'a control character in the user'
  const earlier = places.get(username)
  if (earlier !== undefined) return `the user stands at ${earlier} already`
  if (/^\$2[aby]\$/.test(stored)) {
    try {
      parsePasswordHash(stored)
      return undefined
    } catch (error) {
      return error instanceof Error ? error.message : 'not a bcrypt hash'
    }
  }
  const [, why] = foreignHashes.find(([pattern]) => pattern.test(stored)) ?? []
  return `${why ?? 'not a hash that Sidegate knows: a password in plain text, perhaps'}; ${CURE}`
}

/** The upstream is told the username, or the name where no header can carry that. */
function createEntry(
  username: string,
  stored: string,
  names: NameSpace,
  identities: Set<string>,
): Draft['entry'] {
  const name = names.fit(username)
  const isFit = findHeaderValueFault(username) === undefined && !identities.has(username)
  const identity = isFit ? username : name
  identities.add(identity)
  return {
    name,
    type: 'basic_auth',
    username: literal(username),
    password_hash: stored,
    ...(isFit ? {} : { identity }),
  }
}
