import { EventEmitter } from 'node:events'
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { setImmediate, setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { Test } from 'tap'
import { createWatcher } from '../../src/config/watch.ts'
import type { EventSource, WatcherOptions } from '../../src/config/watch.ts'

const NEVER_MS = 3_600_000

interface Scenario {
  readonly name: string
  /** Chokidar alone is known to miss it. */
  readonly needsPoll?: boolean
  /** Lays the first content; gives the file to watch. */
  setUp(dir: string): string
  change(dir: string, round: number): void | Promise<void>
}

function replaceLink(target: string, link: string): void {
  symlinkSync(target, `${link}.tmp`)
  renameSync(`${link}.tmp`, link)
}

function swapKubernetes(dir: string, round: number): void {
  const name = `..2026_11_0${round}`
  mkdirSync(join(dir, name))
  writeFileSync(join(dir, name, 'a.yaml'), `content ${round}`)
  replaceLink(name, join(dir, '..data'))
  rmSync(join(dir, `..2026_11_0${round - 1}`), { recursive: true, force: true })
}

function swapRelease(dir: string, round: number): void {
  mkdirSync(join(dir, 'releases', String(round)), { recursive: true })
  writeFileSync(join(dir, 'releases', String(round), 'a.yaml'), `content ${round}`)
  replaceLink(join('releases', String(round)), join(dir, 'current'))
}

function write(dir: string, round: number): void {
  writeFileSync(join(dir, 'a.yaml'), `content ${round}`)
}

function simple(
  name: string,
  change: (dir: string, round: number) => void | Promise<void>,
): Scenario {
  return {
    name,
    setUp(dir) {
      write(dir, 0)
      return join(dir, 'a.yaml')
    },
    change,
  }
}

const scenarios: Scenario[] = [
  {
    name: 'Kubernetes swaps ..data and removes the old directory',
    setUp(dir) {
      swapKubernetes(dir, 0)
      symlinkSync(join('..data', 'a.yaml'), join(dir, 'a.yaml'))
      return join(dir, 'a.yaml')
    },
    change: swapKubernetes,
  },
  simple('a new file is renamed over the old', (dir, round) => {
    writeFileSync(join(dir, 'a.new'), `content ${round}`)
    renameSync(join(dir, 'a.new'), join(dir, 'a.yaml'))
  }),
  simple('an editor renames the old away, writes the new, removes the old', (dir, round) => {
    renameSync(join(dir, 'a.yaml'), join(dir, 'a.yaml~'))
    write(dir, round)
    unlinkSync(join(dir, 'a.yaml~'))
  }),
  simple('it is written in place', write),
  simple('it is written in place, size and times kept', (dir, round) => {
    write(dir, round)
    utimesSync(join(dir, 'a.yaml'), 1_000_000_000, 1_000_000_000)
  }),
  simple('it is deleted and made again later', async (dir, round) => {
    unlinkSync(join(dir, 'a.yaml'))
    await sleep(300)
    write(dir, round)
  }),
  {
    name: 'a link to a directory is swapped and the old one kept (git-sync)',
    setUp(dir) {
      swapRelease(dir, 0)
      return join(dir, 'current', 'a.yaml')
    },
    change: swapRelease,
  },
  {
    name: 'the whole directory is renamed away and made again',
    needsPoll: true,
    setUp(dir) {
      mkdirSync(join(dir, 'conf'))
      writeFileSync(join(dir, 'conf', 'a.yaml'), 'content 0')
      return join(dir, 'conf', 'a.yaml')
    },
    change(dir, round) {
      renameSync(join(dir, 'conf'), join(dir, `conf.${round}`))
      mkdirSync(join(dir, 'conf'))
      writeFileSync(join(dir, 'conf', 'a.yaml'), `content ${round}`)
    },
  },
  {
    name: 'the file is absent at the start',
    setUp: (dir) => join(dir, 'a.yaml'),
    change: write,
  },
  {
    name: 'the directory is absent at the start',
    setUp: (dir) => join(dir, 'conf', 'a.yaml'),
    change(dir, round) {
      mkdirSync(join(dir, 'conf'), { recursive: true })
      writeFileSync(join(dir, 'conf', 'a.yaml'), `content ${round}`)
    },
  },
  {
    name: 'the target of a link that is far away is written',
    setUp(dir) {
      mkdirSync(join(dir, 'far'))
      mkdirSync(join(dir, 'near'))
      writeFileSync(join(dir, 'far', 'a'), 'content 0')
      symlinkSync(join(dir, 'far', 'a'), join(dir, 'near', 'b'))
      symlinkSync('../near/b', join(dir, 'near', 'c'))
      return join(dir, 'near', 'c')
    },
    change: (dir, round) => {
      writeFileSync(join(dir, 'far', 'a'), `content ${round}`)
    },
  },
]

function read(path: string): string {
  return existsSync(path) ? readFileSync(path, 'utf8') : ''
}

/** A watcher that counts; `until` waits for a change for which `holds` is true when it is told. */
function makeWatcher(t: Test, options: Partial<WatcherOptions> = {}) {
  const told = new EventEmitter()
  const state = { changes: 0, lost: [] as unknown[] }
  const watcher = createWatcher({
    settleMs: 20,
    pollMs: NEVER_MS,
    ...options,
    onChange() {
      state.changes++
      told.emit('change')
    },
    onEventsLost: (error) => state.lost.push(error),
  })
  // The watcher's own timers do not keep the process alive.
  const alive = setInterval(() => undefined, 1000)
  t.teardown(async () => {
    clearInterval(alive)
    await watcher.close()
  })
  function until(holds: () => boolean): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        told.off('change', look)
        resolve(false)
      }, 8000)
      function look(): void {
        if (!holds()) return
        clearTimeout(timer)
        told.off('change', look)
        resolve(true)
      }
      told.on('change', look)
    })
  }
  return { watcher, state, until }
}

