/**
 * Opens the sockets of upstream connections: TCP, unix or TLS, straight or through a parent proxy,
 * bounded in time, and says by the code of the error at which stage it failed.
 */
import { connect as connectTcp, isIP, type LookupFunction, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { SidegateError, type Code } from '../errors.ts'
import { describeFault } from './describe-fault.ts'
import { askForTunnel, type ProxyHandshake, type TunnelTarget } from './proxy-tunnel.ts'
import { contextOf, type TlsIdentity } from './tls-identity.ts'

export type DialAddress =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string }

export interface ConnectorOptions {
  readonly address: DialAddress
  /** `undefined` for cleartext. */
  readonly tls: UpstreamTls | undefined
  readonly connectTimeoutMs: number
  /** Resolves the name that is dialled, and refuses by its error; the system's own unless given. */
  readonly lookup?: LookupFunction | undefined
  /** Dialled instead of `address`, which it is then asked for. */
  readonly proxy?: ParentProxy | undefined
  /** Asks a parent proxy for a tunnel also where the far end is spoken to in cleartext. */
  readonly isTunnel?: boolean
  /** The value of `Via` that a parent proxy is asked with; none unless given. */
  readonly via?: string | undefined
}

/** A connection under way. */
export interface Dialling {
  /** Closes the socket; the callback is told, unless it has been called already. */
  abort(): void
}

/** PEM texts. The server's certificate is always verified. */
export interface UpstreamTls extends TlsIdentity {
  /** The name in SNI and in the certificate; the host of the address unless given. */
  readonly serverName: string | undefined
}

/** A forward proxy between us and the upstream. */
export interface ParentProxy {
  readonly host: string
  readonly port: number
  /** `undefined` where the proxy itself is spoken to in cleartext. */
  readonly tls: UpstreamTls | undefined
  readonly credential: ProxyCredential | undefined
}

/** What a parent proxy is shown. */
export interface ProxyCredential {
  readonly definition: string
  /** Changes with the definition: what was opened by another one is not used again. */
  readonly fingerprint: string
  /** The value of `Proxy-Authorization` at this moment; `undefined` where none is valid. */
  read(): string | undefined
  /** Where a value is not enough, because the proxy challenges each connection. */
  readonly login?: ProxyLogin | undefined
}

export interface ProxyLogin {
  /** Calls back once, as soon as it may be tried; the handshake must be told how it was judged. */
  begin(callback: (handshake: ProxyHandshake | SidegateError) => void): void
}

/** The value of `Proxy-Authorization`, where one is wanted; throws where none is valid now. */
export function authorizationFor({ credential }: ParentProxy): string | undefined {
  if (credential?.login !== undefined) return undefined
  const value = credential?.read()
  if (credential === undefined || value !== undefined) return value
  throw new SidegateError('definition_inactive', {
    detail: `the parent proxy wants "${credential.definition}", which is switched off or has no secret that is valid now`,
  })
}

type Connected = (...args: [error: null, socket: Socket] | [error: Error, socket: null]) => void

/** Opens one socket; `callback` is called once, with the socket ready for the first byte. */
export function openSocket(options: ConnectorOptions, callback: Connected): Dialling {
  const dial = new Dial(options, callback)
  dial.begin()
  return dial
}

/** One attempt, stage by stage; the stage that is under way gives an error its code. */
class Dial implements Dialling {
  readonly #options: ConnectorOptions
  readonly #callback: Connected
  readonly #timer: NodeJS.Timeout
  #socket: Socket | undefined
  #stage: Code = 'upstream_unreachable'
  #isSettled = false

