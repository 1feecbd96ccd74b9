/** Loads a module once to see what it exports, as `check` does. */
import type { FoundExports } from './messages.ts'
import { ModuleFault, SchemeThread, type ThreadSettings } from './thread.ts'

/** What it exports, or why it cannot be loaded. */
export async function loadModule(
  settings: ThreadSettings,
): Promise<{ readonly exports: FoundExports } | { readonly problem: string }> {
  const thread = new SchemeThread(settings, { onEnd: ignore, onFull: ignore })
  try {
    return { exports: await thread.loaded }
  } catch (error) {
    if (error instanceof ModuleFault) return { problem: error.message }
    throw error
  } finally {
    thread.close()
  }
}

function ignore(): void {
  // It is closed in any case.
}
