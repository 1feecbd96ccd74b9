/**
 * `sidegate health`: asks the local gate for /readyz, for containers without a shell. It loads
 * nothing but node:http, unless the address must first be read from the configuration.
 */
import { type RequestOptions, request } from 'node:http'
import {
  type Command,
  CommandError,
  UsageError,
  configOption,
  defineManual,
  expectPositionals,
  parseOptions,
} from './command.ts'
import { print } from './terminal.ts'

const manual = defineManual({
  name: 'health',
  usage: '[--url URL] [--config PATH]...',
  about:
    'Asks a gate on this machine for /readyz: exit code 0 when it is ready, else 1. Without --url the address is that of ' +
    'admin.probes or admin.listen in the configuration, and where there is none http://127.0.0.1:9901/readyz. ' +
    'Containers should give --url: it is quicker, and a configuration that is being edited does not matter then.',
  options: {
    url: {
      kind: 'value',
      value: 'URL',
      text: 'what to ask: http://…, or unix:/path of the admin listener',
    },
    config: configOption,
  },
  examples: [
    ['sidegate health', 'asks the gate of ./sidegate.yaml'],
    [
      'sidegate health --url http://127.0.0.1:9902/readyz',
      'for a container: HEALTHCHECK, exec probes',
    ],
  ],
})

/** Shorter than the time that Docker and Kubernetes give a probe by default, or nearly. */
const TIMEOUT_MS = 3000

/** Where and what to ask. */
type Target = { readonly url: URL } | { readonly socketPath: string }

async function runHealth(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseOptions(manual, args)
  expectPositionals(manual, positionals, [])
  const target =
    values.url === undefined ? await findTarget(values.config) : parseTarget(values.url)
  const place = 'url' in target ? target.url.href : `unix:${target.socketPath}`
  const answer = await ask(target, place)
  if (answer.status === 200) {
    print('ready')
    return 0
  }
  throw new CommandError(`not ready: ${place} answered ${answer.status}`)
}

function parseTarget(text: string): Target {
  if (text.startsWith('unix:/')) return { socketPath: text.slice('unix:'.length) }
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url?.protocol !== 'http:') {
    throw new UsageError(`--url "${text}": http://HOST:PORT/readyz or unix:/path was wanted`)
  }
  if (url.pathname === '/') url.pathname = '/readyz'
  return { url }
}

async function findTarget(paths: readonly string[]): Promise<Target> {
  const { findAdminTarget } = await import('./admin-target.ts')
  return parseTarget((await findAdminTarget(paths)) ?? 'http://127.0.0.1:9901')
}

function ask(target: Target, place: string): Promise<{ readonly status: number }> {
  return new Promise((resolve, reject) => {
    const call = request(toRequestOptions(target), (response) => {
      response.resume()
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0 })
      })
      response.on('error', reject)
    })
    call.on('timeout', () => {
      call.destroy(
        new CommandError(`not ready: no answer from ${place} within ${TIMEOUT_MS / 1000} s`),
      )
    })
    call.on('error', (error: NodeJS.ErrnoException) => {
      const reason = error.code ?? error.message
      reject(
        error instanceof CommandError
          ? error
          : new CommandError(`not ready: ${place} could not be asked (${reason})`),
      )
    })
    call.end()
  })
}

function toRequestOptions(target: Target): RequestOptions {
  const common = { timeout: TIMEOUT_MS, agent: false }
  if ('socketPath' in target) return { ...common, socketPath: target.socketPath, path: '/readyz' }
  const { hostname, port, pathname, search } = target.url
  const host = hostname.replace(/^\[|\]$/g, '')
  return { ...common, host, port: port === '' ? 80 : Number(port), path: pathname + search }
}

/** `sidegate health`. */
export const healthCommand: Command = { manual, run: runHealth }
