/**
 * The few settings of egress that `run` and `ca` need, read without the rest: those commands work
 * beside the application, where neither the variables nor the files of the secrets are, and `ca init`
 * before there is the `egress.ca` that `check` asks for.
 */
import { randomBytes } from 'node:crypto'
import { resolve } from 'node:path'
import type { PemSource } from '../../tls/roots.ts'
import { FileReader } from '../../config/file-reader.ts'
import { findConfigurationPaths } from '../../config/find-paths.ts'
import { mergeTrees } from '../../config/merge.ts'
import type { Listen } from '../../config/model.ts'
import { WantedError, parseListen, parseUrl } from '../../config/network.ts'
import { ProblemList, formatProblem } from '../../config/problems.ts'
import { readSources } from '../../config/sources.ts'
import { findNode } from '../../config/tree.ts'
import type { MapNode, Path } from '../../config/tree.ts'
import { CommandError } from '../command.ts'

/** An address of egress, and whether it speaks TLS. */
export interface OutlineListener {
  readonly address: Listen
  readonly isTls: boolean
}

/** An outgoing connection. */
export interface OutlineOutgoing {
  readonly host: string
  readonly scheme: 'http' | 'https'
  readonly https: string | undefined
  readonly match: string | undefined
  /** `tls.ca` */
  readonly ca: PemSource | undefined
}

/** What was read of a configuration. */
export interface Outline {
  /** `undefined` without `egress`. */
  readonly egress:
    | {
        readonly listeners: readonly OutlineListener[]
        /** The certificate of `egress.ca`. */
        readonly caCert: PemSource | undefined
        readonly hasClients: boolean
      }
    | undefined
  readonly outgoing: readonly OutlineOutgoing[]
  /** The names of the environment variables that any setting refers to. */
  readonly variables: ReadonlySet<string>
  /** The folder that relative paths of its first file count from. */
  readonly directory: string
}

/** Reads the outline; throws `CommandError` where the files or those settings are faulty. */
export function loadOutline(cliPaths: readonly string[]): Outline {
  const paths = findConfigurationPaths(cliPaths, process.env, process.cwd())
  const problems = new ProblemList()
  const variables = new Set<string>()
  const env = new Proxy(process.env, {
    get: (target, name) => {
      variables.add(String(name))
      return target[String(name)]
    },
  })
  const reader = new FileReader(env, randomBytes(32))
  const read = readSources(paths, { reader, problems, onOpenFile: () => undefined })
  const before = problems.count
  const root = mergeTrees(
    read.sources.map((source) => source.root),
    problems,
  )
  // What is given twice could mean either.
  if (read.isPartial || problems.count > before || root === undefined) fail(problems, read.order)
  const directory = read.sources[0]?.file.directory ?? process.cwd()
  return { ...new OutlineReader(root, problems, read.order).read(), variables, directory }
}

function fail(problems: ProblemList, order: readonly string[]): never {
  const [first] = problems.sorted(order)
  const shown = first === undefined ? '' : `: ${formatProblem(first)}`
  throw new CommandError(`the configuration cannot be read${shown}; see "sidegate check"`)
}

/** Picks settings out of the tree. */
class OutlineReader {
  readonly #root: MapNode
  readonly #problems: ProblemList
  readonly #order: readonly string[]

  constructor(root: MapNode, problems: ProblemList, order: readonly string[]) {
    this.#root = root
    this.#problems = problems
    this.#order = order
  }

  read(): Pick<Outline, 'egress' | 'outgoing'> {
    return {
      egress: this.#has(['egress']) ? this.#readEgress() : undefined,
      outgoing: this.#items(['outgoing']).map((path) => this.#readOutgoing(path)),
    }
  }

  #readEgress(): Outline['egress'] {
    const hasCommonTls = this.#has(['egress', 'tls'])
    const listen = ['egress', 'listen']
    const items = this.#items(listen)
    const listeners = (items.length === 0 ? [listen] : items).map((path) => {
      const isMap = this.#has([...path, 'address'])
      const place = isMap ? [...path, 'address'] : path
      const address = this.#parse(place, parseListen)
      const hasOwnTls = isMap && this.#has([...path, 'tls'])
      return { address, isTls: hasOwnTls || (hasCommonTls && address.kind === 'tcp') }
    })
    const clients = findNode(this.#root, ['egress', 'clients'])
    const isNone = clients.node.kind === 'scalar' && clients.node.value === 'none'
    return {
      listeners,
      caCert: this.#has(['egress', 'ca']) ? this.#pem(['egress', 'ca', 'cert']) : undefined,
      hasClients: clients.isWhole && !isNone,
    }
  }

  #readOutgoing(path: Path): OutlineOutgoing {
    const rules = { path: true, wildcard: true }
    const { host, scheme } = this.#parse([...path, 'url'], (text) => parseUrl(text, rules))
    const ca = [...path, 'tls', 'ca']
    return {
      host,
      scheme,
      https: this.#find([...path, 'https']),
      match: this.#find([...path, 'match']),
      ca: this.#has(ca) ? this.#pem(ca) : undefined,
    }
  }

  #has(path: Path): boolean {
    return findNode(this.#root, path).isWhole
  }

  /** The paths of the items of a list. */
  #items(path: Path): readonly Path[] {
    const { node, isWhole } = findNode(this.#root, path)
    return isWhole && node.kind === 'list' ? node.items.map((_, index) => [...path, index]) : []
  }

  #find(path: Path): string | undefined {
    return this.#has(path) ? this.#text(path) : undefined
  }

  #text(path: Path): string {
    const { node, isWhole } = findNode(this.#root, path)
    if (!isWhole) this.#refuse(path, 'is missing')
    if (node.kind !== 'scalar' || typeof node.value !== 'string') this.#refuse(path, 'is no text')
    if (node.isFaulty) this.#refuse(path, 'cannot be resolved')
    return node.value
  }

  #parse<T>(path: Path, parse: (text: string) => T): T {
    const text = this.#text(path)
    try {
      return parse(text)
    } catch (error) {
      if (!(error instanceof WantedError)) throw error
      this.#refuse(path, error.message)
    }
  }

  /** A file that a setting names, or PEM that came through a reference. */
  #pem(path: Path): PemSource {
    const text = this.#text(path)
    if (text.trimStart().startsWith('-----BEGIN ')) return { pem: text }
    return { path: resolve(findNode(this.#root, path).node.place.file.directory, text) }
  }

  /** The problem that the parser had with it, else ours. */
  #refuse(path: Path, problem: string): never {
    const { node, label } = findNode(this.#root, path)
    const { file, offset } = node.place
    const { line, column } = file.locate(Math.max(0, offset))
    const known = this.#problems
      .sorted(this.#order)
      .find((each) => each.file === file.name && each.line === line && each.column === column)
    const told = known ?? { file: file.name, line, column, path: label, problem }
    throw new CommandError(`${formatProblem(told)}; see "sidegate check"`)
  }
}
