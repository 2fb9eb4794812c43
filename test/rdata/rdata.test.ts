import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import {
  canonicalizeRdata,
  composeRdata,
  EXPANDED_SIZE_MAX,
  expandRdata,
  packetValue,
  printRdata,
  rdataOctets,
  rdataValue,
  scanRdataText,
  validateRdata,
} from '../../src/rdata/rdata.ts'
import { RdataError } from '../../src/rdata/rdata-error.ts'
import { COMPRESSIBLE_AT, COMPRESSIBLE_COUNT, rdataNameAt } from '../../src/rdata/rdata-names.ts'
import { RR_TABLE } from '../../src/rdata/rr-table.ts'
import { typeNumber } from '../../src/rdata/rr-types.ts'
import { nameToText, textToName } from '../../src/wire/name.ts'
import { OctetWriter } from '../../src/wire/octet-writer.ts'
import { findProgram, missingPrograms } from '../support/peers.ts'
import { RR_FIXTURES } from './rr-fixtures.ts'

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
const octets = (text: string) => Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'))
const numberOf = (type: string) => typeNumber(type)!
const origin = textToName('example.')

test('every type of the table has a fixture', () => {
  const covered = new Set(RR_FIXTURES.map(({ type }) => type))
  assert.deepEqual(
    RR_TABLE.map(({ mnemonic }) => mnemonic).filter((mnemonic) => !covered.has(mnemonic)),
    [],
  )
})

for (const { type, text, wire } of RR_FIXTURES) {
  test(`${type} ${text}`, () => {
    const number = numberOf(type)
    const rdata = scanRdataText(number, text)
    assert.equal(hex(rdata), wire)
    assert.ok(validateRdata(number, rdata, 0, rdata.length))
    assert.equal(printRdata(number, rdata), text)
    // RFC 3597 section 5: every type may be written as octets.
    assert.equal(hex(scanRdataText(number, `\\# ${rdata.length} ${wire}`)), wire)
    // As objects and back, from the middle of a larger buffer.
    const within = Buffer.concat([Buffer.alloc(5, 0xff), rdata, Buffer.alloc(5, 0xff)])
    assert.equal(hex(rdataOctets(number, rdataValue(number, within, 5, 5 + rdata.length))), wire)
    assert.equal(hex(rdataOctets(number, packetValue(number, within, 5, 5 + rdata.length))), wire)
    assert.equal(printRdata(number, within, 5, 5 + rdata.length), text)
    const expanded = new Uint8Array(EXPANDED_SIZE_MAX)
    const size = expandRdata(number, rdata, 0, 0, rdata.length, expanded, 0)
    assert.equal(hex(expanded.slice(0, size)), wire)
  })
}

/** Newer than the BIND at hand, meta types, or stricter there than the RFC: named-rrchecker refuses them. */
const NOT_IN_BIND = new Set([
  'OPT',
  'NXNAME',
  'TKEY',
  'TSIG',
  'CLA',
  'IPN',
  'TA',
  'DSYNC',
  'HHIT',
  'BRID',
  'WALLET',
  'RESINFO',
])
const NEW_PARAMETERS = /ohttp|tls-supported-groups|docpath|dohpath/

test('named-rrchecker reads the same octets', { skip: missingPrograms('named-rrchecker') }, () => {
  const program = findProgram('named-rrchecker')!
  let compared = 0
  for (const { type, text, wire } of RR_FIXTURES) {
    if (
      NOT_IN_BIND.has(type) ||
      NEW_PARAMETERS.test(text) ||
      text === '10 0 0 .' ||
      (type === 'NSEC' && text === 'host.example.')
    )
      continue
    const output = execFileSync(program, ['-u'], { input: `IN ${type} ${text}\n`, encoding: 'utf8' })
    const [, theirs] = /\\# [0-9]+\s*([0-9A-F\s]*)$/.exec(output.trim()) ?? []
    assert.equal(theirs?.replaceAll(/\s/g, '').toLowerCase(), wire, `${type} ${text}`)
    compared++
  }
  assert.ok(compared > 90, `${compared} compared`)
})

