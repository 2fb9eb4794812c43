import assert from 'node:assert/strict'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { CorefileError } from '../../src/corefile/corefile-error.ts'
import type { Property } from '../../src/corefile/directive.ts'
import { NESTING_MAX, SNIPPET_IMPORTS_MAX } from '../../src/corefile/parse-corefile.ts'
import { TOKENS_MAX } from '../../src/corefile/token-reader.ts'
import { cpuMs } from '../support/cpu-time.ts'
import { parseCorefile } from '../support/parse-corefile.ts'
import { printedSeed, seededRandom } from '../support/seeded-random.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const KNOWN = ['whoami', 'log', 'errors', 'cache', 'forward', 'hosts', 'template', 'debug']
const folder = temporaryFolder()

function parse(text: string, environment: Record<string, string> = {}) {
  return parseCorefile(text, {
    file: 'Corefile',
    workingFolder: folder,
    environment,
    judge: (name, at) => (KNOWN.includes(name) ? undefined : new CorefileError(at, `Unknown directive '${name}'`)),
  })
}

/** A block in one line: keys, then its directives. */
function shape(text: string, environment?: Record<string, string>): string[] {
  return parse(text, environment).blocks.map(({ keys, directives }) =>
    [keys.map((key) => key.text).join(' '), ...directives.map(printLine)].join(' | '),
  )
}

function printLine({ name, args, block }: Property): string {
  const words = [name, ...args.map((arg) => (/[\s]|^$/.test(arg.text) ? JSON.stringify(arg.text) : arg.text))]
  if (block !== undefined) words.push(`{${block.map(printLine).join('; ')}}`)
  return words.join(' ')
}

const errorsOf = (text: string) =>
  parse(text).errors.map((error) => `${error.at.line}:${error.at.column} ${error.problem}`)
const warningsOf = (text: string) => parse(text).warnings.map(({ at, problem }) => `${at.line}:${at.column} ${problem}`)

