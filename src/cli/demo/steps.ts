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
  const user = `crm:${secrets.crmPassword}`
  return [...listCallerSteps(places, secrets, user), ...listChangeSteps(places, user)]
}

const ORDERS = '/api/orders/1'
const STOCK = '/api/stock/7'

/** Who is let in where. */
function listCallerSteps(
  { inbound: authority }: DemoPlaces,
  { mobileKey, warehouseKey }: DemoSecrets,
  user: string,
): readonly DemoStep[] {
  const mobile = [['X-API-Key', mobileKey]] as const
  const warehouse = [['X-API-Key', warehouseKey]] as const
  const forged = [['X-Authenticated-User', 'admin']] as const
  const path = ORDERS
  return [
    expect('a caller without credentials is refused', 401, { authority, path }),
    expect('a wrong password is refused', 401, { authority, path, user: 'crm:guess' }),
    expect(
      'crm is let in, and the service is told who it is',
      200,
      { authority, path, user },
      namesUser('crm'),
    ),
    expect(
      'crm cannot pretend to be somebody else',
      200,
      { authority, path, user, headers: forged },
      namesUser('crm'),
    ),
    expect(
      'mobile is let in by its API key',
      200,
      { authority, path, headers: mobile },
      namesUser('mobile'),
    ),
    expect('mobile is known, but not allowed here', 403, {
      authority,
      path: STOCK,
      headers: mobile,
    }),
    expect(
      'warehouse is let in as a member of the group partners',
      200,
      { authority, path: STOCK, headers: warehouse },
      namesUser('warehouse'),
    ),
    expect('a path that two programs could read differently is refused', 400, {
      authority,
      path: '/api/orders/../stock/7',
      user,
    }),
    expect('the health check is open', 200, { authority, path: '/healthz' }),
  ]
}

/** A change while it runs, and what the operator sees. */
function listChangeSteps({ inbound, admin, file }: DemoPlaces, user: string): readonly DemoStep[] {
  const reports = { authority: inbound, path: '/reports/today', user }
  return [
    expect('a path without a channel does not exist', 404, reports),
    { kind: 'edit', claim: 'add a channel for it to the configuration', file, line: ADDED_CHANNEL },
    expect('a second later the new channel works, without a restart', 200, reports, {
      ...namesUser('crm'),
      isAfterEdit: true,
    }),
    expect(
      'the status shows the configuration that is in force',
      200,
      { authority: admin, path: '/status' },
      { text: '"reports"' },
    ),
    expect(
      'Prometheus can read the metrics',
      200,
      { authority: admin, path: '/metrics' },
      { text: 'sidegate_inbound_requests_total' },
    ),
  ]
}

function expect(
  claim: string,
  status: number,
  request: DemoRequest,
  more: { readonly text?: string; readonly isAfterEdit?: boolean } = {},
): DemoStep {
  return { kind: 'request', claim, status, request, ...more }
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
