import assert from 'node:assert/strict'
import test from 'node:test'
import { CorefileError } from '../../src/corefile/corefile-error.ts'
import {
  choice,
  closestWord,
  count,
  duration,
  fallthrough,
  flag,
  type OptionRow,
  optionTable,
  text,
  words,
  zones,
} from '../../src/corefile/option-table.ts'
import { directivesOf } from '../support/directives.ts'

const pair: OptionRow<readonly [number, number]> = {
  default: [1, 2],
  example: 'pair 3 4',
  argsMin: 2,
  argsMax: 2,
  parse: (args) => [Number(args[0]!.text), Number(args[1]!.text)],
}
const nested: OptionRow<readonly string[]> = {
  default: [],
  example: 'nested {\n a\n}',
  argsMin: 0,
  argsMax: 0,
  block: true,
  parse: (_args, property) => (property.block ?? []).map(({ name }) => name),
}
const OPTIONS = optionTable({
  max_fails: count({ default: 2, max: 10, example: 'max_fails 3' }),
  expire: duration({ default: 10_000, max: 60_000, example: 'expire 10s' }),
  force_tcp: flag(),
  policy: choice(['random', 'round_robin'], { default: 'random', example: 'policy random' }),
  name: text('name x'),
  names: words('names x y'),
  except: zones(),
  fallthrough: fallthrough(),
  once: { ...text('once x'), once: true },
  pair,
  nested,
})

const parse = (block: string) => OPTIONS.parse(directivesOf(`p {\n${block}\n}`)[0]!.block)

test('defaults are those of the rows', () => {
  assert.deepEqual(OPTIONS.parse(undefined), {
    max_fails: 2,
    expire: 10_000,
    force_tcp: false,
    policy: 'random',
    name: undefined,
    names: [],
    except: [],
    fallthrough: undefined,
    once: undefined,
    pair: [1, 2],
    nested: [],
  })
  assert.equal(OPTIONS.defaults.max_fails, 2)
})

test('values, repeats and blocks', () => {
  const values = parse(
    'max_fails 0\nmax_fails 3\nexpire 1m\nforce_tcp\npolicy round_robin\nnames a b\nnames c\nexcept a.org 10.0.0.0/8\nfallthrough\npair 5 6\nnested {\na\nb\n}',
  )
  assert.equal(values.max_fails, 3)
  assert.equal(values.expire, 60_000)
  assert.equal(values.force_tcp, true)
  assert.equal(values.policy, 'round_robin')
  assert.deepEqual(values.names, ['a', 'b', 'c'])
  assert.deepEqual(values.except, ['a.org.', '10.in-addr.arpa.'])
  assert.deepEqual(values.fallthrough, ['.'])
  assert.deepEqual(values.pair, [5, 6])
  assert.deepEqual(values.nested, ['a', 'b'])
})

test('values can go on from those of a directive before', () => {
  const before = parse('max_fails 7\nnames a')
  assert.deepEqual(OPTIONS.parse(directivesOf('p {\nnames b\n}')[0]!.block, before).names, ['a', 'b'])
  assert.equal(OPTIONS.parse(undefined, before).max_fails, 7)
})

const refused: { title: string; block: string; want: string; hint?: string }[] = [
  {
    title: 'an unknown property, with a guess',
    block: 'max_fail 3',
    want: "unknown property 'max_fail' (known are: max_fails,",
    hint: 'max_fails',
  },
  { title: 'a name like an object property', block: '__proto__ 3', want: "unknown property '__proto__'" },
  {
    title: 'too few words',
    block: 'max_fails',
    want: "Wrong argument count or unexpected line ending after 'max_fails'",
    hint: 'max_fails 3',
  },
  {
    title: 'too many words',
    block: 'max_fails 3 4',
    want: "Wrong argument count or unexpected line ending after '4'",
    hint: 'max_fails 3',
  },
  {
    title: 'words behind a flag',
    block: 'force_tcp yes',
    want: "Wrong argument count or unexpected line ending after 'yes'",
  },
  {
    title: 'a block where none belongs',
    block: 'force_tcp {\nx\n}',
    want: "Unexpected token '{', expecting argument",
  },
  {
    title: 'no number',
    block: 'max_fails many',
    want: '"many" is not a whole number: invalid syntax',
    hint: 'max_fails 3',
  },
  { title: 'a number with a fraction', block: 'max_fails 1.5', want: '"1.5" is not a whole number' },
  { title: 'a number out of all range', block: 'max_fails 99999999999999999999', want: 'value out of range' },
  { title: 'a number below the range', block: 'max_fails -1', want: '"-1" is less than 0' },
  { title: 'a number above the range', block: 'max_fails 11', want: '"11" is more than 10' },
  {
    title: 'a duration without unit',
    block: 'expire 5',
    want: 'time: missing unit in duration "5"',
    hint: 'expire 10s',
  },
  { title: 'no duration', block: 'expire soon', want: 'time: invalid duration "soon"' },
  { title: 'a negative duration', block: 'expire -1s', want: '"-1s" is less than 0s' },
  { title: 'a duration above the range', block: 'expire 2m', want: '"2m" is more than 60s' },
  {
    title: 'a word that is no choice',
    block: 'policy best',
    want: '"best" is not one of: random, round_robin',
    hint: 'policy random',
  },
  {
    title: 'an option that may be given once',
    block: 'once a\nonce b',
    want: 'once already specified',
    hint: 'once x',
  },
]
for (const { title, block, want, hint } of refused) {
  test(`error: ${title}`, () => {
    assert.throws(
      () => parse(block),
      (error) =>
        error instanceof CorefileError && error.problem.includes(want) && (hint === undefined || error.hint === hint),
    )
  })
}

test('a guess is made only for a word that is close', () => {
  assert.equal(closestWord('cahce', ['cancel', 'cache', 'chaos', 'log']), 'cache')
  assert.equal(closestWord('lgo', ['cache', 'log']), 'log')
  assert.equal(closestWord('lo', ['cache', 'xyz']), undefined)
  assert.equal(closestWord('zzzzzz', ['cache']), undefined)
  assert.equal(closestWord('x'.repeat(100_000), ['cache']), undefined)
})
