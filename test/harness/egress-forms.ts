/**
 * The ways in to one outgoing connection. Whatever the form, the same request must arrive: a test
 * says path and lines, the form says how the request line and `Host` are written and over what.
 */
import type { Test } from 'tap'
import type { EgressGate } from './egress-gate.ts'
import { openTunnel, readFrom, secureTunnel } from './egress-tunnel.ts'
import { upstreamTarget, type Kind } from './egress-world.ts'
import type { RawClient } from './raw-client.ts'

/** A connection on which requests of one form to one outgoing connection can be sent. */
export interface Way {
  readonly client: RawClient
  /** How the client names `rest`, which begins with `/`, below the base path of the connection. */
  target(rest: string): string
  /** The `Host` line. */
  readonly host: string
}

export interface Form {
  readonly name: string
  /** Of the connection that it reaches: `http` is `KIND`, `https` is `KIND-tls`. */
  readonly scheme: 'http' | 'https'
  open(t: Test, gate: EgressGate, kind: Kind): Promise<Way>
}

function nameForm(scheme: 'http' | 'https'): Form {
  return {
    name: `the NAME form of an ${scheme} connection`,
    scheme,
    async open(t, gate, kind) {
      const name = scheme === 'http' ? kind : `${kind}-tls`
      const client = await gate.connect(t)
      return { client, target: (rest) => `/${name}${rest}`, host: gate.host }
    },
  }
}

function absoluteForm(said: 'http' | 'https', scheme: 'http' | 'https'): Form {
  return {
    name: `an absolute ${said}:// URL of an ${scheme} connection`,
    scheme,
    async open(t, gate, kind) {
      const authority = gate.world.authorityOf(kind, scheme)
      const client = await gate.connect(t)
      const target = (rest: string) => `${said}://${authority}${upstreamTarget(kind, rest)}`
      return { client, target, host: `Host: ${authority}\r\n` }
    },
  }
}

function connectForm(inside: 'TLS' | 'cleartext', scheme: 'http' | 'https'): Form {
  return {
    name: `CONNECT with ${inside} inside, of an ${scheme} connection`,
    scheme,
    async open(t, gate, kind) {
      const authority = gate.world.authorityOf(kind, scheme)
      const plain = await openTunnel(t, gate.port, authority)
      const ca = gate.world.interceptor.cert
      const socket =
        inside === 'TLS' ? await secureTunnel(t, plain, { host: '127.0.0.1', ca }) : plain
      const target = (rest: string) => upstreamTarget(kind, rest)
      return { client: readFrom(socket), target, host: `Host: ${authority}\r\n` }
    },
  }
}

/** Every way in. */
export const forms: readonly Form[] = [
  nameForm('http'),
  nameForm('https'),
  absoluteForm('http', 'http'),
  absoluteForm('https', 'https'),
  absoluteForm('http', 'https'),
  connectForm('TLS', 'https'),
  connectForm('cleartext', 'http'),
  connectForm('cleartext', 'https'),
]
