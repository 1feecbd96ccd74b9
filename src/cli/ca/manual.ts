/** The manual of `sidegate ca`, for the command and for its two actions. */
import { type Values, defineManual } from '../command.ts'

/** What `sidegate ca --help` prints. */
export const caManual = defineManual({
  name: 'ca',
  usage: 'init|bundle [--config PATH]... [--host NAME]... [--out PATH] [--days N]',
  about:
    'init makes the local authority for https: intercept: ca.pem and, for its owner alone, ca-key.pem. It may issue for the ' +
    'hosts of the outgoing connections with https: intercept and for no other (where none says so: all with https://). ' +
    'Existing files are never overwritten. The configuration may still be without egress.ca.\n' +
    'bundle prints one PEM file with the roots of this machine, those that outgoing connections name and ours, because most ' +
    'CA variables replace the store of a runtime.',
  options: {
    config: {
      kind: 'list',
      short: 'c',
      value: 'PATH',
      text: 'a configuration file or a directory of them; may be repeated',
    },
    host: {
      kind: 'list',
      value: 'NAME',
      text: 'init: a host, *.x or address instead of those of the configuration; may be repeated',
    },
    out: {
      kind: 'value',
      value: 'PATH',
      text: 'init: the folder, . unless told otherwise; bundle: the file, stdout unless told otherwise',
    },
    days: {
      kind: 'value',
      value: 'N',
      text: 'init: how long it lives, 3650 unless told otherwise',
    },
  },
  examples: [
    ['sidegate ca init --out tls', 'writes tls/ca.pem and tls/ca-key.pem'],
    ['sidegate ca init --host api.example.com', 'for a host, without a configuration'],
    ['sidegate ca bundle --out bundle.pem', 'what SSL_CERT_FILE and its like may name'],
  ],
})

/** Parsed options of both actions. */
export type CaValues = Values<(typeof caManual)['options']>
