import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RdataError } from '../../src/rdata/rdata-error.ts'
import { printRecord, scanRecord } from '../../src/rdata/record-text.ts'
import { scanPeriod } from '../../src/rdata/text/period.ts'
import { textToName } from '../../src/wire/name.ts'

const records = [
  {
    title: 'everything given',
    text: 'www.example.org. 300 IN A 192.0.2.1',
    printed: 'www.example.org. 300 IN A 192.0.2.1',
  },
  {
    title: 'class before TTL',
    text: 'www.example.org. IN 5m A 192.0.2.1',
    printed: 'www.example.org. 300 IN A 192.0.2.1',
  },
  {
    title: 'no TTL: 3600, as in CoreDNS',
    text: 'www.example.org. IN A 192.0.2.1',
    printed: 'www.example.org. 3600 IN A 192.0.2.1',
  },
  { title: 'no TTL, no class', text: 'www.example.org. A 192.0.2.1', printed: 'www.example.org. 3600 IN A 192.0.2.1' },
  { title: 'relative to the root by default', text: 'Www A 192.0.2.1', printed: 'www. 3600 IN A 192.0.2.1' },
  { title: 'another class', text: 'a. CH TXT "x"', printed: 'a. 3600 CH TXT "x"' },
  { title: 'RFC 3597 throughout', text: 'a. CLASS32 1 TYPE65280 \\# 1 aa', printed: 'a. 1 CLASS32 TYPE65280 \\# 1 AA' },
  { title: 'a known type by number', text: 'a. TYPE1 192.0.2.1', printed: 'a. 3600 IN A 192.0.2.1' },
  {
    title: 'an owner that looks like a type, TTL and class',
    text: 'A 1 IN A 192.0.2.1',
    printed: 'a. 1 IN A 192.0.2.1',
  },
  { title: 'an owner of digits', text: '1 A 192.0.2.1', printed: '1. 3600 IN A 192.0.2.1' },
  {
    title: 'tabs, parentheses, a comment',
    text: 'a.\t( 60 IN\nMX 10\n mail. ) ; there',
    printed: 'a. 60 IN MX 10 mail.',
  },
  { title: 'TTL 0', text: 'a. 0 A 192.0.2.1', printed: 'a. 0 IN A 192.0.2.1' },
]
for (const { title, text, printed } of records) {
  test(`record: ${title}`, () => {
    const record = scanRecord(text)
    assert.equal(printRecord(record), printed)
    assert.deepEqual(scanRecord(printed), record)
  })
}

test('the owner may keep its case', () => {
  assert.equal(printRecord(scanRecord('WwW. A 192.0.2.1', { keepCase: true })), 'WwW. 3600 IN A 192.0.2.1')
})

test('origin and TTL can be given', () => {
  const record = scanRecord('@ MX 10 mail', { origin: textToName('example.org.'), ttlSeconds: 7 })
  assert.equal(printRecord(record), 'example.org. 7 IN MX 10 mail.example.org.')
})

const errors = [
  { text: '', problem: 'an empty text is no record' },
  { text: '; nothing', problem: 'an empty text is no record' },
  { text: 'www', problem: 'an RR type is missing' },
  { text: 'www A', problem: 'an IPv4 address is missing' },
  { text: 'www NOPE x', problem: '"NOPE" is not a TTL, a class or an RR type' },
  { text: 'www 1 IN NOPE x', problem: '"NOPE" is not an RR type' },
  { text: 'www 1 2 A 192.0.2.1', problem: '"2" is not a class or an RR type' },
  { text: 'www IN CH A 192.0.2.1', problem: '"CH" is not a TTL, an RR type' },
  { text: 'www 2147483648 A 192.0.2.1', problem: '"2147483648" is not a TTL, a number of seconds up to 2147483647' },
  { text: 'www 1y A 192.0.2.1', problem: '"1y" is not a TTL, a number of seconds up to 2147483647' },
  { text: 'www ANY A 192.0.2.1', problem: '"ANY" is a type for messages, not for zones' },
  { text: 'www OPT \\# 0', problem: '"OPT" is a type for messages, not for zones' },
  { text: 'www TYPE0 \\# 0', problem: '"TYPE0" is a type for messages, not for zones' },
  { text: 'a..b A 192.0.2.1', problem: '"a..b" is not an owner: an empty label (two dots in a row, or a leading dot)' },
  { text: 'a. A 192.0.2.1\nb. A 192.0.2.2', problem: 'the text goes on after a line break' },
]
for (const { text, problem } of errors) {
  test(`no record: ${JSON.stringify(text)}`, () => {
    assert.throws(
      () => scanRecord(text),
      (error) => {
        assert.ok(error instanceof RdataError)
        assert.equal(error.problem, problem)
        return true
      },
    )
  })
}

const periods = [
  { text: '0', seconds: 0 },
  { text: '3600', seconds: 3600 },
  { text: '1h30m', seconds: 5400 },
  { text: '1W2D3H4M5S', seconds: 788645 },
  { text: '1h30', seconds: 3630 },
  { text: '4294967295', seconds: 4294967295 },
  { text: '4294967296', seconds: -1 },
  { text: '99999w', seconds: -1 },
  { text: '', seconds: -1 },
  { text: 'h', seconds: -1 },
  { text: '1hh', seconds: -1 },
  { text: '-1', seconds: -1 },
  { text: '1.5h', seconds: -1 },
]
for (const { text, seconds } of periods) {
  test(`period "${text}"`, () => assert.equal(scanPeriod(Buffer.from(text), 0, text.length), seconds))
}
