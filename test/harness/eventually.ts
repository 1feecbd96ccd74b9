/** Waiting for something to become true, with a bound that only a broken program reaches. */
import { setTimeout as sleep } from 'node:timers/promises'

/** Asks until the answer is neither `undefined` nor `false`; fails after `withinMs`. */
export async function eventually<T>(
  what: string,
  ask: () => T | undefined | false | Promise<T | undefined | false>,
  withinMs = 10_000,
): Promise<T> {
  const deadline = performance.now() + withinMs
  for (;;) {
    const found = await ask()
    if (found !== undefined && found !== false) return found
    if (performance.now() > deadline) throw new Error(`not within ${withinMs} ms: ${what}`)
    await sleep(5)
  }
}
