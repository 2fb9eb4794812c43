/** What the reply writer puts on the wire: compression, truncation at RRset borders, header. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import dnsPacket from 'dns-packet'
import { textToName } from '../../src/wire/name.ts'
import { ParsedQuery } from '../../src/wire/parsed-query.ts'
import {
  OPTIONAL,
  REQUIRED,
  ReplyWriter,
  SECTION_ADDITIONAL,
  SECTION_ANSWER,
  SECTION_AUTHORITY,
} from '../../src/wire/reply-writer.ts'
import { OCTETS_PER_CALL_NONE, octetsPerCall } from '../support/allocations.ts'
import { decodeReply } from '../support/decode-reply.ts'
import { Random, SEED } from '../support/random.ts'
import { queryFor } from '../support/store-zones.ts'

const n = textToName
const writer = new ReplyWriter()
const out = new Uint8Array(70_000)

function begin(question: string, size = 65535, start = 0): ParsedQuery {
  const query = queryFor(n(question), 1, { id: 0x1234 })
  writer.begin(query, out, start, size)
  return query
}

function put(section: number, owner: string, type: number, rdata: Uint8Array, required = REQUIRED): boolean {
  return writer.putRecord(section, n(owner), type, 1, 300, rdata, 0, rdata.length, required)
}

test('header: ID, opcode, RD and CD from the query, flags and RCODE from the writer, counts', () => {
  const query = new ParsedQuery()
  const bytes = Buffer.concat([
    Buffer.from('abcd0170000100000000000000', 'hex').subarray(0, 12),
    n('a.'),
    Buffer.of(0, 1, 0, 1),
  ])
  bytes.writeUInt16BE(0x2110, 2)
  bytes.writeUInt16BE(1, 4)
  query.parse(bytes, 0, bytes.length)
  const own = new ReplyWriter()
  own.begin(query, out, 100, 512)
  own.authoritative = true
  own.recursionAvailable = true
  own.authenticData = true
  own.rcode = 3
  own.putRecord(SECTION_ANSWER, n('a.'), 1, 1, 1, new Uint8Array(4), 0, 4, REQUIRED)
  own.putRecord(SECTION_ADDITIONAL, n('b.'), 1, 1, 1, new Uint8Array(4), 0, 4, REQUIRED)
  const length = own.end()
  assert.equal(
    Buffer.from(out.subarray(100, 112)).toString('hex'),
    `abcd${(0x8000 | 0x2110 | 0x0400 | 0x80 | 0x20 | 3).toString(16)}00010001${'0000'}0001`,
  )
  assert.equal(length, own.at - own.start)
})

test('a query whose question could not be read gets a header alone', () => {
  const query = new ParsedQuery()
  const bytes = Buffer.from('abcd01000002000000000000', 'hex')
  query.parse(bytes, 0, bytes.length)
  writer.begin(query, out, 0, 512)
  writer.rcode = 1
  assert.equal(writer.end(), 12)
  assert.equal(Buffer.from(out.subarray(0, 12)).toString('hex'), 'abcd81010000000000000000')
})

test('RFC 1035 4.1.4: names are compressed against the question and names before, without regard to case', () => {
  begin('wWw.Example.org.')
  put(SECTION_ANSWER, 'www.example.org.', 1, Uint8Array.of(1, 2, 3, 4))
  put(SECTION_AUTHORITY, 'example.org.', 2, n('NS.example.org.'))
  put(SECTION_AUTHORITY, 'example.org.', 2, n('ns.other.test.'))
  put(SECTION_ADDITIONAL, 'ns.EXAMPLE.org.', 1, Uint8Array.of(1, 2, 3, 4))
  put(SECTION_ADDITIONAL, 'a.other.test.', 1, Uint8Array.of(1, 2, 3, 4))
  const length = writer.end()
  const message = out.slice(0, length)
  const hex = Buffer.from(message.subarray(12 + 17 + 4)).toString('hex')
  const nsOffset = 12 + 17 + 4 + 16 + 12
  const expected = [
    'c00c 0001 0001 0000012c 0004 01020304',
    'c010 0002 0001 0000012c 0005 024e53 c010',
    `c010 0002 0001 0000012c 000f ${Buffer.from('\x02ns\x05other\x04test\0').toString('hex')}`,
    `${(0xc000 | nsOffset).toString(16)} 0001 0001 0000012c 0004 01020304`,
    `0161 ${(0xc000 | (nsOffset + 5 + 12 + 3)).toString(16)} 0001 0001 0000012c 0004 01020304`,
  ]
  assert.equal(hex, expected.join('').replaceAll(' ', ''))
  const packet = dnsPacket.decode(Buffer.from(message))
  assert.deepEqual(
    packet.authorities!.map((record) => (record as { data: unknown }).data),
    ['NS.Example.org', 'ns.other.test'],
  )
})

test('RFC 3597 4: only types of RFC 1035 have names compressed', () => {
  for (const [type, rdata, isCompressed] of [
    [2, n('a.example.'), true],
    [5, n('a.example.'), true],
    [12, n('a.example.'), true],
    [15, Buffer.concat([Uint8Array.of(0, 5), n('a.example.')]), true],
    [6, Buffer.concat([n('a.example.'), n('b.example.'), new Uint8Array(20)]), true],
    [14, Buffer.concat([n('a.example.'), n('b.example.')]), true],
    [33, Buffer.concat([Uint8Array.of(0, 5, 0, 5, 0, 5), n('a.example.')]), false],
    [39, n('a.example.'), false],
    [46, Buffer.concat([new Uint8Array(18), n('a.example.'), new Uint8Array(9)]), false],
    [16, Uint8Array.of(3, 97, 98, 99), false],
  ] as const) {
    begin('example.')
    const from = writer.at
    put(SECTION_ANSWER, 'example.', type, rdata)
    const size = writer.at - from - 12
    if (isCompressed) assert.ok(size < rdata.length, `${type}`)
    else assert.equal(size, rdata.length, `${type}`)
    const [record] = decodeReply(out.slice(0, writer.end())).sections[0]
    assert.equal(record!.rdata, Buffer.from(rdata).toString('hex'))
  }
})

test('malformed rdata of a type with names is written as it is', () => {
  for (const rdata of [new Uint8Array(0), Uint8Array.of(5, 97), Uint8Array.of(0xc0, 12), Uint8Array.of(64)]) {
    for (const type of [2, 6, 14, 15]) {
      begin('example.')
      assert.equal(put(SECTION_ANSWER, 'example.', type, rdata), true)
      assert.deepEqual(out.slice(writer.at - rdata.length, writer.at), rdata)
    }
  }
})

test('the root as owner and in rdata', () => {
  begin('.')
  put(SECTION_ANSWER, '.', 2, n('.'))
  put(SECTION_ANSWER, '.', 2, n('a.'))
  put(SECTION_ADDITIONAL, 'a.', 1, Uint8Array.of(1, 2, 3, 4))
  const reply = decodeReply(out.slice(0, writer.end()))
  assert.deepEqual(
    reply.sections.map((records) => records.map(({ owner, rdata }) => `${JSON.stringify(owner)} ${rdata}`)),
    [['"\\u0000" 00', '"\\u0000" 016100'], [], ['"\\u0001a\\u0000" 01020304']],
  )
})

test('RFC 2181 9: an RRset goes in whole or not at all; a required one that does not fit ends the reply with TC', () => {
  const questionEnd = 12 + 9 + 4
  for (let size = 12; size < questionEnd + 200; size++) {
    const query = queryFor(n('example.'), 1)
    writer.begin(query, out, 7, Math.max(size, questionEnd))
    const results: boolean[] = []
    for (let rrset = 0; rrset < 3; rrset++) {
      if (!writer.openRRset(SECTION_ANSWER)) {
        results.push(false)
        continue
      }
      writer.ownerName(n(`h${rrset}.example.`), 0)
      for (let record = 0; record < 3; record++) {
        if (!writer.beginRecord(1, 1, 60)) break
        writer.putOctets(Uint8Array.of(1, 2, rrset, record), 0, 4)
        writer.endRecord()
      }
      results.push(writer.closeRRset(REQUIRED))
    }
    const kept = results.filter(Boolean).length
    assert.deepEqual(results, [true, true, true].fill(false, kept), 'none after the first that is missing')
    assert.equal(writer.truncated, kept < 3)
    const reply = decodeReply(out.slice(7, 7 + writer.end()))
    assert.equal(reply.sections[0].length, kept * 3)
    assert.ok(writer.at - 7 <= Math.max(size, questionEnd))
  }
})

test('an optional RRset that does not fit is left out without TC, and later ones may fit', () => {
  begin('example.', 100)
  assert.equal(put(SECTION_ADDITIONAL, 'long.example.', 16, new Uint8Array(100), OPTIONAL), false)
  assert.equal(put(SECTION_ADDITIONAL, 'a.example.', 1, new Uint8Array(4), OPTIONAL), true)
  assert.equal(writer.truncated, false)
  // The name of what was left out must not be pointed to.
  assert.equal(put(SECTION_ADDITIONAL, 'long.example.', 1, new Uint8Array(4), OPTIONAL), true)
  assert.deepEqual(
    decodeReply(out.slice(0, writer.end())).sections[2].map(({ owner }) => owner),
    ['\x01a\x07example\0', '\x04long\x07example\0'],
  )
})

test('rewind and clear take records out, and nothing points at them afterwards', () => {
  begin('example.')
  put(SECTION_ANSWER, 'kept.example.', 2, n('ns.kept.example.'))
  const { at, answerCount, authorityCount, additionalCount } = writer
  put(SECTION_ANSWER, 'gone.example.', 2, n('ns.gone.example.'))
  writer.rewind(at, answerCount, authorityCount, additionalCount)
  put(SECTION_AUTHORITY, 'ns.gone.example.', 2, n('ns.kept.example.'))
  let reply = decodeReply(out.slice(0, writer.end()))
  assert.deepEqual(
    reply.sections.map((records) => records.length),
    [1, 1, 0],
  )
  assert.equal(reply.sections[1][0]!.owner, '\x02ns\x04gone\x07example\0')
  writer.clear()
  put(SECTION_ANSWER, 'ns.kept.example.', 1, new Uint8Array(4))
  reply = decodeReply(out.slice(0, writer.end()))
  assert.deepEqual(
    reply.sections.map((records) => records.length),
    [1, 0, 0],
  )
  assert.equal(reply.sections[0][0]!.owner, '\x02ns\x04kept\x07example\0')
})

test('names written above a known place are compressed against later', () => {
  const query = begin('www.example.')
  writer.openRRset(SECTION_ANSWER)
  writer.ownerOfQuestion()
  writer.beginRecord(5, 1, 60)
  writer.putNameAbove(n('a.b.example.'), 0, 4, 12 + query.labels[1]!)
  writer.endRecord()
  writer.closeRRset(REQUIRED)
  const from = writer.at
  put(SECTION_ANSWER, 'a.b.example.', 1, new Uint8Array(4))
  assert.equal(writer.at - from, 2 + 10 + 4)
  put(SECTION_ANSWER, 'x.b.example.', 1, new Uint8Array(4))
  assert.equal(writer.at - from, 16 + 2 + 2 + 10 + 4)
  const reply = decodeReply(out.slice(0, writer.end()))
  assert.deepEqual(
    reply.sections[0].map(({ owner }) => owner),
    ['\x03www\x07example\0', '\x01a\x01b\x07example\0', '\x01x\x01b\x07example\0'],
  )
})

test(`thousands of random names, far past what pointers reach: every one is read back (SEED=${SEED})`, () => {
  const random = new Random(SEED)
  for (let round = 0; round < 20; round++) {
    begin('q.example.', 20_000 + random.below(45_000))
    const expected: string[] = []
    const labels = ['a', 'B', 'cc', 'ddd', 'e'.repeat(40), '\0', 'É']
    while (!writer.truncated) {
      let name = '\0'
      for (let depth = random.below(8); depth > 0; depth--) {
        const label = Buffer.from(random.of(labels), 'latin1').toString('latin1')
        if (name.length + 1 + label.length > 255) break
        name = String.fromCharCode(label.length) + label + name
      }
      const wire = Buffer.from(name, 'latin1')
      if (writer.putRecord(SECTION_ANSWER, wire, 2, 1, 1, wire, 0, wire.length, REQUIRED))
        expected.push(name.toLowerCase())
    }
    const reply = decodeReply(out.slice(0, writer.end()))
    assert.deepEqual(
      reply.sections[0].map(({ owner }) => owner),
      expected,
    )
    assert.deepEqual(
      reply.sections[0].map(({ rdata }) => Buffer.from(rdata, 'hex').toString('latin1')),
      expected,
    )
  }
})

test('many long names that differ only at the far end take linear time', () => {
  const long = (i: number) => n(`${`x${i}.`}${'a.'.repeat(100)}example.`)
  const names = Array.from({ length: 3000 }, (_, i) => long(i))
  const measure = (count: number) => {
    const query = queryFor(n('example.'), 1)
    let best = Number.POSITIVE_INFINITY
    for (let round = 0; round < 5; round++) {
      writer.begin(query, out, 0, 65535)
      const from = performance.now()
      for (let i = 0; i < count; i++) writer.putRecord(SECTION_ANSWER, names[i]!, 1, 1, 1, names[i]!, 0, 4, REQUIRED)
      best = Math.min(best, performance.now() - from)
    }
    return best
  }
  measure(3000)
  assert.ok(measure(3000) < 40 * Math.max(measure(300), 0.1))
})

test('writing allocates nothing', () => {
  const query = queryFor(n('www.example.'), 1)
  const owner = n('ns.example.')
  const rdata = n('mail.other.test.')
  const octets = octetsPerCall(() => {
    writer.begin(query, out, 0, 512)
    writer.putRecord(SECTION_ANSWER, query.name, 1, 1, 60, rdata, 0, 4, REQUIRED)
    writer.putRecord(SECTION_AUTHORITY, owner, 2, 1, 60, rdata, 0, rdata.length, REQUIRED)
    writer.putRecord(SECTION_ADDITIONAL, rdata, 16, 1, 60, out, 0, 600, OPTIONAL)
    writer.end()
  }, 50_000)
  assert.ok(octets < OCTETS_PER_CALL_NONE, `${octets} octets per reply`)
})
