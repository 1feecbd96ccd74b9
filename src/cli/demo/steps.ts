/**
 * What the demo shows, step by step: a command to paste and what it must give. The same steps are
 * printed for people and run by `--check`.
 */
import { ADDED_CHANNEL, type DemoSecrets } from './configuration.ts'

/** A request, as data: curl's line is made of it, and without curl node:http sends it. */
export interface DemoRequest {
  /** `host:port`. */
  readonly authority: string
  readonly path: string
  /** `name:password` for Basic. */
  readonly user?: string
  readonly headers?: readonly (readonly [name: string, value: string])[]
}

/** One step: a request, with what its answer must be, or an edit of the configuration. */
export type DemoStep =
  | {
      readonly kind: 'request'
      readonly claim: string
      readonly request: DemoRequest
      readonly status: number
      /** What the answer must contain. */
      readonly text?: string
      /** Set where a reload must be waited for. */
      readonly isAfterEdit?: boolean
    }
  | { readonly kind: 'edit'; readonly claim: string; readonly file: string; readonly line: string }

/** Where everything runs. */
export interface DemoPlaces {
  readonly inbound: string
  readonly admin: string
  readonly file: string
}

/** All steps, in order. */
export function createSteps(places: DemoPlaces, secrets: DemoSecrets): readonly DemoStep[] {
  const { inbound, admin, file } = places
  const ask = (
    claim: string,
    status: number,
    request: Omit<DemoRequest, 'authority'> & { readonly authority?: string },
    more: { readonly text?: string; readonly isAfterEdit?: boolean } = {},
  ): DemoStep => {
    return { kind: 'request', claim, status, request: { authority: inbound, ...request }, ...more }
  }
  const user = `crm:${secrets.crmPassword}`
  const key = (value: string) => [['X-API-Key', value]] as const
  const orders = '/api/orders/1'
  const stock = '/api/stock/7'
  return [
    ask('nobody in particular is refused', 401, { path: orders }),
    ask('a wrong password is refused', 401, { path: orders, user: 'crm:guess' }),
    ask(
      'crm is let in, and the service is told who it is',
      200,
      { path: orders, user },
      namesUser('crm'),
    ),
    ask(
      'crm cannot pretend to be somebody else',
      200,
      { path: orders, user, headers: [['X-Authenticated-User', 'admin']] },
      namesUser('crm'),
    ),
    ask(
      'mobile is let in by its API key',
      200,
      { path: orders, headers: key(secrets.mobileKey) },
      namesUser('mobile'),
    ),
    ask('mobile is known, but not allowed here', 403, {
      path: stock,
      headers: key(secrets.mobileKey),
    }),
    ask(
      'warehouse is let in as a member of the group partners',
      200,
      { path: stock, headers: key(secrets.warehouseKey) },
      namesUser('warehouse'),
    ),
    ask('a path that two programs could read differently is refused', 400, {
      path: '/api/orders/../stock/7',
      user,
    }),
    ask('the health check is open', 200, { path: '/healthz' }),
    ask('a path without a channel does not exist', 404, { path: '/reports/today', user }),
    { kind: 'edit', claim: 'add a channel for it to the configuration', file, line: ADDED_CHANNEL },
    ask(
      'a second later the new channel works, without a restart',
      200,
      { path: '/reports/today', user },
      { ...namesUser('crm'), isAfterEdit: true },
    ),
    ask(
      'the status shows the configuration that is in force',
      200,
      { authority: admin, path: '/status' },
      { text: '"reports"' },
    ),
    ask(
      'Prometheus can read the metrics',
      200,
      { authority: admin, path: '/metrics' },
      { text: 'sidegate_inbound_requests_total' },
    ),
  ]
}

/** What the demo's service prints of the identity header. */
function namesUser(user: string): { readonly text: string } {
  return { text: `"x-authenticated-user": "${user}"` }
}

/** The step as a line for a POSIX shell. Nothing in it needs more quoting than this. */
export function renderCommand(step: DemoStep): string {
  if (step.kind === 'edit') return `echo '${step.line}' >> '${step.file}'`
  const { authority, path, user, headers = [] } = step.request
  return [
    'curl -si',
    ...(path.includes('..') ? ['--path-as-is'] : []),
    ...(user === undefined ? [] : [`-u ${user}`]),
    ...headers.map(([name, value]) => `-H '${name}: ${value}'`),
    `http://${authority}${path}`,
  ].join(' ')
}
