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
  'serve' | 'demo' | 'init' | 'check' | 'explain' | 'hash' | 'generate' | 'schema' | 'health'

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
  hash: {
    summary: 'make the hash of a secret on stdin',
    load: async () => (await import('./hash.ts')).hashCommand,
  },
  generate: {
    summary: 'make a security definition with a random secret',
    load: async () => (await import('./generate.ts')).generateCommand,
  },
  schema: {
    summary: 'print the JSON Schema of the configuration',
    load: async () => (await import('./schema.ts')).schemaCommand,
  },
  health: {
    summary: 'ask a running gate whether it is ready',
    load: async () => (await import('./health.ts')).healthCommand,
  },
} as const satisfies Record<CommandName, CommandEntry>
