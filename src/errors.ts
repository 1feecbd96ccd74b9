/**
 * The one error class and the catalogue of codes. A code is permanent, its wording is free.
 * `docs/errors.md` is generated from the catalogue.
 */

interface CatalogueEntry {
  /** HTTP status the code is answered with. */
  readonly status: number
  /** What happened, for the `title` of the problem document. */
  readonly title: string
  /** What the caller or the operator can do about it. */
  readonly cure: string
}

export const catalogue = {
  bad_request: {
    status: 400,
    title: 'The request is not HTTP that can be forwarded safely',
    cure: 'Send one well-formed HTTP/1.1 request with a single Host and unambiguous framing',
  },
  path_rejected: {
    status: 400,
    title: 'The path could mean different things to different programs',
    cure: 'Send a normalised path, or allow this spelling on the channel (encoded_slashes, empty_segments, path_parameters, double_encoding)',
  },
  ambiguous_credentials: {
    status: 400,
    title: 'More than one credential was presented',
    cure: 'Send exactly one of the credentials that this route accepts',
  },
  bad_control_header: {
    status: 400,
    title: 'An X-Sidegate-* header is malformed or not allowed here',
    cure: 'Send the header once, on a connection that understands it, with a value of its grammar',
  },
  unauthorized: {
    status: 401,
    title: 'Valid credentials are required',
    cure: 'Send one of the credentials that the WWW-Authenticate headers name',
  },
  forbidden: {
    status: 403,
    title: 'These credentials are not accepted here',
    cure: 'Ask for the definition to be added to the security or groups of the channel',
  },
  unmatched_host: {
    status: 403,
    title: 'No outgoing connection names this host',
    cure: 'Add an outgoing connection for the host, or set egress.unmatched',
  },
  outgoing_refused: {
    status: 403,
    title: 'The outgoing connection does not allow this request',
    cure: 'Check the base path, paths, methods, port, clients and is_active of the connection',
  },
  https_mode_missing: {
    status: 403,
    title: 'The connection says neither https: intercept nor https: tunnel',
    cure: 'Set https on the outgoing connection, or use its NAME form',
  },
  destination_refused: {
    status: 403,
    title: 'The destination address is never allowed',
    cure: 'Name the host in an outgoing connection, or use an allowed port',
  },
  plaintext_refused: {
    status: 403,
    title: 'A credential would have travelled in cleartext',
    cure: 'Use https, or set allow_plaintext on the outgoing connection',
  },
  scope_refused: {
    status: 403,
    title: 'A scope was asked for that is not allowed',
    cure: 'Ask for scopes within allowed_scopes',
  },
  browser_refused: {
    status: 403,
    title: 'Requests from browsers are refused here',
    cure: 'Call from a program that sends neither Origin nor Sec-Fetch-Site',
  },
  no_channel: {
    status: 404,
    title: 'No channel matches this host and path',
    cure: 'Check the path, or add a channel',
  },
  no_outgoing: {
    status: 404,
    title: 'No outgoing connection has this name',
    cure: 'Check the name, or add an outgoing connection',
  },
  method_refused: {
    status: 405,
    title: 'The method is not allowed here',
    cure: 'Use one of the methods in Allow',
  },
  client_unauthorized: {
    status: 407,
    title: 'Proxy credentials are required',
    cure: 'Send Proxy-Authorization: Basic with one of the clients of egress',
  },
  request_timeout: {
    status: 408,
    title: 'The request did not arrive in time',
    cure: 'Send the whole header block, and then the body, without long pauses',
  },
  body_too_large: {
    status: 413,
    title: 'The body is larger than this route can check',
    cure: 'Send a smaller body, or raise body_limit of the definition',
  },
  expectation_failed: {
    status: 417,
    title: 'The expectation is not known',
    cure: 'Send no Expect header, or Expect: 100-continue',
  },
  authority_mismatch: {
    status: 421,
    title: 'The request names another authority than its connection',
    cure: 'Open a new connection for each host',
  },
  headers_too_large: {
    status: 431,
    title: 'The header block is too large',
    cure: 'Send fewer or shorter headers, or raise limits.header_bytes',
  },
  scheme_failed: {
    status: 500,
    title: 'A custom scheme failed',
    cure: 'See the log for what the module did',
  },
  upstream_unreachable: {
    status: 502,
    title: 'The upstream could not be reached',
    cure: 'Check that the upstream runs and that its address is right',
  },
  upstream_tls: {
    status: 502,
    title: 'The TLS connection to the upstream failed',
    cure: 'Check the certificate of the upstream, and tls of the connection (inbound: upstream_tls)',
  },
  upstream_failed: {
    status: 502,
    title: 'The upstream did not give a valid answer',
    cure: 'Check the log of the upstream',
  },
  token_unavailable: {
    status: 502,
    title: 'No token could be obtained',
    cure: 'Check the definition and the token server; see /status',
  },
  login_failed: {
    status: 502,
    title: 'The login of a session failed',
    cure: 'Check the username, the password and the login of the definition',
  },
  ntlm_failed: {
    status: 502,
    title: 'NTLM authentication with the upstream failed',
    cure: 'Check the username, the password and what the server offers',
  },
  overloaded: {
    status: 503,
    title: 'Too much work is waiting',
    cure: 'Try again after Retry-After',
  },
  credential_held: {
    status: 503,
    title: 'The credential was refused before and is held back',
    cure: 'Change the secret, or release it with POST /reload?release=NAME',
  },
  definition_inactive: {
    status: 503,
    title: 'The security definition of the connection is not active',
    cure: 'Set is_active on the definition',
  },
  draining: {
    status: 503,
    title: 'Sidegate is shutting down',
    cure: 'Try again, another instance will answer',
  },
  upstream_timeout: {
    status: 504,
    title: 'The upstream did not answer in time',
    cure: 'Check the upstream, or raise timeouts',
  },
  token_timeout: {
    status: 504,
    title: 'The token server did not answer in time',
    cure: 'Check the token server, or raise timeout of the definition',
  },
  loop: {
    status: 508,
    title: 'The request has passed through this Sidegate before',
    cure: 'Check that no outgoing connection points back here',
  },
} as const satisfies Record<string, CatalogueEntry>

/** One of the permanent error codes of the catalogue. */
export type Code = keyof typeof catalogue

/** What can be attached to an error besides its code. */
interface SidegateErrorOptions {
  /** Detail for the log, never for the client. */
  readonly detail?: string
  /** Seconds for `Retry-After`. */
  readonly retryAfterS?: number
  readonly cause?: unknown
}

/** An expected failure with a code of the catalogue. Bugs throw builtin errors instead. */
export class SidegateError extends Error {
  readonly code: Code
  readonly status: number
  readonly retryAfterS: number | undefined

  constructor(code: Code, options: SidegateErrorOptions = {}) {
    super(options.detail ?? catalogue[code].title, { cause: options.cause })
    this.name = 'SidegateError'
    this.code = code
    this.status = catalogue[code].status
    this.retryAfterS = options.retryAfterS
  }
}
