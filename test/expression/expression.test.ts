import assert from 'node:assert/strict'
import test from 'node:test'
import { compileExpression } from '../../src/expression/compile-expression.ts'
import { ExpressionError } from '../../src/expression/expression-error.ts'
import type { Kind, Scope, Signature, Value } from '../../src/expression/values.ts'

const names = new Map<string, Signature | Kind>([
  ['name', { parameters: [], result: 'string' }],
  ['group', { parameters: ['any'], result: 'string' }],
  ['n', 'int'],
  ['s', 'string'],
  ['any_', 'any'],
])
const scope: Scope = {
  variable: (name) => ({ n: 3, s: 'text', any_: 7 })[name] ?? null,
  call: (name, args) => (name === 'name' ? 'www.example.org.' : `g${args[0]}`),
}
const run = (source: string): Value => compileExpression(source, names).run(scope)
const plain = (value: Value): unknown =>
  value instanceof Map ? Object.fromEntries([...value].map(([k, v]) => [k, plain(v)])) : value

const results: readonly [string, unknown][] = [
  ['1 + 2 * 3', 7],
  ['(1 + 2) * 3', 9],
  ['7 / 2', 3.5],
  ['7 % 4', 3],
  ['-7 % 4', -3],
  ['2 ** 3 ** 2', 512],
  ['2 ^ 3', 8],
  ['-2 ** 2', -4],
  ['0x2A + 0o52 + 0b101010', 126],
  ['1_000 + .5', 1000.5],
  ['"a" + \'b\' + `c`', 'abc'],
  ['"\\x41\\u00e9\\n"', 'Aé\n'],
  ['1 == 1.0', true],
  ['"a" != "b" and not false', true],
  ['true && false || true', true],
  ['1 < 2 && 2 <= 2 && 3 > 2 && 3 >= 4', false],
  ['"b" > "a"', true],
  ['2 in [1, 2]', true],
  ['"x" not in ["y"]', true],
  ['"k" in {"k": 1}', true],
  ['name() contains "example"', true],
  ['name() startsWith "www." and name() endsWith "org."', true],
  ["name() matches '^www[.]'", true],
  ["not (name() matches 'zzz')", true],
  ['name() matches s', false],
  ['n > 2 ? "yes" : "no"', 'yes'],
  ['if n > 5 { "big" } else if n > 2 { "middle" } else { "small" }', 'middle'],
  ['nil ?? "x"', 'x'],
  ['let x = n * 2; x + 1', 7],
  ['[1, 2, 3][1:]', [2, 3]],
  ['[1, 2, 3][-1]', 3],
  ['"abcdef"[1:3]', 'bc'],
  ['{"a": {"b": 5}}.a.b', 5],
  ['{a: 1}["a"]', 1],
  ['{a: nil}.a?.b', null],
  ['1..4', [1, 2, 3, 4]],
  ['"a b" | split(" ") | len()', 2],
  ['any([1, 2], # > 1)', true],
  ['all([1, 2], {# > 1})', false],
  ['none([1], # > 1) and one([1, 2], # == 2)', true],
  ['filter(1..6, # % 2 == 0)', [2, 4, 6]],
  ['map(["a", "b"], # + "x")', ['ax', 'bx']],
  ['map([{"a": 1}], .a)', [1]],
  ['map([5, 6], #index)', [0, 1]],
  ['find(1..9, # > 4)', 5],
  ['[findIndex([1, 2], # == 2), findLastIndex([1, 1], # == 1), findLast([1, 2], true)]', [1, 1, 2]],
  ['count([true, false, true]) + count([1, 2], # > 1)', 3],
  ['sum([1, 2.5]) + sum([1, 2], # * 2)', 9.5],
  ['reduce(1..4, #acc + #)', 10],
  ['reduce([1, 2], #acc + #, 10)', 13],
  ['map([[1, 2], [3]], any(#, # > 2))', [false, true]],
  ['groupBy(["aa", "b", "cc"], len(#))', { 1: ['b'], 2: ['aa', 'cc'] }],
  ['sortBy([3, 1, 2], #, "desc")', [3, 2, 1]],
  ['sort(["b", "a"])', ['a', 'b']],
  ['replace("1-2-3", "-", ".")', '1.2.3'],
  ['replace("1-2-3", "-", ".", 1)', '1.2-3'],
  [
    '[upper("a"), lower("B"), trim(" x "), trim("__x_", "_"), trimPrefix("ab", "a"), trimSuffix("ab", "b")]',
    ['A', 'b', 'x', 'x', 'b', 'a'],
  ],
  [
    '[split("a,b,c", ","), split("a,b,c", ",", 2), splitAfter("a,b", ",")]',
    [
      ['a', 'b', 'c'],
      ['a', 'b,c'],
      ['a,', 'b'],
    ],
  ],
  ['join(["a", "b"], "-") + repeat("x", 2)', 'a-bxx'],
  ['[indexOf("abcb", "b"), lastIndexOf("abcb", "b"), hasPrefix("ab", "a"), hasSuffix("ab", "a")]', [1, 3, true, false]],
  ['[int("12"), int(3.9), float("1.5"), string(12), string(true)]', [12, 3, 1.5, '12', 'true']],
  [
    '[abs(-2), ceil(1.2), floor(1.8), round(-2.5), max(1, 5, 3), min([4, 2]), mean(1, 2), median([3, 1, 2])]',
    [2, 2, 1, -3, 5, 2, 1.5, 2],
  ],
  [
    '[first([1, 2]), last([1, 2]), first([]), take([1, 2, 3], 2), reverse([1, 2]), uniq([1, 1, 2])]',
    [1, 2, null, [1, 2], [2, 1], [1, 2]],
  ],
  [
    '[concat([1], [2]), flatten([1, [2, [3]]]), keys({b: 1, a: 2}), values({b: 1, a: 2})]',
    [
      [1, 2],
      [1, 2, 3],
      ['a', 'b'],
      [2, 1],
    ],
  ],
  ['toPairs(fromPairs([["a", 1]]))', [['a', 1]]],
  ['get({a: 1}, "a") + get([5], 0)', 6],
  ['toBase64("hi") + fromBase64("aGk=")', 'aGk=hi'],
  ['fromJSON("[1]")[0]', 1],
  [
    '[bitand(6, 3), bitor(6, 3), bitxor(6, 3), bitnand(6, 3), bitnot(0), bitshl(1, 4), bitshr(16, 2), bitushr(-1, 60)]',
    [2, 7, 5, 4, -1, 16, 4, 15],
  ],
  ['len("abc") + len([1]) + len({a: 1})', 5],
  ['group(1) + group("x")', 'g1gx'],
  ['any_ + 1', 8],
  ['1 /* comment */ + 2 // rest', 3],
  ['{"__proto__": 1}.__proto__', 1],
]
for (const [source, want] of results) {
  test(`is: ${source}`, () => assert.deepEqual(plain(run(source)), want))
}

