/**
 * What the YAML parser found wrong, in words of ours: its own quote the source.
 */
import type { YAMLError } from 'yaml'

const messages: Partial<Record<YAMLError['code'], string>> = {
  BAD_DIRECTIVE: 'a line that starts with % and is no YAML directive',
  BAD_DQ_ESCAPE:
    'an unknown escape between double quotes, wanted single quotes or \\\\ for a backslash',
  BAD_INDENT: 'wrong indentation, wanted the same number of spaces as the lines beside it',
  BAD_SCALAR_START: 'a value that starts with a character reserved by YAML: quote it',
  BLOCK_AS_IMPLICIT_KEY: 'a second "key: value" on one line: quote the value if it is text',
  KEY_OVER_1024_CHARS: 'a key of more than 1024 characters, wanted "key: value"',
  MULTILINE_IMPLICIT_KEY:
    'a line without "key: value", or a value that goes on without indentation',
  MULTIPLE_ANCHORS: 'two anchors (&) on one value: quote it if it is text',
  MULTIPLE_TAGS: 'two tags (!) on one value: quote it if it is text',
  RESOURCE_EXHAUSTION: 'nested too deeply',
  TAB_AS_INDENT: 'a tab in the indentation, wanted spaces',
  TAG_RESOLVE_FAILED: 'an unknown tag (!), wanted a plain value: quote it if it is text',
}

/** The problem without anything of the source. */
export function describeYamlFault(fault: YAMLError, text: string): string {
  const offset = fault.pos[0]
  if (text[offset] === '{' && text[offset - 1] === '$') {
    return 'a reference that is not quoted between { } or [ ], wanted quotes around it: "${…}"'
  }
  const isOpen = fault.message.includes(' end with a ')
  if (fault.code === 'MISSING_CHAR' || isOpen) return describeMissing(fault.message)
  return messages[fault.code] ?? 'text that YAML cannot make sense of here: quote the value'
}

function describeMissing(message: string): string {
  if (message.includes('quote')) return 'a closing quote is missing'
  if (message.endsWith('}')) return 'a closing } is missing'
  if (message.endsWith(']')) return 'a closing ] is missing'
  return 'a line without "key: value", or something is missing before this'
}
