/** Faults of sockets in one line for the log, without what OpenSSL says of its own source files. */

/** What node's errors may carry besides their message. */
interface SocketFault extends Error {
  readonly code?: string | undefined
  /** What OpenSSL says in words, where it was at fault. */
  readonly reason?: string | undefined
}

/** `ECONNREFUSED: connect ECONNREFUSED 127.0.0.1:1`, `ERR_SSL_…: tlsv1 alert unknown ca`. */
export function describeFault({ code, reason, message }: SocketFault): string {
  const text = (reason ?? message).replace(/[\s\p{Cc}]+/gu, ' ').trim()
  return code === undefined || text === code ? text : `${code}: ${text}`
}
