import { setImmediate } from 'node:timers'

// Tries what no module may do; the path of the request says which.
const kept = []

const attempts = {
  '/ok': ({ headers }) => ({ user: headers['x-user'] ?? 'somebody' }),
  '/nobody': () => null,
  '/undefined': () => undefined,
  '/text': () => 'root',
  '/no-user': () => ({}),
  '/more': () => ({ user: 'a', admin: true }),
  '/empty': () => ({ user: '' }),
  '/lines': () => ({ user: 'a\r\nX-Injected: 1' }),
  '/unicode': () => ({ user: 'jürgen' }),
  '/blank': () => ({ user: ' a' }),
  '/long': () => ({ user: 'a'.repeat(257) }),
  '/huge': () => ({ user: 'a'.repeat(50_000_000) }),
  '/getter': () => ({
    get user() {
      throw new Error('secret in a message')
    },
  }),
  '/throw': ({ secrets }) => {
    throw new TypeError(`the secret is ${secrets.OWN}`)
  },
  '/reject': () => Promise.reject(new Error('no')),
  '/never': () => new Promise(() => {}),
  '/loop': () => {
    for (;;);
  },
  '/memory': () => {
    for (;;) kept.push(new Array(100_000).fill({ a: 1 }))
  },
  '/exit': () => process.exit(0),
  '/late-throw': () => {
    setImmediate(() => {
      throw new Error('outside of the call')
    })
    return new Promise(() => {})
  },
  '/late-reject': () => {
    void Promise.reject(new Error('nobody waits'))
    return new Promise(() => {})
  },
  '/print': ({ secrets }) => {
    console.log(secrets.OWN)
    console.error(secrets.OWN)
    process.stdout.write(secrets.OWN)
    return { user: 'printer' }
  },
  '/see': ({ secrets, options }) => {
    const seen = [Object.keys(process.env), process.argv.slice(2), process.execArgv]
    return { user: JSON.stringify([...seen, Object.keys(secrets), options]).slice(0, 256) }
  },
  '/change': ({ options, secrets }) => {
    try {
      options.list.push(2)
    } catch {
      // Frozen.
    }
    try {
      secrets.OWN = 'other'
    } catch {
      // Frozen.
    }
    return { user: `${options.list.length}${secrets.OWN === 'other' ? ' changed' : ''}` }
  },
  '/body': ({ body }) => ({ user: Buffer.from(body ?? []).toString() || 'none' }),
}

export async function authenticate(request) {
  const attempt = attempts[request.path]
  return attempt === undefined ? null : attempt(request)
}
