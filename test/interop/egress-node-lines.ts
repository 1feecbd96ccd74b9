/** The Node lines that are supported, as binaries that npm carries. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'

/** Their numbers. */
export const NODE_LINES = ['20', '22', '24', '26'] as const

const hasBinaries =
  process.platform === 'linux' && (process.arch === 'x64' || process.arch === 'arm64')

/** The binary of a line: the one that runs us, or one below build/, installed unless it is there. */
export function findNode(line: string): string | undefined {
  if (process.versions.node.split('.')[0] === line) return process.execPath
  if (!hasBinaries) return undefined
  const folder = join('build', 'node', line)
  const name = `node-linux-${process.arch}`
  const binary = resolve(folder, 'node_modules', name, 'bin', 'node')
  if (!existsSync(binary)) {
    mkdirSync(folder, { recursive: true })
    const args = ['install', '--no-save', '--no-fund', '--no-audit', '--loglevel=error']
    spawnSync('npm', [...args, '--prefix', folder, `${name}@${line}`], {
      stdio: ['ignore', 'ignore', 'inherit'],
      // A slow network is no reason to leave a line out.
      timeout: 180_000,
    })
  }
  return existsSync(binary) ? binary : undefined
}
