/**
 * Settings of enmasse files that mean nothing to a gate, and words that no version of Zato knows: a
 * misspelt `security` is a public route.
 */
import { suggest } from '../../../config/nearest.ts'
import { quote } from '../../../observe/quote.ts'
import type { Item } from './item.ts'

/** Keys that are read. */
const USED = new Set(
  [
    'name type is_active username password realm header auth_endpoint auth_server_url',
    'client_id_field client_secret_field grant_type scopes extra_fields data_format',
    'static_token static_header static_prefix is_static_token issuer jwks_url audience claims',
    'members quota_tier rate_limiting rate_limit_def is_rate_limit_active rate_limit_type',
    'service service_name url_path security security_name sec_name sec_def groups security_groups',
    'method match_slash http_accept soap_action host timeout tls_verify validate_tls max_retries',
  ].flatMap((line) => line.split(' ')),
)

/** Keys that mean nothing here. */
const MEANINGLESS = new Set(
  [
    'id description content_type gateway_service_list response_cache is_audit_log_active',
    'should_include_in_openapi is_deprecated deprecation_sunset deprecation_successor',
    'ping_method pool_size retry_sleep_time retry_backoff_threshold retry_backoff_multiplier',
    'rules connection transport is_internal soap_version merge_url_params_req url_params_pri',
    'params_pri serialization_type has_rbac cache_type cache_id cache_name cache_expiry',
    'content_encoding hl7_version json_path sec_tls_ca_cert_id sec_use_rbac cluster_id security_id',
    'service_id is_wrapper wrapper_type username_secret password_type',
    'cert_path key_path ca_certs_path client_cert_fingerprint client_cert_subject_dn principal',
    'keytab_path target_spn needs_delegation mode use_digest sign encrypt signing_key subject',
    'signing_certificate_chain decryption_key peer_certificate trust_anchors',
  ].flatMap((line) => line.split(' ')),
)

/** Tells which settings are lost, and which are not known. */
export function reportKeys(items: readonly Item[]): void {
  const lost = new Map<string, number>()
  for (const item of items) {
    for (const [key, node] of item.map.entries) {
      if (USED.has(key)) continue
      if (!MEANINGLESS.has(key)) {
        const text = `${item.section} ${item.shown}: the key ${quote(key)} is not known${suggest(key, [...USED])}`
        item.context.findings.add('unknown', node.place, text)
        continue
      }
      const label = `${item.section}: ${key}`
      lost.set(label, (lost.get(label) ?? 0) + 1)
    }
  }
  const [first] = items
  for (const [label, count] of lost) {
    first?.context.findings.add(
      'unknown',
      undefined,
      `${label} (${count} times) means nothing here`,
    )
  }
}