const accepted: { title: string; text: string; want: string[]; environment?: Record<string, string> }[] = [
  { title: 'an empty file has no blocks', text: '', want: [] },
  { title: 'one block', text: '. {\nwhoami\n}\n', want: ['. | whoami'] },
  {
    title: 'a single block may leave out its braces',
    text: 'example.org\nwhoami\nlog a',
    want: ['example.org | whoami | log a'],
  },
  { title: 'a key alone is a block without directives', text: 'example.org', want: ['example.org'] },
  { title: 'several keys on a line', text: 'a.org b.org {\nlog\n}', want: ['a.org b.org | log'] },
  {
    title: 'a trailing comma says another key follows, perhaps on the next line',
    text: 'a.org,\nb.org, c.org {\nlog\n}',
    want: ['a.org b.org c.org | log'],
  },
  {
    title: 'a comma glued between names is part of one key',
    text: 'a.org,b.org:1053 {\n}',
    want: ['a.org,b.org:1053'],
  },
  { title: 'an empty key is none', text: '"" a.org {\n}', want: ['a.org'] },
  { title: 'the { of a block may stand on the next line', text: 'a.org\n{\nlog\n}', want: ['a.org | log'] },
  { title: 'a directive may stand behind the { of its block', text: '. { whoami\nlog\n}', want: ['. | whoami | log'] },
  {
    title: 'the next block may start behind a }',
    text: '. {\nlog\n} a.org {\nwhoami\n}',
    want: ['. | log', 'a.org | whoami'],
  },
  {
    title: 'a directive with a block',
    text: '. {\ncache 30 {\nsuccess 10 20\ndenial 5\n}\n}',
    want: ['. | cache 30 {success 10 20; denial 5}'],
  },
  { title: 'an empty block', text: '. {\ncache {\n}\nlog\n}', want: ['. | cache {} | log'] },
  { title: '{} is an ordinary word', text: '. {\nlog {}\n}', want: ['. | log {}'] },
  { title: 'a block on one line', text: '. {\ncache { keepttl }\nlog\n}', want: ['. | cache {keepttl} | log'] },
  {
    title: 'a block on one line, with an argument',
    text: '. {\nforward . 1.1.1.1 { max_fails 3 }\n}',
    want: ['. | forward . 1.1.1.1 {max_fails 3}'],
  },
  { title: 'a block inside a block', text: '. {\nlog {\na 1 {\nb 2\n}\nc\n}\n}', want: ['. | log {a 1 {b 2}; c}'] },
  { title: 'repeated directives stay apart', text: '. {\nlog a\nlog b\n}', want: ['. | log a | log b'] },
  { title: 'quoted braces are words', text: '. {\nlog "{" "}"\n}', want: ['. | log { }'] },
  { title: 'a quoted import is a word', text: '. {\nlog {\n"import" x\n}\n}', want: ['. | log {import x}'] },
  { title: 'import behind a word of its line is a word', text: '. {\nlog import x\n}', want: ['. | log import x'] },
  { title: 'a quoted word with line ends keeps its line', text: '. {\nlog "a\nb" c\n}', want: ['. | log "a\\nb" c'] },
  {
    title: 'environment variables in keys, names and arguments',
    text: '{$ZONE}:{%PORT%} {\n{$WHO} "{$SPACED}" {$NOTHING}\n}',
    environment: { ZONE: 'a.org', PORT: '53', WHO: 'log', SPACED: 'x y' },
    want: ['a.org:53 | log "x y" ""'],
  },
  {
    title: 'a value is one word, whatever is in it',
    text: '. {\nlog {$V}\n}',
    environment: { V: '{' },
    want: ['. | log {'],
  },
  {
    title: 'a snippet',
    text: '(s) {\nlog a\nerrors\n}\n. {\nimport s\nwhoami\n}',
    want: ['. | log a | errors | whoami'],
  },
  {
    title: "a snippet inside a directive's block",
    text: '(s) {\nsuccess 1\n}\n. {\ncache {\nkeepttl\nimport s\ndenial 2\n}\n}',
    want: ['. | cache {keepttl; success 1; denial 2}'],
  },
  { title: 'a snippet twice in a row', text: '(s) {\nlog\n}\n. {\nimport s\nimport s\n}', want: ['. | log | log'] },
  {
    title: 'a snippet that starts behind its brace',
    text: '(s) { log\n}\n. {\nwhoami\nimport s\n}',
    want: ['. | whoami | log'],
  },
  { title: 'a snippet of whole blocks', text: '(s) {\na.org {\nlog\n}\n}\nimport s\n', want: ['a.org | log'] },
  { title: 'a snippet of keys', text: '(s) {\na.org b.org\n}\nimport s\n{\nlog\n}', want: ['a.org b.org | log'] },
  {
    title: 'a snippet in a snippet',
    text: '(a) {\nlog\n}\n(b) {\nimport a\nerrors\n}\n. {\nimport b\n}',
    want: ['. | log | errors'],
  },
  {
    title: "a snippet's words meet the environment where they are used",
    text: '(s) {\nlog {$X}\n}\n. {\nimport {$S}\n}',
    environment: { X: 'x', S: 's' },
    want: ['. | log x'],
  },
]
for (const { title, text, want, environment } of accepted) {
  test(title, () => {
    assert.deepEqual(parse(text, environment).errors, [])
    assert.deepEqual(shape(text, environment), want)
  })
}

