/**
 * Finds what somebody meant who misspelt a word: the candidate with the smallest edit distance
 * (Damerau-Levenshtein), if it is small enough to be no accident.
 */

/** The candidate nearest to `given`, or `undefined` where none is near. */
export function findNearest(given: string, candidates: readonly string[]): string | undefined {
  const word = given.toLowerCase()
  let nearest: string | undefined
  let least = Math.max(1, Math.floor(word.length / 3)) + 1
  for (const candidate of candidates) {
    const distance = measureDistance(word, candidate.toLowerCase())
    if (distance < least) {
      least = distance
      nearest = candidate
    }
  }
  if (nearest !== undefined || word.length < 3) return nearest
  return candidates.find((candidate) => candidate.startsWith(word))
}

/** Edits (insert, delete, replace, swap of neighbours) that make `a` into `b`. */
function measureDistance(a: string, b: string): number {
  let before: number[] = []
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1
      let best = Math.min(
        (row[j - 1] ?? 0) + 1,
        (previous[j] ?? 0) + 1,
        (previous[j - 1] ?? 0) + cost,
      )
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        best = Math.min(best, (before[j - 2] ?? 0) + 1)
      }
      row.push(best)
    }
    before = previous
    previous = row
  }
  return previous[b.length] ?? 0
}
