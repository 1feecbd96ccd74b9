/** Git's own server program, `git http-backend`, behind Node's HTTP: a repository to clone and push to. */
import { spawn } from 'node:child_process'
import { type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import { join } from 'node:path'
import { run } from './programs.ts'

/** A bare repository `NAME.git` in a folder, with one empty commit on `main`. */
export async function createRepository(folder: string, name: string): Promise<string> {
  const work = join(folder, 'work')
  const bare = join(folder, `${name}.git`)
  await git('init', '-q', '-b', 'main', work)
  await git('-C', work, 'commit', '-q', '--allow-empty', '-m', 'first')
  await git('clone', '-q', '--bare', work, bare)
  return bare
}

/** Runs git as somebody, and untouched by settings of the machine; its stdout. */
export async function git(...args: readonly string[]): Promise<string> {
  const person = ['-c', 'user.name=Somebody', '-c', 'user.email=somebody@example.com']
  const env = { GIT_CONFIG_NOSYSTEM: '1', GIT_CONFIG_GLOBAL: '/dev/null' }
  const { exitCode, stdout, stderr } = await run('git', [...person, ...args], { env })
  if (exitCode !== 0) throw new Error(`git ${args.join(' ')}: ${stderr}`)
  return stdout.trim()
}

/** Serves the repositories of a folder; whoever comes may push. */
export function serveRepositories(folder: string): RequestListener {
  return (request, response) => {
    runBackend(folder, request, response)
  }
}

/** CGI (RFC 3875): variables in, `Status:` and headers out. */
function runBackend(folder: string, request: IncomingMessage, response: ServerResponse): void {
  const [path = '', query = ''] = (request.url ?? '').split('?', 2)
  const { headers } = request
  const child = spawn('git', ['http-backend'], {
    env: {
      PATH: process.env['PATH'],
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_PROJECT_ROOT: folder,
      GIT_HTTP_EXPORT_ALL: '1',
      REMOTE_USER: 'somebody',
      REQUEST_METHOD: request.method,
      PATH_INFO: path,
      QUERY_STRING: query,
      CONTENT_TYPE: headers['content-type'] ?? '',
      ...(headers['content-length'] && { CONTENT_LENGTH: headers['content-length'] }),
      ...(headers['content-encoding'] && { HTTP_CONTENT_ENCODING: headers['content-encoding'] }),
      ...(headers['git-protocol'] && { GIT_PROTOCOL: String(headers['git-protocol']) }),
    },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  child.stdin.on('error', () => undefined)
  request.pipe(child.stdin)
  let head = Buffer.alloc(0)
  const onData = (chunk: Buffer): void => {
    head = Buffer.concat([head, chunk])
    const end = head.indexOf('\r\n\r\n')
    if (end === -1) return
    child.stdout.off('data', onData)
    writeHead(response, head.toString('latin1', 0, end))
    response.write(head.subarray(end + 4))
    child.stdout.pipe(response)
  }
  child.stdout.on('data', onData)
  response.on('close', () => child.kill())
}

function writeHead(response: ServerResponse, text: string): void {
  let status = 200
  for (const line of text.split('\r\n')) {
    const [name = '', value = ''] = line.split(/:\s*/, 2)
    if (name === 'Status') status = Number(value.slice(0, 3))
    else response.setHeader(name, value)
  }
  response.writeHead(status)
}
