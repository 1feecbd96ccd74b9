import t from 'tap'
import { RelayDeadlines } from '../../src/http/relay-deadlines.ts'

/** Deadlines of 5 s for the first byte and 10 s for a pause, connected at 1000 s. */
function createScene() {
  const progress = { bytesIn: 0, bytesTaken: 0, isBodyComplete: false }
  const deadlines = new RelayDeadlines(progress, { firstByteMs: 5000, bodyIdleMs: 10_000 })
  const start = 1_000_000
  deadlines.startUpload(start)
  return {
    progress,
    deadlines,
    before: (ms: number, isPaused = false) => deadlines.findLateBeforeAnswer(start + ms, isPaused),
    during: (ms: number, isPaused = false) => deadlines.findLateDuringAnswer(start + ms, isPaused),
    startDownload: (ms: number) => {
      deadlines.startDownload(start + ms)
    },
    noteProgress: (ms: number) => {
      deadlines.noteProgress(start + ms)
    },
  }
}

t.test('a client that sends nothing more of its body is late, not the upstream', (t) => {
  const { progress, before } = createScene()
  t.equal(before(10_000), undefined)
  progress.bytesIn = 1
  t.equal(before(10_001), undefined, 'a byte has come')
  t.equal(before(20_001), undefined)
  t.equal(before(20_002), 'request_timeout')
  t.end()
})

t.test('once the upstream has the body, or takes no more of it, the upstream is late', (t) => {
  const whole = createScene()
  whole.progress.isBodyComplete = true
  t.equal(whole.before(5000), undefined)
  t.equal(whole.before(5001), 'upstream_timeout')
  const paused = createScene()
  t.equal(paused.before(5000, true), undefined)
  t.equal(paused.before(5001, true), 'upstream_timeout')
  t.end()
})

t.test(
  'a body that trickles is late after a window, and time on the upstream does not count',
  (t) => {
    const slow = createScene()
    for (let ms = 1000; ms < 60_000; ms += 1000) {
      slow.progress.bytesIn += 99
      t.equal(slow.before(ms), undefined)
    }
    t.equal(slow.before(60_000), 'request_timeout')
    const quick = createScene()
    for (let ms = 1000; ms <= 180_000; ms += 1000) {
      quick.progress.bytesIn += 101
      if (quick.before(ms) !== undefined) t.fail(`late at ${ms}`)
    }
    const held = createScene()
    held.progress.bytesIn = 1
    t.equal(held.before(59_000, true), undefined)
    held.progress.bytesIn = 2
    t.equal(held.before(60_000), undefined, 'the window began anew')
    t.end()
  },
)

t.test('an upstream that pauses within its answer is late', (t) => {
  const { during, startDownload, noteProgress } = createScene()
  startDownload(1000)
  t.equal(during(11_000), undefined)
  noteProgress(11_000)
  t.equal(during(21_000), undefined)
  t.equal(during(21_001), 'upstream_timeout')
  t.end()
})

t.test('an upstream that answers while it still reads is not late', (t) => {
  const { progress, during, startDownload } = createScene()
  startDownload(0)
  progress.bytesIn = 5
  t.equal(during(10_001), undefined)
  t.equal(during(20_001), undefined)
  t.equal(during(20_002), 'upstream_timeout')
  t.end()
})

t.test('a client that does not take the answer is late, not the upstream', (t) => {
  const { progress, during, startDownload } = createScene()
  progress.bytesTaken = 100
  startDownload(0)
  t.equal(during(10_000, true), undefined)
  t.equal(during(10_001, true), 'request_timeout', 'what it took before is no progress')
  progress.bytesTaken = 101
  t.equal(during(10_002, true), undefined)
  t.equal(during(20_002, true), undefined)
  t.equal(during(20_003, true), 'request_timeout')
  t.end()
})

t.test('a client that takes the answer in crumbs is late after a window', (t) => {
  const { progress, during, startDownload } = createScene()
  progress.bytesTaken = 1_000_000
  startDownload(0)
  for (let ms = 1000; ms < 60_000; ms += 1000) {
    progress.bytesTaken += 99
    t.equal(during(ms, true), undefined)
  }
  t.equal(during(60_000, true), 'request_timeout')
  t.equal(during(60_001, true), undefined, 'each window is judged once')
  t.end()
})
