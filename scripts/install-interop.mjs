// Installs the Debian packages that `make interop` and `make bench` use, as root; otherwise says what
// is missing. Never fails: a case whose program is missing is skipped, loudly, and counted as skipped.
// Arguments choose programs: nginx wrk … ; none means all. No service is started by the installation.
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
}
const FOLDERS = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin']
const POLICY = '/usr/sbin/policy-rc.d'

function isThere(program) {
  return FOLDERS.some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

function apt(...words) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const run = spawnSync('apt-get', ['-q', '-o', 'DPkg::Lock::Timeout=120', ...words], {
    env,
    encoding: 'utf8',
    timeout: 300_000,
  })
  if (run.status !== 0)
    console.log(`apt-get ${words.join(' ')} failed:\n${run.stdout}${run.stderr}`)
  return run.status === 0
}

function install(packages) {
  // Debian starts a service when it installs one; on somebody's machine that would take port 80.
  const isPolicyOurs = !existsSync(POLICY)
  if (isPolicyOurs) writeFileSync(POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755 })
  try {
    const words = ['install', '-y', '--no-install-recommends']
    if (apt(...words, ...packages) || (apt('update') && apt(...words, ...packages))) return
    // One package that this release lacks must not cost the others.
    for (const name of packages) apt(...words, name)
  } finally {
    if (isPolicyOurs) rmSync(POLICY, { force: true })
  }
}

const wanted = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(PROGRAMS)
const missing = wanted.filter((program) => !isThere(program))
if (missing.length > 0) {
  const packages = [...new Set(missing.map((program) => PROGRAMS[program]))]
  if (process.getuid?.() !== 0) {
    console.log(`NOT INSTALLED (needs root): apt-get install ${packages.join(' ')}`)
  } else if (!isThere('apt-get')) {
    console.log(`NOT INSTALLED (no apt-get here): ${packages.join(' ')}`)
  } else {
    console.log(`installing ${packages.join(' ')}`)
    install(packages)
  }
}
for (const program of wanted.filter((name) => !isThere(name))) {
  console.log(`MISSING ${program}: what needs it will be skipped`)
}