  constructor(options: ConnectorOptions, callback: Connected) {
    this.#options = options
    this.#callback = callback
    this.#timer = setTimeout(() => {
      const detail = `no connection within ${options.connectTimeoutMs} ms`
      this.#fail(new SidegateError('upstream_timeout', { detail }))
    }, options.connectTimeoutMs)
  }

  begin(): void {
    const { address, proxy, tls, lookup } = this.#options
    const hop: DialAddress = proxy === undefined ? address : { kind: 'tcp', ...proxy }
    const socket =
      hop.kind === 'unix'
        ? connectTcp({ path: hop.path })
        : connectTcp({
            host: hop.host,
            port: hop.port,
            noDelay: true,
            keepAlive: true,
            ...(lookup === undefined ? {} : { lookup }),
          })
    this.#follow(socket)
    socket.once('connect', () => {
      if (proxy !== undefined) this.#reachProxy(socket, proxy)
      else if (tls !== undefined) this.#secure(socket, address, tls, this.#ready)
      else this.#ready(socket)
    })
  }

  abort(): void {
    this.#fail(
      new SidegateError('upstream_unreachable', { detail: 'nobody waits for it any more' }),
    )
  }

  #reachProxy(socket: Socket, proxy: ParentProxy): void {
    if (proxy.tls === undefined) {
      this.#throughProxy(socket, proxy)
      return
    }
    this.#secure(socket, { kind: 'tcp', ...proxy }, proxy.tls, (secured) => {
      this.#throughProxy(secured, proxy)
    })
  }

  /** Cleartext requests go to the proxy as they are, in absolute form. */
  #throughProxy(socket: Socket, proxy: ParentProxy): void {
    const { address, tls, isTunnel, via } = this.#options
    if ((tls === undefined && isTunnel !== true) || address.kind === 'unix') {
      this.#ready(socket)
      return
    }
    this.#stage = 'upstream_unreachable'
    const { login } = proxy.credential ?? {}
    if (login !== undefined) {
      login.begin((handshake) => {
        if (handshake instanceof SidegateError) this.#fail(handshake)
        else if (this.#isSettled) handshake.judged(undefined)
        else this.#askForTunnel(socket, { ...address, via, authorization: undefined, handshake })
      })
      return
    }
    try {
      this.#askForTunnel(socket, { ...address, via, authorization: authorizationFor(proxy) })
    } catch (error) {
      this.#fail(error as SidegateError)
    }
  }

  #askForTunnel(socket: Socket, target: TunnelTarget): void {
    const { address, tls } = this.#options
    askForTunnel(socket, target, (error) => {
      if (error !== undefined) this.#fail(error)
      else if (tls === undefined) this.#ready(socket)
      else this.#secure(socket, address, tls, this.#ready)
    })
  }

  #secure(
    socket: Socket,
    address: DialAddress,
    tls: UpstreamTls,
    then: (secured: Socket) => void,
  ): void {
    if (this.#isSettled) return
    const host = address.kind === 'tcp' ? address.host : 'localhost'
    const name = tls.serverName ?? host
    this.#stage = 'upstream_tls'
    const secured = connectTls({
      socket,
      host,
      // SNI never carries an address (RFC 6066 3); the certificate is checked against `host` then.
      ...(isIP(name) === 0 ? { servername: name } : {}),
      secureContext: contextOf(tls),
      ALPNProtocols: ['http/1.1'],
      rejectUnauthorized: true,
    })
    this.#follow(secured)
    secured.once('secureConnect', () => {
      then(secured)
    })
  }

  #follow(socket: Socket): void {
    this.#socket = socket
    socket.on('error', this.#onError)
    socket.on('close', this.#onClose)
  }

  readonly #onError = (cause: NodeJS.ErrnoException): void => {
    const error =
      cause instanceof SidegateError
        ? cause
        : new SidegateError(this.#stage, { detail: describeFault(cause), cause })
    this.#fail(error)
  }

  readonly #onClose = (): void => {
    this.#onError(new Error('the connection was closed before it was ready'))
  }

  readonly #ready = (socket: Socket): void => {
    if (this.#isSettled) return
    this.#isSettled = true
    clearTimeout(this.#timer)
    socket.off('error', this.#onError)
    socket.off('close', this.#onClose)
    this.#callback(null, socket)
  }

  #fail(error: Error): void {
    if (this.#isSettled) return
    this.#isSettled = true
    clearTimeout(this.#timer)
    this.#socket?.on('error', ignore)
    this.#socket?.destroy()
    this.#callback(error, null)
  }
}

function ignore(): void {
  // The error has been told already.
}
