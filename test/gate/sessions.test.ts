/** Which WebSockets and tunnels go on under a new configuration. */
import t from 'tap'
import type { Config, EgressConfig, OutgoingConfig } from '../../src/config/model.ts'
import type { EgressSession } from '../../src/egress/services.ts'
import { describeUnmatched } from '../../src/egress/unmatched.ts'
import { Sessions } from '../../src/gate/sessions.ts'
import { apiKey, keyEntry, sampleConfig } from '../inbound/sample-config.ts'

interface Said {
  readonly unmatched?: 'deny' | 'public' | 'allow'
  readonly unmatchedPorts?: readonly number[]
  readonly clientNetworks?: readonly string[]
  readonly clients?: readonly string[] | 'none'
  readonly members?: readonly string[]
  readonly app?: { readonly fingerprint?: string; readonly isActive?: boolean }
  readonly outgoing?: readonly Partial<OutgoingConfig>[]
}

const connections = [{ name: 'crm' }, { name: 'mail' }]

/** A connection as a session knows it. */
const named = (name: string) => ({ name, fingerprint: `${name}-1` })

/** `app` and `other` are in the group `callers`, who may use egress. */
function configOf(said: Said = {}): Config {
  const { unmatched = 'allow', clients = ['callers'], members = ['app', 'other'] } = said
  const { unmatchedPorts = [443], clientNetworks = [] } = said
  const outgoing = (said.outgoing ?? connections).map((one) => ({
    isActive: true,
    fingerprint: `${one.name ?? ''}-1`,
    ...one,
  }))
  return {
    ...sampleConfig(
      [
        apiKey('app', [keyEntry('app-key')], said.app),
        apiKey('other', [keyEntry('other-key')]),
        apiKey('api', [keyEntry('api-key')]),
      ],
      { callers: members, mates: ['other'] },
      {},
    ),
    // Only what is read here.
    egress: { unmatched, unmatchedPorts, clients, clientNetworks } as unknown as EgressConfig,
    outgoing: outgoing as unknown as OutgoingConfig[],
  }
}

/** Opens one under the first configuration; says with which code it was closed. */
function open(sessions: Sessions, grounds: Partial<EgressSession> = {}, config = configOf()) {
  const state: { code: number | undefined } = { code: undefined }
  const session: EgressSession = {
    close: (code) => {
      state.code = code
    },
    whenClosed: () => undefined,
    peer: '127.0.0.1',
    outgoing: [named('crm')],
    unmatchedRules: describeUnmatched(config),
    definition: 'api',
    fingerprint: 'api',
    client: 'app',
    clientFingerprint: 'app',
    ...grounds,
  }
  sessions.addEgress(session, config)
  return state
}

const losses: readonly (readonly [claim: string, said: Said])[] = [
  ['its client has another secret', { app: { fingerprint: 'another' } }],
  ['its client is switched off', { app: { isActive: false } }],
  ['its client is no client any more', { clients: ['other'] }],
  ['its client has left the group', { members: ['other'] }],
  ['its connection is for others', { outgoing: [{ name: 'crm', clients: ['mates'] }] }],
  ['its connection has gone', { outgoing: [{ name: 'mail' }] }],
  ['its connection is switched off', { outgoing: [{ name: 'crm', isActive: false }] }],
  ['its connection says something else', { outgoing: [{ name: 'crm', fingerprint: 'crm-2' }] }],
]

for (const [claim, said] of losses) {
  t.test(`closed with 1008: ${claim}`, (t) => {
    const sessions = new Sessions()
    const state = open(sessions)
    sessions.closeStale(configOf())
    t.equal(state.code, undefined, 'nothing of it has changed')
    sessions.closeStale(configOf(said))
    t.equal(state.code, 1008)
    t.equal(open(sessions, {}, configOf(said)).code, 1008, 'who comes late is closed at once')
    t.end()
  })
}

t.test('who was not asked goes on until somebody is', (t) => {
  const sessions = new Sessions()
  const grounds = { client: undefined, clientFingerprint: undefined }
  const state = open(sessions, grounds, configOf({ clients: 'none' }))
  sessions.closeStale(configOf({ clients: 'none', unmatched: 'deny' }))
  t.equal(state.code, undefined)
  sessions.closeStale(configOf())
  t.equal(state.code, 1008)
  t.end()
})

t.test('a tunnel needs every connection that it reaches', (t) => {
  const sessions = new Sessions()
  const state = open(sessions, { outgoing: [named('crm'), named('mail')] })
  sessions.closeStale(configOf({ outgoing: [{ name: 'crm' }, { name: 'mail', clients: ['app'] }] }))
  t.equal(state.code, undefined)
  sessions.closeStale(
    configOf({ outgoing: [{ name: 'crm' }, { name: 'mail', clients: ['mates'] }] }),
  )
  t.equal(state.code, 1008)
  t.end()
})

t.test('a tunnel to a host that nobody names goes on until something changes about them', (t) => {
  const grounds = { outgoing: [], definition: undefined, fingerprint: undefined }
  const changes: readonly Said[] = [
    { unmatched: 'public' },
    { unmatched: 'deny' },
    { unmatchedPorts: [443, 8443] },
    // It may be the very host.
    { outgoing: [...connections, { name: 'new' }] },
  ]
  for (const said of changes) {
    const sessions = new Sessions()
    const state = open(sessions, grounds)
    sessions.closeStale(configOf({ members: ['app'] }))
    t.equal(state.code, undefined)
    sessions.closeStale(configOf(said))
    t.equal(state.code, 1008, JSON.stringify(said))
  }
  t.end()
})

t.test('whoever may not connect any more is not served any more', (t) => {
  const sessions = new Sessions()
  const config = (...clientNetworks: string[]) => configOf({ clients: 'none', clientNetworks })
  const grounds = { peer: '10.1.2.3', client: undefined, clientFingerprint: undefined }
  const state = open(sessions, grounds, config('10.1.0.0/16'))
  const local = open(sessions, { ...grounds, peer: '::1' }, config('10.1.0.0/16'))
  sessions.closeStale(config('10.0.0.0/8'))
  t.equal(state.code, undefined)
  sessions.closeStale(config('10.2.0.0/16'))
  t.equal(state.code, 1008)
  t.equal(local.code, undefined)
  t.end()
})
