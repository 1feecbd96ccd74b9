/**
 * Rules for what credentials are made of and how they may travel.
 */
import type { ResolveContext } from './context.ts'
import { findHeaderValueFault, hasControl } from './header-rules.ts'
import { isSurelyLoopback, parseUrl } from './network.ts'
import type { Path } from './tree.ts'

/** A username that Basic can carry (RFC 7617 2): the first colon splits. */
export function checkUsername(context: ResolveContext, path: Path, username: string): void {
  if (username.includes(':')) {
    context.reportFound(path, 'wanted a username without colon: Basic cannot carry one')
  } else if (hasControl(username)) {
    context.reportFound(path, 'wanted a username without control character')
  }
}

/** A realm goes into a header between quotes. */
export function checkRealm(context: ResolveContext, path: Path, realm: string): void {
  if (findHeaderValueFault(realm) !== undefined || /["\\]/.test(realm)) {
    context.reportFound(path, 'wanted printable Latin-1 without quotes and backslashes')
  }
}

/** Reports a credential that would travel in cleartext. */
export function checkPlaintext(
  context: ResolveContext,
  path: Path,
  url: string,
  isAllowed: boolean,
): void {
  const { scheme, host } = parseUrl(url, { path: true, query: true, wildcard: true })
  if (scheme === 'https' || isAllowed || isSurelyLoopback(host)) return
  context.report(
    path,
    'a credential would travel in cleartext, wanted https:// or allow_plaintext: true',
  )
}
