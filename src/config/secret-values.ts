/**
 * Every secret of a configuration by value, for the redaction of logs.
 */
import type { ClientTls, Config, Definition, ListenerConfig } from './model.ts'

/** The values, Basic credentials also as `user:password`; a redactor leaves out the shortest. */
export function* secretValues(config: Config): Generator<string> {
  for (const definition of config.definitions.values()) yield* ofDefinition(definition)
  yield* ofListeners(config.inbound?.listeners)
  yield* ofListeners(config.egress?.listeners)
  if (config.egress?.ca !== undefined) yield config.egress.ca.key.reveal()
  for (const channel of config.channels) yield* ofTls(channel.upstream.tls)
  for (const outgoing of config.outgoing) yield* ofTls(outgoing.tls)
  for (const secret of config.referredSecrets) yield secret.reveal()
}

function* ofDefinition(definition: Definition): Generator<string> {
  switch (definition.type) {
    case 'basic_auth':
      for (const { password } of definition.passwords) {
        if (password === undefined) continue
        yield password.reveal()
        yield `${definition.username}:${password.reveal()}`
      }
      break
    case 'api_key':
      for (const { key } of definition.keys) if (key !== undefined) yield key.reveal()
      break
    case 'bearer_token':
    case 'ntlm':
      if (definition.password !== undefined) {
        yield definition.password.reveal()
        yield `${definition.username}:${definition.password.reveal()}`
      }
      if (definition.type === 'bearer_token') {
        if (definition.privateKey !== undefined) yield definition.privateKey.reveal()
        yield* ofTls(definition.tls)
      }
      break
    case 'hmac':
      for (const { key } of definition.settings.keys) yield key.reveal()
      break
    case 'session': {
      const { username, password } = definition.settings
      yield password.reveal()
      yield `${username}:${password.reveal()}`
      break
    }
    case 'custom':
      for (const [, secret] of definition.settings.secrets) {
        yield secret.reveal()
      }
      break
  }
}

function* ofListeners(listeners: readonly ListenerConfig[] | undefined): Generator<string> {
  for (const { tls } of listeners ?? []) if (tls !== undefined) yield tls.key.reveal()
}

function* ofTls(tls: ClientTls | undefined): Generator<string> {
  if (tls?.key !== undefined) yield tls.key.reveal()
}
