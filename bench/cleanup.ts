import type { Owner } from '../test/interop/programs.ts'

/** Ends everything that was started, last first. */
export class Cleanup implements Owner {
  readonly #ends: (() => unknown)[] = []

  after(end: () => unknown): void {
    this.#ends.push(end)
  }

  async run(): Promise<void> {
    for (const end of this.#ends.splice(0).reverse()) await end()
  }
}

/** Runs a scenario and ends what it started, whatever became of it. */
export async function withCleanup<T>(work: (owner: Owner) => Promise<T>): Promise<T> {
  const cleanup = new Cleanup()
  try {
    return await work(cleanup)
  } finally {
    await cleanup.run()
  }
}
