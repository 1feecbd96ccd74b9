/**
 * Reads what a scrape gets, as strictly as Prometheus.
 */
import { Metrics } from '../../src/observe/metrics.ts'

export interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

/** Reads the text format strictly: what Prometheus would refuse throws. */
export function parse(text: string): Sample[] {
  const types = new Map<string, string>()
  const seen = new Set<string>()
  const samples: Sample[] = []
  if (!text.endsWith('\n')) throw new Error('no line break at the end')
  for (const line of text.split('\n').slice(0, -1)) {
    const type = /^# TYPE (\S+) (counter|gauge|histogram|summary)$/.exec(line)
    if (type !== null) {
      if (types.has(type[1] ?? '')) throw new Error(`family twice: ${line}`)
      types.set(type[1] ?? '', type[2] ?? '')
    } else if (line !== '' && !line.startsWith('# HELP ')) {
      const sample = parseSample(line)
      const family = sample.name.replace(/_(bucket|sum|count)$/, '')
      if (
        !types.has(sample.name) &&
        types.get(family) !== 'histogram' &&
        types.get(family) !== 'summary'
      ) {
        throw new Error(`no type: ${line}`)
      }
      const key = line.slice(0, line.lastIndexOf(' '))
      if (seen.has(key)) throw new Error(`sample twice: ${line}`)
      seen.add(key)
      samples.push(sample)
    }
  }
  return samples
}

function parseSample(line: string): Sample {
  const match = /^([a-z0-9_]+)(?:\{(.*)\})? (\S+)$/.exec(line)
  if (match === null) throw new Error(`malformed: ${line}`)
  const labels: Record<string, string> = {}
  let rest = match[2] ?? ''
  while (rest !== '') {
    const pair = /^([a-z_]+)="((?:[^"\\\n]|\\[\\"n])*)"(?:,|$)/.exec(rest)
    if (pair === null) throw new Error(`malformed labels: ${line}`)
    labels[pair[1] ?? ''] = (pair[2] ?? '').replace(/\\(.)/g, (_, char: string) =>
      char === 'n' ? '\n' : char,
    )
    rest = rest.slice(pair[0].length)
  }
  const value = Number(match[3])
  if (Number.isNaN(value) && match[3] !== 'Nan') throw new Error(`no number: ${line}`)
  return { name: match[1] ?? '', labels, value }
}

/** Without Node's own. */
export function create(): Metrics {
  return new Metrics({ version: '1.2.3', isNodeIncluded: false })
}

/** The value of the sample that has these labels and no others, as a scrape sees it. */
export async function valueOf(
  metrics: Metrics,
  name: string,
  labels: Record<string, string> = {},
): Promise<number | undefined> {
  const samples = parse(await metrics.render())
  const wanted = JSON.stringify(Object.entries(labels).sort())
  return samples.find(
    (sample) =>
      sample.name === name && JSON.stringify(Object.entries(sample.labels).sort()) === wanted,
  )?.value
}
