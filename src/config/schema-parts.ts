/**
 * Parts that several sections of the schema share: listeners, TLS material, limits, parent proxies, path
 * oddities.
 */
import { z } from 'zod'
import { HOST_WANTED, LISTEN_WANTED, parseHost, parseListen, parseUrl } from './network.ts'
import { findHeaderFault } from './header-rules.ts'
import {
  checkedText,
  duration,
  flag,
  integer,
  list,
  map,
  name,
  size,
  text,
  verbatim,
} from './schema-scalars.ts'

const KIB = 1024
const MIB = 1024 * KIB

const PEM = 'the path of a PEM file, or its text through a reference'

/** Certificate and key of a server. */
export const serverTls = map(
  {
    cert: text().meta({ description: `Certificate chain: ${PEM}` }),
    key: text().meta({ description: `Private key of the certificate: ${PEM}`, secret: true }),
  },
  'Certificate and key to serve TLS with',
)

/** Certificate and key of a listener, and whose client certificates it asks for. */
export const listenerTls = map(
  {
    ...serverTls.shape,
    client_ca: text()
      .optional()
      .meta({ description: `Clients must show a certificate signed by it: ${PEM}` }),
  },
  'TLS of this listener',
)

/** One address of a listener. */
export const address = checkedText(LISTEN_WANTED, parseListen)

/** An address, one with TLS, or a list of these. */
export const listen = z
  .union(
    [
      address,
      z
        .array(
          z.union(
            [
              address,
              map(
                {
                  address: address.meta({ description: 'HOST:PORT' }),
                  tls: listenerTls.optional(),
                },
                'An address with its TLS',
              ),
            ],
            { error: `${LISTEN_WANTED}, or a map of address and tls` },
          ),
        )
        .min(1, 'wanted at least one address'),
      map(
        { address: address.meta({ description: 'HOST:PORT' }), tls: listenerTls.optional() },
        'An address with its TLS',
      ),
    ],
    { error: `${LISTEN_WANTED}, or a list of these` },
  )
  .meta({
    description:
      'HOST:PORT or unix:/path, a map of `address` and `tls`, or a list of these. Changes need a restart',
    examples: ['0.0.0.0:8000', 'unix:/run/sidegate.sock'],
  })

/** How to verify a server and what to show it. */
export const clientTls = map(
  {
    ca: text()
      .optional()
      .meta({ description: `Trusted instead of the public authorities: ${PEM}` }),
    cert: text()
      .optional()
      .meta({ description: `Client certificate: ${PEM}` }),
    key: text()
      .optional()
      .meta({ description: `Private key of the client certificate: ${PEM}`, secret: true }),
    server_name: checkedText(HOST_WANTED, parseHost)
      .optional()
      .meta({ description: 'Name that the certificate of the server must have, and sent as SNI' }),
  },
  'How to verify the server, and what to show it',
)

/** Bounds of connections and header blocks, of both sides. */
export const connectionLimits = {
  connections: integer('Connections at once', 1, 1_000_000).prefault(10_000),
  header_bytes: size('Header block of a request', KIB, MIB).prefault('16KiB'),
  response_header_bytes: size('Header block of an answer', KIB, 16 * MIB).prefault('64KiB'),
}

/**
 * Time limits and what each is unless told: for a side, and without defaults for what inherits them
 * from it.
 */
export function timeLimits<K extends string>(
  limits: Readonly<Record<K, readonly [meaning: string, fallback: string]>>,
  side: string,
) {
  const entries = Object.entries(limits) as [K, readonly [string, string]][]
  const own = entries.map(([key, [text, value]]) => [key, duration(text).prefault(value)] as const)
  const inherited = entries.map(([key, [text]]) => [key, duration(text).optional()] as const)
  return {
    own: map(collect(own), 'Time limits'),
    inherited: map(collect(inherited), `Time limits; those of \`${side}\` unless told`),
  }
}

function collect<K extends string, V>(entries: readonly (readonly [K, V])[]): Record<K, V> {
  return Object.fromEntries(entries) as Record<K, V>
}

/** A parent proxy. */
export const proxy = map(
  {
    url: checkedText('wanted a URL such as http://proxy.example.com:3128', (value) =>
      parseUrl(value, { path: false }),
    ).meta({ description: 'Address of the parent proxy', examples: ['http://proxy:3128'] }),
    security: name('Definition (`basic_auth`) that is shown to the proxy').optional(),
    no_proxy: list(text(), 'a list of hosts')
      .prefault([])
      .meta({ description: 'Hosts, `.suffixes` and networks that are reached directly' }),
  },
  'Parent proxy of everything, token servers too',
)

/** A parent proxy, or `none` where one would be inherited. */
export const proxyOrNone = z
  .union([z.literal('none'), proxy], { error: 'wanted a map with url, or none' })
  .meta({ description: 'Parent proxy, or `none`; that of `egress` unless told' })

/** Methods, as they are on the wire. */
export function methods(description: string) {
  const known = /^(?:get|head|post|put|patch|delete|options|connect|trace)$/i
  const method = checkedText('wanted a method such as GET', (value) => {
    if (!/^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,32}$/.test(value))
      throw new Error('wanted a method such as GET')
    if (known.test(value) && value !== value.toUpperCase()) {
      throw new Error(`wanted "${value.toUpperCase()}": methods are told apart by case`)
    }
    if (value === 'CONNECT' || value === 'TRACE') {
      throw new Error('wanted another method: CONNECT and TRACE are always refused')
    }
  })
  return list(method, 'a list of methods such as [GET, POST]')
    .min(1, 'wanted at least one method; leave it out for every method')
    .optional()
    .meta({ description, examples: [['GET', 'POST']] })
}

/** What the path guard lets through. */
export const oddities = {
  encoded_slashes: flag('Let `%2F` and `%5C` through').prefault(false),
  empty_segments: flag('Let `//` through').prefault(false),
  path_parameters: flag('Let `;` through').prefault(false),
  double_encoding: flag(
    'Let a percent sign that is encoded before two hex digits through',
  ).prefault(false),
}

/** The name of a header that may be set on a request. */
export const headerName = checkedText('wanted a header name', (value) => {
  const fault = findHeaderFault(value)
  if (fault !== undefined) throw new Error(fault)
})

/** Header names and what they are set to. */
export function headers(description: string) {
  return z
    .record(headerName, verbatim(), { error: 'wanted a map of header names and values' })
    .meta({ description })
}

/** A path rule; the grammar is checked where the allowed oddities are known. */
export const pathRule = text('wanted a path that starts with /', /^\//)