const otherSpellings = [
  {
    title: 'relative names and @',
    type: 'SOA',
    text: '@ hostmaster 1 1h 2H 1w1d 5m',
    printed: 'example. hostmaster.example. 1 3600 7200 691200 300',
  },
  {
    title: 'comments, parentheses, line breaks',
    type: 'MX',
    text: '( 10 ; first\n mail )',
    printed: '10 mail.example.',
  },
  { title: 'strings without quotes', type: 'TXT', text: 'a\\ b c\\"d \\065', printed: '"a b" "c\\"d" "A"' },
  {
    title: 'a long text is cut every 255 octets, as in CoreDNS',
    type: 'TXT',
    text: `"${'x'.repeat(300)}"`,
    printed: `"${'x'.repeat(255)}" "${'x'.repeat(45)}"`,
  },
  { title: 'quotes inside a text end it, as in BIND', type: 'TXT', text: 'foo="x y"z', printed: '"foo=" "x y" "z"' },
  { title: 'a semicolon in quotes is no comment', type: 'TXT', text: '"a;b"', printed: '"a;b"' },
  {
    title: 'hexadecimal in pieces and either case',
    type: 'DS',
    text: '1 8 1 aabbccddee AABBCCDDEE aabbccddeeaabbccddee',
    printed: '1 8 1 AABBCCDDEEAABBCCDDEEAABBCCDDEEAABBCCDDEE',
  },
  {
    title: 'base 64 in pieces, borders anywhere',
    type: 'DNSKEY',
    text: '256 3 8 AQI DBAUG',
    printed: '256 3 8 AQIDBAUG',
  },
  { title: 'algorithms by name', type: 'DNSKEY', text: '256 3 rsasha256 AQID', printed: '256 3 8 AQID' },
  { title: 'certificate types by number', type: 'CERT', text: '1 2 3 AQID', printed: 'PKIX 2 3 AQID' },
  {
    title: 'moments in seconds',
    type: 'RRSIG',
    text: 'TYPE1 8 1 1h 1893456000 1767225600 7 @ AQID',
    printed: 'A 8 1 3600 20300101000000 20260101000000 7 example. AQID',
  },
  {
    title: 'types in any order, twice, in lower case',
    type: 'NSEC',
    text: 'b txt a TYPE1 aaaa',
    printed: 'b.example. A TXT AAAA',
  },
  { title: 'IPv4 inside IPv6', type: 'AAAA', text: '::FFFF:192.0.2.1', printed: '::ffff:192.0.2.1' },
  {
    title: 'IPv6 in full',
    type: 'AAAA',
    text: '2001:0DB8:0000:0000:0001:0000:0000:0001',
    printed: '2001:db8::1:0:0:1',
  },
  {
    title: 'RFC 9460 D: parameters in any order, quoted or not',
    type: 'SVCB',
    text: '16 foo.example.org. alpn=h2,h3-19 mandatory=ipv4hint,alpn ipv4hint="192.0.2.1"',
    printed: '16 foo.example.org. mandatory="alpn,ipv4hint" alpn="h2,h3-19" ipv4hint="192.0.2.1"',
  },
  {
    title: 'RFC 9460 D: a parameter by number',
    type: 'SVCB',
    text: '1 foo.example.com. key667="hello\\210qoo"',
    printed: '1 foo.example.com. key667="hello\\210qoo"',
  },
  { title: 'a known parameter by number', type: 'SVCB', text: '1 . key3=53', printed: '1 . port="53"' },
  {
    title: 'RFC 1876: shortest LOC',
    type: 'LOC',
    text: '42 N 71 W 24',
    printed: '42 0 0.000 N 71 0 0.000 W 24.00m 1m 10000m 10m',
  },
  { title: 'WKS by name', type: 'WKS', text: '192.0.2.1 udp domain ntp', printed: '192.0.2.1 17 53 123' },
  { title: 'NSAP with dots', type: 'NSAP', text: '0x47.0005.80', printed: '0x47000580' },
  { title: 'ATMA with dots', type: 'ATMA', text: '39.246f.00e7', printed: '39246f00e7' },
]
for (const { title, type, text, printed } of otherSpellings) {
  test(`spelling: ${title}`, () => {
    const number = numberOf(type)
    assert.equal(printRdata(number, scanRdataText(number, text, origin)), printed)
  })
}