const compileErrors: readonly [string, RegExp][] = [
  ['', /unexpected end/],
  ['1 +', /unexpected end/],
  ['name() ==', /unexpected end/],
  ['invalid expression', /unexpected name "expression"/],
  ['undefined', /unknown name undefined/],
  ['nope()', /unknown name nope/],
  ['name', /name is a function/],
  ["n + 'x'", /mismatched types int and string/],
  ["'x' + n", /mismatched types string and int/],
  ["n == 'x'", /mismatched types int and string/],
  ['n and true', /mismatched types int and bool/],
  ['not n', /mismatched type int/],
  ['-s', /mismatched type string/],
  ["s matches '('", /missing closing \)/],
  ['s in s', /mismatched types/],
  ['n ? 1 : 2', /expected bool/],
  ['#', /outside predicate/],
  ['len()', /not enough arguments to call len/],
  ['len("a", "b")', /too many arguments to call len/],
  ['upper(1)', /cannot use int as argument/],
  ['filter([1], 1)', /predicate should return boolean/],
  ['all([1])', /not enough arguments to call all/],
  ['now()', /depends on the clock/],
  ['"abc', /not terminated/],
  ['"\\q"', /invalid char escape/],
  ['1 @ 2', /unrecognized character/],
  ['let n = 1; n', /cannot redeclare n/],
  ['s.upper()', /not a method/],
  ['n.x', /type int has no members/],
  ['('.repeat(500), /nested too deeply/],
]
for (const [source, want] of compileErrors) {
  test(`doesn't compile: ${source.slice(0, 40)}`, () => {
    assert.throws(
      () => compileExpression(source, names),
      (error) => error instanceof ExpressionError && want.test(error.message),
    )
  })
}

const runErrors: readonly [string, RegExp][] = [
  ['int("x")', /invalid operation: int\(x\)/],
  ['[1][5]', /index out of range: 5/],
  ['1 % 0', /integer divide by zero/],
  ['any_.x', /cannot fetch x from int/],
  ['any_ and true', /expected bool|mismatched/],
  ['1..10000000', /memory budget exceeded/],
  ['repeat("x", 1000000)', /memory budget exceeded/],
  ['map(1..1000, map(1..1000, #))', /memory budget exceeded/],
  ['sort([1, "a"])', /cannot compare/],
  ['fromJSON("[")', /invalid JSON/],
  // Values that hold themselves twice, again and again: small in memory, endless to go through.
  ['reduce(1..40, #acc + #acc, "aaaa")', /memory budget exceeded/],
  ['string(reduce(1..40, [#acc, #acc], 1))', /memory budget exceeded/],
  ['toJSON(reduce(1..40, [#acc, #acc], 1))', /memory budget exceeded/],
  ['flatten(reduce(1..40, [#acc, #acc], [1]))', /memory budget exceeded/],
  ['max(reduce(1..40, [#acc, #acc], [1]))', /memory budget exceeded/],
  ['reduce(1..40, [#acc, #acc], 1) == reduce(1..40, [#acc, #acc], 1)', /memory budget exceeded/],
  ['string(reduce(1..90000, [#acc], 1))', /memory budget exceeded/],
  ['flatten(reduce(1..90000, [#acc], [1]))', /memory budget exceeded/],
  ['join(map(1..300, repeat("a", 9999)), "")', /memory budget exceeded/],
  ['reduce(1..90, toBase64(#acc), "a")', /memory budget exceeded/],
  ['replace(repeat("a", 99999), "a", repeat("b", 99999))', /memory budget exceeded/],
  ['get(fromJSON("{}"), "x") + 1', /expected a number/],
]
for (const [source, want] of runErrors) {
  test(`fails: ${source}`, () => assert.throws(() => run(source), want))
}

test('uses: the names of the environment that the result depends on', () => {
  assert.deepEqual([...compileExpression('name() + s + upper("x")', names).uses], ['name', 's'])
})
