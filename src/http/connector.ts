/**
 * Opens the sockets of upstream connections: TCP, unix or TLS, bounded in time, and says by the
 * code of the error at which stage it failed.
 */
import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { SidegateError } from '../errors.ts'

export interface ConnectorOptions {
  readonly address:
    | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
    | { readonly kind: 'unix'; readonly path: string }
  /** `undefined` for cleartext. */
  readonly tls: UpstreamTls | undefined
  readonly connectTimeoutMs: number
}

/** PEM texts. The server's certificate is always verified. */
export interface UpstreamTls {
  readonly ca: string | undefined
  readonly cert: string | undefined
  readonly key: string | undefined
  /** The name in SNI and in the certificate; the host of the address unless given. */
  readonly serverName: string | undefined
}

type Connected = (...args: [error: null, socket: Socket] | [error: Error, socket: null]) => void

/** Opens one socket; `callback` is called once, with the socket ready for the first byte. */
export function openSocket(options: ConnectorOptions, callback: Connected): Socket {
  const { address } = options
  let isTcpConnected = false
  let isSettled = false
  const socket = options.tls === undefined ? plainSocket(address) : tlsSocket(address, options.tls)

  const settle = (error: Error | null): void => {
    if (isSettled) return
    isSettled = true
    clearTimeout(timer)
    socket.off('error', onError)
    socket.off('close', onClose)
    if (error === null) {
      callback(null, socket)
    } else {
      socket.on('error', ignore)
      socket.destroy()
      callback(error, null)
    }
  }
  const onError = (cause: NodeJS.ErrnoException): void => {
    const code =
      options.tls !== undefined && isTcpConnected ? 'upstream_tls' : 'upstream_unreachable'
    settle(new SidegateError(code, { detail: describe(cause), cause }))
  }
  const onClose = (): void => {
    onError(new Error('the connection was closed before it was ready'))
  }
  const timer = setTimeout(() => {
    const detail = `no connection within ${options.connectTimeoutMs} ms`
    settle(new SidegateError('upstream_timeout', { detail }))
  }, options.connectTimeoutMs)

  socket.on('error', onError)
  socket.on('close', onClose)
  socket.on('connect', () => {
    isTcpConnected = true
    if (options.tls === undefined) settle(null)
  })
  if (options.tls !== undefined) {
    socket.on('secureConnect', () => {
      settle(null)
    })
  }
  return socket
}

function plainSocket(address: ConnectorOptions['address']): Socket {
  return address.kind === 'unix'
    ? connectTcp({ path: address.path })
    : connectTcp({ host: address.host, port: address.port, noDelay: true, keepAlive: true })
}

function tlsSocket(address: ConnectorOptions['address'], tls: UpstreamTls): Socket {
  const host = address.kind === 'tcp' ? address.host : 'localhost'
  const name = tls.serverName ?? host
  return connectTls({
    ...(address.kind === 'tcp'
      ? { host: address.host, port: address.port }
      : { path: address.path }),
    // SNI never carries an address (RFC 6066 3); the certificate is checked against `host` then.
    ...(isIP(name) === 0 ? { servername: name } : {}),
    ...(tls.ca === undefined ? {} : { ca: tls.ca }),
    ...(tls.cert === undefined ? {} : { cert: tls.cert }),
    ...(tls.key === undefined ? {} : { key: tls.key }),
    ALPNProtocols: ['http/1.1'],
    minVersion: 'TLSv1.2',
    rejectUnauthorized: true,
  }).setNoDelay(true)
}

function describe(error: NodeJS.ErrnoException): string {
  return error.code === undefined ? error.message : `${error.code}: ${error.message}`
}

function ignore(): void {
  // The error has been told already.
}
