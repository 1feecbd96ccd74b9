/**
 * The definitions of type hmac, indexed: by the header with the signature, then by how the headers are
 * written, then by the id of the key.
 */
import type { HmacDefinition } from '../config/model.ts'
import type { SignatureForm } from '../hmac/form.ts'
import type { HmacScheme } from '../hmac/scheme.ts'
import type { IndexedDefinition } from './indexed-definition.ts'

/** A definition of type hmac, ready to check signatures. */
export interface Signer {
  readonly indexed: IndexedDefinition<HmacDefinition>
  readonly scheme: HmacScheme
}

/** Signers whose headers are written alike. */
interface SignerGroup {
  readonly form: SignatureForm
  /** By key id; `""` where the form has none. */
  readonly byKeyId: Map<string, Signer>
}

/** All signers of one header. */
export class SignerSlot {
  /** Those with most headers first: a form whose headers are a part of another's is not mistaken for it. */
  readonly #groups: SignerGroup[] = []

  add(indexed: IndexedDefinition<HmacDefinition>, scheme: HmacScheme): void {
    const { form } = scheme
    let group = this.#groups.find((one) => one.form.key === form.key)
    if (group === undefined) {
      group = { form, byKeyId: new Map() }
      this.#groups.push(group)
      this.#groups.sort((a, b) => b.form.names.length - a.form.names.length)
    }
    group.byKeyId.set(form.hasKeyId ? (scheme.settings.keyId ?? '') : '', { indexed, scheme })
  }

  /** The signer that is meant; `unknown` where its key id is nobody's, `undefined` where no form fits. */
  find(headers: readonly string[]): FoundSigner | 'unknown' | undefined {
    let isUnknown = false
    for (const { form, byKeyId } of this.#groups) {
      const values = form.read(headers)
      if (values === undefined) continue
      const signer = byKeyId.get(values.keyId)
      if (signer !== undefined) return { ...signer, values }
      isUnknown = true
    }
    return isUnknown ? 'unknown' : undefined
  }
}

export interface FoundSigner extends Signer {
  readonly values: NonNullable<ReturnType<SignatureForm['read']>>
}
