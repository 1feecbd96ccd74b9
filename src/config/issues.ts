/**
 * What zod found wrong, in words of ours: where it stands, what was found, what was wanted. Values
 * that are or may be secrets are never repeated; what came through a reference is shown as written.
 */
import type { z } from 'zod'
import { suggest } from './nearest.ts'
import type { ProblemList } from './problems.ts'
import { findNode } from './tree.ts'
import type { Found, Path, TreeNode } from './tree.ts'

type Issue = z.core.$ZodIssue

const MAX_SHOWN = 80
/** The value of any of these keys is not repeated. */
const SECRET_KEYS = new Set([
  'password',
  'passwords',
  'password_hash',
  'key',
  'keys',
  'key_hash',
  'private_key',
  'body',
  'ca',
  'cert',
  'client_ca',
])
/** Nor anything within these. */
const SECRET_MAPS = new Set(['secrets', 'headers', 'cookies', 'extra_fields', 'options'])

/** Adds a problem for each issue. */
export function describeIssues(
  issues: readonly Issue[],
  root: TreeNode,
  problems: ProblemList,
): void {
  for (const issue of issues) describeIssue(issue, [], root, problems)
}

function describeIssue(issue: Issue, base: Path, root: TreeNode, problems: ProblemList): void {
  const path = [...base, ...issue.path.map((step) => (typeof step === 'symbol' ? '' : step))]
  const found = findNode(root, path)
  if (found.isFaulty) return
  if (issue.code === 'unrecognized_keys') {
    describeUnknownKeys(issue, path, root, problems)
    return
  }
  if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    const branch = chooseBranch(issue.errors)
    if (branch !== undefined && !isOnlyFormat(branch, issue.message)) {
      for (const inner of branch) describeIssue(inner, path, root, problems)
      return
    }
  }
  const isAboutKey = issue.code === 'invalid_key'
  const wanted = isAboutKey
    ? (issue.issues[0]?.message ?? issue.message)
    : explain(issue, found, path)
  if (!found.isWhole) {
    const text = `missing, ${wanted.replace(/^YAML read.*?, /, '')}`
    problems.addAt(found.node.place, found.label, text)
  } else if (isAboutKey) {
    const key = `found ${showText(String(path.at(-1) ?? ''))}`
    problems.addAt(found.keyPlace ?? found.node.place, found.label, `${key}, ${wanted}`)
  } else {
    const text = wanted.startsWith('wanted')
      ? `found ${showValue(found.node, path)}, ${wanted}`
      : wanted
    problems.addAt(found.node.place, found.label, text)
  }
}

/** The branch of a union that the value was meant for: the first whose kind fits. */
function chooseBranch(branches: readonly (readonly Issue[])[]): readonly Issue[] | undefined {
  return branches.find(
    (branch) =>
      !branch.some(
        (issue) =>
          issue.path.length === 0 &&
          (issue.code === 'invalid_type' ||
            issue.code === 'invalid_value' ||
            (issue.code === 'invalid_union' && chooseBranch(issue.errors) === undefined)),
      ),
  )
}

/** A string of the wrong form: what the union as a whole wanted says more than one branch. */
function isOnlyFormat(branch: readonly Issue[], message: string): boolean {
  return (
    message.startsWith('wanted') &&
    branch.every((issue) => issue.path.length === 0 && issue.code === 'invalid_format')
  )
}

function describeUnknownKeys(
  issue: z.core.$ZodIssueUnrecognizedKeys,
  path: Path,
  root: TreeNode,
  problems: ProblemList,
): void {
  const known = issue.message.split(' ')
  for (const key of issue.keys) {
    const found = findNode(root, [...path, key])
    if (found.isFaulty) continue
    const hint = suggest(key, known)
    const isEmpty = found.node.kind === 'scalar' && found.node.value === null
    // `{ hunter2 }` is a key without value: without a known word near, it may be a secret.
    const isShown = hint !== '' || !isEmpty
    const shown = isShown ? `unknown key ${showText(key)}` : 'an unknown key without value'
    const label = isShown ? found.label : findNode(root, path).label
    const wanted = hint === '' ? `, wanted one of ${known.join(', ')}` : hint
    problems.addAt(found.keyPlace ?? found.node.place, label, `${shown}${wanted}`)
  }
}

function explain(issue: Issue, found: Found, path: Path): string {
  const { message } = issue
  if (issue.code === 'invalid_value') {
    return `${message}${suggestWord(issue.values, found, path)}`
  }
  if (issue.code === 'invalid_union' && 'options' in issue) {
    const words = issue.options ?? []
    return `wanted one of ${words.map(String).join(', ')}${suggestWord(words, found, path)}`
  }
  return /^(?:wanted|YAML read)/.test(message) ? message : `wanted ${describeExpected(issue)}`
}

function suggestWord(words: readonly unknown[], found: Found, path: Path): string {
  const { node } = found
  if (!found.isWhole || node.kind !== 'scalar' || typeof node.value !== 'string') return ''
  if (node.source !== 'literal' || isSecretPath(path)) return ''
  return suggest(node.value, words.map(String))
}

function describeExpected(issue: Issue): string {
  if (issue.code !== 'invalid_type') return 'another value'
  if (issue.expected === 'object' || issue.expected === 'record') return 'a map of settings'
  if (issue.expected === 'array') return 'a list'
  return `a ${issue.expected}`
}

/** Whether values under this path may be secrets. */
export function isSecretPath(path: Path): boolean {
  const keys = path.filter((step) => typeof step === 'string')
  return SECRET_KEYS.has(keys.at(-1) ?? '') || keys.some((key) => SECRET_MAPS.has(key))
}

/** A value for people: shown only where it can be no secret. */
export function showValue(node: TreeNode, path: Path): string {
  if (node.kind === 'map') return 'a map'
  if (node.kind === 'list') return node.items.length === 0 ? 'an empty list' : 'a list'
  if (node.value === null) return 'nothing'
  if (typeof node.value === 'string') {
    if (node.value === '') return 'an empty string'
    if (isSecretPath(path)) return 'a value that is not shown'
    return showText(node.source === 'literal' ? node.value : node.written)
  }
  if (!isSecretPath(path)) return node.written
  return typeof node.value === 'number' ? 'a number' : 'true or false'
}

/** A text in quotes, without controls, userinfo and query, not too long. */
export function showText(text: string): string {
  const masked = text.replace(/\/\/[^/]*@/g, '//…@').replace(/^(https?:[^?]*\?).*$/s, '$1…')
  const short = masked.length > MAX_SHOWN ? `${masked.slice(0, MAX_SHOWN)}…` : masked
  return `"${short.replace(/[\p{Cc}\u2028\u2029]/gu, escapeControl)}"`
}

function escapeControl(char: string): string {
  return `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`
}
