/**
 * Strings of strangers as JSON. Beyond what JSON asks for, characters that a terminal would obey are
 * escaped: DEL and C1 controls (0x9b starts an escape sequence), and those that turn text around.
 */

/** The JSON string of a text, quotes included. */
export function quote(text: string): string {
  for (let i = 0; i < text.length; i++) {
    const char = text.charCodeAt(i)
    if (char < 0x20 || char > 0x7e || char === 0x22 || char === 0x5c) {
      return escapeControls(JSON.stringify(text))
    }
  }
  return `"${text}"`
}

/** Escapes in JSON what JSON itself leaves as it is. */
export function escapeControls(json: string): string {
  return json.replace(
    /[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