async function runScenario(
  t: Test,
  scenario: Scenario,
  options: Partial<WatcherOptions>,
): Promise<void> {
  const dir = t.testdir({})
  const file = scenario.setUp(dir)
  const { watcher, state, until } = makeWatcher(t, options)
  watcher.watch([file], [])
  await watcher.check()
  t.equal(state.changes, 0, 'what was there at the start is no change')
  if (options.events !== 'none') await sleep(300)
  for (const round of [1, 2, 3]) {
    const seen = until(() => read(file) === `content ${round}`)
    await scenario.change(dir, round)
    t.ok(await seen, `change ${round} is seen`)
  }
  if (state.lost.length > 0) t.comment(`no events on this machine: ${String(state.lost[0])}`)
}

t.test('with the poll alone, a change is seen when', async (t) => {
  for (const scenario of scenarios) {
    await t.test(scenario.name, async (t) => {
      await runScenario(t, scenario, { events: 'none', pollMs: 50 })
    })
  }
})

t.test('with events, a change is seen when', async (t) => {
  for (const scenario of scenarios) {
    await t.test(scenario.name, async (t) => {
      const pollMs = scenario.needsPoll === true ? 100 : NEVER_MS
      // Chokidar swallows what follows an event within 50 ms: a check must come later than that.
      await runScenario(t, scenario, { pollMs, settleMs: 70 })
    })
  }
})

t.test('a configuration directory', async (t) => {
  const dir = t.testdir({ 'a.yaml': 'a' })
  const { watcher, state } = makeWatcher(t, { events: 'none' })
  watcher.watch([join(dir, 'a.yaml')], [dir])
  await watcher.check()
  const steps: [name: string, act: () => void, changes: number][] = [
    ['a file that is not YAML is no change', () => { writeFileSync(join(dir, 'b.txt'), '') }, 0],
    ['a hidden file is no change', () => { writeFileSync(join(dir, '.#a.yaml'), '') }, 0],
    ['a new .yaml file is a change', () => { writeFileSync(join(dir, 'b.yaml'), '') }, 1],
    ['a new .yml file is a change', () => { writeFileSync(join(dir, 'c.yml'), '') }, 1],
    ['a removed file is a change', () => { unlinkSync(join(dir, 'b.yaml')) }, 1],
    ['nothing at all is no change', () => undefined, 0],
    ['a removed directory is a change', () => { renameSync(dir, `${dir}.away`) }, 1],
    ['and so is its return', () => { renameSync(`${dir}.away`, dir) }, 1],
  ] // prettier-ignore
  for (const [name, act, changes] of steps) {
    const before = state.changes
    act()
    await watcher.check()
    t.equal(state.changes - before, changes, name)
  }
})

t.test('a new file in a configuration directory raises an event', async (t) => {
  const dir = t.testdir({ 'a.yaml': 'a' })
  const { watcher, until } = makeWatcher(t)
  watcher.watch([join(dir, 'a.yaml')], [dir])
  await watcher.check()
  await sleep(300)
  const seen = until(() => true)
  writeFileSync(join(dir, 'b.yaml'), 'b')
  t.ok(await seen)
})

