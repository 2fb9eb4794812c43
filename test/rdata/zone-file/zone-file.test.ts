// biome-ignore-all lint/suspicious/noTemplateCurlyInString: $GENERATE's modifiers look like that
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { printRdata } from '../../../src/rdata/rdata.ts'
import { className, typeName } from '../../../src/rdata/rr-types.ts'
import type { RecordSlice } from '../../../src/rdata/text/record-slice.ts'
import {
  readZoneFile,
  readZoneText,
  type ZoneFileOptions,
  type ZoneFileProgress,
} from '../../../src/rdata/zone-file/zone-file.ts'
import { ZoneFileError } from '../../../src/rdata/zone-file/zone-file-error.ts'
import { nameToText } from '../../../src/wire/name.ts'
import { findProgram, missingPrograms } from '../../support/peers.ts'
import { Random, SEED } from '../../support/random.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

const folder = temporaryFolder()

function file(name: string, text: string): string {
  const path = join(folder, name)
  mkdirSync(join(path, '..'), { recursive: true })
  writeFileSync(path, text)
  return path
}

async function lines(slices: AsyncIterable<RecordSlice>): Promise<string[]> {
  const found: string[] = []
  for await (const slice of slices) {
    for (let i = 0; i < slice.count; i++) {
      const [owner, type, rdata] = [slice.owner(i), slice.types[i]!, slice.rdata(i)]
      found.push(
        `${nameToText(owner, 0)} ${slice.ttls[i]} ${className(slice.classes[i]!)} ${typeName(type)} ${printRdata(type, rdata)}`,
      )
    }
  }
  return found
}

/** Records, warnings and errors of a text, each as one line. */
async function read(
  text: string,
  options: Partial<ZoneFileOptions> = {},
): Promise<{ records: string[]; remarks: string[] }> {
  const remarks: string[] = []
  const records = await lines(
    readZoneText(text, {
      zone: 'example.',
      file: 'db',
      onError: (error) => remarks.push(error.message),
      onWarning: (warning) => remarks.push(`warning ${warning.message}`),
      ...options,
    }),
  )
  return { records, remarks }
}

