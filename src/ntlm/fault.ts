/** A challenge that cannot be answered, or must not be; no byte of it is in the message. */
export class NtlmFault extends Error {
  override readonly name = 'NtlmFault'
}
