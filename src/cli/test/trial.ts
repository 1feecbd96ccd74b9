/**
 * Tries an outgoing connection for real, stage by stage: the connection and its rules, a token where
 * one is needed, one request. The stage that fails ends it, with words for what is wrong.
 */
import type {
  BearerTokenDefinition,
  Config,
  OutgoingConfig,
  SessionDefinition,
} from '../../config/model.ts'
import { secretValues } from '../../config/secret-values.ts'
import { formatHostAndPort } from '../../egress/authority.ts'
import { forwardHeaders } from '../../egress/forward-headers.ts'
import type { EgressGeneration, OutgoingRoute } from '../../egress/generation.ts'
import type { Credential, Injector, PreparedRequest, RequestModule } from '../../egress/injector.ts'
import { sign } from '../../egress/signing.ts'
import type { Refusal } from '../../egress/refusals.ts'
import type { Choice } from '../../egress/routes.ts'
import { SidegateError } from '../../errors.ts'
import { TokenFetch } from '../../oauth/fetch-token.ts'
import { quote } from '../../observe/quote.ts'
import { createRedactor } from '../../observe/redact.ts'
import { version } from '../../version.ts'
import { createEgressWorld } from '../explain/egress-world.ts'
import { maskQuery } from '../explain/masked.ts'
import { type Verdict, findValue, judgeAnswer } from './answer-words.ts'
import { type ApiAnswer, ask } from './ask.ts'
import { type Dialled, Dialler } from './dial.ts'
import { findHeld } from './held.ts'
import { explainNetworkError } from './network-words.ts'
import { explainHold, explainLogin, type Login, type LoginWords } from './ntlm-words.ts'
import { type SessionTrial, explainLoginFailure, logIn } from './session-login.ts'
import { explainTokenFailure } from './token-words.ts'

/** What is tried. */
export interface TrialOptions {
  readonly config: Config
  readonly connection: OutgoingConfig
  readonly method: string
  /** Below the connection's url: `''`, or begins with `/` or `?`. */
  readonly path: string
  /** Called as the trial goes on, with text that is already masked. */
  readonly onRow: (label: string, text: string) => void
  /** The request as it is sent, in a flat list. */
  readonly onRequest: (line: string, headers: readonly string[]) => void
}

type Sent = Extract<Choice<OutgoingRoute>, { readonly kind: 'outgoing' }>

interface Logins {
  readonly origin: Login | undefined
  readonly proxy: Login | undefined
}

/** Ends the trial at once. */
class Failure extends Error {
  readonly verdict: Verdict

  constructor(text: string, why: string, cure: string) {
    super(text)
    this.verdict = { isOk: false, text, why, cure }
  }
}

/** Runs the trial; what comes out holds no secret. */
export async function tryConnection(options: TrialOptions): Promise<Verdict> {
  const trial = new Trial(options)
  try {
    return trial.clean(await trial.run())
  } catch (error) {
    if (error instanceof Failure) return trial.clean(error.verdict)
    throw error
  } finally {
    await trial.close()
  }
}

class Trial {
  readonly #options: TrialOptions
  readonly #generation: EgressGeneration
  readonly #dialler: Dialler
  readonly #redactor = createRedactor()
  /** To be logged out at the end. */
  #session: SessionTrial | undefined

  constructor(options: TrialOptions) {
    this.#options = options
    const world = createEgressWorld(options.config)
    this.#generation = world.generation
    this.#dialler = new Dialler(options.config, world)
  }

  async close(): Promise<void> {
    const isLoggedOut = await this.#session?.logOut()
    if (isLoggedOut === false) this.#row('logout', 'the server did not take it: check logout')
    this.#dialler.close()
  }

  async run(): Promise<Verdict> {
    const { config, connection, method, path } = this.#options
    await this.#redactor.setSecrets(secretValues(config))
    const definition = config.definitions.get(connection.security)
    const adds =
      definition === undefined ? 'adds nothing' : `adds ${definition.name} (${definition.type})`
    this.#row('connection', `${connection.name}: ${connection.url}, ${adds}`)
    const sent = this.#choose()
    const { injector } = sent.route.value
    const logins = this.#findLogins(sent)
    await this.#checkHeld(logins)
    const credential = injector === undefined ? undefined : await this.#obtain(injector)
    const answer = await this.#ask(sent, credential, logins)
    const type = findValue(answer.headers, 'content-type')
    const shown = type === undefined ? '' : `, ${quote(type.slice(0, 100))}`
    this.#row('answer', `${answer.status}${shown}, after ${Math.round(answer.durationMs)} ms`)
    const verdict = judgeAnswer({ connection, definition, method, hasPath: path !== '', answer })
    return verdict
  }

