import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { findFrozenFiles, parseMountinfo } from '../../src/config/mounts.ts'

t.test('mount points and roots are read, escapes undone', (t) => {
  const rows: [line: string, mountPoint: string, root: string][] = [
    [
      '36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue',
      '/mnt2',
      '/mnt1',
    ],
    ['27 1 254:0 / / rw,relatime - ext4 /dev/vda rw', '/', '/'],
    [
      '40 1 8:1 /home/a/my\\040conf.yaml /etc/my\\040conf.yaml rw shared:1 master:2 - ext4 /dev/sda rw',
      '/etc/my conf.yaml',
      '/home/a/my conf.yaml',
    ],
    ['41 1 8:1 /a\\134b\\011c /d\\012e\\043 rw - ext4 x rw', '/d\ne#', '/a\\b\tc'],
    ['42 1 8:1 /a\\134040 /\\134134 rw - ext4 x rw', '/\\134', '/a\\040'],
    ['43 1 8:1 /grün /ö\\040ß rw - ext4 x rw', '/ö ß', '/grün'],
    ['44 1 8:1 /x//deleted /y rw - ext4 x rw', '/y', '/x//deleted'],
  ]
  for (const [line, mountPoint, root] of rows) {
    t.same(parseMountinfo(`${line}\n`), [{ mountPoint, root }], line)
  }
  t.equal(parseMountinfo(rows.map(([line]) => line).join('\n')).length, rows.length)
  t.end()
})

t.test('lines that are no mounts are passed over', (t) => {
  for (const text of ['', '\n\n', 'one two three', '36 35 98:0 /']) {
    t.same(parseMountinfo(text), [], JSON.stringify(text))
  }
  t.end()
})

t.test('ordinary files, missing files and directories are not frozen', async (t) => {
  const dir = t.testdir({ 'a.yaml': 'a', link: t.fixture('symlink', 'a.yaml') })
  const files = ['a.yaml', 'link', 'missing'].map((name) => join(dir, name))
  t.same(await findFrozenFiles(files), [])
  t.same(await findFrozenFiles([]), [])
})

t.test('a real mount point of this machine is found', async (t) => {
  if (!existsSync('/proc/self/mountinfo')) {
    t.pass('no /proc here')
    return
  }
  const mounts = parseMountinfo(readFileSync('/proc/self/mountinfo', 'utf8'))
  t.ok(mounts.some(({ mountPoint }) => mountPoint === '/'))
  t.match(await findFrozenFiles(['/proc']), [
    { file: '/proc', reason: /mount of its own.*instead/ },
  ])
})

t.test('a single-file bind mount is frozen, before and after it is replaced outside', (t) => {
  const dir = t.testdir({ 'in side.yaml': '', 'outside.yaml': 'o', link: t.fixture('symlink', 'in side.yaml') }) // prettier-ignore
  const url = new URL('../../src/config/mounts.js', import.meta.url).href
  const code = `
    import { renameSync, writeFileSync } from 'node:fs'
    import { findFrozenFiles } from ${JSON.stringify(url)}
    const files = ['in side.yaml', 'link', 'outside.yaml'].map((name) => process.argv[1] + '/' + name)
    const before = await findFrozenFiles(files)
    writeFileSync(files[2] + '.new', 'n')
    renameSync(files[2] + '.new', files[2])
    console.log(JSON.stringify([before, await findFrozenFiles(files)]))`
  const script =
    'mount --bind "$1/outside.yaml" "$1/in side.yaml" && exec "$2" --input-type=module -e "$3" "$1"'
  const argv = ['-rm', 'sh', '-c', script, 'sh', dir, process.execPath, code]
  let out
  try {
    out = execFileSync('unshare', argv, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  } catch {
    t.comment('this machine lets no user make mounts')
    t.end()
    return
  }
  const [before, after] = JSON.parse(out) as { file: string; reason: string }[][]
  for (const found of [before, after]) {
    t.same(found?.map(({ file }) => file), ['in side.yaml', 'link'].map((name) => join(dir, name))) // prettier-ignore
  }
  t.match(before?.[0]?.reason, /never seen/)
  t.match(after?.[0]?.reason, /already/)
  t.end()
})
