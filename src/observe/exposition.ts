/**
 * The text format of Prometheus, for families of metrics that may have very many samples: they are
 * made bit by bit, and the event loop has its turn in between.
 */
import { setImmediate } from 'node:timers/promises'

/** How much is made before the event loop has its turn: about a millisecond of work. */
const sliceLength = 32 * 1024

/** A family of metrics whose samples are made at scrape time. */
export interface Family {
  readonly name: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly help: string
  /** Texts of one or more whole lines; may be empty. */
  samples(): Iterable<string>
}

/**
 * Renders families one after the other. Slices become buffers at once: as strings that live until
 * the last one is made they would cost the collector more than the making costs.
 */
export async function renderFamilies(families: readonly Family[]): Promise<Buffer[]> {
  const slices: Buffer[] = []
  let slice = ''
  for (const family of families) {
    const { name, type, help } = family
    slice += `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`
    for (const text of family.samples()) {
      slice += text
      if (slice.length < sliceLength) continue
      slices.push(Buffer.from(slice))
      slice = ''
      await setImmediate()
    }
  }
  slices.push(Buffer.from(slice))
  return slices
}

/** `name="value"`, whatever the value holds. */
export function label(name: string, value: string): string {
  return `${name}="${/[\\"\n]/.test(value) ? escapeValue(value) : value}"`
}

function escapeValue(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}
