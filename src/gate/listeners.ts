/**
 * The listeners of one side: opened together, given new certificates, drained and closed together.
 */
import { unlink } from 'node:fs/promises'
import { connect } from 'node:net'
import type { Listen, ListenerConfig, ListenerTls } from '../config/model.ts'
import { Server, type ServerOptions, type ServerTls } from '../http/server.ts'

type CommonOptions = Omit<ServerOptions, 'address' | 'tls'>

/** A listener that could not be opened. */
export class ListenError extends Error {
  constructor(address: string, cause: NodeJS.ErrnoException) {
    super(`listen on "${address}": ${explain(cause)}`, { cause })
    this.name = 'ListenError'
  }
}

export class Listeners {
  readonly #servers: Server[] = []

  /** The addresses really bound. */
  get addresses(): string[] {
    return this.#servers.map((server) => server.boundAddress)
  }

  /** Opens one more; throws `ListenError`. */
  async open(config: ListenerConfig, options: CommonOptions): Promise<string> {
    const tls = config.tls === undefined ? undefined : revealTls(config.tls)
    const server = new Server({ ...options, address: config.address, tls })
    try {
      if (config.address.kind === 'unix') await removeStaleSocket(config.address.path)
      await server.listen()
    } catch (error) {
      throw new ListenError(formatListen(config.address), error as NodeJS.ErrnoException)
    }
    this.#servers.push(server)
    return server.boundAddress
  }

  /** Gives new certificates to listeners of the same addresses, in their order. */
  renewTls(configs: readonly ListenerConfig[]): void {
    configs.forEach((config, i) => {
      if (config.tls !== undefined) this.#servers[i]?.setTls(revealTls(config.tls))
    })
  }

  drain(): void {
    for (const server of this.#servers) server.drain()
  }

  /** Stops accepting; resolves when the last connection has gone. */
  async close(): Promise<void> {
    await Promise.all(this.#servers.map((server) => server.close()))
  }

  /** Cuts what is still open. */
  destroy(): void {
    for (const server of this.#servers) server.destroy()
  }
}

/** `127.0.0.1:8000`, `[::1]:8000` or `unix:/path`. */
export function formatListen(address: Listen): string {
  if (address.kind === 'unix') return `unix:${address.path}`
  return `${address.host.includes(':') ? `[${address.host}]` : address.host}:${address.port}`
}

function revealTls(tls: ListenerTls): ServerTls {
  return { cert: tls.cert, key: tls.key.reveal(), clientCa: tls.clientCa }
}

/** A socket file that nobody answers on was left by a process that was killed. */
async function removeStaleSocket(path: string): Promise<void> {
  const isDead = await new Promise<boolean>((resolve) => {
    const socket = connect({ path })
    socket.on('connect', () => {
      socket.destroy()
      resolve(false)
    })
    socket.on('error', (error: NodeJS.ErrnoException) => {
      resolve(error.code === 'ECONNREFUSED')
    })
  })
  if (isDead) await unlink(path)
}

function explain(error: NodeJS.ErrnoException): string {
  if (error.code === 'EADDRINUSE')
    return 'the address is in use, end the other process or choose another'
  if (error.code === 'EACCES')
    return 'not permitted, choose a port above 1023 or a folder that can be written'
  if (error.code === 'EADDRNOTAVAIL') return 'no interface of this machine has the address'
  return error.message
}
