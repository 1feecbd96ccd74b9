import t from 'tap'
import { findConfigurationPaths } from '../../src/config/find-paths.ts'
import { formatProblem } from '../../src/config/problems.ts'

void t.test(
  'the configuration is where --config says, else SIDEGATE_CONFIG, else in its usual places',
  (t) => {
    const folder = t.testdir({ with: { 'sidegate.yaml': '' }, without: {} })
    const env = { SIDEGATE_CONFIG: '/a.yaml:/b' }
    t.strictSame(findConfigurationPaths(['x', 'y'], env, folder), ['x', 'y'])
    t.strictSame(findConfigurationPaths([], env, folder), ['/a.yaml', '/b'])
    t.strictSame(findConfigurationPaths([], { SIDEGATE_CONFIG: '' }, `${folder}/with`), [
      'sidegate.yaml',
    ])
    t.strictSame(findConfigurationPaths([], {}, `${folder}/without`), ['/etc/sidegate'])
    t.end()
  },
)

void t.test('a problem is FILE:LINE:COL PATH: problem', (t) => {
  const problem = { file: 'a.yaml', line: 3, column: 5, path: 'channels.0', problem: 'is odd' }
  t.equal(formatProblem(problem), 'a.yaml:3:5 channels.0: is odd')
  t.equal(formatProblem({ ...problem, path: '' }), 'a.yaml:3:5: is odd')
  t.equal(formatProblem({ ...problem, path: '', line: 0, column: 0 }), 'a.yaml: is odd')
  t.end()
})
