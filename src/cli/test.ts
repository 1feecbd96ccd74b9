/**
 * `sidegate test NAME`: one real call through an outgoing connection, token first, and in plain
 * words what happened. Secrets are masked.
 */
import {
  type Command,
  CommandError,
  UsageError,
  configOption,
  defineManual,
  expectPositionals,
  parseOptions,
  suggest,
} from './command.ts'
import { type Paint, createPaint, print } from './terminal.ts'
import type { Verdict } from './test/answer-words.ts'

const manual = defineManual({
  name: 'test',
  usage: 'NAME [--method METHOD] [--path PATH] [--config PATH]...',
  about:
    'Calls the API of an outgoing connection once, as serve would: a token is fetched first where one is needed, then one request ' +
    'without a body is sent with the credential. Says in plain words what is wrong, if something is: DNS, the connection, TLS, ' +
    'the client or the scopes at the token server, the credential or its rights at the API. Secrets are masked, the body of ' +
    'the answer is not shown. No running gate is needed. Exit code 0 when the API answered below 400, else 1: 401 and 403, and ' +
    '404 too, which without --path often means no more than that the url alone is no resource.',
  options: {
    method: {
      kind: 'value',
      value: 'METHOD',
      text: 'GET unless told otherwise; POST and its like change something there',
    },
    path: {
      kind: 'value',
      value: 'PATH',
      text: 'what follows the url of the connection, /me?full=1 for instance',
    },
    config: configOption,
  },
  examples: [
    ['sidegate test sf', 'does the connection sf work?'],
    ['sidegate test sf --path /me', 'the same, for url + /me'],
  ],
})

async function runTest(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseOptions(manual, args)
  expectPositionals(manual, positionals, ['NAME'])
  const [name = ''] = positionals
  const { method = 'GET', path = '' } = values
  checkMethod(method)
  checkPath(path)
  const { loadOrFail } = await import('./explain/load-or-fail.ts')
  const config = await loadOrFail(values.config)
  const connection = config.outgoing.find((outgoing) => outgoing.name === name)
  if (connection === undefined) {
    const names = config.outgoing.map((outgoing) => outgoing.name)
    throw new CommandError(`no outgoing connection is named "${name}"${suggest(name, names)}`)
  }
  const { tryConnection } = await import('./test/trial.ts')
  const { listSecretHeaders, renderHeaders } = await import('./explain/masked.ts')
  const paint = createPaint(process.stdout, process.env)
  const verdict = await tryConnection({
    config,
    connection,
    method,
    path,
    onRow: (label, text) => {
      printRow(paint, label, text)
    },
    onRequest: (line, headers) => {
      printRow(paint, 'request', line)
      for (const header of renderHeaders(headers, listSecretHeaders(config))) print(`    ${header}`)
    },
  })
  printVerdict(paint, verdict)
  return verdict.isOk ? 0 : 1
}

function checkMethod(method: string): void {
  if (!/^[A-Z]{1,32}$/.test(method) || method === 'CONNECT' || method === 'TRACE') {
    throw new UsageError(`--method "${method}": a method such as GET was wanted, in upper case`)
  }
}

/** What is wrong with it otherwise, the rules of the connection say. */
function checkPath(path: string): void {
  if (path !== '' && !/^[/?][\x21-\x7e]*$/.test(path)) {
    throw new UsageError(
      `--path: /SOMETHING or ?QUERY was wanted, in printable ASCII (others percent-encoded)`,
    )
  }
}

function printVerdict(paint: Paint, { isOk, text, why, cure }: Verdict): void {
  printRow(paint, 'verdict', isOk ? paint.green(text) : paint.red(text))
  if (why !== undefined) printRow(paint, 'why', why)
  if (cure !== undefined) printRow(paint, 'cure', cure)
}

function printRow(paint: Paint, label: string, text: string): void {
  print(`${paint.dim(label.padEnd(10))} ${text}`)
}

/** `sidegate test`. */
export const testCommand: Command = { manual, run: runTest }
