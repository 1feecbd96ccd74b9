import t from 'tap'
import { mergeCookies, takeSessionCookies } from '../../src/session/cookies.ts'

const names = new Set(['sid'])

t.test("the session's cookies follow the app's, whose own of that name gives way", async (t) => {
  const table: readonly (readonly [readonly string[], string])[] = [
    [[], 'SID=ours'],
    [['a=1; b=2'], 'a=1; b=2; SID=ours'],
    [['SID=app; a=1'], 'a=1; SID=ours'],
    [['a=1', 'SID=app;b=2'], 'a=1; b=2; SID=ours'],
    [['sid=app; Sid =x;\tSID'], 'SID=ours'],
    [['XSID=1; SIDX=2; a=SID=3'], 'XSID=1; SIDX=2; a=SID=3; SID=ours'],
    [['', '; ;'], 'SID=ours'],
    [['a=1;; b=2;'], 'a=1; b=2; SID=ours'],
  ]
  for (const [ofApp, merged] of table) {
    t.equal(mergeCookies(ofApp, [['SID', 'ours']], names), merged, JSON.stringify(ofApp))
  }
  t.equal(mergeCookies([], [], names), '')
})

t.test("the session's cookies are taken out of an answer, whatever they look like", async (t) => {
  const headers = [
    ...['Set-Cookie', 'a=1', 'set-cookie', 'SID=x; Path=/', 'X-SID', 'SID=1'],
    ...[
      'SET-COOKIE',
      ' sid\t=y',
      'Set-Cookie2',
      'SID=z',
      'Set-Cookie',
      'SID',
      'Set-Cookie',
      'b=SID=1',
    ],
  ]
  const { headers: kept, taken } = takeSessionCookies(headers, names)
  t.same(kept, ['Set-Cookie', 'a=1', 'X-SID', 'SID=1', 'Set-Cookie', 'b=SID=1'])
  t.same(taken, ['SID=x; Path=/', ' sid\t=y', 'SID=z', 'SID'])
})

t.test('an answer without any is the very list', async (t) => {
  const headers = ['Set-Cookie', 'a=1', 'X-A', 'b']
  t.equal(takeSessionCookies(headers, names).headers, headers)
})
