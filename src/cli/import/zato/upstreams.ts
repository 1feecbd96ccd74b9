/**
 * Where the services of Zato are from now on: one URL for all, or a map of service to URL. A URL is
 * never repeated where it is wrong, for it may hold a password.
 */
import { parseSocketPath, parseUrl, WantedError } from '../../../config/network.ts'
import { quote } from '../../../observe/quote.ts'
import { UsageError } from '../../command.ts'
import { readText } from '../read-text.ts'
import { readYaml } from '../read-yaml.ts'
import { failAt } from '../source-node.ts'
import type { Item } from './item.ts'

const MAX_BYTES = 1024 * 1024

/** Finds the upstream of a service. */
export class Upstreams {
  readonly #common: string | undefined
  readonly #byService: ReadonlyMap<string, string>

  constructor(common: string | undefined, byService: ReadonlyMap<string, string>) {
    this.#common = common
    this.#byService = byService
  }

  /** What all services have that the map does not name. */
  get common(): string | undefined {
    return this.#common
  }

  /** The upstream of a channel's own, `undefined` where it has the common one; none is a problem. */
  find(item: Item, service: string): string | undefined {
    const own = this.#byService.get(service)
    if (own === undefined && this.#common === undefined) {
      const where = service === '' ? 'no service' : `service ${quote(service)}`
      item.problem(`${where}: where does it run? Give --upstream URL, or name it in --upstreams`)
    }
    return own
  }
}

/** Reads `--upstream` and `--upstreams`. */
export function readUpstreams(url: string | undefined, path: string | undefined): Upstreams {
  if (url !== undefined) {
    const fault = findFault(url)
    if (fault !== undefined) throw new UsageError(`--upstream: ${fault}`)
  }
  return new Upstreams(url, path === undefined ? new Map() : readMap(path))
}

function readMap(path: string): ReadonlyMap<string, string> {
  const root = readYaml(path, readText(path, MAX_BYTES, 'wanted lines "service: URL"'))
  const place = root?.place ?? { file: path, line: 0, column: 0 }
  if (root?.kind !== 'map') failAt(place, 'wanted a map: lines "service: URL"')
  const byService = new Map<string, string>()
  for (const [service, node] of root.entries) {
    if (node.kind !== 'scalar' || typeof node.value !== 'string') {
      failAt(node.place, `${quote(service)}: wanted a URL such as http://127.0.0.1:8080`)
    }
    const fault = findFault(node.value)
    if (fault !== undefined) failAt(node.place, `${quote(service)}: ${fault}`)
    byService.set(service, node.value)
  }
  return byService
}

function findFault(url: string): string | undefined {
  try {
    if (url.startsWith('unix:')) parseSocketPath(url)
    else parseUrl(url, { path: false })
    return undefined
  } catch (error) {
    if (error instanceof WantedError) return error.message
    throw error
  }
}