const refused: { title: string; text: string; want: string[]; blocks?: string[] }[] = [
  {
    title: 'an unknown directive; the others are still told',
    text: '. {\nlgo\nwhoami\nbogus {\na\n}\nlog\n}',
    want: ["2:1 Unknown directive 'lgo'", "4:1 Unknown directive 'bogus'"],
    blocks: ['. | whoami | log'],
  },
  {
    title: 'a surplus comma',
    text: 'a.org, {\nlog\n}',
    want: ["1:8 Expected another address but had '{' - check for extra comma"],
    blocks: ['a.org | log'],
  },
  {
    title: 'a comma at the end of the file',
    text: 'a.org,',
    want: ['1:1 Unexpected EOF: another key has to follow the comma'],
  },
  {
    title: 'a } on the line of a directive',
    text: '. { whoami }\n',
    want: ["1:12 Unexpected '}' because no matching opening brace: the '}' of a server block needs a line of its own"],
    blocks: ['. | whoami'],
  },
  {
    title: 'no } at the end of a block',
    text: '. {\nwhoami\n',
    want: ["2:1 Syntax error: Unexpected token 'whoami', expecting '}'"],
  },
  {
    title: "no } at the end of a directive's block",
    text: '. {\ncache {\nkeepttl\n',
    want: [
      "2:7 Unexpected EOF: no '}' for the '{' of this line",
      "3:1 Syntax error: Unexpected token 'keepttl', expecting '}'",
    ],
  },
  {
    title: 'the { of a directive on the next line',
    text: '. {\ncache 5\n{\nkeepttl\n}\nlog\n}',
    want: ["3:1 the '{' of 'cache' has to stand on its line"],
    blocks: ['. | cache 5 {keepttl} | log'],
  },
  {
    title: 'a { where a directive should be',
    text: '. {\n{\nlog\n}\nwhoami\n}',
    want: ["2:1 Unknown directive '{'"],
    blocks: ['. | whoami'],
  },
  {
    title: 'a { where a property should be',
    text: '. {\ncache {\n{\nx\n}\nkeepttl\n}\n}',
    want: ["3:1 Unexpected token '{', expecting argument"],
    blocks: ['. | cache {keepttl}'],
  },
  {
    title: 'words behind the } of a directive',
    text: '. {\ncache {\n} foo bar\nlog\n}',
    want: ["3:3 Unexpected token 'foo' behind '}': start a new line"],
    blocks: ['. | cache {} | log'],
  },
  {
    title: 'words behind the } of a property',
    text: '. {\ncache {\na {\n} foo\nb\n}\n}',
    want: ["4:3 Unexpected token 'foo' behind '}': start a new line"],
    blocks: ['. | cache {a {}; b}'],
  },
  {
    title: 'a surplus } between blocks',
    text: '. {\nlog\n}\n}\na.org {\nlog\n}',
    want: ["4:1 a surplus '}': no block is open here"],
    blocks: ['. | log', 'a.org | log'],
  },
  {
    title: 'a } among keys',
    text: 'a.org } b.org {\nlog\n}',
    want: ["1:7 Unexpected '}' among the keys of a server block"],
  },
  {
    title: 'a second block in a file without braces',
    text: 'a.org\nlog\nb.org\nlog',
    want: ["3:1 Unknown directive 'b.org'"],
  },
  {
    title: 'import without a target',
    text: 'import\n. {\nimport\nlog\n}',
    want: [
      "1:1 Wrong argument count or unexpected line ending after 'import'",
      "3:1 Wrong argument count or unexpected line ending after 'import'",
    ],
    blocks: ['. | log'],
  },
  {
    title: 'import with two targets',
    text: '. {\nimport a b\nlog\n}',
    want: ['2:10 Import takes only one argument (glob pattern or file)'],
    blocks: ['. | log'],
  },
  { title: 'import of nothing', text: 'import ""\n', want: ['1:8 Import requires a non-empty filepath'] },
  {
    title: 'import of a file that is not there',
    text: '. {\nimport nowhere\nlog\n}',
    want: ['2:8 File to import not found: nowhere'],
    blocks: ['. | log'],
  },
  {
    title: 'import of a snippet that is defined later',
    text: '. {\nimport s\n}\n(s) {\nlog\n}',
    want: ['2:8 File to import not found: s'],
  },
  {
    title: 'two wildcards',
    text: 'import */*.conf\n',
    want: [`1:8 Glob pattern may only contain one wildcard (*), but has others: ${folder}/*/*.conf`],
  },
  {
    title: 'a character class',
    text: 'import [ab].conf\n',
    want: [`1:8 Glob pattern may only contain one wildcard (*), but has others: ${folder}/[ab].conf`],
  },
  {
    title: 'an open character class',
    text: 'import [ab.conf\n',
    want: ['1:8 Failed to use import pattern [ab.conf: syntax error in pattern'],
  },
  { title: 'import of a folder', text: 'import .\n', want: [`1:8 Could not import ${folder}: is a directory`] },
  {
    title: 'a snippet twice',
    text: '(s) {\nlog\n}\n(s) {\nlog\n}\n',
    want: ['4:1 redeclaration of previously declared snippet s'],
  },
  {
    title: 'a snippet without a {',
    text: '(s)\nlog\n',
    want: ["2:1 Syntax error: Unexpected token 'log', expecting '{'"],
  },
  { title: "a snippet's key alone", text: '(s)', want: ["1:1 Syntax error: Unexpected token '(s)', expecting '{'"] },
  {
    title: 'a snippet without a }',
    text: '(s) {\nlog\n',
    want: ["1:1 Syntax error: Unexpected token 'log', expecting '}'"],
  },
  {
    title: 'a snippet that imports itself',
    text: '(s) {\nlog\nimport s\n}\n. {\nimport s\n}',
    want: [
      `3:1 the snippet s imports itself: maximum snippet import depth (${SNIPPET_IMPORTS_MAX}) exceeded`,
      '6:8 File to import not found: s',
    ],
  },
]
for (const { title, text, want, blocks } of refused) {
  test(`error: ${title}`, () => {
    assert.deepEqual(errorsOf(text), want)
    if (blocks !== undefined) assert.deepEqual(shape(text), blocks)
  })
}

