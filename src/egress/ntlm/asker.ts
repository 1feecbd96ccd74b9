/** Who asks for NTLM: an origin, or a forward proxy (RFC 9110, sections 11.6 and 11.7). */
export interface Asker {
  readonly status: 401 | 407
  readonly answerName: 'Authorization' | 'Proxy-Authorization'
  /** In lower case. */
  readonly challengeName: 'www-authenticate' | 'proxy-authenticate'
}

export const ORIGIN: Asker = {
  status: 401,
  answerName: 'Authorization',
  challengeName: 'www-authenticate',
}

export const PROXY: Asker = {
  status: 407,
  answerName: 'Proxy-Authorization',
  challengeName: 'proxy-authenticate',
}
