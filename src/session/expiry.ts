/** Which answers of an API mean that the session is gone. */
import type { ExpiredWhen } from './settings.ts'

/**
 * Whether an answer means so. Where `location` is set, redirects are told apart by it: one that leads
 * there counts, whatever `status` lists, and no other does. It may be the beginning of the `Location`
 * as it is, or of its path where it names a host.
 */
export function isExpiredAnswer(
  { status, location }: ExpiredWhen,
  answerStatus: number,
  answerLocation: string | undefined,
): boolean {
  const isRedirect = answerStatus >= 300 && answerStatus < 400
  if (location === undefined || !isRedirect) return status.includes(answerStatus)
  if (answerLocation === undefined) return false
  return answerLocation.startsWith(location) || pathOf(answerLocation).startsWith(location)
}

function pathOf(location: string): string {
  const origin = /^(?:https?:)?\/\/[^/?#]*/i.exec(location)
  return origin === null ? location : location.slice(origin[0].length)
}
