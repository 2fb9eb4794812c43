import assert from 'node:assert/strict'
import test from 'node:test'
import { GoTemplate } from '../../../src/plugins/template/go-template/execute.ts'
import { GoFloat, GoMap, type GoStruct, type GoValue } from '../../../src/plugins/template/go-template/values.ts'

const fields: Record<string, GoValue> = {
  Name: 'test.example.',
  Match: ['test.example.', 'x'],
  Group: new GoMap(
    new Map([
      ['a', '10'],
      ['0', 'q'],
    ]),
    '',
  ),
  Var: new GoMap(
    new Map<string, GoValue>([
      ['ip', '192.0.2.1'],
      ['n', 3],
      ['f', new GoFloat(2.5)],
      ['list', ['b', 'a']],
      ['yes', true],
      ['__proto__', 'kept'],
    ]),
    undefined,
  ),
  Empty: '',
}
const data: GoStruct = {
  structName: '*template.templateData',
  field: (name) => (Object.hasOwn(fields, name) ? fields[name] : undefined),
  method: (name) => (name === 'Meta' ? (label) => (label === 'a/b' ? 'meta' : '') : undefined),
}
const run = (text: string): string => new GoTemplate('answer', text).execute(data)

// What Go's text/template prints for the same text and data.
const prints: readonly [string, string][] = [
  ['plain', 'plain'],
  ['{{ .Name }} 60 IN A 10.{{.Group.a}}', 'test.example. 60 IN A 10.10'],
  ['{{ .Group.none }}|{{ .Var.none }}|{{ index .Group "none" }}', '<no value>|<no value>|'],
  ['{{ index .Match 1 }}{{ index .Group "a" }}{{ index .Var.list 0 }}', 'x10b'],
  ['{{ index .Name 0 }}', '116'],
  ['{{ .Meta "a/b" }}{{ .Meta "c" }}', 'meta'],
  ['{{ "a/b" | .Meta }}', 'meta'],
  [
    '{{ parseInt "ff" 16 8 }} {{ parseInt "18446744073709551615" 10 64 }} {{ parseInt "0x1f" 0 64 }}',
    '255 18446744073709551615 31',
  ],
  ['{{ if .Empty }}a{{ else if eq .Var.n 4 }}b{{ else }}c{{ end }}', 'c'],
  ['{{ if and .Name (or .Empty "z") }}yes{{ end }}', 'yes'],
  ['{{ if not .Empty }}yes{{ end }}', 'yes'],
  ['{{ with .Var.ip }}{{ . }}{{ else }}none{{ end }}', '192.0.2.1'],
  ['{{ with .Empty }}{{ . }}{{ else with .Name }}{{ . }}{{ end }}', 'test.example.'],
  ['{{ with $x := .Var.n }}{{ $x }}{{ $.Name }}{{ end }}', '3test.example.'],
  ['{{ range $i, $e := .Var.list }}{{ $i }}{{ $e }}{{ end }}', '0b1a'],
  ['{{ range .Var.list }}{{ . }}{{ else }}none{{ end }}', 'ba'],
  ['{{ range $k, $v := .Group }}{{ $k }}={{ $v }},{{ end }}', '0=q,a=10,'],
  ['{{ range 4 }}{{ if eq . 1 }}{{ continue }}{{ end }}{{ if eq . 3 }}{{ break }}{{ end }}{{ . }}{{ end }}', '02'],
  ['{{ $x := 1 }}{{ if true }}{{ $x = 2 }}{{ end }}{{ $x }}', '2'],
  ['{{ $x := 1 }}{{ if true }}{{ $x := 2 }}{{ end }}{{ $x }}', '1'],
  ['a {{- " b " -}} c', 'a b c'],
  ['a{{/* comment */}}b {{- /* trimmed */ -}} c', 'abc'],
  ['{{ len .Match }}{{ len .Name }}{{ len .Var }}', '2136'],
  ['{{ slice .Name 0 4 }}{{ slice .Match 1 }}', 'test[x]'],
  ['{{ print 1 2 "a" "b" 3 }}', '1 2ab3'],
  ['{{ println "a" 1 }}', 'a 1\n'],
  [
    '{{ printf "%03d %-4s| %q %x %X %o %b %c %t %5.1f %v %% %T" 7 "ab" "q\\n" 255 "hi" 8 5 65 true 2.26 .Match 1 }}',
    '007 ab  | "q\\n" ff 6869 10 101 A true   2.3 [test.example. x] % int',
  ],
  [
    '{{ printf "%d" "x" }} {{ printf "%s %s" "x" }} {{ printf "%s" "x" "y" }}',
    '%!d(string=x) x %!s(MISSING) x%!(EXTRA string=y)',
  ],
  ['{{ printf "%*d" 5 42 }}{{ printf "%.2s" "abc" }}{{ printf "%+d" 3 }}{{ printf "%#x" 10 }}', '   42ab+30xa'],
  [
    '{{ eq 1 2 1 }} {{ ne "a" "b" }} {{ lt 1 2 }} {{ le "b" "a" }} {{ gt .Var.f 2.0 }} {{ ge 2 2 }}',
    'true true true false true true',
  ],
  [
    '{{ eq (parseInt "18" 10 64) 18 }}{{ lt (parseInt "18446744073709551614" 10 64) (parseInt "18446744073709551615" 10 64) }}',
    'truetrue',
  ],
  ['{{ html "<a&b>" }} {{ js "it\'s <" }} {{ urlquery "a b&c" }}', "&lt;a&amp;b&gt; it\\'s \\u003C a+b%26c"],
  [
    '{{ "a\\"b\\x41" }}{{ `raw\\n` }}{{ \'a\' }}{{ 0x1F }}{{ 1_000 }}{{ 1.5 }}{{ 1e3 }}{{ -3 }}',
    'a"bAraw\\n97311000' + '1.51000-3',
  ],
  ['{{ (printf "%s" .Name) | len }}{{ .Name | printf "%s-%s" "a" }}', '13a-test.example.'],
  ['{{ .Var.f }}{{ .Var.yes }}{{ .Var.list }}', '2.5true[b a]'],
  ['{{ .Var.__proto__ }}{{ .Group.constructor }}', 'kept<no value>'],
  ['{{ or .Empty (index .Match 0) }}{{ and "" (index .Match 9) }}', 'test.example.'],
]
for (const [text, want] of prints) test(`prints: ${text}`, () => assert.equal(run(text), want))

