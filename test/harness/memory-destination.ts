/** A `Destination` that keeps the lines it is given. */
import type { Destination } from '../../src/observe/destination.ts'

export class MemoryDestination implements Destination {
  readonly writes: string[] = []
  /** Set it to take nothing. */
  isFull = false

  write(text: string): boolean {
    if (!this.isFull) this.writes.push(text)
    return !this.isFull
  }

  flush(): Promise<void> {
    return Promise.resolve()
  }

  flushSync(): void {
    // Everything has been taken already.
  }

  get text(): string {
    return this.writes.join('')
  }

  /** Every line, parsed. */
  get records(): Record<string, unknown>[] {
    return this.text
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Record<string, unknown>)
  }
}
