/**
 * What commands write to and read from: stdout, stderr, colours only where a person looks at
 * them, secrets from stdin without echo.
 */
import { CommandError } from './command.ts'

/** Adds colour to a text, or leaves it alone. */
export interface Paint {
  bold(text: string): string
  dim(text: string): string
  red(text: string): string
  green(text: string): string
  yellow(text: string): string
}

/** Colours for a stream: only on a terminal, never with NO_COLOR (no-color.org). */
export function createPaint(
  stream: { readonly isTTY?: boolean },
  env: Readonly<Record<string, string | undefined>>,
): Paint {
  const noColor = env.NO_COLOR !== undefined && env.NO_COLOR !== ''
  const isColoured = stream.isTTY === true && !noColor && env.TERM !== 'dumb'
  const paint =
    (open: number, close: number) =>
    (text: string): string =>
      isColoured ? `\u001b[${open}m${text}\u001b[${close}m` : text
  return {
    bold: paint(1, 22),
    dim: paint(2, 22),
    red: paint(31, 39),
    green: paint(32, 39),
    yellow: paint(33, 39),
  }
}

/** Writes a line to stdout. */
export function print(line = ''): void {
  process.stdout.write(`${line}\n`)
}

/** Writes a line to stderr. */
export function printError(line = ''): void {
  process.stderr.write(`${line}\n`)
}

/** How many bytes of stdin a secret may have: more is a mistake. */
const MAX_SECRET_BYTES = 64 * 1024

/** Reads a secret: all of stdin, or twice from the keyboard without echo. One line break is cut. */
export async function readSecret(): Promise<string> {
  if (!process.stdin.isTTY) return decodeSecret(await readAll(process.stdin))
  const secret = await promptHidden('Secret: ')
  const again = await promptHidden('Again:  ')
  if (secret !== again) throw new CommandError('the two secrets differ, nothing was hashed')
  return secret
}

async function readAll(stream: AsyncIterable<Buffer | string>): Promise<Buffer> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of stream) {
    const buffer = typeof chunk === 'string' ? Buffer.from(chunk) : chunk
    bytes += buffer.length
    if (bytes > MAX_SECRET_BYTES) throw new CommandError('stdin holds more than 64 KiB')
    chunks.push(buffer)
  }
  return Buffer.concat(chunks)
}

function decodeSecret(bytes: Buffer): string {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
    return text.replace(/\r?\n$/, '')
  } catch {
    throw new CommandError('the secret on stdin is not valid UTF-8')
  }
}

/** Asks on stderr, so that stdout holds the result alone, and shows nothing of what is typed. */
function promptHidden(question: string): Promise<string> {
  const { stdin, stderr } = process
  return new Promise((resolve, reject) => {
    let typed = ''
    const finish = (end: () => void): void => {
      stdin.off('data', onData)
      stdin.setRawMode(false)
      stdin.pause()
      stderr.write('\n')
      end()
    }
    const onData = (chunk: string): void => {
      for (const char of chunk) {
        if (char === '\r' || char === '\n') {
          finish(() => {
            resolve(typed)
          })
          return
        }
        if (char === '\u0003' || char === '\u0004') {
          finish(() => {
            reject(new CommandError('interrupted, nothing was hashed'))
          })
          return
        }
        const isErase = char === '\u007f' || char === '\b'
        typed = isErase ? Array.from(typed).slice(0, -1).join('') : typed + char
      }
    }
    stderr.write(question)
    stdin.setEncoding('utf8')
    stdin.setRawMode(true)
    stdin.on('data', onData)
    stdin.resume()
  })
}