const errors = [
  { type: 'A', text: '192.0.2.256', problem: '"192.0.2.256" is not an IPv4 address', token: 0 },
  { type: 'A', text: '192.0.2.01', problem: '"192.0.2.01" is not an IPv4 address', token: 0 },
  { type: 'A', text: '192.0.2', problem: '"192.0.2" is not an IPv4 address', token: 0 },
  { type: 'A', text: '192.0.2.1.', problem: '"192.0.2.1." is not an IPv4 address', token: 0 },
  { type: 'A', text: '', problem: 'an IPv4 address is missing', token: 0 },
  { type: 'A', text: '192.0.2.1 x', problem: '"x" is too much: the rdata of A ends before it', token: 1 },
  { type: 'AAAA', text: '2001:db8::1::2', problem: '"2001:db8::1::2" is not an IPv6 address', token: 0 },
  { type: 'AAAA', text: '1:2:3:4:5:6:7', problem: '"1:2:3:4:5:6:7" is not an IPv6 address', token: 0 },
  { type: 'AAAA', text: '1:2:3:4:5:6:7:8:9', problem: '"1:2:3:4:5:6:7:8:9" is not an IPv6 address', token: 0 },
  { type: 'AAAA', text: '1:2:3:4::5:6:7:8', problem: '"1:2:3:4::5:6:7:8" is not an IPv6 address', token: 0 },
  { type: 'AAAA', text: '12345::', problem: '"12345::" is not an IPv6 address', token: 0 },
  { type: 'AAAA', text: ':1', problem: '":1" is not an IPv6 address', token: 0 },
  { type: 'AAAA', text: '1:', problem: '"1:" is not an IPv6 address', token: 0 },
  { type: 'AAAA', text: ':::', problem: '":::" is not an IPv6 address', token: 0 },
  { type: 'AAAA', text: '::1.2.3.4:5', problem: '"::1.2.3.4:5" is not an IPv6 address', token: 0 },
  {
    type: 'NS',
    text: 'a..b',
    problem: '"a..b" is not a domain name: an empty label (two dots in a row, or a leading dot)',
    token: 0,
  },
  { type: 'MX', text: '65536 mail', problem: '"65536" is not preference, a number from 0 to 65535', token: 0 },
  { type: 'MX', text: '10', problem: 'exchange is missing', token: 1 },
  { type: 'MX', text: '-1 mail', problem: '"-1" is not preference, a number from 0 to 65535', token: 0 },
  { type: 'SOA', text: 'a b 1 1x 1 1 1', problem: '"1x" is not refresh: a number of seconds, or a period', token: 3 },
  {
    type: 'SOA',
    text: 'a b 4294967296 1 1 1 1',
    problem: '"4294967296" is not serial, a number from 0 to 4294967295',
    token: 2,
  },
  { type: 'TXT', text: '', problem: 'a character string is missing', token: 0 },
  {
    type: 'TXT',
    text: 'a\\25',
    problem: '"a\\25" has a bad escape: write \\DDD with DDD from 000 to 255, or \\ and the character',
    token: 0,
  },
  {
    type: 'HINFO',
    text: `${'x'.repeat(256)} y`,
    problem: `"${'x'.repeat(64)}..." is longer than a character string of 255 octets can be`,
    token: 0,
  },
  { type: 'DS', text: '1 8 2 abc', problem: '"abc" has an odd number of hexadecimal digits', token: 3 },
  { type: 'DS', text: '1 8 2 xy', problem: '"xy" is not hexadecimal', token: 3 },
  { type: 'DS', text: '1 nope 2 ab', problem: '"nope" is not algorithm: a number from 0 to 255, or a name', token: 1 },
  { type: 'DNSKEY', text: '256 3 8 AQ!D', problem: '"AQ!D" is not base 64', token: 3 },
  {
    type: 'DNSKEY',
    text: '256 3 8 AQI',
    problem: '"AQI" is not whole: base 64 comes in groups of four, filled up with =',
    token: 3,
  },
  { type: 'DNSKEY', text: '256 3 8 AQ==AQ==', problem: '"AQ==AQ==" is not base 64', token: 3 },
  {
    type: 'NSEC3',
    text: '1 0 0 - 2vptu5timamqttgl4luu9kg21e0aor3z A',
    problem: '"2vptu5timamqttgl4luu9kg21e0aor3z" is not base 32 (digits, and letters a to v)',
    token: 4,
  },
  { type: 'NSEC', text: 'a NOPE', problem: '"NOPE" is not an RR type', token: 1 },
  {
    type: 'NXT',
    text: 'a TYPE128',
    problem: 'NXNAME has no place in an NXT record, whose types are below 128',
    token: -1,
  },
  {
    type: 'RRSIG',
    text: 'A 8 1 1 20300231000000 1 1 @ AQID',
    problem: '"20300231000000" is not expiration: YYYYMMDDHHmmSS, or seconds since 1970',
    token: 4,
  },
  { type: 'SVCB', text: '1 . port', problem: '"port" is no port: an item of the list is empty', token: 2 },
  {
    type: 'SVCB',
    text: '1 . port=x',
    problem: '"port=x" is no port: port is not a whole number from 0 to 65535 ("x")',
    token: 2,
  },
  { type: 'SVCB', text: '1 . port=1 port=2', problem: '"port=2" gives port twice', token: 3 },
  { type: 'SVCB', text: '1 . nonsense=1', problem: '"nonsense=1" does not start with a SvcParamKey', token: 2 },
  { type: 'SVCB', text: '1 . key065=1', problem: '"key065=1" does not start with a SvcParamKey', token: 2 },
  {
    type: 'SVCB',
    text: '1 . alpn=h2,,h3',
    problem: '"alpn=h2,,h3" is no alpn: an item of the list is empty',
    token: 2,
  },
  {
    type: 'SVCB',
    text: '1 . ipv4hint=2001:db8::1',
    problem: '"ipv4hint=2001:db8::1" is no ipv4hint: "2001:db8::1" is not an IPv4 address',
    token: 2,
  },
  { type: 'SVCB', text: '1 . mandatory=alpn', problem: 'mandatory names alpn, which is not there', token: -1 },
  {
    type: 'SVCB',
    text: '1 . mandatory=mandatory',
    problem: '"mandatory=mandatory" is no mandatory: "mandatory" is not a key that can be mandatory',
    token: 2,
  },
  { type: 'SVCB', text: '1 . no-default-alpn', problem: 'no-default-alpn is there without alpn', token: -1 },
  { type: 'CAA', text: '0 is-sue "x"', problem: '"is-sue" is not tag: letters and digits', token: 1 },
  { type: 'LOC', text: '91 N 0 E 0', problem: '"91" is not degrees and N or S', token: 0 },
  { type: 'LOC', text: '90 0 0.001 N 0 E 0', problem: '"N" comes after more than 90 degrees', token: 3 },
  { type: 'APL', text: '3:192.0.2.0/24', problem: '"3:192.0.2.0/24" is not an address prefix', token: 0 },
  { type: 'APL', text: '1:192.0.2.0/33', problem: '"1:192.0.2.0/33" is not an address prefix', token: 0 },
  { type: 'EUI48', text: '0-0-5e-0-53-2a', problem: '"0-0-5e-0-53-2a" has the wrong form', token: 0 },
  { type: 'IPSECKEY', text: '10 4 2 . AQID', problem: '"4" is not gateway type, a number from 0 to 3', token: 1 },
  { type: 'IPSECKEY', text: '10 1 2 gw.example. AQID', problem: '"gw.example." is not a gateway of type 1', token: 3 },
  { type: 'NULL', text: 'x', problem: 'rdata of NULL can only be written as octets', token: 0 },
  { type: 'TYPE65280', text: '1', problem: 'rdata of TYPE65280 can only be written as octets', token: 0 },
  { type: 'A', text: '\\# 4 0A0000', problem: '"4" octets were announced, but 3 follow', token: 1 },
  { type: 'A', text: '\\# 3 0A0000', problem: '"\\#" is followed by octets that are no rdata of A', token: 0 },
  { type: 'TXT', text: '"a', problem: 'a quote is not closed', token: -1 },
  { type: 'TXT', text: '( a', problem: 'a parenthesis is not closed', token: -1 },
  { type: 'TXT', text: 'a )', problem: 'a closing parenthesis without an opening one', token: -1 },
  { type: 'TXT', text: 'a\nb', problem: 'the text goes on after a line break', token: -1 },
]
for (const { type, text, problem, token } of errors) {
  test(`error: ${type} ${JSON.stringify(text.slice(0, 60))}`, () => {
    assert.throws(
      () => scanRdataText(numberOf(type), text, origin),
      (error) => {
        assert.ok(error instanceof RdataError)
        assert.deepEqual({ problem: error.problem, token: error.token }, { problem, token })
        return true
      },
    )
  })
}

