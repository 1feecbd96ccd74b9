/**
 * Groups: their members from all the places where membership is said, and the definitions that
 * stand in files of callers, one a line. Those files may have 100,000 lines: no schema for each.
 */
import { hash } from 'node:crypto'
import type { KeyEntry, PasswordEntry } from '../credentials/entries.ts'
import { parseHtpasswdFile, parseKeysFile } from '../credentials/groups.ts'
import type { ResolveContext } from './context.ts'
import type { ApiKeyDefinition, BasicAuthDefinition, Definition, DefinitionType } from './model.ts'
import type { NameRegistry } from './names.ts'
import type { ParsedDefinition, ParsedGroup } from './schema.ts'
import type { Path } from './tree.ts'

/** The types that may call, in channels and groups (design, section 1). */
export const INBOUND_TYPES: ReadonlySet<DefinitionType> = new Set([
  'basic_auth',
  'api_key',
  'hmac',
  'custom',
])

/** Groups and the definitions that their files add. */
export interface ResolvedGroups {
  readonly members: ReadonlyMap<string, readonly string[]>
  /** Groups some of whose members could not be read: not to be taken for empty. */
  readonly incomplete: ReadonlySet<string>
}

const MAX_FAULTS = 20

/** Resolves all groups; definitions of their files are added to `definitions`. */
export function resolveGroups(
  context: ResolveContext,
  names: NameRegistry,
  groups: readonly (ParsedGroup | undefined)[],
  security: readonly (ParsedDefinition | undefined)[],
  definitions: Map<string, Definition>,
): ResolvedGroups {
  const members = new Map<string, Set<string>>()
  const incomplete = new Set<string>()
  for (const [index, group] of groups.entries()) {
    if (group === undefined) continue
    const path = ['groups', index]
    const own = members.get(group.name) ?? new Set<string>()
    members.set(group.name, own)
    for (const [at, member] of group.members.entries()) {
      if (checkMember(context, names, [...path, 'members', at], member)) own.add(member)
      else incomplete.add(group.name)
    }
    const isWhole = [
      addFile(context, names, path, group, 'keys_file', own, definitions),
      addFile(context, names, path, group, 'htpasswd_file', own, definitions),
    ]
    if (isWhole.includes(false)) incomplete.add(group.name)
  }
  for (const [index, definition] of security.entries()) {
    for (const [at, group] of (definition?.groups ?? []).entries()) {
      const path = ['security', index, 'groups', at]
      if (definition === undefined || !names.expectGroup(path, group)) continue
      checkType(context, path, definition.type)
      members.get(group)?.add(definition.name)
    }
    if (definition === undefined) for (const name of members.keys()) incomplete.add(name)
  }
  return { members: new Map([...members].map(([name, set]) => [name, [...set]])), incomplete }
}

function checkMember(
  context: ResolveContext,
  names: NameRegistry,
  path: Path,
  name: string,
): boolean {
  const found = names.expectDefinition(path, name)
  if (found?.type !== undefined) checkType(context, path, found.type)
  return found !== undefined
}

function checkType(context: ResolveContext, path: Path, type: DefinitionType): void {
  if (INBOUND_TYPES.has(type)) return
  context.report(
    path,
    `a definition of type ${type} cannot call, wanted one of ${[...INBOUND_TYPES].join(', ')}`,
  )
}

/** Adds the callers of a file; `false` when something in it could not be read. */
function addFile(
  context: ResolveContext,
  names: NameRegistry,
  groupPath: Path,
  group: ParsedGroup,
  setting: 'keys_file' | 'htpasswd_file',
  members: Set<string>,
  definitions: Map<string, Definition>,
): boolean {
  const value = group[setting]
  if (value === undefined) return true
  const read = context.readFileAt([...groupPath, setting], value)
  if (read === undefined) return false
  const { shown } = read.file
  const isKeys = setting === 'keys_file'
  const take = (definition: Definition, line: number): void => {
    const named = { kind: 'definition', type: definition.type, file: shown, line } as const
    const isNew = names.add(definition.name, named, (problem) => {
      context.reportLine(shown, line, problem)
    })
    if (!isNew) return
    definitions.set(definition.name, definition)
    members.add(definition.name)
  }
  const readCallers = isKeys ? readKeys : readUsers
  const faults = readCallers(read.text, context.fingerprintKey.toString('hex'), take)
  for (const fault of faults.slice(0, MAX_FAULTS))
    context.reportLine(shown, fault.line, fault.problem)
  if (faults.length > MAX_FAULTS) {
    context.reportLine(shown, 0, `${faults.length - MAX_FAULTS} more lines are faulty`)
  }
  // Hashes of passwords can be guessed at; those of long random keys cannot.
  if (!isKeys && read.isOpen) context.warnLine(shown, 0, 'other users can read this file')
  return faults.length === 0
}

type Take = (definition: Definition, line: number) => void
type Faults = readonly { readonly line: number; readonly problem: string }[]

// Object literals below are written out: a spread for each of 100,000 lines costs more than the rest.
function readKeys(text: string, fingerprintKey: string, take: Take): Faults {
  const { entries, faults } = parseKeysFile(text)
  for (const { name, digest, line } of entries) {
    const key: KeyEntry = {
      label: '',
      source: 'hash',
      notBeforeMs: undefined,
      notAfterMs: undefined,
      key: undefined,
      digest,
    }
    const definition: ApiKeyDefinition = {
      name,
      isActive: true,
      identity: name,
      fingerprint: fingerprintCaller(fingerprintKey, 'api_key', name, digest.toString('latin1')),
      type: 'api_key',
      header: 'X-API-Key',
      keys: [key],
    }
    take(definition, line)
  }
  return faults
}

function readUsers(text: string, fingerprintKey: string, take: Take): Faults {
  const { entries, faults } = parseHtpasswdFile(text)
  for (const { username, hash: passwordHash, line } of entries) {
    const secret = passwordHash.kind === 'bcrypt' ? passwordHash.text : ''
    const password: PasswordEntry = {
      label: '',
      source: 'hash',
      notBeforeMs: undefined,
      notAfterMs: undefined,
      password: undefined,
      hash: passwordHash,
    }
    const definition: BasicAuthDefinition = {
      name: username,
      isActive: true,
      identity: username,
      fingerprint: fingerprintCaller(fingerprintKey, 'basic_auth', username, secret),
      type: 'basic_auth',
      username,
      passwords: [password],
      realm: undefined,
    }
    take(definition, line)
  }
  return faults
}

/**
 * A MAC from two one-shot hashes, a quarter of the cost of `createHmac`; keyed twice, so that what
 * comes out cannot be extended. Names have no blanks: the parts cannot run into each other.
 */
function fingerprintCaller(key: string, type: string, name: string, secret: string): string {
  return hash('sha256', key + hash('sha256', `${key}${type} ${name} ${secret}`), 'base64url')
}
