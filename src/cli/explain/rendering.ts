/** The story of an inbound request as lines for a terminal. */
import type { ChannelConfig, Config, UpstreamConfig } from '../../config/model.ts'
import { catalogue } from '../../errors.ts'
import type { Paint } from '../terminal.ts'
import { maskQuery, renderHeaders } from './masked.ts'
import type { ImaginedRequest } from './request.ts'
import type { LetIn, Story } from './story.ts'

/** Masked, and in the order of the steps. */
export function renderStory(
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
  return [
    `${method} ${maskQuery(target)} HTTP/1.1`,
    `Host: ${forwarded.host}`,
    ...renderHeaders(forwarded.headers, secretHeaders),
  ]
}
