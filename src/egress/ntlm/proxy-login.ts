/** How a parent proxy is logged in to that asks for NTLM, one connection at a time. */
import type { ProxyLogin } from '../../http/connector.ts'
import type { ProxyHandshake } from '../../http/proxy-tunnel.ts'
import { readOffer } from '../../ntlm/offer.ts'
import type { NtlmAccount, Turn } from './account.ts'
import { PROXY } from './asker.ts'
import type { Handshake, HandshakeResult } from './call.ts'
import { ntlmFailed } from './failure.ts'

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
        const reason = schemes.includes('ntlm') ? 'no_challenge' : 'not_offered'
        const detail = `the parent proxy offers ${list === '' ? 'nothing' : list}, and no challenge of NTLM`
        throw ntlmFailed(PROXY, reason, detail, schemes)
      }
      const answer = finish(handshake, tokens.NTLM)
      turn.shown()
      return `NTLM ${answer.toString('base64')}`
    },
    judged(isAccepted) {
      if (isJudged) return undefined
      isJudged = true
      if (isAccepted === undefined) {
        turn.given()
        return undefined
      }
      onHandshake(isAccepted ? 'success' : 'refused')
      if (isAccepted) {
        turn.accepted()
        return undefined
      }
      turn.refused()
      const detail = 'The parent proxy refused the username or the password; nothing is tried again'
      return ntlmFailed(PROXY, 'refused', detail)
    },
  }
}

function finish(handshake: Handshake, challenge: Buffer): Buffer {
  try {
    return handshake.finish(challenge, undefined)
  } catch (error) {
    const detail = `the parent proxy: ${error instanceof Error ? error.message : String(error)}`
    throw ntlmFailed(PROXY, 'unanswerable', detail)
  }
}
