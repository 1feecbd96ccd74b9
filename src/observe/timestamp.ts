/** Instants as text: RFC 3339, milliseconds, UTC. */

let second = NaN
let prefix = ''

/** `2026-11-23T20:16:00.123Z`; the part that changes once a second is kept. */
export function formatInstant(ms: number): string {
  const whole = Math.floor(ms / 1000)
  if (whole !== second) {
    prefix = new Date(whole * 1000).toISOString().slice(0, 20)
    second = whole
  }
  const rest = Math.floor(ms - whole * 1000)
  return `${prefix}${rest < 10 ? '00' : rest < 100 ? '0' : ''}${rest}Z`
}
