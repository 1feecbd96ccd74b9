import { readdirSync } from 'node:fs'
import t from 'tap'
import { createDemoSecrets } from '../../src/cli/demo/configuration.ts'
import { createParts, renderCommand } from '../../src/cli/demo/steps.ts'
import { createFolder, runCli } from './run-cli.ts'

for (const [runner, path] of [
  ['curl', process.env['PATH'] ?? ''],
  ['node', '/nowhere'],
] as const) {
  t.test(`the demo does what it says, run with ${runner}`, { timeout: 120_000 }, async (t) => {
    const TMPDIR = await createFolder(t)
    const { code, stdout, stderr } = await runCli(['demo'], { env: { PATH: path, TMPDIR } })
    t.equal(code, 0, stdout + stderr)
    t.match(stdout, `steps did what they should (run with ${runner})`)
    t.notMatch(stdout, 'FAIL')
    t.equal(stdout.match(/^ok /gm)?.length, 24)
    t.match(stdout, /expected 200 with Bearer \[token 2\], got 200 with/)
    t.notMatch(stdout, /sg_[A-Za-z0-9_-]{43}/, 'no secret is printed')
    t.same(readdirSync(TMPDIR), [], 'nothing is left behind')
  })
}

t.test('commands can be pasted as they are', async (t) => {
  const places = {
    inbound: '127.0.0.1:1',
    egress: '127.0.0.1:2',
    admin: '127.0.0.1:3',
    api: '127.0.0.1:4',
    file: '/tmp/x/sidegate.yaml',
  }
  const secrets = createDemoSecrets()
  const steps = createParts(places, secrets).flatMap((part) => part.steps)
  const lines = steps.map((step) => renderCommand(step))
  t.equal(lines.length, 24)
  for (const line of lines) {
    t.match(
      line,
      /^(curl -si .*http:\/\/(127\.0\.0\.1:[1-4]|other\.example)\/\S*|echo '[^']+' >> '[^']+'|sleep \d+)$/,
    )
    t.notMatch(line, /[$`"\\!]/, 'nothing that a shell would expand')
  }
  t.ok(lines.some((line) => line.includes(`-u crm:${secrets.crmPassword}`)))
  t.ok(lines.some((line) => line.includes(`-H 'X-API-Key: ${secrets.mobileKey}'`)))
  t.ok(lines.some((line) => line.includes("-si --noproxy '' -x http://127.0.0.1:2 http")))
  t.notOk(
    lines.some((line) => line.includes(secrets.billingKey)),
    'the service needs no key',
  )
  t.notOk(lines.some((line) => line.includes(secrets.clientSecret)))
})
