/**
 * `egress` and `outgoing`.
 */
import { z } from 'zod'
import { HOST_WANTED, parseCidr, parseHost, parseUrl } from './network.ts'
import {
  clientTls,
  connectionLimits,
  headerName,
  listen,
  methods,
  oddities,
  pathRule,
  proxy,
  proxyOrNone,
  serverTls,
  timeLimits,
} from './schema-parts.ts'
import { checkedText, choice, flag, integer, list, map, name, verbatim } from './schema-scalars.ts'

const timeouts = timeLimits(
  {
    header: ['Until the header block is there', '10s'],
    body_idle: ['Pause within a body', '60s'],
    keep_alive: ['Idle connection', '75s'],
    connect: ['Until the destination is connected', '5s'],
    first_byte: ['Until the answer begins', '60s'],
    tunnel_idle: ['Tunnel without a byte', '1h'],
  },
  'egress',
)

const clients = z
  .union(
    [
      name('A definition or group, or `none`'),
      z.array(name('A definition or group')).min(1, 'wanted at least one client, or none'),
    ],
    { error: 'wanted a list of definitions and groups, or none' },
  )
  .optional()

export const egress = map(
  {
    listen,
    unmatched: choice(
      ['deny', 'public', 'allow'],
      'Hosts that no outgoing connection names: refused, only public addresses, or any',
    ).prefault('deny'),
    clients: clients.meta({
      description:
        'Definitions and groups that may use this port, or `none`; needed beyond loopback',
    }),
    names: list(checkedText(HOST_WANTED, parseHost), 'a list of host names')
      .prefault([])
      .meta({ description: 'What we are called besides loopback, our addresses and host name' }),
    client_networks: list(
      checkedText('wanted a network such as 10.0.0.0/8', parseCidr),
      'a list of networks',
    )
      .prefault([])
      .meta({ description: 'With `clients: none`: networks that may connect besides loopback' }),
    limits: map(connectionLimits, 'Limits').prefault({}),
    tls: serverTls.optional().meta({
      description:
        'Of every TCP listener that has none of its own: for clients that send credentials',
    }),
    proxy: proxy.optional(),
    unmatched_ports: list(integer('A port', 1, 65_535), 'a list of ports')
      .prefault([80, 443])
      .meta({ description: 'Ports of hosts that no outgoing connection names' }),
    ca: serverTls.optional().meta({
      description: 'Authority for `https: intercept`: its certificate and its key',
    }),
    timeouts: timeouts.own.prefault({}),
  },
  'The side that the service calls out through',
)

export const outgoing = map(
  {
    name: name('Name, unique among outgoing connections'),
    url: checkedText('wanted a URL such as https://api.example.com/v1', (value) =>
      parseUrl(value, { path: true, wildcard: true }),
    ).meta({
      description: 'Destination: scheme, host or `*.host`, port, base path',
      examples: ['https://api.example.com/v1'],
    }),
    security: name('Definition that is added, or `none`'),
    match: choice(
      ['host', 'name'],
      '`name`: only the NAME form reaches it (two accounts on one host)',
    ).prefault('host'),
    https: choice(
      ['intercept', 'tunnel'],
      'What CONNECT means here: TLS ends here, or nothing is added',
    ).optional(),
    paths: list(pathRule, 'a list of paths')
      .min(1, 'wanted at least one path; leave it out for every path')
      .optional()
      .meta({ description: 'Paths that may be called, as the upstream sees them' }),
    methods: methods('Methods that may be called; every method unless told'),
    on_existing: choice(
      ['replace', 'keep', 'reject'],
      'What happens to a credential that the app sent itself',
    ).prefault('replace'),
    headers: z
      .record(headerName, z.union([verbatim(), z.array(verbatim())]), {
        error: 'wanted a map of header names and values',
      })
      .prefault({})
      .meta({ description: 'Headers that are set' }),
    clients: z
      .union([name('A client'), z.array(name('A client')).min(1, 'wanted at least one client')], {
        error: 'wanted a list of definitions and groups',
      })
      .optional()
      .meta({ description: 'Those of `egress.clients` that may use it; all unless told' }),
    allow_plaintext: flag(
      'Allow a credential on `http://` to a host that is not loopback',
    ).prefault(false),
    ...oddities,
    tls: clientTls.optional(),
    proxy: proxyOrNone.optional(),
    is_active: flag('`false`: keeps its host and answers 403').prefault(true),
    timeouts: timeouts.inherited.prefault({}),
  },
  'Which destination, which definition is added',
)
