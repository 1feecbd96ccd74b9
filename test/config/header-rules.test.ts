import t from 'tap'
import {
  findCredentialHeaderFault,
  findHeaderFault,
  findHeaderValueFault,
  findIdentityHeaderFault,
} from '../../src/config/header-rules.ts'

void t.test('a credential has a header of its own', (t) => {
  for (const name of ['X-API-Key', 'Authorization', 'X_Key', 'x.key', 'Date', '!odd']) {
    t.equal(findCredentialHeaderFault(name), undefined, name)
  }
  const bad = [
    'Host',
    'hOST',
    'Connection',
    'Keep-Alive',
    'TE',
    'Trailer',
    'Transfer-Encoding',
    'Transfer_Encoding',
    'Upgrade',
    'Content-Length',
    'Expect',
    'Proxy-Authorization',
    'Proxy-Connection',
    'Cookie',
    'X-Sidegate-Scopes',
    'X_Sidegate.Scopes',
    'X-Authenticated-User',
    'X_Authenticated_User',
    'X-Forwarded-For',
    'Forwarded',
    'X-Real-IP',
    'X-Request-Id',
    'Via',
    'Origin',
    '',
    'a b',
    'a:b',
    'a\r\nb',
    'é',
  ]
  for (const name of bad) t.match(findCredentialHeaderFault(name), /^wanted/, JSON.stringify(name))
  t.end()
})

void t.test('the identity has a header of its own', (t) => {
  for (const name of ['X-Authenticated-User', 'X-User', 'Remote-User', 'REMOTE-USER']) {
    t.equal(findIdentityHeaderFault(name), undefined, name)
  }
  const bad = [
    'Authorization',
    'Cookie',
    'X_User',
    'X-Authenticated-Groups',
    'X-Forwarded-User',
    'Host',
    'X-Sidegate-User',
  ]
  for (const name of bad) t.match(findIdentityHeaderFault(name), /^wanted/, name)
  t.end()
})

void t.test(
  'what goes into a header is Latin-1 without controls and without blanks around it',
  (t) => {
    for (const value of ['', 'a b', 'é', 'ÿ', 'a\tb'])
      t.equal(findHeaderValueFault(value), undefined, value)
    for (const value of ['a\n', 'a\rb', 'a\0', '\x7f', 'Ā', '日', '😀', ' a', 'a ', '\ta']) {
      t.match(findHeaderValueFault(value), /^wanted/, JSON.stringify(value))
    }
    t.match(findHeaderFault('X Y'), /^wanted/)
    t.end()
  },
)
