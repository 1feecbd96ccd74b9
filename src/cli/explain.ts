/**
 * `sidegate explain METHOD URL`: what would happen to a request and why, without sending it. Told
 * by the code that serves; secrets are masked.
 */
import { isIP } from 'node:net'
import {
  type Command,
  CommandError,
  UsageError,
  configOption,
  defineManual,
  expectPositionals,
  parseOptions,
} from './command.ts'
import { loadOrFail } from './explain/load-or-fail.ts'
import { parseImaginedRequest } from './explain/request.ts'
import { type Paint, createPaint, print } from './terminal.ts'

const manual = defineManual({
  name: 'explain',
  usage: "[--egress] METHOD URL [-H 'Name: value']... [--from ADDRESS] [-c PATH]...",
  about:
    'Says which channel a request would meet, whether it would be let in and why, and what the upstream would get, masked. ' +
    'With --egress the request is one that the service makes: which outgoing connection, which rule, and what the API would ' +
    'get. Nothing is sent, no token is fetched, no name is resolved. URL may be a path alone: with --egress that is the NAME ' +
    'form, /NAME/path; an absolute URL is what a client sends to its proxy, for https a CONNECT first. Exit code 0 when the ' +
    'request is let in, 1 when it is refused.',
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
      text: 'the address that the request comes from, 127.0.0.1 unless told otherwise; matters for trusted_proxies and client_networks',
    },
    config: configOption,
    egress: { kind: 'flag', text: 'a call that the service makes through egress' },
  },
  examples: [
    ['sidegate explain GET /healthz', 'which channel is this?'],
    [
      "sidegate explain POST http://shop.example.com/api/orders -H 'X-API-Key: KEY'",
      'would this caller be let in?',
    ],
    ['sidegate explain GET http://crm:PASSWORD@localhost/api/orders', 'the same with Basic'],
    [
      'sidegate explain --egress GET https://api.example.com/v1/me',
      'a call through the proxy: what is added to it?',
    ],
    ['sidegate explain --egress GET /sf/me', 'the same in NAME form'],
    ['sidegate explain --egress CONNECT api.example.com:443', 'what does CONNECT meet?'],
  ],
  argumentsMayBeSecret: true,
})

/** The arguments, checked. */
interface Question {
  readonly method: string
  readonly url: string
  readonly headers: readonly string[]
  readonly from: string
  readonly config: readonly string[]
}

async function runExplain(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseOptions(manual, args)
  expectPositionals(manual, positionals, ['METHOD', 'URL'])
  const [method = '', url = ''] = positionals
  const { from = '127.0.0.1', header: headers, config } = values
  if (isIP(from) === 0 && from !== 'unix') {
    throw new UsageError(`--from "${from}": an IP address or unix was wanted`)
  }
  const question = { method, url, headers, from, config }
  const paint = createPaint(process.stdout, process.env)
  return values.egress
    ? await explainEgress(question, paint)
    : await explainInbound(question, paint)
}

async function explainInbound(
  { method, url, headers, from, config: paths }: Question,
  paint: Paint,
): Promise<number> {
  const request = parseImaginedRequest(method, url, headers)
  const config = await loadOrFail(paths)
  if (config.inbound === undefined) throw new CommandError('the configuration has no inbound')
  const { tellStory } = await import('./explain/story.ts')
  const { renderStory } = await import('./explain/rendering.ts')
  const story = await tellStory(config, config.inbound, request, from)
  renderStory(story, request, config, paint).forEach(print)
  return story.outcome.kind === 'let_in' ? 0 : 1
}

async function explainEgress(
  { method, url, headers, from, config: paths }: Question,
  paint: Paint,
): Promise<number> {
  const { checkCall, parseCall } = await import('./explain/call.ts')
  checkCall(method, url, headers)
  const config = await loadOrFail(paths)
  const { createEgressWorld } = await import('./explain/egress-world.ts')
  const { tellEgressStory } = await import('./explain/egress-story.ts')
  const { renderEgressStory } = await import('./explain/egress-rendering.ts')
  const world = createEgressWorld(config)
  const call = parseCall(method, url, headers, world)
  const story = await tellEgressStory(world, call, from)
  const lines = await renderEgressStory(story, call, world, paint)
  lines.forEach(print)
  return story.outcome.kind === 'refused' ? 1 : 0
}

/** `sidegate explain METHOD URL`. */
export const explainCommand: Command = { manual, run: runExplain }
