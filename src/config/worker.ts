/**
 * The thread that loads a configuration: started for one load, it reads, parses and validates, and
 * hands the result over part by part, each when the one before has been taken.
 */
import { once } from 'node:events'
import { constants, setPriority } from 'node:os'
import { parentPort, workerData } from 'node:worker_threads'
import { takeApart } from './handover.ts'
import { loadConfiguration } from './load.ts'
import type { LoadOptions } from './load.ts'

/** Without its Buffer, which does not survive the way. */
interface Order extends Omit<LoadOptions, 'fingerprintKey'> {
  readonly fingerprintKey: Uint8Array
}

/** Requests come first where processors are few. */
function stepBack(): void {
  // Only Linux has a priority for each thread; elsewhere it would be that of the whole process.
  if (process.platform !== 'linux') return
  try {
    setPriority(constants.priority.PRIORITY_BELOW_NORMAL)
  } catch {
    // Not allowed here: it loads all the same.
  }
}

if (parentPort !== null) {
  stepBack()
  const port = parentPort
  const order = workerData as Order
  const result = await loadConfiguration({
    ...order,
    fingerprintKey: Buffer.from(order.fingerprintKey),
  })
  for (const part of takeApart(result)) {
    const taken = once(port, 'message')
    port.postMessage(part, [part.bytes])
    await taken
  }
  port.postMessage('end')
}
