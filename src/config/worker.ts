/**
 * The thread that loads a configuration: started for one load, it reads, parses and validates, and
 * hands the result over part by part, each when the one before has been taken.
 */
import { once } from 'node:events'
import { parentPort, workerData } from 'node:worker_threads'
import { takeApart } from './handover.ts'
import { loadConfiguration } from './load.ts'
import type { LoadOptions } from './load.ts'

/** Without its Buffer, which does not survive the way. */
interface Order extends Omit<LoadOptions, 'fingerprintKey'> {
  readonly fingerprintKey: Uint8Array
}

if (parentPort !== null) {
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
