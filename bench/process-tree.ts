/** What a process and everything below it have cost so far, from /proc. Linux only. */
import { readFileSync, readdirSync } from 'node:fs'

/** Processor time in microseconds and resident memory in MiB. */
export interface Usage {
  readonly cpuMicros: number
  readonly residentMib: number
}

/** Linux reports processor time in units of 1/100 s to user space, whatever the kernel's own tick is. */
const MICROS_PER_TICK = 10_000

interface Entry {
  readonly pid: number
  readonly parent: number
  readonly ticks: number
}

function readEntries(): Entry[] {
  const entries: Entry[] = []
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    try {
      const text = readFileSync(`/proc/${name}/stat`, 'latin1')
      // The program's name stands in parentheses and may hold spaces.
      const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
      const ticks = Number(fields[11]) + Number(fields[12])
      entries.push({ pid: Number(name), parent: Number(fields[1]), ticks })
    } catch {
      // It ended while we looked.
    }
  }
  return entries
}

function readResidentMib(pid: number): number {
  try {
    const text = readFileSync(`/proc/${pid}/status`, 'latin1')
    return Number(/^VmRSS:\s+(\d+)/m.exec(text)?.[1] ?? 0) / 1024
  } catch {
    return 0
  }
}

/** The sum over the process and all its descendants. */
export function measureTree(root: number): Usage {
  const entries = readEntries()
  const tree = new Set([root])
  let size = 0
  while (size !== tree.size) {
    size = tree.size
    for (const { pid, parent } of entries) if (tree.has(parent)) tree.add(pid)
  }
  let ticks = 0
  let residentMib = 0
  for (const entry of entries) {
    if (!tree.has(entry.pid)) continue
    ticks += entry.ticks
    residentMib += readResidentMib(entry.pid)
  }
  return { cpuMicros: ticks * MICROS_PER_TICK, residentMib }
}
