/** CONNECT as an application sends it: the answer, and the socket behind it. */
import { isIP, type Socket } from 'node:net'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import type { Test } from 'tap'
import { eventually } from './eventually.ts'
import { RawClient, type Answer } from './raw-client.ts'

/** What a CONNECT was answered with. */
export interface TunnelAnswer {
  readonly status: number
  /** The head of the answer without its empty line. */
  readonly head: string
  /** Only what follows the head is left in it. */
  readonly socket: Socket
}

/** Asks for a tunnel; `authority` stands in `Host` too unless `lines` replace it. */
export async function askForTunnel(
  t: Test,
  port: number,
  authority: string,
  lines = `Host: ${authority}\r\n`,
): Promise<TunnelAnswer> {
  const { socket } = await RawClient.connect(t, port)
  // What was to read answers gives way: TLS may follow.
  socket.removeAllListeners('data')
  let bytes = Buffer.alloc(0)
  const take = (chunk: Buffer): void => {
    bytes = Buffer.concat([bytes, chunk])
  }
  socket.on('data', take)
  socket.write(`CONNECT ${authority} HTTP/1.1\r\n${lines}\r\n`, 'latin1')
  const whole = () => bytes.includes('\r\n\r\n') || socket.readableEnded || socket.destroyed
  await eventually(`an answer to CONNECT ${authority}`, whole)
  socket.off('data', take)
  socket.pause()
  const end = bytes.indexOf('\r\n\r\n')
  if (end < 0) throw new Error(`no answer to CONNECT: ${JSON.stringify(bytes.toString('latin1'))}`)
  const head = bytes.toString('latin1', 0, end)
  const status = Number(head.slice(9, 12))
  const rest = status === 200 ? bytes.subarray(end + 4) : bytes
  if (rest.length > 0) socket.unshift(rest)
  return { status, head, socket }
}

/** A client for what comes out of a tunnel, which was held until now. */
export function readFrom(socket: Socket): RawClient {
  const client = new RawClient(socket)
  socket.resume()
  return client
}

/** A tunnel that was let in; throws where it was not. */
export async function openTunnel(t: Test, port: number, authority: string, lines?: string) {
  const { status, head, socket } = await askForTunnel(t, port, authority, lines)
  if (status !== 200) {
    const { body } = await readFrom(socket).answer()
    throw new Error(`CONNECT ${authority}: ${head}\n${body}`)
  }
  return socket
}

/** The refusal of a tunnel. */
export async function refusedTunnel(
  t: Test,
  port: number,
  authority: string,
  lines?: string,
): Promise<Answer> {
  const client = await RawClient.connect(t, port)
  // Framed like the answer to any request: nothing but a 2xx opens a tunnel.
  client.expect('GET')
  await client.send(`CONNECT ${authority} HTTP/1.1\r\n${lines ?? `Host: ${authority}\r\n`}\r\n`)
  const answer = await client.answer()
  if (answer.status === 200) throw new Error(`CONNECT ${authority} was let in`)
  return answer
}

/** TLS inside a tunnel, trusting `ca` alone; `serverName` is sent instead of the tunnel's host. */
export async function secureTunnel(
  t: Test,
  socket: Socket,
  options: { readonly host: string; readonly ca: string; readonly serverName?: string },
): Promise<TLSSocket> {
  const { host, ca, serverName = host } = options
  const secured = connectTls({
    socket,
    ca,
    host,
    ALPNProtocols: ['http/1.1'],
    ...(isIP(serverName) === 0 ? { servername: serverName } : {}),
    // The leaf is for the host of the tunnel, whatever name was sent.
    ...(serverName === host ? {} : { checkServerIdentity: () => undefined }),
  })
  t.after(() => secured.destroy())
  await new Promise<void>((resolve, reject) => {
    secured.once('secureConnect', resolve)
    secured.once('error', reject)
    secured.once('close', () => {
      reject(new Error('closed during the handshake'))
    })
  })
  return secured
}
