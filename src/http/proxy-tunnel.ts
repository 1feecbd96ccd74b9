/** Asks a forward proxy for a tunnel (RFC 9110, section 9.3.6). */
import type { Socket } from 'node:net'
import { SidegateError } from '../errors.ts'

/** An answer longer than this is none. */
const MAX_ANSWER_BYTES = 16 * 1024

export interface TunnelTarget {
  readonly host: string
  readonly port: number
  readonly authorization: string | undefined
}

/** Calls back once: with an error, or with none when the next byte is the far end's. */
export function askForTunnel(
  socket: Socket,
  { host, port, authorization }: TunnelTarget,
  callback: (error: SidegateError | undefined) => void,
): void {
  const authority = `${host.includes(':') ? `[${host}]` : host}:${port}`
  let received = Buffer.alloc(0)
  const finish = (detail: string | undefined): void => {
    socket.off('data', onData)
    socket.pause()
    callback(
      detail === undefined
        ? undefined
        : new SidegateError('upstream_unreachable', { detail: `the parent proxy ${detail}` }),
    )
  }
  const onData = (chunk: Buffer): void => {
    received = Buffer.concat([received, chunk])
    const end = received.indexOf('\r\n\r\n')
    if (end === -1) {
      if (received.length > MAX_ANSWER_BYTES) finish('sent no end of its answer')
      return
    }
    const status = /^HTTP\/1\.[01] (\d{3})(?: |\r)/.exec(
      received.toString('latin1', 0, end + 2),
    )?.[1]
    if (status === undefined) finish('did not answer in HTTP/1.1')
    else if (status === '407') finish('wants other credentials (407)')
    else if (!status.startsWith('2')) finish(`refused the tunnel (${status})`)
    // The far end cannot have spoken before we did: whatever is here, the proxy made it up.
    else if (end + 4 < received.length) finish('sent more than its answer')
    else finish(undefined)
  }
  socket.on('data', onData)
  socket.write(
    `CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n` +
      (authorization === undefined ? '' : `Proxy-Authorization: ${authorization}\r\n`) +
      '\r\n',
    'latin1',
  )
}
