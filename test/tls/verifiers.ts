/**
 * Programs that judge certificates and that nobody here wrote: openssl in strict mode, Python's ssl,
 * Java's keytool. Where one is absent, its tests are skipped out loud.
 */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer, isIP } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type SecureContext, TLSSocket, connect } from 'node:tls'
import type { Test } from 'tap'

/** What to give tap as `skip`: a reason, or false where the program is there. */
export function skipWithout(program: string, versionFlag: string): string | false {
  return spawnSync(program, [versionFlag]).error === undefined ? false : `no ${program} here`
}

export const skipOpenssl = skipWithout('openssl', 'version')
export const skipPython = skipWithout('python3', '--version')

/** A folder for PEM files, removed with the test. */
export function createPemFolder(t: Test): (name: string, text: string | Buffer) => string {
  const folder = mkdtempSync(join(tmpdir(), 'sidegate-tls-'))
  t.after(() => {
    rmSync(folder, { recursive: true, force: true })
  })
  return (name, text) => {
    const path = join(folder, name)
    writeFileSync(path, text)
    return path
  }
}

/** Runs openssl; everything that it printed. Throws when it fails and `mayFail` is not set. */
export function openssl(args: readonly string[], mayFail = false): string {
  const { status, stdout, stderr } = spawnSync('openssl', args, { encoding: 'utf8' })
  if (status !== 0 && !mayFail) throw new Error(`openssl ${args.join(' ')}: ${stderr}`)
  return stdout + stderr
}

/** What `openssl verify` in strict mode says to a leaf for a host; `OK` or its first error. */
export function verifyStrictly(
  t: Test,
  authorityPem: string,
  chainPem: string,
  host: string,
): string {
  const write = createPemFolder(t)
  const [leaf = '', ...intermediates] = chainPem.split(/(?=-----BEGIN)/)
  const output = openssl(
    [
      'verify',
      '-x509_strict',
      '-purpose',
      'sslserver',
      '-CAfile',
      write('ca.pem', authorityPem),
      ...(intermediates.length === 0
        ? []
        : ['-untrusted', write('chain.pem', intermediates.join(''))]),
      isIP(host) === 0 ? '-verify_hostname' : '-verify_ip',
      host,
      write('leaf.pem', leaf),
    ],
    true,
  )
  return /leaf\.pem: OK/.test(output)
    ? 'OK'
    : (/error \d+ at \d+ depth lookup: (.*)/.exec(output)?.[1] ?? output)
}

/** A server that wraps sockets as an intercepted tunnel does, and says `hello`. */
export async function serveTls(t: Test, secureContext: SecureContext): Promise<number> {
  const server = createServer((plain) => {
    const socket = new TLSSocket(plain, { isServer: true, secureContext })
    socket.on('error', () => plain.destroy())
    socket.end('hello')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
  })
  return (server.address() as AddressInfo).port
}

/** Connects with Node's client, which trusts `ca` alone; what it was told, or the error code. */
export function connectWithNode(port: number, ca: string, host: string): Promise<string> {
  return new Promise((resolve) => {
    const isName = isIP(host) === 0
    const socket = connect({
      port,
      host: '127.0.0.1',
      ca,
      ...(isName ? { servername: host } : {}),
      ...(isName ? {} : { checkServerIdentity: () => undefined }),
    })
    let text = ''
    socket.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
    socket.on('error', (error: NodeJS.ErrnoException) => {
      resolve(error.code ?? error.message)
    })
    socket.on('end', () => {
      resolve(text)
      socket.destroy()
    })
  })
}

const PYTHON = `
import socket, ssl, sys
context = ssl.create_default_context(cafile=sys.argv[1])
context.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
try:
    with socket.create_connection(("127.0.0.1", int(sys.argv[2])), 10) as plain:
        with context.wrap_socket(plain, server_hostname=sys.argv[3]) as secure:
            print(secure.recv(100).decode())
except ssl.SSLCertVerificationError as error:
    print(error.verify_message)
`

/** The same with Python's ssl and the flags that Python 3.13 sets by default. */
export async function connectWithPython(port: number, caPath: string, host: string) {
  const child = spawn('python3', ['-c', PYTHON, caPath, String(port), host])
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output += text))
  await once(child, 'close')
  return output.trim()
}
