import assert from 'node:assert/strict'
import test from 'node:test'
import { CorefileError, syntaxError } from '../../src/corefile/corefile-error.ts'
import {
  LineFinder,
  printProblem,
  printStartFailure,
  type ReportedProblem,
  sortProblems,
} from '../../src/corefile/report.ts'

const problem: ReportedProblem = { severity: 'error', file: 'Corefile', line: 3, column: 9, problem: 'x is wrong' }
const at = { file: 'Corefile', line: 3, column: 9 }

test('a problem shows where, what was read, and what would work', () => {
  assert.equal(
    printProblem({ ...problem, plugin: 'cache', read: '    denial many', column: 12, works: 'denial 4096' }),
    'Corefile:3:12: plugin/cache: x is wrong\n    denial many\n           ^\n    works: denial 4096',
  )
  assert.equal(printProblem({ ...problem, severity: 'warning' }), 'Corefile:3:9: warning: x is wrong')
  assert.equal(printProblem({ ...problem, line: 0, column: 0 }), 'Corefile: x is wrong')
})

test('what was read can not steer a terminal', () => {
  assert.ok(!printProblem({ ...problem, read: 'a\u001b[2J\u0007b' }).includes('\u001b'))
})

test('problems are sorted by place, the Corefile first', () => {
  const places = sortProblems(
    [
      { ...problem, file: 'a.zone', line: 1 },
      { ...problem, line: 9 },
      { ...problem, column: 2 },
      { ...problem, line: 1 },
    ],
    'Corefile',
  ).map(({ file, line, column }) => `${file}:${line}:${column}`)
  assert.deepEqual(places, ['Corefile:1:9', 'Corefile:3:2', 'Corefile:9:9', 'a.zone:1:9'])
})

test('lines are found in known texts and in files, and nowhere else', () => {
  const lines = new LineFinder()
  lines.add('stdin', 'a\r\nb\n')
  assert.equal(lines.find({ file: 'stdin', line: 2, column: 1 }), 'b')
  assert.equal(lines.find({ file: 'stdin', line: 9, column: 1 }), undefined)
  assert.match(lines.find({ file: import.meta.filename, line: 1, column: 1 })!, /^import assert/)
  assert.equal(lines.find({ file: '/nowhere', line: 1, column: 1 }), undefined)
  assert.equal(lines.find({ file: '/dev/zero', line: 1, column: 1 }), undefined)
  assert.equal(lines.find({ file: 'stdin', line: 0, column: 0 }), undefined)
})

test("messages: CoreDNS's words, the plugin in front, what works behind", () => {
  assert.equal(new CorefileError(at, 'x').message, 'Corefile:3 - Error during parsing: x')
  assert.equal(
    new CorefileError(at, 'x', 'y 1').message,
    'Corefile:3 - Error during parsing: x. Write for example: y 1',
  )
  assert.equal(
    new CorefileError(at, 'x', undefined, 'cache').message,
    'plugin/cache: Corefile:3 - Error during parsing: x',
  )
  assert.equal(new CorefileError({ ...at, line: 0 }, 'x').message, 'x')
  assert.equal(syntaxError(at, 'a', '{').message, "Corefile:3 - Syntax error: Unexpected token 'a', expecting '{'")
})

test('a failed start says the first error, and that there are more', () => {
  const error = new CorefileError(at, 'x')
  assert.equal(printStartFailure([error]), error.message)
  assert.equal(
    printStartFailure([error, error, error]),
    `${error.message}\n(and 2 more: see them all with shoal check)`,
  )
})
