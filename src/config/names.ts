/**
 * Which names exist: definitions and groups share one space, channels and outgoing connections have
 * one each. Faulty items count too, so that one fault is not told twice.
 */
import type { ResolveContext } from './context.ts'
import type { DefinitionType } from './model.ts'
import { suggest } from './nearest.ts'
import type { Path } from './tree.ts'

/** What has a name. */
export interface Named {
  readonly kind: 'definition' | 'group'
  /** `undefined` where the configuration does not say a known one. */
  readonly type: DefinitionType | undefined
  /** Where it is said. */
  readonly file: string
  readonly line: number
}

const TYPES: ReadonlySet<string> = new Set<DefinitionType>([
  'basic_auth',
  'api_key',
  'bearer_token',
  'ntlm',
  'hmac',
  'session',
  'custom',
])

/** Definitions and groups by name. */
export class NameRegistry {
  readonly #context: ResolveContext
  readonly #named = new Map<string, Named>()

  constructor(context: ResolveContext) {
    this.#context = context
  }

  find(name: string): Named | undefined {
    return this.#named.get(name)
  }

  /** Adds a name; one that is taken, or means something else, is reported by `report`. */
  add(name: string, named: Named, report: (problem: string) => void): boolean {
    if (name === 'none') {
      report('the name "none" means that there is none, wanted another name')
      return false
    }
    const earlier = this.#named.get(name)
    if (earlier !== undefined) {
      const { file, line } = earlier
      report(`the name "${name}" is taken by a ${earlier.kind} (${file}:${line})`)
      return false
    }
    this.#named.set(name, named)
    return true
  }

  /** Adds what `security` and `groups` define. */
  addAll(): void {
    for (const [section, kind] of [
      ['security', 'definition'],
      ['groups', 'group'],
    ] as const) {
      for (const { name, path } of listNames(this.#context, section)) {
        const type = this.#context.scalarAt([section, path[1], 'type'])?.value
        const known = typeof type === 'string' && TYPES.has(type) ? type : undefined
        const named: Named = {
          kind,
          type: known as DefinitionType | undefined,
          ...this.#context.linePlaceOf(path),
        }
        this.add(name, named, (problem) => {
          this.#context.report(path, problem)
        })
      }
    }
  }

  /** The definition of that name; anything else is reported. */
  expectDefinition(path: Path, name: string): Named | undefined {
    const found = this.#named.get(name)
    if (found?.kind === 'definition') return found
    if (found === undefined) this.#reportUnknown(path, name, 'definition')
    else {
      const hint = path[0] === 'channels' ? ': name groups under "groups"' : ''
      this.#context.report(
        path,
        `${this.#context.show(path)} is a group, wanted a definition${hint}`,
      )
    }
    return undefined
  }

  /** Whether there is a group of that name; anything else is reported. */
  expectGroup(path: Path, name: string): boolean {
    const found = this.#named.get(name)
    if (found?.kind === 'group') return true
    if (found === undefined) this.#reportUnknown(path, name, 'group')
    else this.#context.report(path, `${this.#context.show(path)} is a definition, wanted a group`)
    return false
  }

  /** A definition or group of that name; anything else is reported. */
  expectAny(path: Path, name: string): Named | undefined {
    const found = this.#named.get(name)
    if (found === undefined) this.#reportUnknown(path, name, undefined)
    return found
  }

  #reportUnknown(path: Path, name: string, kind: Named['kind'] | undefined): void {
    const names: string[] = []
    for (const [known, named] of this.#named) {
      if (kind === undefined || named.kind === kind) names.push(known)
    }
    const what = kind ?? 'definition or group'
    const hint = this.#context.isReferred(path) ? '' : suggest(name, names)
    this.#context.report(path, `there is no ${what} ${this.#context.show(path)}${hint}`)
  }
}

/** The names that a list of the configuration says, with the paths of the names. */
export function listNames(
  context: ResolveContext,
  section: 'security' | 'groups' | 'channels' | 'outgoing',
): { name: string; path: readonly [string, number, 'name'] }[] {
  const list = context.root.entries.get(section)?.node
  if (list?.kind !== 'list') return []
  return list.items.flatMap((_, index) => {
    const path = [section, index, 'name'] as const
    const name = context.scalarAt(path)?.value
    return typeof name === 'string' ? [{ name, path }] : []
  })
}

/** Reports names that a list says twice. */
export function checkUniqueNames(context: ResolveContext, section: 'channels' | 'outgoing'): void {
  const first = new Map<string, Path>()
  for (const { name, path } of listNames(context, section)) {
    const earlier = first.get(name)
    if (earlier === undefined) first.set(name, path)
    else context.report(path, `the name "${name}" is taken (${context.describePlace(earlier)})`)
  }
}
