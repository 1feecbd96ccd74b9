/**
 * The package that issues certificates, loaded by the first call that needs it: it costs 22 MB and
 * 130 ms, which nobody pays who does not intercept. Name constraints, which it has no class for,
 * come from the ASN.1 classes that it is built on.
 */
import { createRequire } from 'node:module'
import type * as X509 from '@peculiar/x509'

/** Names of one kind each, as RFC 5280 4.2.1.10 has them: a domain, or `ADDRESS/BITS`. */
export interface Subtree {
  readonly base: { readonly dNSName?: string; readonly iPAddress?: string }
}

/** The value of a nameConstraints extension. */
export interface Constraints {
  readonly permittedSubtrees?: Iterable<Subtree>
  readonly excludedSubtrees?: Iterable<Subtree>
}

/** What certificates are read and written with. */
export interface X509Package {
  readonly x509: typeof X509
  readonly encodeConstraints: (constraints: Constraints) => ArrayBuffer
  /** Throws on what is no such extension. */
  readonly decodeConstraints: (der: ArrayBuffer) => Constraints
}

interface Asn1X509 {
  readonly NameConstraints: new (params: Constraints) => Constraints
  readonly GeneralSubtrees: new (items: readonly Subtree[]) => Iterable<Subtree>
  readonly GeneralSubtree: new (params: Subtree) => Subtree
  readonly GeneralName: new (params: Subtree['base']) => Subtree['base']
}

interface Asn1Schema {
  readonly AsnConvert: {
    serialize(value: object): ArrayBuffer
    parse<T>(der: ArrayBuffer, type: new (params: T) => T): T
  }
}

let loaded: X509Package | undefined

/** Loads the package once; synchronous, so that a check at load can use it. */
export function loadX509(): X509Package {
  loaded ??= load()
  return loaded
}

function load(): X509Package {
  const require = createRequire(import.meta.url)
  require('reflect-metadata')
  const x509 = require('@peculiar/x509') as typeof X509
  // Its own copies: the schemas of another copy would be unknown to them.
  const requireOwn = createRequire(require.resolve('@peculiar/x509'))
  const asn1 = requireOwn('@peculiar/asn1-x509') as Asn1X509
  const { AsnConvert } = requireOwn('@peculiar/asn1-schema') as Asn1Schema
  const toSubtrees = (subtrees: Iterable<Subtree>): Iterable<Subtree> =>
    new asn1.GeneralSubtrees(
      [...subtrees].map(
        ({ base }) => new asn1.GeneralSubtree({ base: new asn1.GeneralName(base) }),
      ),
    )
  return {
    x509,
    encodeConstraints: ({ permittedSubtrees, excludedSubtrees }) =>
      AsnConvert.serialize(
        new asn1.NameConstraints({
          ...(permittedSubtrees && { permittedSubtrees: toSubtrees(permittedSubtrees) }),
          ...(excludedSubtrees && { excludedSubtrees: toSubtrees(excludedSubtrees) }),
        }),
      ),
    decodeConstraints: (der) => AsnConvert.parse(der, asn1.NameConstraints),
  }
}