const zones = [
  {
    title: 'RFC 1035 5.3: the example',
    zone: 'isi.edu.',
    text: `
@   IN  SOA     VENERA      Action\\.domains (
                                 20     ; SERIAL
                                 7200   ; REFRESH
                                 600    ; RETRY
                                 3600000; EXPIRE
                                 60)    ; MINIMUM

        NS      A.ISI.EDU.
        MX      10      VENERA
        MX      20      VAXA

A       A       26.3.0.103

VENERA  A       10.1.0.52
        A       128.9.0.32
`,
    records: [
      'isi.edu. 60 IN SOA VENERA.isi.edu. Action\\.domains.isi.edu. 20 7200 600 3600000 60',
      'isi.edu. 60 IN NS A.ISI.EDU.',
      'isi.edu. 60 IN MX 10 VENERA.isi.edu.',
      'isi.edu. 60 IN MX 20 VAXA.isi.edu.',
      'a.isi.edu. 60 IN A 26.3.0.103',
      'venera.isi.edu. 60 IN A 10.1.0.52',
      'venera.isi.edu. 60 IN A 128.9.0.32',
    ],
    remarks: ['warning db:2:1: no TTL is given: the SOA takes its MINIMUM. Write for example: $TTL 3600'],
  },
  {
    title: 'RFC 2308 4: $TTL is for all that follow, whatever TTL came before',
    text: 'a 5 A 192.0.2.1\nb A 192.0.2.2\n$TTL 1h\nc A 192.0.2.3\nd 7 A 192.0.2.4\ne A 192.0.2.5\n$TTL 0\nf A 192.0.2.6',
    records: [
      'a.example. 5 IN A 192.0.2.1',
      'b.example. 5 IN A 192.0.2.2',
      'c.example. 3600 IN A 192.0.2.3',
      'd.example. 7 IN A 192.0.2.4',
      'e.example. 3600 IN A 192.0.2.5',
      'f.example. 0 IN A 192.0.2.6',
    ],
  },
  {
    title: '$ORIGIN, absolute, relative, and back',
    text: '$TTL 1\n$ORIGIN sub\na A 192.0.2.1\n@ NS a\n$ORIGIN deep\n@ A 192.0.2.2\n$ORIGIN example.\nb CNAME a.sub',
    records: [
      'a.sub.example. 1 IN A 192.0.2.1',
      'sub.example. 1 IN NS a.sub.example.',
      'deep.sub.example. 1 IN A 192.0.2.2',
      'b.example. 1 IN CNAME a.sub.example.',
    ],
  },
  {
    title: 'a blank owner is the one before, whatever the origin is now',
    text: '$TTL 1\na A 192.0.2.1\n$ORIGIN sub\n\tAAAA ::1\n   ; only a comment\n\n ( ) \n TXT b',
    records: ['a.example. 1 IN A 192.0.2.1', 'a.example. 1 IN AAAA ::1', 'a.example. 1 IN TXT "b"'],
  },
  {
    title: 'parentheses, comments and quotes',
    text: '$TTL 1\na TXT ( "x;(y" ; "z\n  b\\;c ) ; end )\nb TXT a"b c"d',
    records: ['a.example. 1 IN TXT "x;(y" "b;c"', 'b.example. 1 IN TXT "a" "b c" "d"'],
  },
  {
    title: 'line breaks of other systems',
    text: '$TTL 1\r\na A 192.0.2.1\r\n TXT "b"\r\n',
    records: ['a.example. 1 IN A 192.0.2.1', 'a.example. 1 IN TXT "b"'],
  },
  { title: 'no line break at the end', text: '$TTL 1\na A 192.0.2.1', records: ['a.example. 1 IN A 192.0.2.1'] },
  { title: 'nothing', text: '', records: [] },
  {
    title: 'directives in lower case',
    text: '$ttl 1\n$origin sub.example.\na A 192.0.2.1',
    records: ['a.sub.example. 1 IN A 192.0.2.1'],
  },
  {
    title: 'RFC 3597',
    text: '$TTL 1\na TYPE65280 \\# 3 0102\n03 A 192.0.2.1\nb CLASS1 TYPE1 \\# 4 C0000201',
    records: ['03.example. 1 IN A 192.0.2.1', 'b.example. 1 IN A 192.0.2.1'],
    remarks: ['db:2:16: "3" octets were announced, but 2 follow. Write for example: \\# 2 ...'],
  },
  {
    title: 'wildcards and escapes in owners',
    text: '$TTL 1\n*.W A 192.0.2.1\na\\.b\\065 A 192.0.2.2\n\\@ A 192.0.2.3',
    records: ['*.w.example. 1 IN A 192.0.2.1', 'a\\.ba.example. 1 IN A 192.0.2.2', '\\@.example. 1 IN A 192.0.2.3'],
  },
  {
    title: 'records outside the zone are left out, and told',
    text: '$TTL 1\na.other. A 192.0.2.1\nb A 192.0.2.2\n$ORIGIN .\nbadexample A 192.0.2.3\nc.Example A 192.0.2.4',
    records: ['b.example. 1 IN A 192.0.2.2', 'c.example. 1 IN A 192.0.2.4'],
    remarks: [
      'warning db:2:1: a.other. is outside the zone example., and left out',
      'warning db:5:1: badexample. is outside the zone example., and left out',
    ],
  },
]
for (const { title, text, records, remarks = [], zone = 'example.' } of zones) {
  test(`zone: ${title}`, async () => assert.deepEqual(await read(text, { zone }), { records, remarks }))
}

test('options: a TTL for want of another, another class', async () => {
  assert.deepEqual(await read('a A 192.0.2.1\nb 5 A 192.0.2.2\nc A 192.0.2.3', { ttlSeconds: 3600 }), {
    records: ['a.example. 3600 IN A 192.0.2.1', 'b.example. 5 IN A 192.0.2.2', 'c.example. 5 IN A 192.0.2.3'],
    remarks: [],
  })
  assert.deepEqual(await read('$TTL 1\na TXT x\nb CH TXT y\nc IN TXT z', { rrclass: 3 }), {
    records: ['a.example. 1 CH TXT "x"', 'b.example. 1 CH TXT "y"'],
    remarks: ['db:4:1: class IN in a zone of class CH'],
  })
})

