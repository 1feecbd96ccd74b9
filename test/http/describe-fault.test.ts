import t from 'tap'
import { describeFault } from '../../src/http/describe-fault.ts'

function fault(message: string, more: object = {}): Error {
  return Object.assign(new Error(message), more)
}

t.test('what OpenSSL says of its own source files is left out', (t) => {
  const message =
    '0037E0A1:error:0A000418:SSL routines:ssl3_read_bytes:tlsv1 alert unknown ca:../deps/openssl/ssl/record/rec_layer_s3.c:1605:SSL alert number 48\n'
  const code = 'ERR_SSL_TLSV1_ALERT_UNKNOWN_CA'
  t.equal(
    describeFault(fault(message, { code, reason: 'tlsv1 alert unknown ca', library: 'SSL' })),
    `${code}: tlsv1 alert unknown ca`,
  )
  t.end()
})

t.test('it is one line, whatever was said', (t) => {
  t.equal(describeFault(fault('a\r\n b\u2028c\u001b[31m\n')), 'a b c [31m')
  t.equal(describeFault(fault('connect', { code: 'ECONNREFUSED' })), 'ECONNREFUSED: connect')
  t.equal(describeFault(fault('ECONNRESET', { code: 'ECONNRESET' })), 'ECONNRESET')
  t.end()
})
