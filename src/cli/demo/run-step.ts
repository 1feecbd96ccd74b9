/**
 * Runs a step of the demo as a user would: its very command in a shell with curl; where there is
 * no curl or no shell, the same request with node:http.
 */
import { execFile } from 'node:child_process'
import { appendFile } from 'node:fs/promises'
import { request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { type DemoRequest, type DemoStep, renderCommand } from './steps.ts'

/** What came of a step. */
export interface DemoResult {
  readonly isOk: boolean
  readonly expected: string
  readonly got: string
}

/** Gives the status and the text of a request of the demo. */
type Ask = (step: Extract<DemoStep, { kind: 'request' }>) => Promise<Answer>

interface Answer {
  readonly status: number
  readonly text: string
}

const runFile = promisify(execFile)
const COMMAND_TIMEOUT_MS = 15_000
const RELOAD_TIMEOUT_MS = 15_000
const POLL_MS = 250

/** Chooses how to run steps on this machine: `curl` or `node`. */
export async function findRunner(): Promise<'curl' | 'node'> {
  try {
    await runFile('sh', ['-c', 'curl --version'])
    return 'curl'
  } catch {
    return 'node'
  }
}

/** Runs one step; after an edit it asks again until the reload shows. */
export async function runStep(
  step: DemoStep,
  runner: 'curl' | 'node',
  signal: AbortSignal,
): Promise<DemoResult> {
  if (step.kind === 'edit') {
    if (runner === 'curl') await runFile('sh', ['-c', renderCommand(step)])
    else await appendFile(step.file, `${step.line}\n`)
    return { isOk: true, expected: 'saved', got: 'saved' }
  }
  if (step.kind === 'wait') {
    await sleep(step.seconds * 1000, undefined, { signal }).catch(() => undefined)
    return { isOk: true, expected: `${step.seconds} s`, got: `${step.seconds} s` }
  }
  const ask: Ask = runner === 'curl' ? askByCurl : askByNode
  const deadline = performance.now() + (step.isAfterEdit === true ? RELOAD_TIMEOUT_MS : 0)
  let answer = await ask(step)
  while (!isExpected(step, answer) && performance.now() < deadline && !signal.aborted) {
    await sleep(POLL_MS)
    answer = await ask(step)
  }
  return {
    isOk: isExpected(step, answer),
    expected: describe(step.status, step.text, true),
    got: describe(answer.status, step.text, answer.text.includes(step.text ?? '')),
  }
}

function isExpected(step: Extract<DemoStep, { kind: 'request' }>, answer: Answer): boolean {
  return answer.status === step.status && answer.text.includes(step.text ?? '')
}

function describe(status: number, text: string | undefined, isThere: boolean): string {
  if (text === undefined) return `${status}`
  return `${status} ${isThere ? 'with' : 'without'} ${text}`
}

const NO_ANSWER: Answer = { status: 0, text: '' }

const askByCurl: Ask = async (step) => {
  try {
    const { stdout } = await runFile('sh', ['-c', renderCommand(step)], {
      env: { ...process.env, NO_PROXY: '127.0.0.1', no_proxy: '127.0.0.1' },
      timeout: COMMAND_TIMEOUT_MS,
      maxBuffer: 16 * 1024 * 1024,
    })
    return { status: Number(/^HTTP\/1\.[01] (\d{3})/.exec(stdout)?.[1] ?? 0), text: stdout }
  } catch {
    // Not told further: the error's message would hold the command with its secret.
    return NO_ANSWER
  }
}

const askByNode: Ask = (step) =>
  new Promise((resolve) => {
    const giveUp = (): void => {
      resolve(NO_ANSWER)
    }
    const call = request(toOptions(step.request), (answer) => {
      let text = ''
      answer.setEncoding('utf8')
      answer.on('data', (chunk: string) => {
        text += chunk
      })
      answer.on('end', () => {
        resolve({ status: answer.statusCode ?? 0, text })
      })
      answer.on('error', giveUp)
    })
    call.on('error', giveUp)
    call.on('timeout', () => call.destroy())
    call.end()
  })

/** Options, not a URL: a URL would normalise the dot segments away that the demo shows. */
function toOptions({ authority, path, user, proxy, headers = [] }: DemoRequest) {
  const hop = proxy ?? authority
  const colon = hop.lastIndexOf(':')
  return {
    host: hop.slice(0, colon),
    port: Number(hop.slice(colon + 1)),
    // A proxy is asked in absolute-form (RFC 9112 3.2.2).
    path: proxy === undefined ? path : `http://${authority}${path}`,
    headers: Object.fromEntries(proxy === undefined ? headers : [['Host', authority], ...headers]),
    timeout: COMMAND_TIMEOUT_MS,
    agent: false,
    ...(user === undefined ? {} : { auth: user }),
  }
}