/** Each text is behind `$TTL 1` and an A record of `ok.example.`, and before another one. */
const errors = [
  { text: 'a A 192.0.2.256', at: '3:5', problem: '"192.0.2.256" is not an IPv4 address. Write for example: 192.0.2.1' },
  {
    text: 'a MX (\n 10\n ma..il )',
    at: '5:2',
    problem: '"ma..il" is not exchange: an empty label (two dots in a row, or a leading dot)',
  },
  { text: 'a MX 10', at: '3:8', problem: 'exchange is missing' },
  { text: 'a TXT "b c', at: '3:7', problem: 'a quote is not closed in its line' },
  { text: 'a TXT b )', at: '3:9', problem: 'a closing parenthesis without an opening one' },
  { text: 'a A 192.0.2.1 "x"', at: '3:15', problem: '"x" is too much: the rdata of A ends before it' },
  {
    text: 'a NOPE x',
    at: '3:3',
    problem: '"NOPE" is not a TTL, a class or an RR type. Write for example: www 3600 IN A 192.0.2.1',
  },
  {
    text: '\tNOPE x',
    at: '3:2',
    problem: '"NOPE" is not a TTL, a class or an RR type. Write for example: www 3600 IN A 192.0.2.1',
  },
  {
    text: `${'x'.repeat(64)} A 192.0.2.1`,
    at: '3:1',
    problem: `"${'x'.repeat(64)}" is not an owner: a label is longer than 63 octets`,
  },
  { text: 'a HS A 192.0.2.1', at: '3:1', problem: 'class HS in a zone of class IN' },
  {
    text: '$NOPE x',
    at: '3:1',
    problem: '"$NOPE" is no directive: there are $ORIGIN, $TTL, $INCLUDE and $GENERATE. Write for example: $TTL 3600',
  },
  { text: '$TTL', at: '3:5', problem: 'a TTL is missing' },
  {
    text: '$TTL x',
    at: '3:6',
    problem: '"x" is not a TTL, a number of seconds up to 2147483647. Write for example: $TTL 3600',
  },
  { text: '$TTL 1 2', at: '3:8', problem: '"2" is too much: the directive ends before it' },
  { text: '$ORIGIN', at: '3:8', problem: 'an origin is missing' },
  {
    text: '$ORIGIN a..b',
    at: '3:9',
    problem:
      '"a..b" is not an origin: an empty label (two dots in a row, or a leading dot). Write for example: $ORIGIN example.org.',
  },
  { text: '$INCLUDE', at: '3:9', problem: 'a file is missing' },
  { text: '$GENERATE', at: '3:10', problem: 'a range is missing' },
  {
    text: '$GENERATE 1 a A 192.0.2.$',
    at: '3:11',
    problem: '"1" is not a range: start-stop or start-stop/step. Write for example: $GENERATE 1-100 host-$ A 192.0.2.$',
  },
  {
    text: '$GENERATE 2-1 a A 192.0.2.$',
    at: '3:11',
    problem:
      '"2-1" is not a range: its numbers rise from 0 up to 2147483647. Write for example: $GENERATE 1-100 host-$ A 192.0.2.$',
  },
  {
    text: '$GENERATE 1-2/0 a A 192.0.2.$',
    at: '3:11',
    problem:
      '"1-2/0" is not a range: its numbers rise from 0 up to 2147483647. Write for example: $GENERATE 1-100 host-$ A 192.0.2.$',
  },
  { text: '$GENERATE 0-65536 a A 192.0.2.$', at: '3:11', problem: '"0-65536" has more than 65536 numbers' },
  { text: '$GENERATE 1-2', at: '3:14', problem: 'an owner is missing' },
  {
    text: '$GENERATE 1-2 a${0 A 192.0.2.$',
    at: '3:15',
    problem: '"a${0" has a ${ without its }. Write for example: ${0,3,d}',
  },
  {
    text: '$GENERATE 1-2 a${0,0,z} A 192.0.2.$',
    at: '3:15',
    problem:
      '"a${0,0,z}" has ${0,0,z}, which is not offset, width and base (d, o, x, X, n or N). Write for example: ${0,3,d}',
  },
  {
    text: '$GENERATE 1-2 a${-2} A 192.0.2.$',
    at: '3:15',
    problem: '"a${-2}" has an offset that leads out of 0 to 2147483647',
  },
  { text: '$GENERATE 1-2 a${0,256} A 192.0.2.$', at: '3:15', problem: '"a${0,256}" has a width above 255' },
  {
    text: '$GENERATE 1-2 a$ A 192.0.2.x',
    at: '3:1',
    problem: '"192.0.2.x" is not an IPv4 address. Write for example: 192.0.2.1',
  },
]
for (const { text, at, problem } of errors) {
  test(`error: ${JSON.stringify(text)}`, async () => {
    const whole = `$TTL 1\nok A 192.0.2.1\n${text}\nok A 192.0.2.2\n`
    assert.deepEqual(await read(whole), {
      records: ['ok.example. 1 IN A 192.0.2.1', 'ok.example. 1 IN A 192.0.2.2'],
      remarks: [`db:${at}: ${problem}`],
    })
    await assert.rejects(lines(readZoneText(whole, { zone: 'example.', file: 'db' })), (error) => {
      assert.ok(error instanceof ZoneFileError)
      assert.equal(`${error.at.file}:${error.at.line}:${error.at.column}`, `db:${at}`)
      assert.equal(error.code, 'SHOAL_ZONE_FILE')
      return true
    })
  })
}

