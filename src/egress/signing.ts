/** What a signature needs: the body, where it is signed, and the request as it will leave. */
import { SidegateError } from '../errors.ts'
import type { SignedRequest } from '../hmac/signature.ts'
import { NO_BODY, readWholeBody } from '../http/whole-body.ts'
import type { BodySource, HeldBody, WholeBodyOptions } from '../http/whole-body.ts'
import type { RequestSignature } from './injector.ts'

/** Reads the body that is signed, or that a module sees; throws or rejects with a `SidegateError`. */
export function readSignedBody(
  source: BodySource,
  reader: Pick<RequestSignature, 'needsBody' | 'bodyLimitBytes'>,
  options: Omit<WholeBodyOptions, 'limitBytes'>,
): HeldBody | undefined | Promise<HeldBody | undefined> {
  if (!reader.needsBody || source.body === undefined) return undefined
  const body = readWholeBody(source, { ...options, limitBytes: reader.bodyLimitBytes })
  return body instanceof Promise ? body.then(held) : held(body)
}

function held(body: Awaited<ReturnType<typeof readWholeBody>>): HeldBody {
  if (body.kind === 'whole') return body
  // Nobody is there to read it.
  throw new SidegateError(body.why === 'gone' ? 'bad_request' : body.why)
}

/** The headers of the signature over a request, `headers` being all others that leave. */
export function sign(
  signature: RequestSignature,
  request: Omit<SignedRequest, 'body'>,
  body: HeldBody | undefined,
): string[] {
  const { bytes } = body ?? NO_BODY
  return signature.sign({ ...request, headers: withLength(request.headers, body), body: bytes })
}

/** The headers with the length, as it will be framed where the body was read first. */
export function withLength(headers: readonly string[], body: HeldBody | undefined): string[] {
  const length = body === undefined ? [] : ['Content-Length', String(body.bytes.length)]
  return [...headers, ...length]
}
