/** What the app may read of an error; the log has the whole of it. */
import type { Code, SidegateError } from '../errors.ts'

/** Errors whose words are ours; what the network said may hold addresses that are nobody's business. */
const TELLABLE: ReadonlySet<Code> = new Set([
  'destination_refused',
  'scope_refused',
  'token_unavailable',
  'token_timeout',
  'definition_inactive',
  'upstream_tls',
])

/** The words of the error, or `undefined` where the catalogue's are all there is to say. */
export function tellable(error: SidegateError | undefined): string | undefined {
  return error !== undefined && TELLABLE.has(error.code) ? error.message : undefined
}
