/** nginx on a free loopback port, with everything it writes in a folder of the test's own. */
import { mkdir, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { eventually } from '../harness/eventually.ts'
import { type Owner, createFolder, findFreePort, startDaemon } from './programs.ts'

/** A running nginx: where it listens, what it serves, and its process. */
export interface Nginx {
  readonly port: number
  /** The folder that is served; files may be added. */
  readonly root: string
  readonly pid: number
}

/** The blocks that a case adds to the server and to the http block. */
export interface NginxOptions {
  readonly server?: string
  readonly http?: string
}

/** Starts nginx; `server` is put into its one `server` block, `http` beside it. */
export async function startNginx(t: Owner, options: NginxOptions = {}): Promise<Nginx> {
  const folder = await createFolder(t)
  const root = join(folder, 'files')
  for (const name of ['files', 'body', 'proxy', 'other']) await mkdir(join(folder, name))
  const port = await findFreePort()
  const file = join(folder, 'nginx.conf')
  await writeFile(file, renderConfiguration(folder, port, options))
  const child = startDaemon(t, 'nginx', ['-p', folder, '-c', file])
  await eventually('nginx listens', () => isListening(port))
  return { port, root, pid: child.pid ?? 0 }
}

function renderConfiguration(folder: string, port: number, options: NginxOptions): string {
  return `
daemon off;
worker_processes 1;
pid ${folder}/pid;
error_log ${folder}/error.log warn;
${process.getuid?.() === 0 ? 'user root;' : ''}
events { worker_connections 1024; }
http {
  access_log off;
  default_type application/octet-stream;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/other/fastcgi;
  uwsgi_temp_path ${folder}/other/uwsgi;
  scgi_temp_path ${folder}/other/scgi;
  sendfile on;
  ${options.http ?? ''}
  server {
    listen 127.0.0.1:${port};
    root ${folder}/files;
    ${options.server ?? ''}
  }
}
`
}

/** Whether something accepts connections on a loopback port. */
export function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
