/**
 * Paths of Zato become path rules. A parameter of Zato matches across slashes unless told otherwise, one
 * of ours never does: a last one becomes `*`. Paths that go another way than before must not come to a
 * channel that lets in more.
 */
import { parsePattern } from '../../../http/pattern.ts'

/** A path of Zato in our grammar. */
export interface ConvertedPath {
  /** With a last `*` where the last parameter matches across slashes. */
  readonly path: string
  /** The same with `{name}`, where that is another. */
  readonly narrow: string | undefined
  /** Equal for paths that differ in the names of their parameters alone. */
  readonly key: string
  /** Whether a parameter before the last segment matches across slashes in Zato. */
  readonly isCut: boolean
}

/** Converts a path; a text says why it cannot be. */
export function convertPath(urlPath: string, isAcrossSlashes: boolean): ConvertedPath | string {
  const segments = urlPath.slice(1).split('/')
  const converted: string[] = []
  for (const segment of segments) {
    const [, parameter] = /^\{([^{}]+)\}$/.exec(segment) ?? []
    if (parameter !== undefined) converted.push(`{${parameter.replace(/[^A-Za-z0-9_-]/g, '_')}}`)
    else if (/[{}]/.test(segment))
      return 'a parameter is not a whole segment, which a channel cannot say'
    else converted.push(segment.replaceAll('*', '%2A'))
  }
  const narrow = `/${converted.join('/')}`
  try {
    parsePattern(narrow)
  } catch (error) {
    const message = error instanceof Error ? error.message : ''
    return message.slice(Math.max(0, message.indexOf('wanted')))
  }
  const key = narrow.replace(/\{[^{}]*\}/g, '{}')
  const isParameter = converted.map((segment) => segment.startsWith('{'))
  const isCut = isAcrossSlashes && isParameter.slice(0, -1).includes(true)
  if (!isAcrossSlashes || isParameter.at(-1) !== true)
    return { path: narrow, narrow: undefined, key, isCut }
  return { path: `/${[...converted.slice(0, -1), '*'].join('/')}`, narrow, key, isCut }
}

/** Rules below one prefix. */
interface PrefixNode<C> {
  /** Those that end in `*` here. */
  readonly channels: C[]
  /** By literal; `undefined` is any segment. */
  readonly next: Map<string | undefined, PrefixNode<C>>
}

/** The rules that end in `*`, for the question which of them lie around another. */
export class WideRules<C> {
  readonly #root: PrefixNode<C> = { channels: [], next: new Map() }

  add(channel: C, path: string): void {
    const { segments, hasRest } = parsePattern(path)
    if (!hasRest) return
    let node = this.#root
    for (const segment of segments) {
      const next = node.next.get(segment) ?? { channels: [], next: new Map() }
      node.next.set(segment, next)
      node = next
    }
    node.channels.push(channel)
  }

  /** Channels that take every path of this rule, itself among them. */
  around(path: string): readonly C[] {
    let nodes = [this.#root]
    const found = [...this.#root.channels]
    for (const segment of parsePattern(path).segments) {
      // What any segment takes, a literal takes not; an empty one only a literal takes.
      const ways = new Set(segment === '' ? [segment] : [segment, undefined])
      nodes = nodes.flatMap((node) => [...ways].flatMap((way) => node.next.get(way) ?? []))
      for (const { channels } of nodes) found.push(...channels)
    }
    return found
  }
}