test('relative names need an origin', () => {
  assert.throws(() => scanRdataText(2, 'ns'), {
    problem: '"ns" is not a domain name: a relative name where no origin is known',
  })
  assert.throws(() => scanRdataText(2, '@'), RdataError)
})

const malformed = [
  { title: 'A of 5 octets', type: 'A', wire: '0102030405' },
  { title: 'A of none', type: 'A', wire: '' },
  { title: 'NS with a pointer', type: 'NS', wire: 'c000' },
  { title: 'octets after a name', type: 'NS', wire: '0000' },
  { title: 'a string past the end', type: 'TXT', wire: '0361' },
  { title: 'NSEC windows falling', type: 'NSEC', wire: '00 0101 40 0001 40' },
  { title: 'NSEC window of none', type: 'NSEC', wire: '00 0000' },
  { title: 'NSEC window of 33', type: 'NSEC', wire: `00 0021 ${'01'.repeat(33)}` },
  { title: 'NSEC window with zero at its end', type: 'NSEC', wire: '00 0002 4000' },
  { title: 'NSEC3 with a hash of none', type: 'NSEC3', wire: '01 00 0000 00 00' },
  { title: 'SVCB keys falling', type: 'SVCB', wire: '0001 00 0003 0002 0001 0001 0003 026832' },
  { title: 'SVCB key twice', type: 'SVCB', wire: '0001 00 0003 0002 0001 0003 0002 0001' },
  { title: 'SVCB port of 3 octets', type: 'SVCB', wire: '0001 00 0003 0003 000001' },
  { title: 'SVCB alpn of none', type: 'SVCB', wire: '0001 00 0001 0000' },
  { title: 'SVCB alpn with an empty item', type: 'SVCB', wire: '0001 00 0001 0001 00' },
  { title: 'SVCB ipv4hint of 5 octets', type: 'SVCB', wire: '0001 00 0004 0005 0102030405' },
  { title: 'SVCB mandatory not rising', type: 'SVCB', wire: '0001 00 0000 0004 0002 0001' },
  { title: 'SVCB value past the end', type: 'SVCB', wire: '0001 00 0063 ffff 00' },
  { title: 'APL with a zero octet at its end', type: 'APL', wire: '0001 18 02 c000' },
  { title: 'APL of 5 IPv4 octets', type: 'APL', wire: '0001 18 05 0102030405' },
  { title: 'APL of family 3', type: 'APL', wire: '0003 18 01 01' },
  { title: 'HIP without a key', type: 'HIP', wire: '01 02 0000 ff' },
  { title: 'HIP key past the end', type: 'HIP', wire: '01 02 ffff ff' },
  { title: 'IPSECKEY gateway of type 4', type: 'IPSECKEY', wire: '0a 04 02' },
  { title: 'AMTRELAY cut', type: 'AMTRELAY', wire: '0a 02 2001' },
  { title: 'A6 prefix of 129', type: 'A6', wire: '81 00' },
  { title: 'LOC version 1', type: 'LOC', wire: `01 ${'00'.repeat(15)}` },
  { title: 'LOC size of 0xa0', type: 'LOC', wire: '00 a0 16 13 80000000 80000000 00989680' },
  { title: 'LOC beyond the pole', type: 'LOC', wire: '00 12 16 13 ffffffff 80000000 00989680' },
  { title: 'TSIG mac past the end', type: 'TSIG', wire: '00 000000000000 012c ffff' },
]
for (const { title, type, wire } of malformed) {
  test(`malformed: ${title}`, () => {
    const number = numberOf(type)
    const rdata = octets(wire)
    assert.equal(validateRdata(number, rdata, 0, rdata.length), false)
    // Printed as octets, whatever they are.
    assert.equal(
      printRdata(number, rdata),
      rdata.length === 0 ? '\\# 0' : `\\# ${rdata.length} ${hex(rdata).toUpperCase()}`,
    )
  })
}