  /** By the rules of the connection, as in the NAME form. */
  #choose(): Sent {
    const { connection, method, path } = this.#options
    const choice = this.#generation.routes.findByName(connection.name, path, method)
    if (choice.kind === 'outgoing') return choice
    if (choice.kind === 'refused') return failByRule(choice)
    throw new Error('a connection that is named was not found')
  }

  /** Who is logged in to with NTLM on the way. */
  #findLogins({ destination, route }: Sent): Logins {
    const { definitions } = this.#options.config
    const { injector, dial } = route.value
    const proxy = dial.proxyFor(destination.host)
    const parent = definitions.get(proxy?.credential?.definition ?? '')
    const own = injector?.definition
    return {
      origin:
        own?.type === 'ntlm'
          ? { definition: own, host: destination.host, isBound: destination.scheme === 'https' }
          : undefined,
      proxy:
        proxy !== undefined && parent?.type === 'ntlm'
          ? { definition: parent, host: proxy.host, isBound: false }
          : undefined,
    }
  }

  async #checkHeld({ origin, proxy }: Logins): Promise<void> {
    const names = [origin, proxy].flatMap((login) => login?.definition.name ?? [])
    const held = await findHeld(this.#options.config, names)
    if (held !== undefined) failBy(explainHold(held))
  }

  async #obtain(injector: Injector): Promise<Credential> {
    const { definition } = injector
    const { name } = definition
    if (!definition.isActive) {
      throw new Failure(
        'nothing was sent: the definition is switched off',
        `"${name}" says is_active: false`,
        'set is_active on the definition',
      )
    }
    if (definition.type === 'bearer_token') return await this.#fetchToken(definition)
    if (definition.type === 'session') return await this.#logIn(definition)
    try {
      return await injector.obtain(undefined)
    } catch (error) {
      if (!(error instanceof SidegateError)) throw error
      throw new Failure(
        'nothing was sent: there is no credential to add',
        error.message,
        `check the definition "${name}"`,
      )
    }
  }

  async #fetchToken(definition: BearerTokenDefinition): Promise<Credential> {
    const { authServerUrl, username, scopes } = definition
    let hop = ''
    const fetch = new TokenFetch(definition, scopes, {
      nowMs: Date.now,
      upstreamOf: () => {
        const dialled = this.#dialler.dialTokenServer(definition)
        hop = dialled.hop
        return dialled.upstream
      },
    })
    const { origin, pathname } = new URL(authServerUrl)
    const server = `from ${origin}${pathname} as ${quote(username)}`
    const outcome = await fetch.outcome
    if (outcome.kind === 'failure') {
      this.#row('token', `${server}: none`)
      const { why, cure } = explainTokenFailure(outcome, definition)
      const whom = outcome.result === 'unreachable' ? ` (${hop})` : ''
      throw new Failure(`no token could be obtained${whom}`, why, cure)
    }
    const { accessToken, lifeMs } = outcome
    const { config } = this.#options
    await this.#redactor.setSecrets([...secretValues(config), accessToken])
    this.#row('token', `${server}: got one, ${describeLife(lifeMs, definition.defaultTtlMs)}`)
    return { headers: ['Authorization', `Bearer ${accessToken}`], label: '', token: undefined }
  }

  async #logIn(definition: SessionDefinition): Promise<Credential> {
    const { login, username, ttlMs } = definition.settings
    const { origin, pathname } = new URL(login.url)
    const server = `at ${origin}${pathname} as ${quote(username)}`
    const outcome = await logIn(definition, this.#dialler)
    if ('result' in outcome) {
      this.#row('login', `${server}: failed`)
      const { why, cure } = explainLoginFailure(outcome, definition)
      throw new Failure(`the login failed (${outcome.hop})`, why, cure)
    }
    const { config } = this.#options
    await this.#redactor.setSecrets([...secretValues(config), ...outcome.secrets])
    this.#row('login', `${server}: done, for ${ttlMs / 1000} s, renewed after half of that`)
    this.#session = outcome
    return outcome.credential
  }

  async #ask(
    { destination, target, route }: Sent,
    credential: Credential | undefined,
    logins: Logins,
  ): Promise<ApiAnswer> {
    const { connection, method, onRequest } = this.#options
    const { rules } = route.value
    const { upstream, hop } = this.#dial({ destination, route }, credential)
    const given = ['Accept', '*/*', 'User-Agent', `sidegate-test/${version}`]
    const headers = forwardHeaders({
      names: given.flatMap((text, at) => (at % 2 === 0 ? [text.toLowerCase()] : [])),
      headers: given,
      rules,
      credential,
      authority: destination.authority,
      pseudonym: 'sidegate-test',
    })
    if (credential?.signature !== undefined) {
      const request = { method, target, host: destination.authority, headers }
      headers.push(...sign(credential.signature, request, undefined))
    }
    if (credential?.module !== undefined) {
      const host = destination.authority
      const authority = formatHostAndPort(destination)
      const bare = { method, target, host, authority, headers, body: undefined }
      headers.push(...(await this.#askModule(credential.module, bare)))
    }
    const cleaned = headers.map((text) => this.#redactor.redact(text))
    onRequest(`${method} ${this.#redactor.redact(maskQuery(target))} HTTP/1.1`, cleaned)
    try {
      const { firstByteMs } = connection.timeouts
      const answer = await ask(upstream, { method, path: target, headers, firstByteMs })
      // At once: a secret that has been cut short is not found any more.
      return { ...answer, headers: answer.headers.map((text) => this.#redactor.redact(text)) }
    } catch (error) {
      if (!(error instanceof SidegateError)) throw error
      const login = explainLogin(error, logins)
      if (login !== undefined) failBy(login)
      const isUnknownToTls = destination.scheme === 'https' && connection.tls?.cert === undefined
      const { why, cure } = explainNetworkError(error, isUnknownToTls)
      const isRefused = error.code === 'destination_refused' || error.code === 'plaintext_refused'
      const where = isRefused ? '' : ` (${hop})`
      throw new Failure(`the API could not be reached${where}`, why, cure)
    }
  }

  async #askModule(module: RequestModule, request: PreparedRequest): Promise<readonly string[]> {
    try {
      const headers = await module.prepare(request)
      const { config } = this.#options
      const made = headers.filter((text, at) => at % 2 === 1 && text.length >= 8)
      await this.#redactor.setSecrets([...secretValues(config), ...made])
      return headers
    } catch (error) {
      if (!(error instanceof SidegateError)) throw error
      throw new Failure(
        'nothing was sent: the module failed',
        error.message,
        'mend the module; "sidegate check" loads it, too',
      )
    }
  }

  #dial(
    { destination, route }: Pick<Sent, 'destination' | 'route'>,
    credential: Credential | undefined,
  ): Dialled {
    const definition = route.value.injector?.definition
    try {
      return credential !== undefined && definition?.type === 'ntlm'
        ? this.#dialler.dialNtlm(destination, route.value, definition)
        : this.#dialler.dial(destination, route.value.dial)
    } catch (error) {
      if (!(error instanceof SidegateError)) throw error
      const { why, cure } = explainNetworkError(error)
      throw new Failure('nothing was sent: the API must not be called', why, cure)
    }
  }

  #row(label: string, text: string): void {
    this.#options.onRow(label, this.#redactor.redact(text))
  }

  /** An API can write what it was sent into whatever it answers. */
  clean({ isOk, text, why, cure }: Verdict): Verdict {
    const redact = (told: string): string => this.#redactor.redact(told)
    return {
      isOk,
      text: redact(text),
      ...(why === undefined ? {} : { why: redact(why) }),
      ...(cure === undefined ? {} : { cure: redact(cure) }),
    }
  }
}

function failBy({ text, why, cure }: LoginWords): never {
  throw new Failure(text, why, cure)
}

function failByRule({ detail }: Refusal): never {
  throw new Failure(
    'nothing was sent: the connection does not allow it',
    detail,
    'see the rules of the connection, --method and --path',
  )
}

function describeLife(lifeMs: number | undefined, defaultTtlMs: number): string {
  if (lifeMs === undefined) {
    return `which says nothing of its life: default_ttl is ${defaultTtlMs / 1000} s`
  }
  if (lifeMs === 0)
    return 'which says that it is worth nothing the next moment: it would not be cached'
  return `valid for ${lifeMs / 1000} s, fetched anew after half of that`
}
