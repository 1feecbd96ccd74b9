// nginx as the service behind the gate: real files, ranges, and bodies too large for any buffer.
import { createWriteStream } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import t from 'tap'
import { ask, createBody, hash, hashFile } from './bytes.ts'
import { KEY, renderGate, startGate, watchMemory } from './gate.ts'
import { startNginx } from './nginx.ts'
import { missing, run } from './programs.ts'

const skip = missing('nginx')
const MIB = 1024 * 1024
/** Far less than what is sent, far more than what a busy machine makes of a heap. */
const FLAT_MIB = 100
// By then the program is compiled and its first garbage has been collected.
const WARM_MIB = 64
const SERVER = 'location / { dav_methods PUT; client_max_body_size 0; }'
const headers = { 'x-api-key': KEY }

void t.test(
  'a real file arrives as nginx serves it, conditional requests included',
  { skip },
  async (t) => {
    const nginx = await startNginx(t)
    const gate = await startGate(t, renderGate(nginx.port))
    const port = gate.port('inbound')
    await mkdir(join(nginx.root, 'api'))
    await writeFile(join(nginx.root, 'api', 'page.html'), '<p>Grüße</p>\n'.repeat(1000))
    const direct = await ask(nginx.port, '/api/page.html')
    const through = await ask(port, '/api/page.html', { headers })
    t.equal(through.statusCode, 200)
    t.equal(await hash(through), await hash(direct))
    for (const name of [
      'etag',
      'last-modified',
      'content-length',
      'content-type',
      'accept-ranges',
    ]) {
      t.equal(through.headers[name], direct.headers[name], name)
    }
    const etag = String(direct.headers.etag)
    const known = await ask(port, '/api/page.html', {
      headers: { ...headers, 'if-none-match': etag },
    })
    t.equal(known.statusCode, 304)
    t.equal(
      await hash(known),
      await hash(await ask(port, '/api/page.html', { method: 'HEAD', headers })),
    )
    t.equal((await ask(port, '/api/page.html')).statusCode, 401)
    t.equal((await ask(port, '/api/none.html', { headers })).statusCode, 404)
  },
)

void t.test(
  'a download can be taken up again by ranges',
  { skip: skip || missing('curl') },
  async (t) => {
    const nginx = await startNginx(t)
    const gate = await startGate(t, renderGate(nginx.port))
    await mkdir(join(nginx.root, 'api'))
    const file = join(nginx.root, 'api', 'file.bin')
    await pipeline(createBody(8), createWriteStream(file))
    const url = `http://127.0.0.1:${gate.port('inbound')}/api/file.bin`

    const part = await ask(gate.port('inbound'), '/api/file.bin', {
      headers: { ...headers, range: 'bytes=1000-1999' },
    })
    t.equal(part.statusCode, 206)
    t.equal(part.headers['content-range'], `bytes 1000-1999/${8 * MIB}`)
    t.equal(part.headers['content-length'], '1000')
    const several = await ask(gate.port('inbound'), '/api/file.bin', {
      headers: { ...headers, range: 'bytes=0-9,100-109' },
    })
    t.match(several.headers['content-type'], /^multipart\/byteranges/)
    const beyond = await ask(gate.port('inbound'), '/api/file.bin', {
      headers: { ...headers, range: `bytes=${9 * MIB}-` },
    })
    t.equal(beyond.statusCode, 416)

    const target = join(gate.folder, 'copy.bin')
    const common = ['-sS', '-f', '-H', `X-API-Key: ${KEY}`, '-o', target]
    t.equal((await run('curl', [...common, '-r', '0-2999999', url])).exitCode, 0)
    t.equal((await run('curl', [...common, '-C', '-', url])).exitCode, 0)
    t.equal(await hashFile(target), await hashFile(file), 'both parts make the file')
  },
)

void t.test('a download of 1 GiB arrives whole while memory stays flat', { skip }, async (t) => {
  const nginx = await startNginx(t)
  const gate = await startGate(t, renderGate(nginx.port))
  const port = gate.port('inbound')
  await mkdir(join(nginx.root, 'api'))
  await pipeline(createBody(1024), createWriteStream(join(nginx.root, 'api', 'large.bin')))
  await pipeline(createBody(WARM_MIB), createWriteStream(join(nginx.root, 'api', 'warm.bin')))
  await hash(await ask(port, '/api/warm.bin', { headers }))
  const baseline = (await gate.residentKib()) / 1024
  const memory = watchMemory(gate)
  const answer = await ask(port, '/api/large.bin', { headers })
  t.equal(answer.headers['content-length'], String(1024 * MIB))
  const found = await hash(answer)
  const highest = await memory.stop()
  t.equal(found, await hash(createBody(1024)))
  t.ok(
    highest - baseline < FLAT_MIB,
    `${baseline.toFixed(0)} MiB grew to ${highest.toFixed(0)} MiB`,
  )
})

for (const framing of ['Content-Length', 'chunked'] as const) {
  void t.test(
    `an upload of 200 MiB (${framing}) arrives whole while memory stays flat`,
    { skip },
    async (t) => {
      const nginx = await startNginx(t, { server: SERVER })
      const gate = await startGate(t, renderGate(nginx.port))
      const port = gate.port('inbound')
      await mkdir(join(nginx.root, 'api'))
      const put = async (name: string, mebibytes: number) => {
        const length = framing === 'chunked' ? {} : { 'content-length': mebibytes * MIB }
        const body = createBody(mebibytes)
        const answer = await ask(port, `/api/${name}`, {
          method: 'PUT',
          headers: { ...headers, ...length },
          body,
        })
        answer.resume()
        return answer.statusCode
      }
      t.equal(await put('warm.bin', WARM_MIB), 201)
      const baseline = (await gate.residentKib()) / 1024
      const memory = watchMemory(gate)
      t.equal(await put('large.bin', 200), 201)
      const highest = await memory.stop()
      t.equal(await hashFile(join(nginx.root, 'api', 'large.bin')), await hash(createBody(200)))
      t.ok(
        highest - baseline < FLAT_MIB,
        `${baseline.toFixed(0)} MiB grew to ${highest.toFixed(0)} MiB`,
      )
    },
  )
}

void t.test(
  'a reader who is slow slows nginx down instead of filling memory',
  { skip },
  async (t) => {
    const nginx = await startNginx(t)
    const gate = await startGate(t, renderGate(nginx.port))
    await mkdir(join(nginx.root, 'api'))
    await pipeline(createBody(200), createWriteStream(join(nginx.root, 'api', 'large.bin')))
    await hash(await ask(gate.port('inbound'), '/api/large.bin', { headers }))
    const baseline = (await gate.residentKib()) / 1024
    const memory = watchMemory(gate)
    const readers = await Promise.all(
      Array.from({ length: 50 }, () => ask(gate.port('inbound'), '/api/large.bin', { headers })),
    )
    // Nobody reads: what is not held back would be in memory within two seconds.
    await new Promise((resolve) => setTimeout(resolve, 2000))
    for (const reader of readers) reader.destroy()
    const highest = await memory.stop()
    t.ok(
      highest - baseline < FLAT_MIB,
      `${baseline.toFixed(0)} MiB grew to ${highest.toFixed(0)} MiB`,
    )
  },
)