test('RFC 3597 4: which names may be compressed', () => {
  const compressible = RR_TABLE.filter(({ type }) => type < 256 && COMPRESSIBLE_AT[type]! >= 0)
  assert.deepEqual(
    compressible.map(({ type, mnemonic }) => `${mnemonic} ${COMPRESSIBLE_AT[type]}+${COMPRESSIBLE_COUNT[type]}`),
    [
      'NS 0+1',
      'MD 0+1',
      'MF 0+1',
      'CNAME 0+1',
      'SOA 0+2',
      'MB 0+1',
      'MG 0+1',
      'MR 0+1',
      'PTR 0+1',
      'MINFO 0+2',
      'MX 2+1',
    ],
  )
})

test('where names are', () => {
  const targets = [
    { type: 'SRV', text: '1 2 3 a.example.', index: 0, name: 'a.example.' },
    { type: 'NAPTR', text: '1 2 "s" "x" "" b.example.', index: 0, name: 'b.example.' },
    { type: 'SOA', text: 'a. b. 1 2 3 4 5', index: 1, name: 'b.' },
    { type: 'HTTPS', text: '1 c.example. alpn=h2', index: 0, name: 'c.example.' },
    { type: 'PX', text: '1 a. b.', index: 1, name: 'b.' },
  ]
  for (const { type, text, index, name } of targets) {
    const rdata = scanRdataText(numberOf(type), text)
    const at = rdataNameAt(numberOf(type), rdata, 0, rdata.length, index)
    assert.equal(nameToText(rdata, at), name, type)
    assert.equal(rdataNameAt(numberOf(type), rdata, 0, rdata.length, index + 1), -1)
  }
  assert.equal(rdataNameAt(1, octets('01020304'), 0, 4, 0), -1)
  assert.equal(rdataNameAt(65280, octets('01020304'), 0, 4, 0), -1)
  assert.equal(rdataNameAt(2, octets('0361'), 0, 2, 0), -1)
})

