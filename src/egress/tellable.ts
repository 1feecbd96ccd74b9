/** What the app may read of an error; the log has the whole of it. */
import { catalogue, type Code, type SidegateError } from '../errors.ts'

/** Errors whose words are ours; what the network said may hold addresses that are nobody's business. */
const TELLABLE: ReadonlySet<Code> = new Set([
  'destination_refused',
  'scope_refused',
  'token_unavailable',
  'token_timeout',
  'login_failed',
  'definition_inactive',
  'ntlm_failed',
  'credential_held',
])

/** The words of the error, or `undefined` where the catalogue's are all there is to say. */
export function tellable(error: SidegateError | undefined): string | undefined {
  if (error === undefined) return undefined
  if (error.code === 'upstream_tls') return tellTls(error.cause)
  return TELLABLE.has(error.code) ? error.message : undefined
}

/** The reason by its name alone: its text quotes a certificate that nobody has verified. */
function tellTls(cause: unknown): string | undefined {
  const reason = (cause as { code?: unknown } | undefined)?.code
  if (typeof reason !== 'string' || !/^[A-Z][A-Z0-9_]*$/.test(reason)) return undefined
  return `${catalogue.upstream_tls.title} (${reason})`
}