test('errors at the beginning and at the end', async () => {
  assert.deepEqual((await read(' A 192.0.2.1')).remarks, [
    'db:1:2: the owner is left out, but no record came before. Write for example: www 3600 IN A 192.0.2.1',
  ])
  assert.deepEqual((await read('a A 192.0.2.1')).remarks, [
    'db:1:1: no TTL: neither here, nor in a record before, nor by $TTL. Write for example: $TTL 3600',
  ])
  assert.deepEqual((await read('$TTL 1\na TXT (\n b\n c\n')).remarks, ['db:2:7: a parenthesis is not closed'])
  // A wrong owner is not taken for the next record.
  assert.deepEqual(await read('$TTL 1\nok A 192.0.2.1\na..b A 192.0.2.1\n AAAA ::1\n\n TXT x\nb A 192.0.2.2'), {
    records: ['ok.example. 1 IN A 192.0.2.1', 'b.example. 1 IN A 192.0.2.2'],
    remarks: ['db:3:1: "a..b" is not an owner: an empty label (two dots in a row, or a leading dot)'],
  })
})

test('errors are told up to a limit, and reading ends there', async () => {
  const bad = 'a A x\n'.repeat(20)
  const { records, remarks } = await read(`$TTL 1\nok A 192.0.2.1\n${bad}z A 192.0.2.1\n`, { errorsMax: 10 })
  assert.equal(remarks.length, 10)
  assert.deepEqual(records, ['ok.example. 1 IN A 192.0.2.1'])
})

test('$INCLUDE: relative to the including file, own origin, and what it sets ends with it', async () => {
  const main = file(
    'main/db',
    '$TTL 1\na A 192.0.2.1\n$INCLUDE "sub/one" sub\n A 192.0.2.2\nb A 192.0.2.3\n$INCLUDE sub/two\nc A 192.0.2.4\n',
  )
  file('main/sub/one', ' TXT before\n@ A 192.0.2.10\n$TTL 9\n$ORIGIN deep\nx A 192.0.2.11\n$INCLUDE ../sub/three\n')
  file('main/sub/two', 'y A 192.0.2.12')
  file('main/sub/three', 'z A 192.0.2.13')
  const files: string[] = []
  const records = await lines(readZoneFile(main, { zone: 'example.', onFile: (path) => files.push(path) }))
  assert.deepEqual(records, [
    'a.example. 1 IN A 192.0.2.1',
    'a.example. 1 IN TXT "before"',
    'sub.example. 1 IN A 192.0.2.10',
    'x.deep.sub.example. 9 IN A 192.0.2.11',
    'z.deep.sub.example. 9 IN A 192.0.2.13',
    'a.example. 1 IN A 192.0.2.2',
    'b.example. 1 IN A 192.0.2.3',
    'y.example. 1 IN A 192.0.2.12',
    'c.example. 1 IN A 192.0.2.4',
  ])
  assert.deepEqual(
    files,
    ['main/db', 'main/sub/one', 'main/sub/three', 'main/sub/two'].map((name) => join(folder, name)),
  )
})

