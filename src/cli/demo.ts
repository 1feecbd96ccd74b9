/**
 * `sidegate demo`: a service, the real gate beside it, an API that the service calls and a
 * configuration with fresh secrets, all on loopback and in a temporary folder. On a terminal it prints commands to paste and stays;
 * without one, or with `--check`, it runs them itself.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type Command,
  CommandError,
  defineManual,
  expectPositionals,
  parseOptions,
} from './command.ts'
import { createDemoApi } from './demo/api.ts'
import { createDemoSecrets, renderDemoConfiguration } from './demo/configuration.ts'
import { type GateProcess, createGateProcess } from './demo/gate-process.ts'
import { findRunner, runStep } from './demo/run-step.ts'
import type { DemoServer } from './demo/server.ts'
import { type DemoPart, createParts, renderCommand } from './demo/steps.ts'
import { createDemoUpstream } from './demo/upstream.ts'
import { type Paint, createPaint, print } from './terminal.ts'

const manual = defineManual({
  name: 'demo',
  usage: '[--check]',
  about:
    'Starts a small service without authentication, an API with a token server that the service calls, Sidegate beside them ' +
    'and a configuration with fresh random secrets, all on 127.0.0.1. On a terminal it prints commands to paste into another one and stays until Ctrl-C; otherwise, or ' +
    'with --check, it runs its own commands and compares. Nothing is left behind.',
  options: {
    check: {
      kind: 'flag',
      text: 'run the commands, print what was expected and what came; exit code 0 or 1',
    },
  },
  examples: [
    ['sidegate demo', 'stays and lets you try'],
    ['sidegate demo --check', 'proves that this machine can run Sidegate'],
  ],
})

/** Everything that runs for a demo. */
interface DemoWorld {
  readonly folder: string
  readonly gate: GateProcess
  readonly parts: readonly DemoPart[]
  close(): Promise<void>
}

async function runDemo(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseOptions(manual, args)
  expectPositionals(manual, positionals, [])
  const isStaying = process.stdout.isTTY && !values.check
  const interruption = new AbortController()
  const interrupted = listenForInterrupts().then(() => {
    interruption.abort()
  })
  const paint = createPaint(process.stdout, process.env)
  const world = await createWorld()
  try {
    if (isStaying) return await stay(world, interrupted, paint)
    return await checkAll(world, interruption.signal, paint)
  } finally {
    await world.close()
  }
}

/** Ctrl-C and its like end the demo in order, so that nothing stays behind. */
function listenForInterrupts(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.once(signal, () => {
        resolve()
      })
    }
  })
}

async function createWorld(): Promise<DemoWorld> {
  const folder = await mkdtemp(join(tmpdir(), 'sidegate-demo-'))
  const servers: DemoServer[] = []
  const cleanUp = async (): Promise<void> => {
    for (const server of servers) server.close()
    await rm(folder, { recursive: true, force: true })
  }
  try {
    const secrets = createDemoSecrets()
    const upstream = await createDemoUpstream()
    servers.push(upstream)
    const api = await createDemoApi(secrets)
    servers.push(api)
    const file = join(folder, 'sidegate.yaml')
    const ports = { upstream: upstream.port, api: api.port }
    await writeFile(file, await renderDemoConfiguration(secrets, ports), { mode: 0o600 })
    const gate = await createGateProcess(file, join(folder, 'sidegate.log'))
    const { inbound, egress, admin } = gate
    const places = { inbound, egress, admin, api: `127.0.0.1:${api.port}`, file }
    return {
      folder,
      gate,
      parts: createParts(places, secrets),
      close: async () => {
        await gate.close()
        await cleanUp()
      },
    }
  } catch (error) {
    await cleanUp()
    throw error
  }
}

async function stay(world: DemoWorld, interrupted: Promise<void>, paint: Paint): Promise<number> {
  const { inbound, egress } = world.gate
  print(
    paint.bold(
      `Sidegate runs on http://${inbound}, before a service that knows no authentication,`,
    ),
  )
  print(
    paint.bold(`and on http://${egress}, behind it: calls to an API get their credentials there.`),
  )
  print(paint.bold('Both show what they receive. Paste these into another terminal:'))
  for (const { title, steps } of world.parts) {
    print()
    print(paint.bold(`== ${title} ==`))
    for (const step of steps) {
      const outcome = step.kind === 'request' ? ` (${step.status})` : ''
      print()
      print(`${paint.dim('#')} ${step.claim}${paint.bold(outcome)}`)
      print(paint.green(renderCommand(step)))
    }
  }
  print()
  print(`Configuration and log: ${world.folder}. The secrets live as long as this demo.`)
  print(paint.bold('Ctrl-C ends it and removes everything.'))
  const end = await Promise.race([
    interrupted.then(() => 'interrupted' as const),
    world.gate.ended.then(() => 'gate ended' as const),
  ])
  // Ctrl-C goes to the whole process group: the gate may be the first to go.
  if (end === 'gate ended') await Promise.race([interrupted, delay(1000).then(complain)])
  return 0
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

function complain(): never {
  throw new CommandError('the gate of the demo ended by itself')
}

async function checkAll(world: DemoWorld, signal: AbortSignal, paint: Paint): Promise<number> {
  const runner = await findRunner()
  const steps = world.parts.flatMap((part) => part.steps)
  let failures = 0
  for (const step of steps) {
    const { isOk, expected, got } = await runStep(step, runner, signal)
    if (signal.aborted) return 1
    if (!isOk) failures += 1
    const verdict = isOk ? paint.green('ok  ') : paint.red('FAIL')
    print(`${verdict}  ${step.claim}`)
    print(paint.dim(`      expected ${expected}, got ${got}`))
  }
  print(
    failures === 0
      ? `all ${steps.length} steps did what they should (run with ${runner})`
      : paint.red(`${failures} of ${steps.length} steps did not do what they should`),
  )
  return failures === 0 ? 0 : 1
}

/** `sidegate demo`. */
export const demoCommand: Command = { manual, run: runDemo }
