import assert from 'node:assert/strict'
import test from 'node:test'
import { EnvironmentError, expandEnvironment } from '../../src/corefile/environment.ts'

const environment = {
  PORT: '1053',
  EMPTY: '',
  NESTED: 'x{$PORT}y',
  PERCENT: '{%PORT%}',
  DOLLARS: '$& $1 $$',
  SELF: '{$SELF}',
  A: '{$B}',
  B: '{$A}',
  GROW: '{$GROW}{$GROW}a',
}

const cases = [
  { title: 'a dollar reference', word: '.:{$PORT}', want: '.:1053' },
  { title: 'a percent reference', word: '.:{%PORT%}', want: '.:1053' },
  { title: 'all references of a word', word: '{$PORT}{%PORT%}{$PORT}', want: '105310531053' },
  { title: 'a variable that is not set is empty', word: 'a{$NOT_SET}b', want: 'ab' },
  { title: 'an empty variable is empty', word: 'a{$EMPTY}b', want: 'ab' },
  { title: 'a value with a reference', word: '{$NESTED}', want: 'x1053y' },
  { title: 'a dollar value with a percent reference stays: percent comes first', word: '{$PERCENT}', want: '{%PORT%}' },
  { title: 'characters that mean something to replace() are plain', word: '{$DOLLARS}', want: '$& $1 $$' },
  { title: 'a malformed percent reference stays', word: '{%PORT}', want: '{%PORT}' },
  { title: 'an open dollar reference stays', word: '{$PORT', want: '{$PORT' },
  { title: 'an empty name stays', word: '{$}', want: '{$}' },
  { title: 'an empty percent name stays', word: '{%%}', want: '{%%}' },
  { title: 'a percent that opens and closes stays', word: '{%}', want: '{%}' },
  { title: 'after an empty name nothing more is replaced', word: '{$}{$PORT}', want: '{$}{$PORT}' },
  { title: 'the sharp edge: a Go template variable is hit', word: '{{$v}}', want: '{}' },
  { title: 'a name like an object property is not set', word: '{$__proto__}{$toString}', want: '' },
  { title: 'a word without references', word: 'a{b}', want: 'a{b}' },
]
for (const { title, word, want } of cases) test(title, () => assert.equal(expandEnvironment(word, environment), want))

for (const word of ['{$SELF}', '{$A}', '{$GROW}']) {
  test(`references without an end are an error: ${word}`, () => {
    assert.throws(() => expandEnvironment(word, environment), EnvironmentError)
  })
}
