/**
 * Where definitions are said: in the list `security`, or on a line of a file of callers.
 */
import type { ResolveContext } from './context.ts'
import { listNames } from './names.ts'
import type { NameRegistry } from './names.ts'
import type { Path } from './tree.ts'

export class DefinitionPlaces {
  readonly #paths = new Map<string, Path>()
  readonly #names: NameRegistry

  constructor(context: ResolveContext, names: NameRegistry) {
    this.#names = names
    for (const { name, path } of listNames(context, 'security')) {
      if (!this.#paths.has(name)) this.#paths.set(name, path.slice(0, 2))
    }
  }

  /** The path of a definition; `undefined` for one of a file of callers. */
  find(name: string): Path | undefined {
    return this.#paths.get(name)
  }

  /** A problem with a setting of a definition, or with the whole of it where it does not say it. */
  report(context: ResolveContext, name: string, setting: Path, problem: string): void {
    const path = this.#paths.get(name)
    if (path === undefined) {
      const place = this.#names.find(name)
      if (place !== undefined) context.reportLine(place.file, place.line, problem)
      return
    }
    const full = [...path, ...setting.filter((step) => step !== '')]
    context.report(context.has(full) ? full : path, problem)
  }

  /** A warning about a setting of a definition in `security`. */
  warn(context: ResolveContext, name: string, setting: Path, problem: string): void {
    const path = this.#paths.get(name)
    if (path === undefined) return
    const full = [...path, ...setting]
    context.warn(context.has(full) ? full : path, problem)
  }
}
