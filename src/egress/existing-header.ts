/** What becomes of the app's own header in the slot of the definition (`on_existing`). */
import type { Code } from '../errors.ts'
import { countOwn } from './forward-headers.ts'
import type { OutgoingRoute } from './generation.ts'

/** `add`: ours leaves, whatever was there. `keep`: the app's own leaves. Or a refusal. */
export type ExistingVerdict = 'add' | 'keep' | { readonly code: Code; readonly detail: string }

export function judgeExisting(
  names: readonly string[],
  { connection, injector, rules }: OutgoingRoute,
): ExistingVerdict {
  if (injector === undefined) return 'keep'
  if (connection.onExisting === 'replace') return 'add'
  const count = countOwn(names, rules.slots)
  if (count === 0) return 'add'
  const [slot = ''] = injector.slots
  if (connection.onExisting === 'reject') {
    const detail = `Send no ${slot} header: the outgoing connection "${connection.name}" adds it, and says on_existing: reject`
    return { code: 'outgoing_refused', detail }
  }
  if (count === 1) return 'keep'
  return { code: 'bad_request', detail: `Send one ${slot} header, not several` }
}