test('RFC 4034 6.2: canonical rdata has lower-case names, in the types that it lists', () => {
  const canonical = (type: string, text: string) => {
    const rdata = scanRdataText(numberOf(type), text)
    canonicalizeRdata(numberOf(type), rdata, 0, rdata.length)
    return printRdata(numberOf(type), rdata)
  }
  assert.equal(canonical('MX', '10 MAIL.Example.'), '10 mail.example.')
  assert.equal(canonical('SRV', '1 2 3 A.'), '1 2 3 a.')
  assert.equal(
    canonical('RRSIG', 'A 8 1 1 20300101000000 20260101000000 1 Example. QUJD'),
    'A 8 1 1 20300101000000 20260101000000 1 example. QUJD',
  )
  assert.equal(canonical('NSEC', 'A.Example. A'), 'A.Example. A')
  assert.equal(canonical('HTTPS', '1 A.Example.'), '1 A.Example.')
  assert.equal(canonical('TXT', '"ABC"'), '"ABC"')
})

const values = [
  {
    title: 'SRV',
    type: 'SRV',
    value: { priority: 1, weight: 2, port: 3, target: 'a.example' },
    text: '1 2 3 a.example.',
  },
  {
    title: 'what dns-packet lets be left out',
    type: 'SRV',
    value: { port: 3, target: 'a.example.' },
    text: '0 0 3 a.example.',
  },
  { title: 'TXT as a string', type: 'TXT', value: 'é', text: '"\\195\\169"' },
  { title: 'TXT as a Buffer', type: 'TXT', value: Buffer.from('ab'), text: '"ab"' },
  { title: 'TXT as a mixed array', type: 'TXT', value: ['a', Buffer.from('b')], text: '"a" "b"' },
  {
    title: 'CAA critical',
    type: 'CAA',
    value: { issuerCritical: true, tag: 'issue', value: 'ca' },
    text: '128 issue "ca"',
  },
  {
    title: 'DNSKEY without protocol',
    type: 'DNSKEY',
    value: { flags: 257, algorithm: 13, key: Buffer.from([1, 2, 3]) },
    text: '257 3 13 AQID',
  },
  { title: 'an rdata as a Buffer, for any type', type: 'MX', value: Buffer.from('000a00', 'hex'), text: '10 .' },
  {
    title: 'HTTPS',
    type: 'HTTPS',
    value: {
      priority: 1,
      target: '.',
      params: [
        { key: 'port', value: 8443 },
        { key: 'alpn', value: ['h2'] },
      ],
    },
    text: '1 . alpn="h2" port="8443"',
  },
  {
    title: 'LOC',
    type: 'LOC',
    value: {
      size: 100,
      horizontalPrecision: 1000000,
      verticalPrecision: 1000,
      latitude: 2 ** 31,
      longitude: 2 ** 31,
      altitude: 10_000_000,
    },
    text: '0 0 0.000 N 0 0 0.000 E 0.00m 1m 10000m 10m',
  },
]
for (const { title, type, value, text } of values) {
  test(`value: ${title}`, () => assert.equal(printRdata(numberOf(type), rdataOctets(numberOf(type), value)), text))
}

