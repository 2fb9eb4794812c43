import assert from 'node:assert/strict'
import test from 'node:test'
import { compileRegex, PATTERN_LENGTH_MAX, RegexError } from '../../src/corefile/linear-regex.ts'
import { cpuMs } from '../support/cpu-time.ts'

test('a pattern is not anchored, and gives the leftmost match with its groups', () => {
  const regex = compileRegex('(?P<host>[a-z]+)-(\\d+)(x)?')
  assert.ok(regex.test('..web-12..'))
  assert.ok(!regex.test('..web-..'))
  assert.deepEqual(regex.match('..web-12.. db-3'), { index: 2, groups: ['web-12', 'web', '12', undefined] })
  assert.equal(regex.match('nothing'), undefined)
  assert.equal(regex.groupCount, 3)
  assert.deepEqual([...regex.groupNames], [['host', 1]])
})

const replaced: [pattern: string, text: string, replacement: string, want: string][] = [
  ['a(b*)', 'abbcaxb', '<$1>', '<bb>c<>xb'],
  ['a(?P<n>b*)', 'abbc', '\x24{n}!$n.', 'bb!bb.c'],
  ['(a)(b)', 'ab', '$2$1', 'ba'],
  ['(a)', 'a', '$1x', ''],
  ['(a)', 'a', '\x24{1}x', 'ax'],
  ['a', 'a', '$$ $', '$ $'],
  ['a', 'a', '$9', ''],
  ['b*', 'abbc', '-', '-a-c-'],
  ['', 'a\u{1f41f}c', '-', '-a-\u{1f41f}-c-'],
  ['^a', 'aaa', 'b', 'baa'],
  ['\\bx', 'xx x', '-', '-x -'],
  ['z', 'abc', '-', 'abc'],
]
for (const [pattern, text, replacement, want] of replaced) {
  test(`replace ${pattern} in ${text} as Go does`, () =>
    assert.equal(compileRegex(pattern).replaceAll(text, replacement), want))
}

const refused: [pattern: string, message: string][] = [
  ['(', 'error parsing regexp: missing closing ): `(`'],
  ['[z-a]', 'error parsing regexp: invalid character class range: `z-a`'],
  ['\\1', 'error parsing regexp: invalid escape sequence: `\\1`'],
  ['(?=a)', 'error parsing regexp: invalid or unsupported Perl syntax: `(?=`'],
  ['x{1001}', 'error parsing regexp: invalid repeat count: `{1001}`'],
  ['*', 'error parsing regexp: missing argument to repetition operator: `*`'],
]
for (const [pattern, message] of refused) {
  test(`refuse ${pattern} in Go's words`, () => {
    assert.throws(
      () => compileRegex(pattern),
      (error) => error instanceof RegexError && error.message === message,
    )
  })
}

test('a pattern has a limit', () => {
  compileRegex('a'.repeat(PATTERN_LENGTH_MAX))
  assert.throws(() => compileRegex('a'.repeat(PATTERN_LENGTH_MAX + 1)), RegexError)
})

test('time is linear in the text, for patterns that others go back and forth over', () => {
  for (const pattern of ['(a+)+$', '(a|a)*$', '(a*)*b', '(.*)(.*)(.*)(.*)x', '(a?){50}a{50}$']) {
    const started = cpuMs()
    compileRegex(pattern).test(`${'a'.repeat(20_000)}!`)
    const ms = cpuMs() - started
    assert.ok(ms < 2000, `${pattern} took ${ms} ms`)
  }
})
