/**
 * The known word nearest to an unknown one, for "did you mean". Bounded: long words and long lists
 * are not searched to the end, a hostile configuration must not buy processor time with typos.
 */

const MAX_WORD = 64
const MAX_CANDIDATES = 2000

/** The candidate within a few edits of `word`, or `undefined`. */
export function findNearest(word: string, candidates: readonly string[]): string | undefined {
  if (word.length === 0 || word.length > MAX_WORD) return undefined
  const folded = word.toLowerCase()
  // A third of the word may be wrong: `pasword` is password, `x` is nothing.
  let best = Math.max(1, Math.floor(word.length / 3)) + 1
  let nearest: string | undefined
  for (const candidate of candidates.slice(0, MAX_CANDIDATES)) {
    if (Math.abs(candidate.length - word.length) >= best) continue
    const distance = measureDistance(folded, candidate.toLowerCase())
    if (distance >= best) continue
    best = distance
    nearest = candidate
  }
  if (nearest !== undefined || word.length < 3) return nearest
  return candidates.find((candidate) => candidate.startsWith(folded))
}

/** `, did you mean "X"?` or nothing. */
export function suggest(word: string, candidates: readonly string[]): string {
  const nearest = findNearest(word, candidates)
  return nearest === undefined ? '' : `, did you mean "${nearest}"?`
}

/** Edits (insert, delete, replace, swap of neighbours) that make `a` into `b`; three rows. */
function measureDistance(a: string, b: string): number {
  let before: number[] = []
  let previous = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const current = [i]
    for (let j = 1; j <= b.length; j++) {
      const cost = a.charCodeAt(i - 1) === b.charCodeAt(j - 1) ? 0 : 1
      let least = Math.min(
        (previous[j] ?? 0) + 1,
        (current[j - 1] ?? 0) + 1,
        (previous[j - 1] ?? 0) + cost,
      )
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        least = Math.min(least, (before[j - 2] ?? 0) + 1)
      }
      current.push(least)
    }
    before = previous
    previous = current
  }
  return previous[b.length] ?? 0
}
