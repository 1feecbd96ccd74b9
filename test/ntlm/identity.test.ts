/** Names in their three forms, and what the password becomes. */
import t from 'tap'
import { ntHashOf, readIdentity, responseKey, upperCase } from '../../src/ntlm/identity.ts'
import { Secret } from '../../src/secret.ts'
import { specification, windows } from './vectors.ts'

t.test('hash and key of MS-NLMP 4.2.4.1, and of a Windows exchange', (t) => {
  for (const { user, domain, password, ntHash, responseKey: key } of [specification, windows]) {
    t.strictSame(ntHashOf(new Secret(password)), ntHash)
    t.strictSame(responseKey(ntHash, { user, domain }), key)
  }
  t.end()
})

t.test('the case of the user does not matter, that of the domain does', (t) => {
  const { ntHash, responseKey: key } = specification
  t.strictSame(responseKey(ntHash, { user: 'uSER', domain: 'Domain' }), key)
  t.notSame(responseKey(ntHash, { user: 'User', domain: 'DOMAIN' }), key)
  t.end()
})

t.test('umlauts, the euro sign and surrogate pairs, as OpenSSL and Python have them', (t) => {
  const ntHash = ntHashOf(new Secret('Pässwörd-€-👍'))
  t.equal(ntHash.toString('hex'), '9aa8ea58c1ab2c545e29d0a8829524f2')
  const umlauts = responseKey(ntHash, { user: 'jürgen€👍', domain: 'Zürich' })
  t.equal(umlauts.toString('hex'), '101dff5a1bcc3e6f91762de2e734d0df')
  const unraised = responseKey(ntHash, { user: 'straßeı', domain: '' })
  t.equal(unraised.toString('hex'), 'd6e6e1238753986c35c8d45c57e94139')
  t.end()
})

t.test('names come as DOMAIN\\user, as user@domain, or plain', (t) => {
  t.strictSame(readIdentity('LAB\\al', undefined), { user: 'al', domain: 'LAB' })
  t.strictSame(readIdentity('LAB\\al@x', undefined), { user: 'al@x', domain: 'LAB' })
  t.strictSame(readIdentity('al@lab.example', undefined), { user: 'al@lab.example', domain: '' })
  t.strictSame(readIdentity('al', 'LAB'), { user: 'al', domain: 'LAB' })
  t.strictSame(readIdentity('al', undefined), { user: 'al', domain: '' })
  t.end()
})

t.test('letters are raised where Windows raises them', (t) => {
  const raised: readonly (readonly [text: string, wanted: string])[] = [
    ['az-09_.$', 'AZ-09_.$'],
    ['jürgen ñandú øre ÿ', 'JÜRGEN ÑANDÚ ØRE Ÿ'],
    ['łódź šťastný ő', 'ŁÓDŹ ŠŤASTNÝ Ő'],
    ['иван ґанок ўжо', 'ИВАН ҐАНОК ЎЖО'],
    ['νίκος', 'ΝΊΚΟΣ'],
    ['հայ', 'ՀԱՅ'],
    ['ａｂ', 'ＡＢ'],
  ]
  for (const [text, wanted] of raised) t.equal(upperCase(text), wanted)
  t.end()
})

t.test('letters are kept where Windows keeps them, though Unicode raises them', (t) => {
  const kept: readonly (readonly [letter: string, why: string])[] = [
    ['ß', 'two letters'],
    ['ŉ', 'two letters'],
    ['ﬁ', 'two letters'],
    ['ı', 'the capital of i'],
    ['ſ', 'the capital of s'],
    ['µ', 'the capital of μ'],
    ['ǅ', 'a title'],
    ['ϐ', 'the capital of β'],
    ['ა', 'no capital when the table was made'],
    ['𐐨', 'outside of the table'],
    ['👍', 'no letter'],
    ['\ud800', 'half of a letter'],
  ]
  for (const [letter, why] of kept) t.equal(upperCase(letter), letter, why)
  t.end()
})
