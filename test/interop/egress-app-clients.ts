/** Applications of others that get one URL and print what they got: nothing in them knows of a gate. */
import { spawnSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { findNode, NODE_LINES } from './egress-node-lines.ts'
import { missing, run } from './programs.ts'

/** An application. */
export interface AppClient {
  readonly name: string
  /** `false`, or why it cannot be tried here. */
  readonly skip: string | false
  /** Once, before the first call; given a folder of the test's own. */
  readonly prepare?: (folder: string) => Promise<void>
  /** The command that prints what a URL gives, and fails where that is not 200. */
  readonly command: (url: string, folder: string) => readonly string[]
  /** Whether it shows the name and password of a proxy URL also before a tunnel. */
  readonly knowsProxyUsers: boolean
}

const URLLIB = `
import sys, urllib.request
sys.stdout.write(urllib.request.urlopen(sys.argv[1]).read().decode())
`

/** What Python 3.13 asks of certificates, and earlier ones only when they are told. */
const STRICT_URLLIB = `
import ssl, sys, urllib.request
context = ssl.create_default_context()
context.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context))
sys.stdout.write(opener.open(sys.argv[1]).read().decode())
`

const REQUESTS = `
import sys, requests
answer = requests.get(sys.argv[1])
answer.raise_for_status()
sys.stdout.write(answer.text)
`

const NODE_FETCH = `
const answer = await fetch(process.argv[1])
process.stdout.write(await answer.text())
process.exitCode = answer.ok ? 0 : 1
`

const NODE_REQUEST = `
const url = process.argv[1]
const { get } = await import(url.startsWith('https') ? 'node:https' : 'node:http')
get(url, (answer) => {
  process.exitCode = answer.statusCode === 200 ? 0 : 1
  answer.pipe(process.stdout)
})
`

const NODE_UNDICI = `
const [, url, undici] = process.argv
const { EnvHttpProxyAgent, fetch } = await import(undici)
const answer = await fetch(url, { dispatcher: new EnvHttpProxyAgent() })
process.stdout.write(await answer.text())
process.exitCode = answer.ok ? 0 : 1
`

const JAVA = `
import java.net.HttpURLConnection;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;

public class Client {
  public static void main(String[] args) throws Exception {
    URI uri = URI.create(args[1]);
    if (args[0].equals("HttpURLConnection")) {
      HttpURLConnection connection = (HttpURLConnection) uri.toURL().openConnection();
      System.out.print(new String(connection.getInputStream().readAllBytes(), "UTF-8"));
      return;
    }
    HttpResponse<String> answer = HttpClient.newHttpClient()
      .send(HttpRequest.newBuilder(uri).build(), HttpResponse.BodyHandlers.ofString());
    System.out.print(answer.body());
    System.exit(answer.statusCode() == 200 ? 0 : 1);
  }
}
`

/** The path of a Python that can import a module: the first of the path, or the system's own. */
function findPython(module: string): string | undefined {
  return ['python3', '/usr/bin/python3'].find(
    (python) => spawnSync(python, ['-c', `import ${module}`], { stdio: 'ignore' }).status === 0,
  )
}

function pythonClients(): AppClient[] {
  const requests = findPython('requests')
  const python = (name: string, program: string, code: string, skip: string | false) => ({
    name,
    skip,
    command: (url: string) => [program, '-c', code, url],
    knowsProxyUsers: true,
  })
  return [
    python('Python urllib', 'python3', URLLIB, missing('python3')),
    python('Python urllib as strict as 3.13', 'python3', STRICT_URLLIB, missing('python3')),
    python(
      'Python requests',
      requests ?? 'python3',
      REQUESTS,
      requests === undefined && 'no Python here has requests ("make interop" as root installs it)',
    ),
  ]
}

/** All of a line: its own `fetch` and `http.request`, where they know proxy variables. */
function nodeClients(line: string): AppClient[] {
  const node = findNode(line)
  const skip = node === undefined && `npm gave no Node ${line} for this machine`
  const client = (api: string, code: string, ...more: readonly string[]) => ({
    name: `Node ${line} ${api}`,
    skip,
    command: (url: string) => [node ?? '', '--input-type=module', '-e', code, url, ...more],
    knowsProxyUsers: true,
  })
  const undici = client('with undici', NODE_UNDICI, fileURLToPath(import.meta.resolve('undici')))
  // Node 20 has no NODE_USE_ENV_PROXY: its applications bring an agent that reads the variables.
  if (line === '20') return [undici]
  return [client('fetch', NODE_FETCH), client('http.request', NODE_REQUEST), undici]
}

async function compileJava(folder: string): Promise<void> {
  const source = join(folder, 'Client.java')
  await writeFile(source, JAVA)
  const { exitCode, stderr } = await run('javac', ['-d', folder, source])
  if (exitCode !== 0) throw new Error(`javac: ${stderr}`)
}

function javaClients(): AppClient[] {
  return ['HttpClient', 'HttpURLConnection'].map((api, index) => ({
    name: `Java ${api}`,
    skip: missing('java', 'javac'),
    ...(index === 0 && { prepare: compileJava }),
    command: (url: string, folder: string) => ['java', '-cp', folder, 'Client', api, url],
    // Basic before a tunnel is disabled in it, and the options have no place for a name.
    knowsProxyUsers: false,
  }))
}

/** All that are tried. */
export function listAppClients(): AppClient[] {
  const program = (name: string, ...command: readonly string[]): AppClient => ({
    name,
    skip: missing(name),
    command: (url) => [...command, url],
    knowsProxyUsers: true,
  })
  return [
    program('curl', 'curl', '-sS', '-f'),
    program('wget', 'wget', '-nv', '-O', '-'),
    ...pythonClients(),
    ...NODE_LINES.flatMap(nodeClients),
    ...javaClients(),
  ]
}