t.test('the content decides: the same content once more is no change', async (t) => {
  const dir = t.testdir({ 'a.yaml': 'content' })
  const file = join(dir, 'a.yaml')
  const { watcher, state } = makeWatcher(t, { events: 'none' })
  watcher.watch([file], [])
  await watcher.check()
  writeFileSync(file, 'content')
  await watcher.check()
  writeFileSync(`${file}.new`, 'content')
  renameSync(`${file}.new`, file)
  await watcher.check()
  t.equal(state.changes, 0)
  writeFileSync(file, 'contents')
  await watcher.check()
  await watcher.check()
  t.equal(state.changes, 1, 'and a change is told once')
})

t.test('a file is not told while it is being written', async (t) => {
  const dir = t.testdir({ 'a.yaml': '' })
  const file = join(dir, 'a.yaml')
  const { watcher, state, until } = makeWatcher(t, { events: 'none', settleMs: 100 })
  watcher.watch([file], [])
  await watcher.check()
  for (let i = 0; i < 8; i++) {
    appendFileSync(file, 'more\n')
    const writing = setInterval(() => { appendFileSync(file, 'more\n') }, 5) // prettier-ignore
    await watcher.check()
    clearInterval(writing)
    t.equal(state.changes, 0)
  }
  const seen = until(() => true)
  t.ok(await seen, 'and told when it is finished, without another event')
})

t.test('what changed since the load began is told at once', async (t) => {
  const dir = t.testdir({ 'a.yaml': 'a', 'gone.yaml': 'b' })
  const file = join(dir, 'a.yaml')
  const lookOnce = async (path: string, loadedAtMs: number | undefined): Promise<number> => {
    const { watcher, state } = makeWatcher(t, { events: 'none' })
    watcher.watch([path], [], loadedAtMs)
    await watcher.check()
    await watcher.check()
    return state.changes
  }
  t.equal(await lookOnce(file, undefined), 0)
  t.equal(await lookOnce(file, Date.now() + 60_000), 0, 'older than the load')
  t.equal(await lookOnce(file, Date.now() - 60_000), 1, 'younger than the load')
  unlinkSync(join(dir, 'gone.yaml'))
  t.equal(await lookOnce(join(dir, 'gone.yaml'), Date.now() - 60_000), 1, 'gone since')
  // A link that was swapped counts although its target is old.
  t.equal(await lookOnce('/etc/passwd', Date.now() - 3000), 0)
  symlinkSync('/etc/passwd', join(dir, 'link'))
  t.equal(await lookOnce(join(dir, 'link'), Date.now() - 3000), 1)
})

t.test('watching other files forgets what is gone and keeps what stays', async (t) => {
  const dir = t.testdir({ a: 'a', b: 'b', c: 'c' })
  const [a, b, c] = ['a', 'b', 'c'].map((name) => join(dir, name)) as [string, string, string]
  const { watcher, state } = makeWatcher(t, { events: 'none' })
  watcher.watch([a, b], [])
  await watcher.check()
  writeFileSync(b, 'changed between two loads')
  watcher.watch([b, c], [])
  await watcher.check()
  t.equal(state.changes, 1, 'a file that stays is compared with what was told of it')
  writeFileSync(a, 'no longer watched')
  await watcher.check()
  t.equal(state.changes, 1)
  writeFileSync(c, 'new')
  await watcher.check()
  t.equal(state.changes, 2)
})

t.test('what is no regular file, unreadable or a loop of links counts as absent', async (t) => {
  const dir = t.testdir({ dir: {}, locked: 'x' })
  execFileSync('mkfifo', [join(dir, 'fifo')])
  symlinkSync('loop', join(dir, 'loop'))
  chmodSync(join(dir, 'locked'), 0)
  const names = ['dir', 'fifo', 'loop', 'locked', 'missing', 'locked/below/a/file']
  const { watcher, state } = makeWatcher(t)
  watcher.watch(names.map((name) => join(dir, name)), [join(dir, 'locked'), join(dir, 'loop')]) // prettier-ignore
  await watcher.check()
  await watcher.check()
  t.equal(state.changes, 0)
  writeFileSync(join(dir, 'missing'), '')
  await watcher.check()
  t.equal(state.changes, 1, 'and the others are still seen')
})