const warned: { title: string; text: string; want: string[]; blocks: string[] }[] = [
  {
    title: 'a surplus } at the end of the file',
    text: '. {\nlog\n}\n}',
    want: ["4:1 a surplus '}': no block is open here"],
    blocks: ['. | log'],
  },
  {
    title: 'a surplus } behind a block without braces',
    text: '.\nlog\n}',
    want: ["3:1 a surplus '}': no block is open here"],
    blocks: ['. | log'],
  },
  {
    title: 'a block that ends with the } of its last directive',
    text: 'a.org {\ncache {\n}\n',
    want: ["3:1 the server block a.org has no '}' at its end"],
    blocks: ['a.org | cache {}'],
  },
  {
    title: 'a block without a key',
    text: '{\nlog\n}\na.org {\nlog\n}',
    want: ['1:1 a server block without a key is not served'],
    blocks: ['a.org | log'],
  },
  {
    title: 'a } behind the words of a property',
    text: '. {\ncache { success 10 }\n}',
    want: ["2:20 the '}' behind 'success' should stand on a line of its own: CoreDNS takes it for a word of 'success'"],
    blocks: ['. | cache {success 10}'],
  },
  {
    title: 'a pattern without files',
    text: 'import conf.d/*.nothing\n. {\nlog\n}',
    want: ['1:8 No files matching import glob pattern: conf.d/*.nothing'],
    blocks: ['. | log'],
  },
]
for (const { title, text, want, blocks } of warned) {
  test(`warning: ${title}`, () => {
    assert.deepEqual(errorsOf(text), [])
    assert.deepEqual(warningsOf(text), want)
    assert.deepEqual(shape(text), blocks)
  })
}

test('import of files: relative to the importing file, patterns sorted, positions in the file', () => {
  mkdirSync(join(folder, 'conf.d/deep'), { recursive: true })
  writeFileSync(join(folder, 'conf.d/b.conf'), 'b.org {\nlog\n}\n')
  writeFileSync(join(folder, 'conf.d/a.conf'), 'a.org {\nimport deep/one\nbogus\n}\n')
  writeFileSync(join(folder, 'conf.d/deep/one'), 'errors\nlog x # y')
  writeFileSync(join(folder, 'conf.d/c.txt'), 'c.org {\n}\n')
  symlinkSync(join(folder, 'conf.d/c.txt'), join(folder, 'conf.d/linked'))
  const parsed = parse('import conf.d/*.conf\nimport conf.d/linke?\n. {\nimport conf.d/deep/one\n}\n')
  assert.deepEqual(shape('import conf.d/*.conf\nimport conf.d/linke?\n. {\nimport conf.d/deep/one\n}\n'), [
    'a.org | errors | log x',
    'b.org | log',
    'c.org',
    '. | errors | log x',
  ])
  assert.deepEqual(
    parsed.errors.map((error) => error.message),
    [`${folder}/conf.d/a.conf:3 - Error during parsing: Unknown directive 'bogus'`],
  )
  assert.deepEqual(
    parsed.imported.map((path) => path.slice(folder.length + 1)),
    ['conf.d/a.conf', 'conf.d/b.conf', 'conf.d/deep/one', 'conf.d/linked'],
  )
})

test('a snippet defined in an imported file is known behind the import; its imports are relative to that file', () => {
  mkdirSync(join(folder, 'snippets'), { recursive: true })
  writeFileSync(join(folder, 'snippets/all'), '(common) {\nimport part\nlog\n}\n')
  writeFileSync(join(folder, 'snippets/part'), 'errors\n')
  assert.deepEqual(shape('import snippets/all\n. {\nimport common\n}'), ['. | errors | log'])
})

