import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Answer } from 'dns-packet'
import { packetRecord, wireRecord } from '../../src/rdata/packet-record.ts'
import { RdataError } from '../../src/rdata/rdata-error.ts'
import { printRecord, scanRecord } from '../../src/rdata/record-text.ts'

const records = [
  {
    text: 'www.example. 60 IN A 192.0.2.1',
    answer: { name: 'www.example', type: 'A', ttl: 60, class: 'IN', data: '192.0.2.1' },
  },
  { text: '. 60 IN NS a.', answer: { name: '.', type: 'NS', ttl: 60, class: 'IN', data: 'a' } },
  {
    text: 'example. 5 CH TYPE65280 \\# 1 AA',
    answer: { name: 'example', type: 'TYPE65280', ttl: 5, class: 'CH', data: Buffer.from([0xaa]) },
  },
  {
    text: 'a\\.b.example. 5 IN MX 10 mail.example.',
    answer: {
      name: 'a\\.b.example',
      type: 'MX',
      ttl: 5,
      class: 'IN',
      data: { preference: 10, exchange: 'mail.example' },
    },
  },
]
for (const { text, answer } of records) {
  test(`${text} as an object and back`, () => {
    const record = scanRecord(text)
    assert.deepEqual(packetRecord(record), answer)
    assert.deepEqual(wireRecord(answer as unknown as Answer), record)
    assert.equal(printRecord(wireRecord(answer as unknown as Answer)), text)
  })
}

const refused: Record<string, unknown>[] = [
  { name: 'a..b', type: 'A', data: '192.0.2.1' },
  { name: 'a', type: 'OPT', data: [] },
  { name: 'a', type: 'NOPE', data: '' },
  { name: 'a', type: 'A', class: 'NOPE', data: '192.0.2.1' },
  { name: 'a', type: 'A', data: 'x' },
]
for (const answer of refused) {
  test(`no record: ${JSON.stringify(answer)}`, () =>
    assert.throws(() => wireRecord(answer as unknown as Answer), RdataError))
}

test('rdata that is none of its type', () => {
  assert.throws(() => packetRecord({ ...scanRecord('a. A 192.0.2.1'), type: 28 }), {
    problem: 'malformed rdata of AAAA',
  })
})
