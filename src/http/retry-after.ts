/**
 * `Retry-After` of a server that we ask (RFC 9110 10.2.3): seconds, or a date in any of the three forms.
 */

const IS_SECONDS = /^\d{1,10}$/
/** IMF-fixdate and RFC 850 end in GMT; asctime does not and means it all the same. */
const IS_DATE =
  /^[A-Z][a-z]{2,8}, \d{2}[ -][A-Z][a-z]{2}[ -]\d{2,4} \d{2}:\d{2}:\d{2} GMT$|^[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d{2}:\d{2}:\d{2} \d{4}$/

/**
 * Milliseconds to wait; `undefined` where the value is none. A date is compared with the server's
 * own `Date` where it sent one, so that its clock and ours need not agree.
 */
export function parseRetryAfter(
  value: string,
  date: string | undefined,
  nowMs: number,
): number | undefined {
  if (IS_SECONDS.test(value)) return Number(value) * 1000
  const until = parseDate(value)
  if (until === undefined) return undefined
  const now = date === undefined ? undefined : parseDate(date)
  return Math.max(until - (now ?? nowMs), 0)
}

function parseDate(value: string): number | undefined {
  if (!IS_DATE.test(value)) return undefined
  const milliseconds = Date.parse(value.endsWith('GMT') ? value : `${value} GMT`)
  return Number.isNaN(milliseconds) ? undefined : milliseconds
}