test('files that import each other, and themselves, end at the limit, quickly', () => {
  writeFileSync(join(folder, 'ping'), 'import pong\n')
  writeFileSync(join(folder, 'pong'), 'import ping\n')
  const { errors } = parse('import ping\n. {\nlog\n}')
  assert.deepEqual(
    errors.map((error) => error.problem),
    ['maximum file import depth (100000) exceeded'],
  )
})

test('snippets that import each other end at the limit', () => {
  writeFileSync(join(folder, 'more'), 'import b\n')
  const { errors } = parse('(a) {\nimport more\n}\n(b) {\nimport a\n}\n. {\nimport a\n}')
  assert.equal(errors.length, 1)
  assert.match(errors[0]!.problem, /^maximum snippet import depth \(10000\) exceeded$/)
})

test('snippets that multiply end at a number of words', () => {
  const body = 'log a b c d e f g h i j k l m n o p q r s t u v w x y z\n'.repeat(40)
  const { errors } = parse(`(a) {\n${body}}\n(b) {\n${'import a\n'.repeat(90)}}\n. {\n${'import b\n'.repeat(90)}}`)
  assert.deepEqual(
    errors.map((error) => error.problem),
    [`imports bring in more than ${TOKENS_MAX} words`],
  )
})

test('blocks inside blocks are limited, however many there are', () => {
  const deep = NESTING_MAX + 1
  const { errors } = parse(`. {\nlog ${'{\na '.repeat(deep)}{\n${'}\n'.repeat(deep + 1)}}\n`)
  assert.deepEqual(
    errors.map((error) => error.problem),
    [`more than ${NESTING_MAX} blocks inside each other`],
  )
  assert.ok(parse(`. {\nlog ${'{\na '.repeat(100_000)}`).errors.length > 0)
})

test('what is no regular file is not read', () => {
  const { errors } = parse('import /dev/zero\n')
  assert.deepEqual(
    errors.map((error) => error.problem),
    ['Could not import /dev/zero: is not a regular file'],
  )
})

test('messages read as those of CoreDNS', () => {
  assert.equal(parse('. {\nx\n}').errors[0]!.message, "Corefile:2 - Error during parsing: Unknown directive 'x'")
  assert.match(
    parse('. {\nlog\n').errors[0]!.message,
    /^Corefile:2 - Syntax error: Unexpected token 'log', expecting '}'/,
  )
})

test('any text gives blocks and CorefileErrors, and nothing else', () => {
  const seed = printedSeed()
  const random = seededRandom(seed)
  const empty = join(folder, 'empty')
  mkdirSync(empty)
  const words = [
    '.',
    'a.org',
    ',',
    '{',
    '}',
    '{}',
    '(s)',
    'import',
    's',
    '*',
    'log',
    'cache',
    '"x y"',
    '"',
    '#',
    '{$X}',
    '\n',
    '\n',
    '\n',
    ' ',
    '\r\n',
  ]
  for (let round = 0; round < 4000; round++) {
    const text = Array.from({ length: random.below(60) }, () => random.pick(words)).join(random.oneIn(3) ? '' : ' ')
    const parsed = parseCorefile(text, { file: 'Corefile', workingFolder: empty, environment: { X: 'log' } })
    for (const error of parsed.errors) {
      assert.ok(
        error instanceof CorefileError && error.at.line >= 1 && error.at.column >= 1,
        `SEED=${seed} ${JSON.stringify(text)}`,
      )
    }
    for (const block of parsed.blocks) assert.ok(block.keys.length > 0, `SEED=${seed} ${JSON.stringify(text)}`)
  }
})

test('time grows with the length of the text, not faster', () => {
  for (const shape of [
    '. {\nlog\n}\n',
    'import x\n',
    '{ ',
    '} ',
    '(s) {\n',
    'a, ',
    '{$X',
    'log {\na b\n}\n',
    '. {\nx\n',
  ]) {
    const started = cpuMs()
    parse(shape.repeat(200_000 / shape.length))
    const ms = cpuMs() - started
    assert.ok(ms < 3000, `${JSON.stringify(shape)} took ${ms} ms`)
  }
})
