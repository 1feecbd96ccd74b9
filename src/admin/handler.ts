/**
 * The admin listener: `/livez`, `/readyz`, `/metrics`, and for programs on this machine `/status`
 * and `POST /reload`. A listener for probes has the first three and nothing else.
 */
import type { Problem } from '../config/model.ts'
import type { Code } from '../errors.ts'
import type { Exchange, ExchangeHandler } from '../http/exchange.ts'
import type { Metrics } from '../observe/metrics.ts'
import { answerJson, answerPieces, answerProblem, answerText } from './answers.ts'
import { findCallerRefusal } from './caller.ts'
import type { Health } from './health.ts'
import { problemStatus, renderStatus, type StatusDocument } from './status.ts'

/** What came of a reload: the number of the generation that now runs, or why the old one stays. */
export type ReloadResult = { readonly generation: number } | { readonly errors: readonly Problem[] }

export interface ReloadOptions {
  /** A definition whose held credential is to be tried again. */
  readonly release?: string
}

export interface AdminOptions {
  readonly health: Health
  readonly metrics: Pick<Metrics, 'renderChunks' | 'contentType'>
  readonly status: () => StatusDocument
  /** Must not reject; an error in the files is a result. */
  readonly reload: (options: ReloadOptions) => Promise<ReloadResult>
  /** Serve `/livez`, `/readyz` and `/metrics` alone. */
  readonly probesOnly: boolean
  /** What this machine is called besides `localhost`, for the `Host` of `/status` and `/reload`. */
  readonly ownNames: Iterable<string>
  readonly createRequestId: () => string
  /** The redactor's. */
  readonly redact: (text: string) => string
  /** Told of bugs: something that must not fail did. */
  readonly onFailure: (error: unknown) => void
}

interface Endpoint {
  readonly methods: readonly string[]
  /** Only for programs on this machine; not on a listener for probes. */
  readonly isPrivate: boolean
  readonly answer: (exchange: Exchange, requestId: string, query: string) => void
}

const nameGrammar = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/
const read = ['GET', 'HEAD']

/** Creates the handler of an admin listener. */
export function createAdminHandler(options: AdminOptions): ExchangeHandler {
  const endpoints = createEndpoints(options)
  const ownNames = new Set<string>()
  for (const name of options.ownNames) ownNames.add(name.toLowerCase().replace(/\.$/, ''))

  return (exchange) => {
    const requestId = options.createRequestId()
    const refuse = (code: Code, detail?: string, headers?: readonly string[]): void => {
      answerProblem(exchange, requestId, code, detail, headers)
    }
    if (exchange.fault !== undefined) {
      refuse(exchange.fault)
      return
    }
    const { path, query } = splitTarget(exchange.target)
    const endpoint = endpoints.get(path)
    if (endpoint === undefined || (endpoint.isPrivate && options.probesOnly)) {
      refuse('no_channel', 'This listener serves no such path')
      return
    }
    const refusal = endpoint.isPrivate ? findCallerRefusal(exchange, ownNames) : undefined
    if (refusal !== undefined) refuse(refusal.code, refusal.detail)
    else if (!endpoint.methods.includes(exchange.method)) {
      refuse('method_refused', undefined, ['Allow', endpoint.methods.join(', ')])
    } else if (exchange.hasUnknownExpectation) refuse('expectation_failed')
    else endpoint.answer(exchange, requestId, query)
  }
}

function createEndpoints(options: AdminOptions): ReadonlyMap<string, Endpoint> {
  const { health, status, onFailure } = options
  return new Map<string, Endpoint>([
    [
      '/livez',
      {
        methods: read,
        isPrivate: false,
        answer: (exchange) => {
          answerText(exchange, 200, 'text/plain', 'live\n')
        },
      },
    ],
    [
      '/readyz',
      {
        methods: read,
        isPrivate: false,
        answer: (exchange) => {
          answerText(exchange, health.isReady ? 200 : 503, 'text/plain', `${health.state}\n`)
        },
      },
    ],
    [
      '/metrics',
      {
        methods: read,
        isPrivate: false,
        answer: (exchange) => {
          finish(exchange, answerMetrics(exchange, options), onFailure)
        },
      },
    ],
    [
      '/status',
      {
        methods: read,
        isPrivate: true,
        answer: (exchange) => {
          const pieces = renderStatus(status())
          answerPieces(exchange, 'application/json', pieces, undefined, onFailure)
        },
      },
    ],
    [
      '/reload',
      {
        methods: ['POST'],
        isPrivate: true,
        answer: (exchange, requestId, query) => {
          finish(exchange, answerReload(exchange, requestId, query, options), onFailure)
        },
      },
    ],
  ])
}

async function answerMetrics(exchange: Exchange, options: AdminOptions): Promise<void> {
  const { metrics, onFailure } = options
  const presence = watchPresence(exchange)
  const chunks = await metrics.renderChunks()
  if (presence.isGone) return
  const length = chunks.reduce((sum, chunk) => sum + chunk.length, 0)
  answerPieces(exchange, metrics.contentType, chunks, length, onFailure)
}

async function answerReload(
  exchange: Exchange,
  requestId: string,
  query: string,
  { reload, redact }: AdminOptions,
): Promise<void> {
  const release = parseRelease(query)
  if (release === false) {
    answerProblem(exchange, requestId, 'bad_request', 'The only parameter is release=NAME, once')
    return
  }
  const presence = watchPresence(exchange)
  const result = await reload(release === undefined ? {} : { release })
  if (presence.isGone) return
  if ('generation' in result) {
    answerJson(exchange, 200, { generation: result.generation })
    return
  }
  const errors = result.errors.map((error) => problemStatus(error, redact))
  answerJson(exchange, 422, { errors })
}

/** `false` for what is not known: `?relase=x` must not look as if it had worked. */
function parseRelease(query: string): string | undefined | false {
  const parameters = [...new URLSearchParams(query)]
  const first = parameters[0]
  if (first === undefined) return undefined
  const [key, value] = first
  const isFine = parameters.length === 1 && key === 'release' && nameGrammar.test(value)
  return isFine && value
}

function splitTarget(target: string): { path: string; query: string } {
  const at = target.indexOf('?')
  if (at === -1) return { path: target, query: '' }
  return { path: target.slice(0, at), query: target.slice(at + 1) }
}

/** Nothing is sent to a client that went away while its answer was being made. */
function watchPresence(exchange: Exchange): { readonly isGone: boolean } {
  const presence = { isGone: false }
  exchange.onGone = () => {
    presence.isGone = true
  }
  return presence
}

/** A rejection here is a bug: it is told, and the client sees that it got no answer. */
function finish(
  exchange: Exchange,
  work: Promise<void>,
  onFailure: (error: unknown) => void,
): void {
  work.catch((error: unknown) => {
    exchange.abort()
    onFailure(error)
  })
}
