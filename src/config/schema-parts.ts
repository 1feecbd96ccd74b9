/**
 * Parts that several sections of the schema share: TLS material, parent proxies, path oddities.
 */
import { z } from 'zod'
import { HOST_WANTED, parseHost, parseUrl } from './network.ts'
import { findHeaderFault } from './header-rules.ts'
import { checkedText, flag, list, map, name, text, verbatim } from './schema-scalars.ts'

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
