/** How a parent proxy is logged in to that asks for NTLM, one connection at a time. */
import { SidegateError } from '../../errors.ts'
import type { ProxyLogin } from '../../http/connector.ts'
import type { ProxyHandshake } from '../../http/proxy-tunnel.ts'
import { readOffer } from '../../ntlm/offer.ts'
import type { NtlmAccount, Turn } from './account.ts'
import { PROXY } from './asker.ts'
import type { Handshake, HandshakeResult } from './call.ts'

export interface ProxyLoginOptions {
  readonly account: NtlmAccount
  readonly createHandshake: () => Handshake
  readonly onHandshake: (result: HandshakeResult) => void
}

export function createProxyLogin({
  account,
  createHandshake,
  onHandshake,
}: ProxyLoginOptions): ProxyLogin {
  return {
    begin(callback) {
      account.wish((turn) => {
        const error = account.heldError
        if (error === undefined)
          callback(createProxyHandshake(createHandshake(), turn, onHandshake))
        else {
          turn.given()
          callback(error)
        }
      })
    },
  }
}

function createProxyHandshake(
  handshake: Handshake,
  turn: Turn,
  onHandshake: (result: HandshakeResult) => void,
): ProxyHandshake {
  let isJudged = false
  return {
    first: `NTLM ${handshake.start().toString('base64')}`,
    second(headers) {
      const { tokens, schemes } = readOffer(headers, PROXY.challengeName)
      if (tokens.NTLM === undefined) {
        const list = schemes.join(', ')
        throw new SidegateError('ntlm_failed', {
          detail: `the parent proxy offers ${list === '' ? 'nothing' : list}, and no challenge of NTLM`,
        })
      }
      const answer = handshake.finish(tokens.NTLM, undefined)
      turn.shown()
      return `NTLM ${answer.toString('base64')}`
    },
    judged(isAccepted) {
      if (isJudged) return
      isJudged = true
      if (isAccepted === undefined) {
        turn.given()
        return
      }
      if (isAccepted) turn.accepted()
      else turn.refused()
      onHandshake(isAccepted ? 'success' : 'refused')
    },
  }
}
