/** The two small languages that a Corefile holds: Go's templates and expr-lang's expressions. */
import assert from 'node:assert/strict'
import { BUILTINS, PREDICATE_ARGUMENTS } from '../../../src/expression/builtins.ts'
import { compileExpression } from '../../../src/expression/compile-expression.ts'
import { ExpressionError } from '../../../src/expression/expression-error.ts'
import type { Kind, Scope, Signature } from '../../../src/expression/values.ts'
import { GoTemplate, OUTPUT_LENGTH_MAX } from '../../../src/plugins/template/go-template/execute.ts'
import { FUNCTIONS } from '../../../src/plugins/template/go-template/functions.ts'
import { TemplateError } from '../../../src/plugins/template/go-template/template-error.ts'
import { GoFloat, GoMap, type GoStruct, type GoValue } from '../../../src/plugins/template/go-template/values.ts'
import type { SeededRandom } from '../../support/seeded-random.ts'
import { type FuzzTarget, octets, textOf, unlessRefused } from '../target.ts'

const fields = new Map<string, GoValue>([
  ['Name', 'test.example.'],
  ['Match', ['test.example.', 'x']],
  ['Group', new GoMap(new Map([['a', '10']]), '')],
  [
    'Var',
    new GoMap(
      new Map<string, GoValue>([
        ['n', 3],
        ['f', new GoFloat(2.5)],
        ['list', ['b', 'a']],
        ['yes', true],
      ]),
      undefined,
    ),
  ],
  ['Empty', ''],
])
const data: GoStruct = {
  structName: '*template.templateData',
  field: (name) => fields.get(name),
  method: (name) => (name === 'Meta' ? (label) => `${label}` : undefined),
}

const TEMPLATE_FUNCTIONS = [...FUNCTIONS.keys(), 'and', 'or']
const TEMPLATE_WORDS = [
  '.',
  '.Name',
  '.Match',
  '.Var.n',
  '.Var.list',
  '.Group.a',
  '$',
  '$x',
  '1',
  '"%q%v"',
  '"<a>"',
  '2.5',
  'nil',
]

/** A template that mostly parses. */
function templateText(random: SeededRandom, depth: number): string {
  const operand = (): string => (depth > 0 && random.oneIn(4) ? `(${command()})` : random.pick(TEMPLATE_WORDS))
  const command = (): string =>
    `${random.pick(TEMPLATE_FUNCTIONS)} ${Array.from({ length: 1 + random.below(3) }, operand).join(' ')}`
  const pipe = (): string => (random.oneIn(3) ? operand() : random.oneIn(3) ? `${operand()} | ${command()}` : command())
  const body = (): string => (depth > 0 ? templateText(random, depth - 1) : 'x')
  const parts = Array.from({ length: 1 + random.below(4) }, () => {
    switch (random.below(7)) {
      case 0:
        return `{{ if ${pipe()} }}${body()}{{ else }}${body()}{{ end }}`
      case 1:
        return `{{ range ${random.pick(['40', '.Match', '.Var', '9999'])} }}${body()}{{ end }}`
      case 2:
        return `{{ with ${pipe()} }}${body()}{{ end }}`
      case 3:
        return `{{ $x = ${pipe()} }}`
      case 4:
        return random.pick(['text', ' ', '\n'])
      default:
        return `{{ ${pipe()} }}`
    }
  })
  return parts.join('')
}

export const goTemplate: FuzzTarget = {
  name: 'go-template',
  invariant: 'a template parses and executes, or throws TemplateError; what it prints is bounded',
  corpus: [
    '{{ .Name }} 60 IN A 10.{{ .Group.a }}.1.1',
    '{{ if and .Name (or .Empty "z") }}a{{ else if eq .Var.n 4 }}b{{ else }}c{{ end }}',
    '{{ range $i, $e := .Var.list }}{{ $i }}{{ $e }}{{ else }}none{{ end }}',
    '{{ with $x := .Var.n }}{{ $x }}{{ $.Name }}{{ end }}{{ range 4 }}{{ if eq . 1 }}{{ continue }}{{ end }}{{ break }}{{ end }}',
    '{{- /* c */ -}} {{ printf "%03d %-4s %q %x %v %T %5.1f" 7 "ab" "q\\n" 255 .Match 1 2.26 }}',
    '{{ index .Match 1 }}{{ slice .Name 0 4 }}{{ len .Var }}{{ "a/b" | .Meta }}{{ html "<" }}{{ js "\'" }}{{ urlquery "a b" }}',
    '{{ parseInt "18446744073709551615" 10 64 }}{{ $x := 1 }}{{ $x = 2 }}{{ 0x1F }}{{ 1e3 }}{{ \'a\' }}{{ `raw` }}',
  ].map(octets),
  words: [
    ...[
      '{{',
      '}}',
      '{{-',
      '-}}',
      '{{ end }}',
      '{{ else }}',
      '{{ range 9999 }}',
      '{{ range .Match }}',
      '{{ if 1 }}',
      '|',
    ],
    ...['(', ')', '$', ' := ', ' = ', ',', '.', '.Name', '"', '`', "'", '\\', '\\x', '\\u', '/*', '*/', '%999d', '%*d'],
    ...[
      'printf ',
      'index ',
      'slice ',
      'len ',
      'call ',
      'not ',
      'nil',
      'true',
      '1e999',
      '0x',
      '-1',
      '9'.repeat(30),
      '%!',
    ],
  ].map(octets),
  generate: (random) => octets(`{{ $x := "a" }}${templateText(random, 3)}`),
  // 10,000 turns of a range, each making a text: the limits that the executor sets itself.
  msMax: 3000,
  run(input) {
    const template = unlessRefused(() => new GoTemplate('answer', textOf(input)), TemplateError)
    if (template === undefined) return false
    const printed = unlessRefused(() => template.execute(data), TemplateError)
    if (printed !== undefined) assert.ok(printed.length <= OUTPUT_LENGTH_MAX)
    return true
  },
}

