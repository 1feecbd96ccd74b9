/**
 * The modules of `custom` definitions: one thread for each definition, whichever side uses it. A
 * definition that changed gets another thread; the old one ends with the calls under way on it.
 */
import { threadSettingsOf } from '../config/check-modules.ts'
import type { Config, CustomDefinition } from '../config/model.ts'
import { CustomScheme } from '../custom/scheme.ts'
import type { Log } from '../observe/log.ts'

export class CustomSchemes {
  readonly #log: Pick<Log, 'warn'>
  /** By name and fingerprint. */
  readonly #schemes = new Map<string, CustomScheme>()

  constructor(log: Pick<Log, 'warn'>) {
    this.#log = log
  }

  /** The module of a definition; its thread is started where there is none. */
  of(definition: CustomDefinition): CustomScheme {
    const key = keyOf(definition)
    let scheme = this.#schemes.get(key)
    if (scheme === undefined) {
      const { name, settings } = definition
      scheme = new CustomScheme({
        name,
        settings: threadSettingsOf(settings),
        monotonicMs: () => performance.now(),
        onFault: (detail) => {
          this.#log.warn('scheme_failed', { definition: name, detail })
        },
      })
      this.#schemes.set(key, scheme)
    }
    return scheme
  }

  /** A configuration is served now. */
  commit({ definitions }: Pick<Config, 'definitions'>): void {
    const current = new Set([...definitions.values()].filter(isCustom).map(keyOf))
    for (const [key, scheme] of this.#schemes) {
      if (current.has(key)) continue
      this.#schemes.delete(key)
      scheme.close()
    }
  }

  close(): void {
    for (const scheme of this.#schemes.values()) scheme.close()
    this.#schemes.clear()
  }
}

function isCustom(definition: { readonly type: string }): definition is CustomDefinition {
  return definition.type === 'custom'
}

function keyOf({ name, fingerprint }: CustomDefinition): string {
  return `${name}\n${fingerprint}`
}
