/**
 * The ways in which the admin listener answers: a short text, JSON, a problem, or something long
 * that is made and sent piece by piece, at the pace of the reader.
 */
import type { Code } from '../errors.ts'
import type { Exchange } from '../http/exchange.ts'
import { renderProblem } from '../http/problem.ts'

/** Answers with a short body. */
export function answerText(exchange: Exchange, status: number, type: string, text: string): void {
  exchange.respond(status, headersOf(type), Buffer.from(text))
}

/** Answers with JSON, a line break behind it for those who use curl. */
export function answerJson(exchange: Exchange, status: number, document: unknown): void {
  answerText(exchange, status, 'application/json', `${JSON.stringify(document)}\n`)
}

/** Answers with an error of ours. */
export function answerProblem(
  exchange: Exchange,
  requestId: string,
  code: Code,
  detail?: string,
  extraHeaders: readonly string[] = [],
): void {
  const problem = renderProblem(code, requestId, detail)
  problem.headers.push(...extraHeaders)
  exchange.respond(problem.status, problem.headers, problem.body)
}

/**
 * Answers 200 with a body in pieces; between two of them the event loop has its turn. What fails
 * on the way cuts the connection, since nobody may take half a document for a whole one.
 */
export function answerPieces(
  exchange: Exchange,
  type: string,
  pieces: Iterable<string | Buffer>,
  contentLength: number | undefined,
  onFailure: (error: unknown) => void,
): void {
  const hasBody = exchange.method !== 'HEAD'
  const sink = exchange.start({ status: 200, headers: headersOf(type), hasBody, contentLength })
  if (!hasBody) {
    sink.end()
    return
  }
  let isGone = false
  exchange.onGone = () => {
    isGone = true
  }
  const iterator = pieces[Symbol.iterator]()
  // Not even a drain is followed at once: a socket that takes everything drains within the tick.
  const later = (): void => {
    sink.onDrain = undefined
    setImmediate(step)
  }
  const step = (): void => {
    if (isGone) return
    try {
      const next = iterator.next()
      if (next.done === true) sink.end()
      else if (sink.write(Buffer.from(next.value))) later()
      else sink.onDrain = later
    } catch (error) {
      exchange.abort()
      onFailure(error)
    }
  }
  step()
}

/** Nothing of it may be kept, nor taken for another type. */
function headersOf(type: string): string[] {
  return ['Content-Type', type, 'Cache-Control', 'no-store', 'X-Content-Type-Options', 'nosniff']
}
