/**
 * The table of commands. Each is loaded only when it is called, so that `serve` starts without
 * what only `check` needs. A new command is one file and one line here.
 */
import type { Command } from './command.ts'

interface CommandEntry {
  /** For the list in `sidegate --help`. */
  readonly summary: string
  readonly load: () => Promise<Command>
}

/** The names of all commands. */
export type CommandName =
  | 'serve'
  | 'demo'
  | 'init'
  | 'check'
  | 'explain'
  | 'test'
  | 'hash'
  | 'generate'
  | 'ca'
  | 'run'
  | 'schema'
  | 'health'
  | 'import'

/** Every command by name, in the order in which a newcomer meets them. */
export const commands = {
  serve: {
    summary: 'run the gate until SIGTERM',
    load: async () => (await import('./serve-command.ts')).serveCommand,
  },
  demo: {
    summary: 'try everything on this machine, with commands to paste',
    load: async () => (await import('./demo.ts')).demoCommand,
  },
  init: {
    summary: 'write a commented sidegate.yaml with fresh secrets',
    load: async () => (await import('./init.ts')).initCommand,
  },
  check: {
    summary: 'find every problem of a configuration',
    load: async () => (await import('./check.ts')).checkCommand,
  },
  explain: {
    summary: 'say what would happen to a request, and why',
    load: async () => (await import('./explain.ts')).explainCommand,
  },
  test: {
    summary: 'try an outgoing connection for real',
    load: async () => (await import('./test.ts')).testCommand,
  },
  hash: {
    summary: 'make the hash of a secret on stdin',
    load: async () => (await import('./hash.ts')).hashCommand,
  },
  generate: {
    summary: 'make a security definition with a random secret',
    load: async () => (await import('./generate.ts')).generateCommand,
  },
  ca: {
    summary: 'make the local authority for https: intercept, and a bundle with it',
    load: async () => (await import('./ca.ts')).caCommand,
  },
  run: {
    summary: 'run a command whose calls go through the gate',
    load: async () => (await import('./run.ts')).runCommand,
  },
  schema: {
    summary: 'print the JSON Schema of the configuration',
    load: async () => (await import('./schema.ts')).schemaCommand,
  },
  health: {
    summary: 'ask a running gate whether it is ready',
    load: async () => (await import('./health.ts')).healthCommand,
  },
  import: {
    summary: 'make a configuration of what Zato or an htpasswd file knows',
    load: async () => (await import('./import.ts')).importCommand,
  },
} as const satisfies Record<CommandName, CommandEntry>
