/**
 * Where `sidegate test` connects to: the upstream of an outgoing connection and that of a token
 * server, by the settings that `serve` obeys (parent proxy, TLS, addresses that are never called).
 */
import type {
  BearerTokenDefinition,
  Config,
  NtlmDefinition,
  SessionDefinition,
} from '../../config/model.ts'
import { formatHostAndPort } from '../../egress/authority.ts'
import { checkDestination } from '../../egress/destination-lookup.ts'
import type { Destination } from '../../egress/destination.ts'
import type { OutgoingRoute } from '../../egress/generation.ts'
import { type DialSettings, DestinationUpstreams } from '../../egress/upstreams.ts'
import type { EgressWorld } from '../explain/egress-world.ts'
import { sessionDialOf, sessionServerOf, tokenDialOf, tokenServerOf } from '../../gate/egress.ts'
import type { RequestSender } from '../../http/upstream-call.ts'

/** An upstream and who is dialled for it. */
export interface Dialled {
  readonly upstream: RequestSender
  /** `host:port` of the far end, or of the parent proxy with the word for it. */
  readonly hop: string
}

const MAX_HEADER_BYTES = 64 * 1024

/** Dials on behalf of one configuration; nothing is connected before a request starts. */
export class Dialler {
  readonly #config: Config
  readonly #world: EgressWorld
  readonly #upstreams: DestinationUpstreams

  constructor(config: Config, world: EgressWorld) {
    this.#config = config
    this.#world = world
    const { generation } = world
    this.#upstreams = new DestinationUpstreams({
      policy: () => generation.policy,
      maxHeaderBytes: () => config.egress?.limits.responseHeaderBytes ?? MAX_HEADER_BYTES,
      onSocketOpened: ignore,
      onSocketClosed: ignore,
    })
  }

  /** Throws `destination_refused` where the host may never be called. */
  dial(destination: Destination, settings: DialSettings): Dialled {
    checkDestination(this.#world.generation.policy, destination)
    const parent = settings.proxyFor(destination.host)
    const hop =
      parent === undefined
        ? formatHostAndPort(destination)
        : `the parent proxy ${formatHostAndPort(parent)}`
    return { upstream: this.#upstreams.of(destination, settings), hop }
  }

  /** As `dial`, over a connection that logs in. */
  dialNtlm(
    destination: Destination,
    { connection, dial }: OutgoingRoute,
    by: NtlmDefinition,
  ): Dialled {
    const { hop } = this.dial(destination, dial)
    const upstream = this.#world.ntlm.of({
      outgoing: connection.name,
      definition: by,
      client: undefined,
      destination,
      options: this.#upstreams.optionsFor(destination, dial),
    })
    return { upstream, hop }
  }

  /** As `dial`, to the token server of a definition. */
  dialTokenServer(definition: BearerTokenDefinition): Dialled {
    return this.dial(
      tokenServerOf(definition),
      tokenDialOf(this.#config, definition, this.#world.ntlm),
    )
  }

  /** As `dial`, to the server of a URL of a session. */
  dialSession(definition: SessionDefinition, url: URL): Dialled {
    const destination = sessionServerOf(definition, url)
    const dial = sessionDialOf(this.#config, definition, destination, this.#world.ntlm)
    return this.dial(destination, dial)
  }

  close(): void {
    this.#upstreams.close()
    this.#world.ntlm.close()
  }
}

function ignore(): void {
  // Nobody counts connections here.
}
