/**
 * Reads a foreign file as text: its size is bounded before it is looked at, for no real one comes near
 * the bound, and parsing costs a hundred times the memory of the text.
 */
import { statSync } from 'node:fs'
import { randomBytes } from 'node:crypto'
import { FileReader } from '../../config/file-reader.ts'
import { CommandError } from '../command.ts'

const MIB = 1024 * 1024

/** The text of a file; what is wrong with it throws `CommandError`, with `advice` where it is too big. */
export function readText(path: string, maxBytes: number, advice: string): string {
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0
  if (size > maxBytes) {
    throw new CommandError(`${path}: more than ${maxBytes / MIB} MiB, ${advice}`)
  }
  const result = new FileReader({}, randomBytes(32)).readText(path)
  if ('problem' in result) throw new CommandError(`${path}: ${result.problem}`)
  return result.text
}
