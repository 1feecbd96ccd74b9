/**
 * `sidegate explain METHOD URL`: what would happen to a request and why, without sending it. Told
 * by the code that serves; secrets are masked.
 */
import { isIP } from 'node:net'
import type { ChannelConfig, Config, UpstreamConfig } from '../config/model.ts'
import { formatProblem } from '../config/problems.ts'
import { catalogue } from '../errors.ts'
import {
  type Command,
  CommandError,
  UsageError,
  defineManual,
  expectPositionals,
  parseOptions,
} from './command.ts'
import { type ImaginedRequest, maskQuery, parseImaginedRequest } from './explain/request.ts'
import { type LetIn, type Story, tellStory } from './explain/story.ts'
import { type Paint, createPaint, print } from './terminal.ts'

const manual = defineManual({
  name: 'explain',
  usage: "METHOD URL [-H 'Name: value']... [--from ADDRESS] [--config PATH]...",
  about:
    'Says which channel a request would meet, whether it would be let in and why, and what the upstream would get, masked. ' +
    'Nothing is sent. URL may be a path alone. Exit code 0 when the request is let in, 1 when it is refused.',
  options: {
    header: {
      kind: 'list',
      short: 'H',
      value: "'Name: value'",
      text: 'a header of the request; may be repeated',
    },
    from: {
      kind: 'value',
      value: 'ADDRESS',
      text: 'the address that the request comes from, 127.0.0.1 unless told otherwise; matters for trusted_proxies',
    },
    config: {
      kind: 'list',
      short: 'c',
      value: 'PATH',
      text: 'a configuration file or a directory of them; may be repeated',
    },
    egress: { kind: 'flag', text: 'a call that the service makes: not served in this version' },
  },
  examples: [
    ['sidegate explain GET /healthz', 'which channel is this?'],
    [
      "sidegate explain POST http://shop.example.com/api/orders -H 'X-API-Key: KEY'",
      'would this caller be let in?',
    ],
    ['sidegate explain GET http://crm:PASSWORD@localhost/api/orders', 'the same with Basic'],
  ],
  argumentsMayBeSecret: true,
})

async function runExplain(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseOptions(manual, args)
  if (values.egress) throw new CommandError('egress is checked, but not served in this version')
  expectPositionals(manual, positionals, ['METHOD', 'URL'])
  const [method = '', url = ''] = positionals
  const { from = '127.0.0.1' } = values
  if (isIP(from) === 0 && from !== 'unix') {
    throw new UsageError(`--from "${from}": an IP address or unix was wanted`)
  }
  const request = parseImaginedRequest(method, url, values.header)
  const config = await loadOrFail(values.config)
  if (config.inbound === undefined) throw new CommandError('the configuration has no inbound')
  const story = await tellStory(config, config.inbound, request, from)
  renderStory(story, request, config, createPaint(process.stdout, process.env)).forEach(print)
  return story.outcome.kind === 'let_in' ? 0 : 1
}

async function loadOrFail(cliPaths: readonly string[]): Promise<Config> {
  const { loadOnce } = await import('./configuration.ts')
  const loaded = await loadOnce(cliPaths)
  if ('config' in loaded) return loaded.config
  const [first] = loaded.problems
  const example = first === undefined ? '' : `, the first is ${formatProblem(first)}`
  throw new CommandError(
    `the configuration has ${loaded.problems.length} problem(s)${example}; see "sidegate check"`,
  )
}

function renderStory(
  { channel, principal, outcome }: Story,
  { head }: ImaginedRequest,
  config: Config,
  paint: Paint,
): string[] {
  const row = (name: string, text: string) => `${paint.dim(name.padEnd(9))} ${text}`
  const lines = [row('request', `${head.method} ${maskQuery(head.target)}`)]
  if (channel !== undefined) lines.push(row('channel', describeChannel(channel)))
  if (principal !== undefined) {
    const { definition, type, label, identity, groups } = principal
    const which = label === '' ? '' : `, secret "${label}"`
    const memberOf = groups.length === 0 ? '' : `, in ${groups.join(', ')}`
    lines.push(row('caller', `${definition} (${type}${which}), told as "${identity}"${memberOf}`))
  } else if (outcome.kind === 'let_in') {
    lines.push(row('caller', 'anybody: the channel is open, no identity is set'))
  }
  if (outcome.kind === 'refused') {
    const { status, cure } = catalogue[outcome.code]
    lines.push(row('verdict', paint.red(`refused: ${status} ${outcome.code}`)))
    lines.push(row('why', outcome.reason), row('cure', cure))
    if (outcome.code === 'no_channel') lines.push(...listChannels(config, row))
    return lines
  }
  lines.push(row('verdict', paint.green('let in')))
  if (channel !== undefined) {
    lines.push(row('upstream', `${renderUpstream(channel.upstream)} gets`))
    lines.push(...renderForwarded(head.method, head.target, outcome).map((line) => `    ${line}`))
  }
  if (outcome.forwarded.dropped.length > 0) {
    lines.push(row('dropped', `${outcome.forwarded.dropped.join(', ')} (see allow_header_names)`))
  }
  if (outcome.forwarded.isSpoofed) lines.push(row('dropped', 'a forged identity header'))
  return lines
}

function describeChannel({ name, host, path, methods, security, groups }: ChannelConfig): string {
  const accepts = [
    ...(security === 'none' ? ['everybody'] : security),
    ...groups.map((group) => `group ${group}`),
  ]
  const rule = `${methods?.join('|') ?? 'every method'} ${host ?? ''}${path}`
  return `${name}: ${rule}, for ${accepts.join(' or ')}`
}

/** A few, since what was meant is often among them. */
const MAX_LISTED = 10

function listChannels(config: Config, row: (name: string, text: string) => string): string[] {
  const listed = config.channels.slice(0, MAX_LISTED).map((channel) => describeChannel(channel))
  const more = config.channels.length - listed.length
  if (more > 0) listed.push(`and ${more} more`)
  return listed.map((text, index) => row(index === 0 ? 'channels' : '', text))
}

function renderUpstream({ address, authority }: UpstreamConfig): string {
  return address.kind === 'unix' ? `unix:${address.path}` : `${address.scheme}://${authority}`
}

function renderForwarded(method: string, target: string, { forwarded, secretHeaders }: LetIn) {
  const lines = [`${method} ${maskQuery(target)} HTTP/1.1`, `Host: ${forwarded.host}`]
  const { headers } = forwarded
  for (let at = 0; at < headers.length; at += 2) {
    const name = headers[at] ?? ''
    const value = secretHeaders.has(name.toLowerCase()) ? '[masked]' : (headers[at + 1] ?? '')
    lines.push(`${name}: ${value}`)
  }
  return lines
}

/** `sidegate explain METHOD URL`. */
export const explainCommand: Command = { manual, run: runExplain }