t.test('when events fail, one word about it and the poll goes on alone', async (t) => {
  const dir = t.testdir({ a: 'a' })
  const file = join(dir, 'a')
  const sources: FakeSource[] = []
  class FakeSource extends EventEmitter implements EventSource {
    isClosed = false
    close(): Promise<void> {
      this.isClosed = true
      this.removeAllListeners()
      return Promise.resolve()
    }
  }
  const { watcher, state, until } = makeWatcher(t, {
    pollMs: 30,
    events() {
      const source = new FakeSource()
      sources.push(source)
      return source
    },
  })
  watcher.watch([file], [])
  await watcher.check()
  t.equal(sources.length, 1)
  const limit = Object.assign(new Error('no space'), { code: 'ENOSPC' })
  sources[0]?.emit('error', limit)
  sources[0]?.emit('error', limit)
  t.same(state.lost, [limit])
  await sleep(0)
  t.ok(sources[0]?.isClosed)
  const seen = until(() => read(file) === 'b')
  mkdirSync(join(dir, 'other'))
  writeFileSync(file, 'b')
  t.ok(await seen)
  watcher.watch([file, join(dir, 'other', 'c')], [])
  await watcher.check()
  t.equal(sources.length, 1, 'events are not tried again')
})

t.test('a busy directory costs one watch for each thing that matters', async (t) => {
  const dir = t.testdir({ 'a.yaml': 'a', node_modules: { x: { y: {} } } })
  for (let i = 0; i < 500; i++) writeFileSync(join(dir, `other-${i}.txt`), '')
  const before = countInotify()
  const { watcher } = makeWatcher(t)
  watcher.watch([join(dir, 'a.yaml')], [dir])
  await watcher.check()
  await sleep(500)
  const grown = countInotify() - before
  t.ok(grown <= 3, `${grown} watches`)
})

function countInotify(): number {
  if (process.platform !== 'linux') return 0
  const out = execFileSync('sh', [
    '-c',
    `cat /proc/${process.pid}/fdinfo/* 2>/dev/null | grep -c '^inotify' || true`,
  ])
  return Number(out.toString())
}

t.test('closing ends a check under way and whatever was due', async (t) => {
  const dir = t.testdir({ a: 'a' })
  const file = join(dir, 'a')
  const { watcher, state } = makeWatcher(t, { settleMs: 60_000 })
  watcher.watch([file], [])
  await watcher.check()
  writeFileSync(file, 'b')
  const checking = watcher.check()
  await sleep(100)
  await watcher.close()
  await checking
  await watcher.close()
  await watcher.check()
  watcher.watch([file], [])
  t.equal(state.changes, 0)
})

t.test('closing leaves no watch behind, however early it comes', async (t) => {
  const dir = t.testdir({ a: 'a', far: { b: 'b' } })
  symlinkSync(join('far', 'b'), join(dir, 'b'))
  const before = countFsWatchers()
  for (let i = 0; i < 40; i++) {
    const { watcher } = makeWatcher(t)
    watcher.watch([join(dir, 'a'), join(dir, 'b')], [dir])
    await watcher.check()
    // At another moment each time: what matters is what chokidar is doing then.
    for (let turn = 0; turn < i % 8; turn++) await setImmediate()
    await watcher.close()
  }
  await sleep(50)
  t.equal(countFsWatchers() - before, 0)
})

function countFsWatchers(): number {
  return process.getActiveResourcesInfo().filter((name) => name === 'FSEventWrap').length
}

t.test('a watcher that only polls does not keep the process alive', (t) => {
  const url = new URL('../../src/config/watch.js', import.meta.url).href
  const code = `
    import { createWatcher } from ${JSON.stringify(url)}
    const watcher = createWatcher({ onChange() {}, events: 'none', pollMs: 1000 })
    watcher.watch([process.execPath], [])`
  execFileSync(process.execPath, ['--input-type=module', '-e', code], { timeout: 20_000 })
  t.end()
})

t.test('nor does one whose events chokidar forgets to close', async (t) => {
  const dir = t.testdir({ a: 'a' })
  const persistent: unknown[] = []
  const { watcher } = makeWatcher(t, {
    events(_paths, options) {
      persistent.push(options.persistent)
      const source = Object.assign(new EventEmitter(), { close: () => Promise.resolve() })
      queueMicrotask(() => source.emit('ready'))
      return source
    },
  })
  watcher.watch([join(dir, 'a')], [])
  await watcher.check()
  t.same(persistent, [false])
})

t.test('a big file is read without holding up the loop', async (t) => {
  const dir = t.testdir({ big: Buffer.alloc(64 * 1024 * 1024, 'x').toString() })
  const { watcher, state } = makeWatcher(t, { events: 'none' })
  let turns = 0
  const turn = setInterval(() => turns++, 1)
  watcher.watch([join(dir, 'big')], [])
  await watcher.check()
  clearInterval(turn)
  t.ok(turns > 10, `the loop turned ${turns} times`)
  appendFileSync(join(dir, 'big'), 'y')
  await watcher.check()
  t.equal(state.changes, 1)
})
