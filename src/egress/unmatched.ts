/**
 * Hosts that no outgoing connection names: what `egress.unmatched` and `egress.unmatched_ports` let
 * through. Which addresses may then be dialled, the destination policy says.
 */
import type { Config } from '../config/model.ts'
import { createDestination } from './destination.ts'
import type { Destination } from './destination.ts'
import { refuseUnmatched, refuseUnmatchedPort, refuseUnmatchedTunnel } from './refusals.ts'
import type { Refusal } from './refusals.ts'

/** `egress.unmatched` and `egress.unmatched_ports`. */
export interface UnmatchedRules {
  readonly unmatched: 'deny' | 'public' | 'allow'
  readonly unmatchedPorts: readonly number[]
}

type Scheme = 'http' | 'https'

/** Where a request to an unmatched host goes; its path has not been looked at. */
export function chooseUnmatched(
  rules: UnmatchedRules,
  scheme: Scheme,
  host: string,
  port: number,
): Destination | Refusal {
  return judge(rules, scheme, host, port, false) ?? destinationOf(rules, scheme, host, port)
}

/** Where a CONNECT to an unmatched host goes: to 443, and to 80 for cleartext HTTP. */
export function chooseUnmatchedTunnel(
  rules: UnmatchedRules,
  host: string,
  port: number,
): Destination | Refusal {
  const scheme = port === 80 ? 'http' : 'https'
  const refusal = judge(rules, scheme, host, port, true)
  if (refusal !== undefined) return refusal
  if (port !== 443 && port !== 80) return refuseUnmatchedTunnel(port)
  return destinationOf(rules, scheme, host, port)
}

function judge(
  { unmatched, unmatchedPorts }: UnmatchedRules,
  scheme: Scheme,
  host: string,
  port: number,
  isConnect: boolean,
): Refusal | undefined {
  if (unmatched === 'deny') return refuseUnmatched(scheme, host, port, isConnect)
  return unmatchedPorts.includes(port) ? undefined : refuseUnmatchedPort(port, unmatchedPorts)
}

function destinationOf(
  { unmatched }: UnmatchedRules,
  scheme: Scheme,
  host: string,
  port: number,
): Destination {
  const kind = unmatched === 'public' ? 'unmatched_public' : 'unmatched_allow'
  return createDestination(kind, host, { scheme, host, port })
}

/**
 * All that decides about hosts that no connection names: what is let through under one configuration
 * goes on under another that says the same. Every connection counts, since it may name such a host.
 */
export function describeUnmatched({
  egress,
  outgoing,
}: Pick<Config, 'egress' | 'outgoing'>): string {
  const fingerprints = outgoing.map(({ fingerprint }) => fingerprint)
  return JSON.stringify([egress?.unmatched, egress?.unmatchedPorts, ...fingerprints])
}
