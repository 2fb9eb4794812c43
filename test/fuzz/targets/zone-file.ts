import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { validateRdata } from '../../../src/rdata/rdata.ts'
import { printRecord, scanRecord } from '../../../src/rdata/record-text.ts'
import { readZoneText } from '../../../src/rdata/zone-file/zone-file.ts'
import { ZoneFileError } from '../../../src/rdata/zone-file/zone-file-error.ts'
import { checkZone } from '../../../src/sources/zone-file/check-zone.ts'
import { isSubdomain, textToName } from '../../../src/wire/name.ts'
import { RR_FIXTURES } from '../../rdata/rr-fixtures.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'
import { type FuzzTarget, octets, textOf, toHex } from '../target.ts'
import { scannedAgain } from './rdata.ts'

const ZONE = 'example.'
const APEX = textToName(ZONE)
/** Records that are printed and scanned again. */
const RECORDS_CHECKED_MAX = 200

// Files that an input includes are looked for here.
const folder = temporaryFolder()
writeFileSync(join(folder, 'included.zone'), 'in 60 A 192.0.2.9\n')

const SAMPLES = [
  '$ORIGIN example.\n$TTL 3600\n@ IN SOA ns admin ( 1 7200 ; refresh\n 3600 1209600\n 300 )\n  IN NS ns\nns A 192.0.2.1\n   AAAA 2001:db8::1\n* 60 IN TXT "a b" c\\032d\n',
  `@ 300 SOA ns.example. a\\.b.example. 1 1h 2m 3d 4w\n@ NS ns\n$GENERATE 1-20/2 h\${0,3,d} A 192.0.2.$\n$GENERATE 0-3 $.4.3.2 PTR x-\${-0,4,n}.example.\n`,
  '$INCLUDE included.zone sub\n$INCLUDE "included.zone"\n$TTL 1w2d\na 5 CLASS1 TYPE65280 \\# 3 010203\n',
  '@ 300 SOA ns admin 1 2 3 4 5\n@ NS ns\nns A 192.0.2.1\nd DNAME example.org.\ns SRV 0 1 53 ns\nh HTTPS 1 . alpn=h2,h3 ipv4hint=192.0.2.1\nc CAA 0 issue "ca.example"\n',
]
/** Types for messages, which no zone holds. */
const META = new Set(['OPT', 'NXNAME', 'TKEY', 'TSIG'])
const RECORDS = RR_FIXTURES.filter(({ type }) => !META.has(type)).map(({ type, text }) => `r 60 IN ${type} ${text}\n`)

export const zoneFile: FuzzTarget = {
  name: 'zone-file',
  invariant:
    'a zone file gives valid records of its zone and ZoneFileErrors with a line and column; a record printed is scanned as itself',
  corpus: [...SAMPLES, ...RECORDS].map(octets),
  words: [
    ...[
      '$ORIGIN ',
      '$TTL ',
      '$INCLUDE ',
      '$INCLUDE included.zone\n',
      '$GENERATE 0-99 ',
      '$GENERATE 1-65536 a$ A 1.2.3.4\n',
    ],
    ...[
      '(',
      ')',
      '"',
      ';',
      '\\',
      '\n',
      '\r\n',
      '\t',
      '@',
      '.',
      '*',
      '$',
      '${',
      `\${0,255,d}`,
      '\\$',
      'IN',
      'CH',
      'ANY',
    ],
    ...['TYPE0', 'TYPE255', 'CLASS65535', '\\# 0', '\\# 1 zz', '2147483648', '1w1w1w', 'SOA', 'RRSIG', 'OPT', '\u0000'],
  ].map(octets),
  // $GENERATE makes up to 65,536 records of one line, as it should; they come in slices of a few milliseconds each.
  msMax: 2500,
  inputsInTest: 80,
  async run(input) {
    let problems = 0
    const onProblem = (problem: ZoneFileError): void => {
      problems++
      assert.ok(problem instanceof ZoneFileError)
      assert.ok(problem.at.line >= 1 && problem.at.column >= 1, problem.message)
    }
    const text = readZoneText(input, {
      zone: ZONE,
      file: join(folder, 'zone'),
      onError: onProblem,
      onWarning: onProblem,
    })
    let checked = 0
    try {
      for await (const slice of text) {
        for (let i = 0; i < slice.count && checked < RECORDS_CHECKED_MAX; i++, checked++) {
          const type = slice.types[i]!
          const rdata = slice.rdata(i)
          const owner = slice.owner(i)
          assert.ok(validateRdata(type, rdata, 0, rdata.length), `${type}: ${toHex(rdata)}`)
          assert.ok(isSubdomain(owner, 0, APEX, 0))
          const record = { owner, type, rrclass: slice.classes[i]!, ttlSeconds: slice.ttls[i]!, rdata }
          const printed = printRecord(record)
          const again = scannedAgain(printed, () => scanRecord(printed))
          if (again === undefined) continue
          assert.equal(toHex(again.rdata), toHex(rdata), printed)
          assert.equal(toHex(again.owner), toHex(owner), printed)
          assert.deepEqual([again.type, again.rrclass, again.ttlSeconds], [type, record.rrclass, record.ttlSeconds])
        }
      }
    } catch (error) {
      if (!isSystemError(error)) throw error
    }
    return problems === 0
  },
}

/** What the system says of a file that can't be read (a folder that is included). */
function isSystemError(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error && 'errno' in error
}

const checkedFile = join(folder, 'checked.zone')

export const zoneCheck: FuzzTarget = {
  name: 'zone-check',
  invariant: 'checkZone reads any file to its end, throws nothing, and says what is wrong, with places in the file',
  corpus: SAMPLES.filter((text) => text.includes('SOA')).map(octets),
  msMax: 2500,
  inputsInTest: 40,
  async run(input) {
    writeFileSync(checkedFile, input)
    let problems = 0
    for await (const { at, problem } of checkZone(checkedFile, ZONE)) {
      assert.ok(at.line >= 1 && at.column >= 1 && problem.length > 0)
      if (at.file === checkedFile) assert.ok(at.line <= textOf(input).split('\n').length + 1, `line ${at.line}`)
      problems++
    }
    return problems === 0
  },
}