const names = new Map<string, Signature | Kind>([
  ['name', { parameters: [], result: 'string' }],
  ['group', { parameters: ['any'], result: 'string' }],
  ['n', 'int'],
  ['s', 'string'],
  ['any_', 'any'],
])
const scope: Scope = {
  variable: (name) => (name === 'n' ? 3 : name === 's' ? 'text' : 7),
  call: (name, args) => (name === 'name' ? 'www.example.org.' : `g${String(args[0])}`),
}

const EXPRESSION_FUNCTIONS = [...BUILTINS.keys()].filter((name) => !PREDICATE_ARGUMENTS.has(name))
const EXPRESSION_WORDS = [
  'n',
  's',
  'any_',
  'name()',
  'nil',
  'true',
  '0',
  '-1',
  '2.5',
  '"a"',
  '"1"',
  '[1, 2]',
  '{"a": 1}',
  '1..30',
]
const OPERATORS = [
  '+',
  '-',
  '*',
  '/',
  '%',
  '**',
  '==',
  '!=',
  '<',
  '>=',
  'and',
  'or',
  '??',
  'in',
  'contains',
  'matches',
  'startsWith',
]

/** An expression that mostly compiles: what is made of `any` is checked only when it runs. */
function expressionText(random: SeededRandom, depth: number, inside: boolean): string {
  const part = (within = inside): string => expressionText(random, depth - 1, within)
  const word = (): string =>
    inside && random.oneIn(2) ? random.pick(['#', '#acc', '#index']) : random.pick(EXPRESSION_WORDS)
  if (depth === 0) return word()
  switch (random.below(9)) {
    case 0:
      return `(${part()} ${random.pick(OPERATORS)} ${part()})`
    case 1:
      return `[${part()}, ${part()}]`
    case 2:
      return `reduce(${random.pick(['1..40', '1..2000', part()])}, ${part(true)}, ${part()})`
    case 3:
      return `${random.pick([...PREDICATE_ARGUMENTS.keys()].filter((name) => name !== 'reduce'))}(${random.pick(['1..40', part()])}, ${part(true)})`
    case 4:
      return `get([${part()}], 0)`
    case 5:
      return `(${part()} == ${part()} ? ${part()} : ${part()})`
    case 6:
      return `${part()}[${random.pick(['0', '-1', '1:', part()])}]`
    case 7:
      return word()
    default: {
      const name = random.pick(EXPRESSION_FUNCTIONS)
      const { parameters, optional = 0 } = BUILTINS.get(name)!
      // `get` gives any kind, so that the call compiles.
      const argument = (): string => (random.oneIn(3) ? part() : `get([${part()}], 0)`)
      return `${name}(${Array.from({ length: parameters.length - random.below(optional + 1) }, argument).join(', ')})`
    }
  }
}

export const expression: FuzzTarget = {
  name: 'expression',
  invariant: 'an expression compiles and runs, or throws ExpressionError; its work is bounded',
  corpus: [
    'name() startsWith "www." and not (name() endsWith "org." or n in [1, 2..5])',
    'let x = n * 2; x + 1 > 3 ? "yes" : any_ ?? "no"',
    '{"a": {b: 5}}.a.b + [1, 2, 3][1:][0] + -2 ** 2 % 3',
    'filter(1..6, # % 2 == 0) | map(# * 2) | sum()',
    'reduce(1..4, #acc + #, 10) + count([true, false]) + findIndex([1, 2], # == 2)',
    's matches \'^[a-z]+$\' && upper(s) contains "TE" || len(split("a,b", ",")) == 2',
    'groupBy(["aa", "b"], len(#))["1"] ; sortBy([3, 1], #, "desc")'.split(';')[0]!,
    'if n > 5 { "big" } else if n > 2 { "middle" } else { "small" }',
    'replace(repeat("ab", 3), "a", "c", 1) + string(round(1.5)) + toJSON([1, nil])'.replace(' + toJSON([1, nil])', ''),
  ].map(octets),
  words: [
    ...[
      '(',
      ')',
      '[',
      ']',
      '{',
      '}',
      '#',
      '#acc',
      '#index',
      '.',
      '..',
      '?.',
      '??',
      '?',
      ':',
      '|',
      ' and ',
      ' or ',
      'not ',
    ],
    ...[
      ' in ',
      ' matches ',
      '"(a+)+$"',
      '**',
      '1..100000',
      '1..1e9',
      '9'.repeat(25),
      '0x',
      '1e999',
      'nil',
      '"',
      "'",
      '`',
    ],
    ...[
      '\\u',
      'let a = ',
      ';',
      'map(',
      'filter(',
      'repeat("a", 99999)',
      'all(',
      'name()',
      'concat(',
      '[:]',
      '-',
      '!',
      '_',
    ],
  ].map(octets),
  generate: (random) => octets(expressionText(random, 1 + random.below(5), false)),
  // 100,000 elements, and some work for each: the limits that an expression's run sets itself.
  msMax: 3000,
  run(input) {
    const compiled = unlessRefused(() => compileExpression(textOf(input), names), ExpressionError)
    if (compiled === undefined) return false
    unlessRefused(() => compiled.run(scope), ExpressionError)
    return true
  },
}