test('$INCLUDE: positions name the included file; a missing file and a ring are errors', async () => {
  const main = file('ring/db', '$TTL 1\n\n$INCLUDE part\n$INCLUDE missing\n$INCLUDE db\n')
  file('ring/part', '\na A x\n')
  const remarks: string[] = []
  await lines(
    readZoneFile(main, { zone: 'example.', onError: (error) => remarks.push(error.message), errorsMax: 1000 }),
  )
  assert.match(remarks[0]!, /ring\/part:2:5: "x" is not an IPv4 address/)
  assert.match(remarks[1]!, /ring\/db:4:10: "missing" can't be read: ENOENT/)
  assert.equal(remarks.filter((remark) => /ring\/db:5:10: \$INCLUDE more than 7 files deep/.test(remark)).length, 1)
  assert.ok(remarks.length <= 1 + 2 * 8 + 1)
})

test('a file that is not there is the system’s error', async () => {
  await assert.rejects(lines(readZoneFile(join(folder, 'nothing'), { zone: 'example.' })), { code: 'ENOENT' })
})

const generated = [
  {
    title: 'numbers',
    line: '1-3 host-$ A 192.0.2.$',
    records: ['host-1 A 192.0.2.1', 'host-2 A 192.0.2.2', 'host-3 A 192.0.2.3'],
  },
  { title: 'a step', line: '0-9/4 $ CNAME h$', records: ['0 CNAME h0', '4 CNAME h4', '8 CNAME h8'] },
  { title: 'TTL and class', line: '1-1 $ 60 IN A 192.0.2.$', records: ['1 60 A 192.0.2.1'] },
  { title: 'offset', line: '1-2 a${10} A 192.0.2.${-1}', records: ['a11 A 192.0.2.0', 'a12 A 192.0.2.1'] },
  { title: 'width', line: '9-10 a${0,3} A 192.0.2.$', records: ['a009 A 192.0.2.9', 'a010 A 192.0.2.10'] },
  {
    title: 'bases',
    line: '26-26 ${0,0,d}-${0,4,o}-${0,4,x}-${0,0,X} A 192.0.2.$',
    records: ['26-0032-001a-1A A 192.0.2.26'],
  },
  { title: 'nibbles', line: '19-19 ${0,3,n}.x${0,0,N} PTR a.', records: ['3.1.x3.1 PTR a.'] },
  { title: 'nibbles wider than the number', line: '1-1 ${0,7,n} PTR a.', records: ['1.0.0.0 PTR a.'] },
  { title: 'dollar signs', line: '1-1 a A 192.0.2.$', records: ['a A 192.0.2.1'] },
  { title: 'dollar signs as themselves', line: '1-1 \\$a$ TXT "$$ \\$ $"', records: ['\\$a1 TXT "\\$ \\$ 1"'] },
  { title: 'several in one name', line: '1-2 $.$ CNAME $.$', records: ['1.1 CNAME 1.1', '2.2 CNAME 2.2'] },
  { title: 'RFC 2317', line: '0-2 $ CNAME $.0/25', records: ['0 CNAME 0.0/25', '1 CNAME 1.0/25', '2 CNAME 2.0/25'] },
  { title: 'rdata of several tokens', line: '1-2 m$ MX 1$ mail$', records: ['m1 MX 11 mail1', 'm2 MX 12 mail2'] },
  {
    title: 'quotes, several tokens',
    line: '1-2 a$ HTTPS "$" . alpn="h$,h3" port="$"',
    records: ['a1 HTTPS 1 . alpn=h1,h3 port=1', 'a2 HTTPS 2 . alpn=h2,h3 port=2'],
  },
  { title: 'in parentheses', line: '( 1-1 ; x\n a$ ) A 192.0.2.$', records: ['a1 A 192.0.2.1'] },
]
for (const { title, line, records } of generated) {
  test(`$GENERATE: ${title}`, async () => {
    const expected = await read(`$TTL 1\n${records.join('\n')}\nend A 192.0.2.9`)
    assert.deepEqual(expected.remarks, [])
    assert.deepEqual(await read(`$TTL 1\n$GENERATE ${line}\nend A 192.0.2.9`), expected)
  })
}

test('$GENERATE in named-compilezone gives the same', { skip: missingPrograms('named-compilezone') }, async () => {
  const head = '$TTL 1\n@ SOA ns h 1 2 3 4 5\n@ NS ns\nns A 192.0.2.1\n'
  const text = `${head}${generated
    .filter(({ title }) => !/parentheses|themselves|several tokens/.test(title))
    .map(({ line }, i) => `$ORIGIN g${i}.example.\n$GENERATE ${line}\n`)
    .join('')}`
  const path = file('generate', text)
  const output = execFileSync(
    findProgram('named-compilezone')!,
    ['-q', '-i', 'none', '-k', 'ignore', '-n', 'ignore', '-r', 'ignore', '-s', 'full', '-o', '-', 'example', path],
    { encoding: 'utf8' },
  )
  const normal = (record: string) => record.toLowerCase().replaceAll(/\s+/g, ' ').trim()
  const theirs = output
    .split('\n')
    .filter((line) => line !== '')
    .map(normal)
    .sort()
  const { records, remarks } = await read(text)
  assert.deepEqual(remarks, [])
  assert.deepEqual(records.map(normal).sort(), theirs)
})

test(`chunks may end anywhere: a file of long and short entries reads as its text does (SEED=${SEED})`, async () => {
  const random = new Random()
  let text = '$TTL 1\n'
  for (let i = 0; text.length < 900_000; i++) {
    text += random.of([
      `a${i} A 192.0.2.1\n`,
      `b${i} TXT ( "${'x;('.repeat(random.below(80))}"\n ; comment ( "\n\tb )\n`,
      ` AAAA 2001:db8::${i.toString(16).slice(-4)}\n`,
      `; ${'-'.repeat(random.below(3000))}\n`,
      `c${i} TXT ${'"y" '.repeat(random.below(500) + 1)}\n`,
    ])
    if (i === 0) text = '$TTL 1\na0 A 192.0.2.1\n'
  }
  const path = file('chunks', text)
  const whole = await read(text)
  assert.deepEqual(whole.remarks, [])
  assert.deepEqual(await lines(readZoneFile(path, { zone: 'example.' })), whole.records)
})

test('an entry without an end is refused before it fills the memory, and what came before is kept', async () => {
  const path = file('endless', `$TTL 1\nok A 192.0.2.1\na TXT (\n${'b\n'.repeat(1_500_000)}`)
  const remarks: string[] = []
  const records = await lines(readZoneFile(path, { zone: 'example.', onError: (error) => remarks.push(error.message) }))
  assert.deepEqual(records, ['ok.example. 1 IN A 192.0.2.1'])
  assert.deepEqual(
    remarks.map((remark) => remark.slice(folder.length + 1)),
    ['endless:3:7: an entry that is too long: perhaps a parenthesis is not closed'],
  )
})

test('an rdata of 65,535 octets is taken, one more is not', async () => {
  const strings = (count: number) => `${`"${'x'.repeat(255)}" `.repeat(count)}`
  assert.equal((await read(`$TTL 1\na TXT ${strings(255)}${`"${'y'.repeat(254)}"`}`)).records.length, 1)
  assert.deepEqual((await read(`$TTL 1\na TXT ${strings(256)}`)).remarks, [
    'db:2:1: the rdata is longer than 65535 octets',
  ])
})

test(`an owner left out is the one before, whatever lies between (SEED=${SEED})`, async () => {
  const random = new Random(SEED)
  const blank: string[] = ['$TTL 5']
  const written: string[] = ['$TTL 5']
  const owners = ['@', 'www', 'WWW', 'a.b', 'out.example.net.', 'wrong..owner', 'example.', '*', 'x\\.y']
  const contents = ['A 192.0.2.1', 'TXT "a b"', 'A 192.0.2', 'MX 10 mail', '7 IN AAAA 2001:db8::1', 'CH A 192.0.2.1']
  // More records than a slice holds.
  for (let i = 0; i < 3000; i++) {
    const owner = owners[random.below(owners.length)]!
    for (let k = 0, count = 1 + random.below(4); k < count; k++) {
      const content = contents[random.below(contents.length)]!
      blank.push(`${k === 0 ? owner : ''} ${content}`)
      written.push(`${owner} ${content}`)
      if (random.below(20) > 0) continue
      for (const lines of [blank, written]) lines.push('; a comment', '', '$GENERATE 1-2 g$ A 192.0.2.$')
      break
    }
  }
  const options = { errorsMax: 1e6 }
  const { records } = await read(blank.join('\n'), options)
  assert.ok(records.length > 2048)
  assert.deepEqual(records, (await read(written.join('\n'), options)).records)
})

test('the event loop goes on while a large file is read, and progress is told', async () => {
  let text = '$TTL 1\n'
  for (let i = 0; i < 150_000; i++) text += `host-${i} IN A 192.0.2.${i & 255}\n`
  const path = file('large', text)
  const progress: ZoneFileProgress[] = []
  let longestMs = 0
  let lastMs = performance.now()
  const timer = setInterval(() => {
    const nowMs = performance.now()
    longestMs = Math.max(longestMs, nowMs - lastMs)
    lastMs = nowMs
  }, 1)
  let records = 0
  let slices = 0
  try {
    for await (const slice of readZoneFile(path, { zone: 'example.', onProgress: (told) => progress.push(told) })) {
      records += slice.count
      if (++slices === 10) await new Promise((resolve) => setTimeout(resolve, 1050))
    }
  } finally {
    clearInterval(timer)
  }
  assert.equal(records, 150_000)
  // A slice takes 2 ms; the rest is the machine's other work.
  assert.ok(longestMs < 60, `${longestMs} ms without a turn`)
  assert.equal(progress.length, 1)
  assert.equal(progress[0]!.octetsTotal, text.length)
  assert.ok(
    progress[0]!.octets > 0 &&
      progress[0]!.octets < text.length &&
      progress[0]!.records > 0 &&
      progress[0]!.elapsedMs > 1000,
  )
})

test('reading can be stopped', async () => {
  const stop = new AbortController()
  const path = join(folder, 'large')
  await assert.rejects(
    async () => {
      for await (const _slice of readZoneFile(path, { zone: 'example.', signal: stop.signal }))
        stop.abort(new Error('enough'))
    },
    { message: 'enough' },
  )
})

test(`any octets are records or errors with a position in the text (SEED=${SEED})`, async () => {
  const random = new Random()
  const pieces = [
    '$TTL 1\n',
    '$ORIGIN a\n',
    '$GENERATE 1-3 x$ A 192.0.2.$\n',
    '$INCLUDE nothing\n',
    'a A 192.0.2.1\n',
    ' TXT "b" c\n',
    '(',
    ')',
    '"',
    ';',
    '\\',
    '\n',
    ' ',
    '\t',
    '@',
    '\\# 1 aa',
    'SVCB 1 . alpn="h2\\,',
    '\u0000',
    'é',
    '.',
    '9999999999',
    'IN',
    'TYPE1',
  ]
  for (let round = 0; round < 400; round++) {
    let text = ''
    for (let count = random.below(12); count >= 0; count--) text += random.of(pieces)
    const textLines = text.split('\n').length
    const told: ZoneFileError[] = []
    await lines(
      readZoneText(text, { zone: 'example.', file: join(folder, 'db'), onError: (error) => told.push(error) }),
    )
    for (const { at, message } of told)
      assert.ok(at.line >= 1 && at.line <= textLines && at.column >= 1, `${JSON.stringify(text)}: ${message}`)
  }
})
