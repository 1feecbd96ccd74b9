// Installs the Debian packages that `make interop` and `make bench` use, as root; otherwise says what
// is missing. Never fails: a case whose program is missing is skipped, loudly, and counted as skipped.
// Arguments choose programs: nginx wrk … ; none means all. No service is started by the installation.
// What does not come down in time is not waited for: CI has better uses for its minutes.
import { spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync, rmSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'

/** Program → the Debian package that brings it. */
const PROGRAMS = {
  nginx: 'nginx-light',
  wrk: 'wrk',
  ab: 'apache2-utils',
  curl: 'curl',
  wget: 'wget',
  python3: 'python3',
  prometheus: 'prometheus',
  promtool: 'prometheus',
  squid: 'squid',
  git: 'git',
  openssl: 'openssl',
  // Of `make bench` alone.
  cntlm: 'cntlm',
  mitmdump: 'mitmproxy',
  // The NTLM servers; the modules come with no program of their own.
  apache2: 'apache2-bin',
  winbindd: 'winbind',
  ntlm_auth: 'winbind',
  smbpasswd: 'samba-common-bin',
  mod_auth_gssapi: 'libapache2-mod-auth-gssapi',
  'gss-ntlmssp': 'gss-ntlmssp',
  'python3-gssapi': 'python3-gssapi',
  // No program: a module of some Python.
  'python3-requests': 'python3-requests',
  // `java` alone cannot compile the client that the tests bring.
  javac: 'default-jdk-headless',
}
/** Installed last and by itself, so that a slow mirror costs nothing else. */
const HEAVY = new Set(['javac'])
const DOWNLOAD_MS = 60_000
const UNPACK_MS = 180_000
const FOLDERS = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin']
const POLICY = '/usr/sbin/policy-rc.d'

/** What comes without a program of its own: how to see that it is there. */
const CHECKS = {
  // The first Python of the path, or Debian's own: the tests take either.
  'python3-requests': () => canImport('requests', 'python3', '/usr/bin/python3'),
  'python3-gssapi': () => canImport('gssapi', '/usr/bin/python3'),
  mod_auth_gssapi: () => existsSync('/usr/lib/apache2/modules/mod_auth_gssapi.so'),
  'gss-ntlmssp': () => existsSync('/usr/share/doc/gss-ntlmssp'),
}

function isThere(program) {
  if (CHECKS[program] !== undefined) return CHECKS[program]()
  return FOLDERS.some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

function canImport(module, ...pythons) {
  return pythons.some(
    (python) => spawnSync(python, ['-c', `import ${module}`], { stdio: 'ignore' }).status === 0,
  )
}

function apt(timeout, ...words) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const run = spawnSync('apt-get', ['-q', '-o', 'DPkg::Lock::Timeout=120', ...words], {
    env,
    encoding: 'utf8',
    timeout,
  })
  if (run.status !== 0) {
    const why = run.error === undefined ? 'failed' : `failed (${run.error.message})`
    console.log(`apt-get ${words.join(' ')} ${why}:\n${run.stdout}${run.stderr}`)
  }
  return run.status === 0
}

function install(packages) {
  // Debian starts a service when it installs one; on somebody's machine that would take port 80.
  const isPolicyOurs = !existsSync(POLICY)
  if (isPolicyOurs) writeFileSync(POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755 })
  try {
    if (installTogether(packages)) return
    if (apt(DOWNLOAD_MS, 'update') && installTogether(packages)) return
    // One package that this release lacks must not cost the others.
    if (packages.length > 1) for (const name of packages) installTogether([name])
  } finally {
    if (isPolicyOurs) rmSync(POLICY, { force: true })
  }
}

/** Only the download is cut short: dpkg that is killed leaves a machine to be mended. */
function installTogether(packages) {
  const words = ['install', '-y', '--no-install-recommends']
  return (
    apt(DOWNLOAD_MS, ...words, '--download-only', ...packages) &&
    apt(UNPACK_MS, ...words, ...packages)
  )
}

const wanted = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(PROGRAMS)
const missing = wanted.filter((program) => !isThere(program))
if (missing.length > 0) {
  const packagesOf = (programs) => [...new Set(programs.map((program) => PROGRAMS[program]))]
  const packages = packagesOf(missing)
  if (process.getuid?.() !== 0) {
    console.log(`NOT INSTALLED (needs root): apt-get install ${packages.join(' ')}`)
  } else if (!isThere('apt-get')) {
    console.log(`NOT INSTALLED (no apt-get here): ${packages.join(' ')}`)
  } else {
    console.log(`installing ${packages.join(' ')}`)
    const light = packagesOf(missing.filter((program) => !HEAVY.has(program)))
    const heavy = packagesOf(missing.filter((program) => HEAVY.has(program)))
    for (const some of [light, heavy]) if (some.length > 0) install(some)
  }
}
for (const program of wanted.filter((name) => !isThere(name))) {
  console.log(`MISSING ${program}: what needs it will be skipped`)
}
