/**
 * The schema of the whole configuration: types, defaults, errors, the JSON Schema and the reference
 * come from here.
 */
import { z } from 'zod'
import { renderForEditors } from './json-schema.ts'
import { apiKey, basicAuth, bearerToken, ntlm } from './schema-definitions.ts'
import { egress, outgoing } from './schema-egress.ts'
import { channel, group, inbound } from './schema-inbound.ts'
import { address } from './schema-parts.ts'
import { choice, duration, list, map } from './schema-scalars.ts'
import { custom, hmac, session } from './schema-schemes.ts'

/** A security definition of any type. */
export const definition = z.discriminatedUnion(
  'type',
  [basicAuth, apiKey, bearerToken, ntlm, hmac, session, custom],
  { error: 'wanted a map of settings' },
)

export const admin = z
  .union(
    [
      z.literal('none'),
      map(
        {
          listen: address.prefault('127.0.0.1:9901').meta({
            description: 'Status, metrics, probes and reload',
          }),
          probes: address.optional().meta({
            description: 'Only /livez, /readyz and /metrics',
            examples: ['0.0.0.0:9902'],
          }),
        },
        'The port of the operator',
      ),
    ],
    { error: 'wanted a map with listen and probes, or none' },
  )
  .prefault({})
  .meta({ description: 'The port of the operator, or `none`' })

export const log = map(
  {
    level: choice(['trace', 'debug', 'info', 'warn', 'error'], 'Least level').prefault('info'),
    format: choice(['auto', 'json', 'text'], '`auto`: text on a terminal, JSON otherwise').prefault(
      'auto',
    ),
    access: z
      .union([z.boolean(), z.literal('refused')], { error: 'wanted true, false or refused' })
      .prefault(true)
      .meta({ description: 'Access lines: all, none, or of refused requests' }),
  },
  'The log',
).prefault({})

export const shutdown = map(
  {
    drain_delay: duration('Accepts on after SIGTERM, while /readyz says 503', {
      minMs: 0,
      maxMs: 600_000,
    }).prefault('5s'),
    drain_timeout: duration('Then lets requests finish', {
      minMs: 0,
      maxMs: 3_600_000,
    }).prefault('20s'),
  },
  'How it ends',
).prefault({})

/** The lists of the configuration and the schema of one item of each. */
export const items = { security: definition, groups: group, channels: channel, outgoing } as const

/** Sections that stand once. */
export const sections = {
  inbound: inbound.optional(),
  egress: egress.optional(),
  admin,
  log,
  shutdown,
} as const

/** The whole configuration. */
export const configuration = map(
  {
    inbound: sections.inbound,
    egress: sections.egress,
    admin: sections.admin,
    security: list(definition, 'a list of definitions').prefault([]).meta({
      description: 'Security definitions: named credentials',
    }),
    groups: list(group, 'a list of groups')
      .prefault([])
      .meta({ description: 'Groups of definitions' }),
    channels: list(channel, 'a list of channels').prefault([]).meta({
      description: 'Inbound rules',
    }),
    outgoing: list(outgoing, 'a list of outgoing connections').prefault([]).meta({
      description: 'Egress rules',
    }),
    log: sections.log,
    shutdown: sections.shutdown,
  },
  'The configuration of Sidegate',
)

export type ParsedDefinition = z.output<typeof definition>
export type ParsedGroup = z.output<typeof group>
export type ParsedChannel = z.output<typeof channel>
export type ParsedOutgoing = z.output<typeof outgoing>
export type ParsedInbound = z.output<typeof inbound>
export type ParsedEgress = z.output<typeof egress>
export type ParsedAdmin = z.output<typeof admin>
export type ParsedLog = z.output<typeof log>
export type ParsedShutdown = z.output<typeof shutdown>

/** The JSON Schema (draft-07) of the configuration, for editors and charts, as JSON text. */
export function renderJsonSchema(): string {
  return `${JSON.stringify(buildJsonSchema(), null, 2)}\n`
}

/** The same as an object. */
export function buildJsonSchema(): Record<string, unknown> {
  return renderForEditors(configuration, 'Sidegate configuration')
}
