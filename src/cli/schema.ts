/**
 * `sidegate schema`: the JSON Schema of the configuration, for editors and for charts.
 */
import { type Command, defineManual, expectPositionals, parseOptions } from './command.ts'
import { print } from './terminal.ts'

const manual = defineManual({
  name: 'schema',
  usage: '',
  about:
    'Prints the JSON Schema of the configuration. Editors complete and check sidegate.yaml with it.',
  options: {},
  examples: [
    ['sidegate schema > sidegate.schema.json', 'writes it to a file'],
    [
      '# yaml-language-server: $schema=sidegate.schema.json',
      'as the first line of sidegate.yaml: VS Code and others then complete it',
    ],
  ],
})

async function runSchema(args: readonly string[]): Promise<number> {
  expectPositionals(manual, parseOptions(manual, args).positionals, [])
  const { renderJsonSchema } = await import('../config/schema.ts')
  print(renderJsonSchema().trimEnd())
  return 0
}

/** `sidegate schema`. */
export const schemaCommand: Command = { manual, run: runSchema }
