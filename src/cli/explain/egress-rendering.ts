/** The story of a call that the service makes as lines for a terminal. */
import type { Config, OutgoingConfig } from '../../config/model.ts'
import { secretValues } from '../../config/secret-values.ts'
import { catalogue } from '../../errors.ts'
import { createRedactor } from '../../observe/redact.ts'
import type { Paint } from '../terminal.ts'
import type { ImaginedCall } from './call.ts'
import type { EgressStory, Refused, Sent } from './egress-story.ts'
import type { EgressWorld } from './egress-world.ts'
import { listSecretHeaders, maskQuery, renderHeaders } from './masked.ts'

type Row = (name: string, text: string) => string

/** Masked, and in the order of the steps. */
export async function renderEgressStory(
  story: EgressStory,
  call: ImaginedCall,
  world: EgressWorld,
  paint: Paint,
): Promise<readonly string[]> {
  const redactor = createRedactor()
  await redactor.setSecrets(secretValues(world.config))
  const row: Row = (name, text) => {
    const [first = '', ...more] = text.split('\n')
    const rest = more.map((line) => `\n${' '.repeat(11)}${line}`)
    return `${paint.dim(name.padEnd(10))} ${first}${rest.join('')}`
  }
  const { config } = world
  const { arrival, client, connection, outcome } = story
  const lines = [row('request', renderRequest(call))]
  if (arrival !== undefined) lines.push(row('arrives', arrival))
  if (client !== undefined) lines.push(row('client', client))
  if (connection !== undefined)
    lines.push(row('connection', describeConnection(connection, config)))
  if (outcome.kind === 'refused') lines.push(...renderRefusal(outcome, world, row, paint))
  else if (outcome.kind === 'passed') {
    lines.push(row('verdict', paint.green('let in')), row('then', outcome.words))
  } else lines.push(...renderSent(outcome, story, world, row, paint))
  return lines.map((line) => redactor.redact(line))
}

function renderRequest({ request, connect }: ImaginedCall): string {
  const head = request ?? connect
  if (head === undefined) return ''
  const target =
    request !== undefined && connect !== undefined
      ? `https://${connect.target.replace(/:443$/, '')}${request.target}`
      : head.target
  return `${head.method} ${maskQuery(target)}`
}

function describeConnection(
  { name, url, security, methods, paths, clients }: OutgoingConfig,
  { definitions }: Config,
): string {
  const definition = definitions.get(security)
  const rules = [
    definition === undefined ? 'adds nothing' : `adds ${definition.name} (${definition.type})`,
    ...(methods === undefined ? [] : [`only ${methods.join('|')}`]),
    ...(paths === undefined ? [] : [`only ${paths.join(', ')}`]),
    ...(clients === undefined ? [] : [`for ${clients.join(' or ')}`]),
  ]
  return `${name}: ${url}, ${rules.join(', ')}`
}

function renderRefusal(
  { code, reason }: Refused,
  { config }: EgressWorld,
  row: Row,
  paint: Paint,
): string[] {
  if (code === undefined) {
    return [row('verdict', paint.red('refused: the connection is closed')), row('why', reason)]
  }
  const { status, cure } = catalogue[code]
  const lines = [
    row('verdict', paint.red(`refused: ${status} ${code}`)),
    row('why', reason),
    row('cure', cure),
  ]
  if (code === 'no_outgoing' || code === 'unmatched_host')
    lines.push(...listConnections(config, row))
  return lines
}

function renderSent(
  { destination, method, target, headers, proxy, notes }: Sent,
  { connection }: EgressStory,
  { config }: EgressWorld,
  row: Row,
  paint: Paint,
): string[] {
  const { scheme, authority } = destination
  const via = proxy === undefined ? '' : ` by the parent proxy ${proxy.host}:${proxy.port}`
  const nobody =
    connection === undefined
      ? ['no connection names the host: egress.unmatched lets it pass, nothing is added']
      : []
  return [
    row('verdict', paint.green('let in')),
    ...[...nobody, ...notes].map((note, at) => row(at === 0 ? 'note' : '', note)),
    row('upstream', `${scheme}://${authority}${via} gets`),
    `    ${method} ${maskQuery(target)} HTTP/1.1`,
    ...renderHeaders(headers, listSecretHeaders(config)).map((line) => `    ${line}`),
  ]
}

/** A few, since what was meant is often among them. */
const MAX_LISTED = 10

function listConnections(config: Config, row: Row): string[] {
  const listed = config.outgoing
    .slice(0, MAX_LISTED)
    .map((connection) => describeConnection(connection, config))
  const more = config.outgoing.length - listed.length
  if (more > 0) listed.push(`and ${more} more`)
  return listed.map((text, index) => row(index === 0 ? 'there are' : '', text))
}