const badValues: { type: string; value: unknown }[] = [
  { type: 'A', value: '192.0.2.256' },
  { type: 'A', value: '::1' },
  { type: 'A', value: 1 },
  { type: 'A', value: undefined },
  { type: 'AAAA', value: 'fe80::1%eth0' },
  { type: 'NS', value: 'a..b' },
  { type: 'NS', value: 1 },
  { type: 'MX', value: { preference: 65536, exchange: 'a' } },
  { type: 'MX', value: { preference: 1.5, exchange: 'a' } },
  { type: 'MX', value: 'a' },
  { type: 'MX', value: null },
  { type: 'MX', value: Buffer.from([1]) },
  { type: 'TXT', value: 'x'.repeat(256) },
  { type: 'TXT', value: [1] },
  { type: 'DS', value: { keyTag: 1, algorithm: 1, digestType: 1, digest: 'text' } },
  { type: 'NSEC', value: { nextDomain: 'a', rrtypes: ['NOPE'] } },
  { type: 'SVCB', value: { priority: 1, target: '.', params: [{ key: 'alpn', value: 'h2' }] } },
  { type: 'SVCB', value: { priority: 1, target: '.', params: [{ key: '__proto__', value: 'h2' }] } },
  { type: 'SVCB', value: { priority: 1, target: '.', params: [null] } },
  { type: 'TYPE65280', value: 'text' },
  { type: 'LOC', value: {} },
  { type: 'IPN', value: -1 },
]
for (const { type, value } of badValues) {
  test(`no value of ${type}: ${JSON.stringify(value)?.slice(0, 60)}`, () => {
    assert.throws(() => rdataOctets(numberOf(type), value), RdataError)
  })
}

test('octets that are no UTF-8 survive as strings', () => {
  const rdata = octets('02 fffe 03 c3a941')
  const value = rdataValue(13, rdata, 0, rdata.length) as { cpu: string; os: string }
  assert.equal(value.os, 'éA')
  assert.equal(hex(rdataOctets(13, value)), hex(rdata))
})

test('what is composed ends up behind what is there', () => {
  const out = new OctetWriter(1)
  out.u8(7)
  composeRdata(1, '192.0.2.1', out)
  assert.equal(hex(out.take()), '07c0000201')
})
