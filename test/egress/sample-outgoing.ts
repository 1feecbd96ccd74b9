// An outgoing connection with every default, for tests that care about a few of its settings.
import type { OutgoingRule } from '../../src/egress/route.ts'

/** A connection `sample` to https://api.example.com/, changed where the test says so. */
export function sampleOutgoing(change: Partial<OutgoingRule> = {}): OutgoingRule {
  return {
    name: 'sample',
    url: 'https://api.example.com',
    security: 'none',
    allowPlaintext: false,
    match: 'host',
    https: undefined,
    paths: undefined,
    methods: undefined,
    isActive: true,
    encodedSlashes: false,
    emptySegments: false,
    pathParameters: false,
    doubleEncoding: false,
    ...change,
  }
}
