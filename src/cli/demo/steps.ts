/**
 * What the demo shows, step by step: a command to paste and what it must give. The same steps are
 * printed for people and run by `--check`.
 */
import { TOKEN_LIFE_S } from './api.ts'
import { ADDED_CHANNEL, type DemoSecrets, SCOPES } from './configuration.ts'

/** A request, as data: curl's line is made of it, and without curl node:http sends it. */
export interface DemoRequest {
  /** `host:port`. */
  readonly authority: string
  /** `host:port` of the proxy that it goes through. */
  readonly proxy?: string
  readonly path: string
  /** `name:password` for Basic. */
  readonly user?: string
  readonly headers?: readonly (readonly [name: string, value: string])[]
}

/**
 * One step: a request, with what its answer must be, an edit of the configuration, or a time in
 * which something happens by itself.
 */
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
  | { readonly kind: 'wait'; readonly claim: string; readonly seconds: number }

/** Steps that belong together. */
export interface DemoPart {
  readonly title: string
  readonly steps: readonly DemoStep[]
}

/** Where everything runs. */
export interface DemoPlaces {
  readonly inbound: string
  readonly egress: string
  readonly admin: string
  /** The embedded API. */
  readonly api: string
  readonly file: string
}

/** All steps, in order. */
export function createParts(places: DemoPlaces, secrets: DemoSecrets): readonly DemoPart[] {
  const user = `crm:${secrets.crmPassword}`
  return [
    { title: 'Calls to the service', steps: listCallerSteps(places, secrets, user) },
    { title: 'Calls that the service makes', steps: listOutgoingSteps(places) },
    { title: 'A change while it runs', steps: listChangeSteps(places, user) },
  ]
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

/** What is added to calls of the service, which holds none of it. */
function listOutgoingSteps({ egress, api }: DemoPlaces): readonly DemoStep[] {
  const invoices = { authority: egress, path: '/billing/invoices' }
  const deals = { authority: egress, path: '/sales/deals' }
  const [, write] = SCOPES
  return [
    expect('the API lets nobody in without a key', 401, {
      authority: api,
      path: '/billing/invoices',
    }),
    expect('called by NAME, the API gets the key', 200, invoices, RIGHT_KEY),
    expect(
      'the same with Sidegate as the proxy of an unchanged URL',
      200,
      { authority: api, path: '/billing/invoices', proxy: egress },
      RIGHT_KEY,
    ),
    expect(
      'what the service itself says in its place does not count',
      200,
      { ...invoices, headers: [['X-API-Key', 'guess']] },
      RIGHT_KEY,
    ),
    expect(
      `here a token is fetched first, which lives for ${TOKEN_LIFE_S} s: note its number`,
      200,
      deals,
      { text: 'Bearer [token 1]' },
    ),
    expect('the next call has the same token', 200, deals, { text: 'Bearer [token 1]' }),
    {
      kind: 'wait',
      claim: 'watch it grow old: after half of its life it is fetched anew',
      seconds: TOKEN_LIFE_S / 2 + 1,
    },
    expect('another token, and the call did not fail in between', 200, deals, {
      text: 'Bearer [token 2]',
    }),
    expect(
      'one call asks for other scopes',
      200,
      { ...deals, headers: [['X-Sidegate-Scopes', write]] },
      { text: `] for ${write}` },
    ),
    expect(
      'a host that no outgoing connection names is not called',
      403,
      { authority: 'other.example', path: '/', proxy: egress },
      { text: 'unmatched_host' },
    ),
  ]
}

/** What the demo's API prints in place of its key. */
const RIGHT_KEY = { text: '"x-api-key": "[the right key]"' }

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
  if (step.kind === 'wait') return `sleep ${step.seconds}`
  const { authority, path, user, proxy, headers = [] } = step.request
  return [
    'curl -si',
    ...(path.includes('..') ? ['--path-as-is'] : []),
    // Variables of the shell may say that loopback needs no proxy.
    ...(proxy === undefined ? [] : [`--noproxy '' -x http://${proxy}`]),
    ...(user === undefined ? [] : [`-u ${user}`]),
    ...headers.map(([name, value]) => `-H '${name}: ${value}'`),
    `http://${authority}${path}`,
  ].join(' ')
}
