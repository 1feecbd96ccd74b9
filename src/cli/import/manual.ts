/** The manual of `sidegate import`, for the command and for what it imports from. */
import { type Values, defineManual } from '../command.ts'

/** What `sidegate import --help` prints. */
export const importManual = defineManual({
  name: 'import',
  usage: 'zato FILE...|htpasswd FILE [--out PATH] [--force] [OPTIONS]',
  about:
    'Makes a configuration of what another program knows: on stdout, or in --out; a report goes to stderr. Nothing is written ' +
    'where something would be less protected than it was. Secrets become ${env:NAME}, and the report says which to set.\n' +
    'zato reads enmasse files, YAML or JSON. Its channels name services, which need a URL: --upstream or --upstreams.\n' +
    'htpasswd reads a file of bcrypt hashes (htpasswd -B) and makes the list security of it. Other hashes are refused.',
  options: {
    out: { kind: 'value', value: 'PATH', text: 'where to write, stdout unless told otherwise' },
    force: { kind: 'flag', text: 'overwrite the file of --out' },
    upstream: {
      kind: 'value',
      value: 'URL',
      text: 'zato: where every service runs that --upstreams does not name',
    },
    upstreams: {
      kind: 'value',
      value: 'PATH',
      text: 'zato: a YAML file of "service: URL"',
    },
    'env-file': {
      kind: 'value',
      value: 'PATH',
      text: 'zato: the INI file that enmasse was given; its values are never written',
    },
    'confirm-public': {
      kind: 'flag',
      text: 'zato: the routes that were open to everybody may stay open',
    },
    'confirm-any': {
      kind: 'flag',
      text: 'zato: where a definition and a group were both asked for, any of them is enough',
    },
  },
  examples: [
    ['sidegate import zato enmasse.yaml', 'the report alone tells what would be refused'],
    [
      'sidegate import zato enmasse.yaml --upstream http://127.0.0.1:8080 --out sidegate.yaml',
      'one service behind all channels',
    ],
    ['sidegate import htpasswd .htpasswd --out users.yaml', 'the users of Apache or nginx'],
  ],
})

/** Parsed options. */
export type ImportValues = Values<(typeof importManual)['options']>
