/** Which WebSockets and tunnels go on under a new configuration. */
import t from 'tap'
import type { Config, EgressConfig, OutgoingConfig } from '../../src/config/model.ts'
import type { EgressSession } from '../../src/egress/services.ts'
import { Sessions } from '../../src/gate/sessions.ts'
import { apiKey, keyEntry, sampleConfig } from '../inbound/sample-config.ts'

interface Said {
  readonly unmatched?: 'deny' | 'public' | 'allow'
  readonly clients?: readonly string[] | 'none'
  readonly members?: readonly string[]
  readonly app?: { readonly fingerprint?: string; readonly isActive?: boolean }
  readonly outgoing?: readonly Partial<OutgoingConfig>[]
}

const connections = [{ name: 'crm' }, { name: 'mail' }]

/** `app` and `other` are in the group `callers`, who may use egress. */
function configOf(said: Said = {}): Config {
  const { unmatched = 'allow', clients = ['callers'], members = ['app', 'other'] } = said
  const outgoing = (said.outgoing ?? connections).map((one) => ({ isActive: true, ...one }))
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
    egress: { unmatched, clients } as unknown as EgressConfig,
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
    outgoing: ['crm'],
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
  const state = open(sessions, { outgoing: ['crm', 'mail'] })
  sessions.closeStale(configOf({ outgoing: [{ name: 'crm' }, { name: 'mail', clients: ['app'] }] }))
  t.equal(state.code, undefined)
  sessions.closeStale(
    configOf({ outgoing: [{ name: 'crm' }, { name: 'mail', clients: ['mates'] }] }),
  )
  t.equal(state.code, 1008)
  t.end()
})

t.test('a tunnel to a host that nobody names goes on as long as such hosts may be called', (t) => {
  const sessions = new Sessions()
  const grounds = { outgoing: [], definition: undefined, fingerprint: undefined }
  const state = open(sessions, grounds)
  sessions.closeStale(configOf({ unmatched: 'public' }))
  t.equal(state.code, undefined)
  sessions.closeStale(configOf({ unmatched: 'deny' }))
  t.equal(state.code, 1008)
  t.end()
})
