/**
 * Failures of the network in plain words: what a code of the system or of TLS means, and what can be
 * done about it. Nothing that the other side wrote is repeated, the names in its certificate aside.
 */
import type { Code, SidegateError } from '../../errors.ts'

/** What went wrong, and the cure. */
export interface Words {
  readonly why: string
  readonly cure: string
}

type Table = Readonly<Record<string, Words>>

const unknownAuthority: Words = {
  why: 'TLS: its certificate was issued by an authority that is not trusted here, or the server leaves out its intermediate certificates',
  cure: 'put the certificate of that authority (PEM) into tls.ca; a proxy that opens TLS has one of its own',
}

const notTls: Words = {
  why: 'TLS: what answers there does not speak it',
  cure: 'check the port, and whether the url begins with http:// rather than https://',
}

const clientCertificate: Words = {
  why: 'TLS: the server ended the handshake; most often it wants a client certificate, or another one',
  cure: 'set tls.cert and tls.key to the certificate that the server knows',
}

const noRoute: Words = {
  why: 'there is no route to it from this machine',
  cure: 'check the network of this machine, VPN and firewall; or egress.proxy, if only a proxy may leave',
}

const table: Table = {
  ENOTFOUND: {
    why: 'DNS does not know the name of the host',
    cure: 'check the spelling of the host, and whether this machine uses the DNS that knows it',
  },
  EAI_AGAIN: {
    why: 'DNS did not answer',
    cure: 'check the DNS of this machine; a machine that may only leave through a proxy needs egress.proxy',
  },
  ECONNREFUSED: {
    why: 'nothing listens on this port there, or a firewall refuses the connection',
    cure: 'check host and port, and that it runs',
  },
  ECONNRESET: {
    why: 'the connection was cut before there was an answer',
    cure: 'check the port, and firewalls or proxies on the way',
  },
  EHOSTUNREACH: noRoute,
  ENETUNREACH: noRoute,
  ETIMEDOUT: {
    why: 'no connection in time',
    cure: 'check host, port and firewalls',
  },
  CERT_HAS_EXPIRED: {
    why: 'TLS: its certificate has expired',
    cure: 'the owner of the server must renew it; check the clock of this machine, too',
  },
  CERT_NOT_YET_VALID: {
    why: 'TLS: its certificate is not valid yet',
    cure: 'check the clock of this machine',
  },
  DEPTH_ZERO_SELF_SIGNED_CERT: {
    why: 'TLS: its certificate is self-signed, and not trusted here',
    cure: 'put that very certificate (PEM) into tls.ca',
  },
  SELF_SIGNED_CERT_IN_CHAIN: unknownAuthority,
  UNABLE_TO_GET_ISSUER_CERT: unknownAuthority,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: unknownAuthority,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: unknownAuthority,
  INVALID_PURPOSE: {
    why: 'TLS: its certificate is not one for servers',
    cure: 'the owner of the server must use another one',
  },
  CERT_REVOKED: {
    why: 'TLS: its certificate has been revoked',
    cure: 'the owner of the server must replace it',
  },
  ERR_TLS_CERT_ALTNAME_INVALID: {
    why: 'TLS: its certificate is for other names',
    cure: 'call it by a name of its certificate, or say in tls.server_name which name it has',
  },
  EPROTO: notTls,
  ERR_SSL_WRONG_VERSION_NUMBER: notTls,
  ERR_SSL_PACKET_LENGTH_TOO_LONG: notTls,
  ERR_SSL_HTTP_REQUEST: notTls,
  ERR_SSL_UNSUPPORTED_PROTOCOL: {
    why: 'TLS: the server speaks no TLS 1.2 or later',
    cure: 'the server must be updated: older versions are never spoken',
  },
}

/** Alerts that a server ends a handshake with when the client's certificate is missing or wrong. */
const CERTIFICATE_ALERT =
  /ALERT_(?:CERTIFICATE_REQUIRED|BAD_CERTIFICATE|CERTIFICATE_UNKNOWN|UNKNOWN_CA|HANDSHAKE_FAILURE|UNSUPPORTED_CERTIFICATE|ACCESS_DENIED)$/

/** By the code of a system or TLS error alone; `undefined` where it says nothing to us. */
export function explainSystemCode(code: string): Words | undefined {
  if (Object.hasOwn(table, code)) return table[code]
  if (CERTIFICATE_ALERT.test(code)) return clientCertificate
  if (code.endsWith('ALERT_PROTOCOL_VERSION')) return table['ERR_SSL_UNSUPPORTED_PROTOCOL']
  if (code === 'EUPSTREAMRESET' || code === 'UND_ERR_SOCKET') return table['ECONNRESET']
  return undefined
}

/**
 * What an error of a connection means. `mayWantCertificate`: TLS, and we have shown no certificate;
 * with TLS 1.3 a server that wants one closes the connection only after the handshake.
 */
export function explainNetworkError(error: SidegateError, mayWantCertificate = false): Words {
  const code = systemCode(error.cause)
  const words = explainSystemCode(code)
  if (words === undefined) return explainByCode(error)
  if (words === table['ECONNRESET'] && mayWantCertificate) {
    return {
      why: `${words.why} (${code})`,
      cure: `${words.cure}; or it wants a client certificate (tls.cert, tls.key)`,
    }
  }
  const names = code === 'ERR_TLS_CERT_ALTNAME_INVALID' ? certificateNames(error.cause) : ''
  return { why: `${words.why}${names} (${code})`, cure: words.cure }
}

function explainByCode(error: SidegateError): Words {
  const cures: Partial<Record<Code, string>> = {
    upstream_timeout: 'check host, port and firewalls, or raise timeouts.connect or first_byte',
    upstream_tls:
      'check the port and what the server speaks; "openssl s_client -connect HOST:PORT" shows it',
    upstream_failed: 'check that it is an HTTP/1.1 server, and its own log',
    destination_refused: 'these addresses are never called, whatever the configuration says',
    plaintext_refused:
      'use https://, or say allow_plaintext: true where the network can be trusted',
  }
  return {
    why: error.message,
    cure: cures[error.code] ?? 'check host, port and firewalls, and egress.proxy if there is one',
  }
}

function systemCode(cause: unknown): string {
  if (!(cause instanceof Error) || !('code' in cause)) return ''
  return typeof cause.code === 'string' && /^[A-Z0-9_/]{1,64}$/.test(cause.code) ? cause.code : ''
}

/** `: DNS:a.example, DNS:b.example`, as far as they are what a certificate may say. */
function certificateNames(cause: unknown): string {
  const { cert } = cause as { readonly cert?: { readonly subjectaltname?: unknown } }
  const names = typeof cert?.subjectaltname === 'string' ? cert.subjectaltname : ''
  return /^[A-Za-z0-9.:*_, -]{1,1000}$/.test(names) ? `, ${names.slice(0, 200)}` : ''
}