const parseErrors: readonly [string, RegExp][] = [
  ['{{', /^template: answer:1: unclosed action$/],
  ['{{ .Name', /unclosed action/],
  ['{{ notAFunction }}', /^template: answer:1: function "notAFunction" not defined$/],
  ['{{ $x }}', /undefined variable "\$x"/],
  ['{{ if true }}{{ $y := 1 }}{{ end }}{{ $y }}', /undefined variable "\$y"/],
  ['{{ $z = 1 }}', /undefined variable "\$z"/],
  ['{{ if }}x{{ end }}', /missing value for if/],
  ['{{ if true }}x', /unexpected EOF/],
  ['{{ end }}', /unexpected \{\{end\}\}/],
  ['{{ else }}', /unexpected \{\{else\}\}/],
  ['{{ break }}', /outside \{\{range\}\}/],
  ['{{ (1 }}', /unclosed left paren/],
  ['{{ 1) }}', /unexpected right paren/],
  ['{{ "abc }}', /unterminated quoted string/],
  ['{{ `abc }}', /unterminated raw quoted string/],
  ['{{ 1 | 2 }}', /non executable command in pipeline stage 2/],
  ['{{ }}', /missing value for command/],
  ['{{ 12x }}', /bad number syntax/],
  ['{{ "\\q" }}', /invalid syntax/],
  ['{{ define "x" }}{{ end }}', /define.*not supported/],
  ['{{/* open', /unclosed comment/],
  ['a\nb {{ nope }}', /^template: answer:2:/],
  [`{{ ${'('.repeat(300)}1${')'.repeat(300)} }}`, /nested too deeply/],
]
for (const [text, want] of parseErrors) {
  test(`doesn't parse: ${JSON.stringify(text.slice(0, 40))}`, () =>
    assert.throws(() => new GoTemplate('answer', text), { message: want }))
}

const runErrors: readonly [string, string | RegExp][] = [
  [
    '{{ .Name }} 60 IN TXT "{{ index .Match 2 }}"',
    'template: answer:1:26: executing "answer" at <index .Match 2>: error calling index: index out of range: 2',
  ],
  [
    '{{ .Name }} 60 IN TXT "{{ parseInt "gg" 16 8 }}"',
    'template: answer:1:26: executing "answer" at <parseInt "gg" 16 8>: error calling parseInt: strconv.ParseUint: parsing "gg": invalid syntax',
  ],
  ['{{ parseInt "256" 10 8 }}', /value out of range/],
  ['{{ parseInt }}', /wrong number of args for parseInt: want 3 got 0/],
  ['{{ .Grup.d }}', /can't evaluate field Grup in type \*template\.templateData/],
  ['{{ .Var.ip.x }}', /can't evaluate field x in type string/],
  ['{{ .Name "x" }}', /Name is not a method but has arguments/],
  ['{{ .Meta }}', /wrong number of args for Meta: want 1 got 0/],
  ['{{ eq 1 "a" }}', /incompatible types for comparison/],
  ['{{ lt true false }}', /invalid type for comparison/],
  ['{{ range .Name }}{{ end }}', /range can't iterate over test\.example\./],
  ['{{ range 20000 }}x{{ end }}', /more than 10000 turns/],
  ['{{ range 9000 }}{{ printf "%100s" "x" }}{{ end }}', /prints more than/],
  ['{{ $x := "ab" }}{{ range 90 }}{{ $x = print $x $x }}{{ end }}', /print makes more than 262144 characters/],
  ['{{ $x := "ab" }}{{ range 90 }}{{ $x = printf "%q" $x }}{{ end }}', /printf makes more than/],
  ['{{ nil }}', /nil is not a command/],
  ['{{ "a" 1 }}', /can't give argument to non-function "a"/],
]
for (const [text, want] of runErrors) {
  test(`fails: ${text}`, () => assert.throws(() => run(text), typeof want === 'string' ? { message: want } : want))
}
