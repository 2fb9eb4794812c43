import assert from 'node:assert/strict'
import { test } from 'node:test'
import dnsPacket from 'dns-packet'
import { ACCEPT, BADVERS, DROP, FORMERR, NOTIMP, ParsedQuery } from '../../src/wire/parsed-query.ts'
import {
  composeRefusal,
  EDE_NOT_READY,
  NO_EDE,
  RCODE_FORMERR,
  RCODE_REFUSED,
  RCODE_SERVFAIL,
  REFUSAL_SIZE_MAX,
  rcodeOfVerdict,
} from '../../src/wire/refusal.ts'

const NAME = [3, 0x77, 0x57, 0x77, 7, ...Buffer.from('example'), 0]
const OPT = (version: number, flags = 0) => [0, 0, 41, 16, 0, 0, version, flags, 0, 0, 0]

function message(header: readonly number[], ...parts: readonly number[][]): Uint8Array {
  return Uint8Array.from([0xab, 0xcd, ...header, ...parts.flat()])
}

const QUESTION = [...NAME, 0, 1, 0, 1]
const OWN_SIZE = 1232

const verdicts = [
  { title: 'a response gets no reply', bytes: message([0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0], QUESTION), verdict: DROP },
  {
    title: 'malformed: a bare header with FORMERR',
    bytes: message([1, 0x10, 0, 2, 0, 0, 0, 0, 0, 0], QUESTION),
    verdict: FORMERR,
    want: [0xab, 0xcd, 0x81, 0x11, 0, 0, 0, 0, 0, 0, 0, 0],
  },
  {
    title: 'a second OPT: FORMERR, and no OPT in the reply',
    bytes: message([1, 0, 0, 1, 0, 0, 0, 0, 0, 2], QUESTION, OPT(0), OPT(0)),
    verdict: FORMERR,
    want: [0xab, 0xcd, 0x81, 1, 0, 0, 0, 0, 0, 0, 0, 0],
  },
  {
    title: 'another opcode: NOTIMP with the same opcode',
    bytes: message([0x28, 0, 0, 1, 0, 0, 0, 0, 0, 0], QUESTION),
    verdict: NOTIMP,
    want: [0xab, 0xcd, 0xa8, 4, 0, 0, 0, 0, 0, 0, 0, 0],
  },
  {
    title: 'RFC 6891 6.1.3: BADVERS says version 0, keeps the question as it came, and copies DO',
    bytes: message([1, 0, 0, 1, 0, 0, 0, 0, 0, 1], QUESTION, OPT(1, 0x80)),
    verdict: BADVERS,
    want: [0xab, 0xcd, 0x81, 0, 0, 1, 0, 0, 0, 0, 0, 1, ...QUESTION, 0, 0, 41, 4, 208, 1, 0, 0x80, 0, 0, 0],
  },
]

for (const { title, bytes, verdict, want } of verdicts) {
  test(title, () => {
    const query = new ParsedQuery()
    assert.equal(query.parse(bytes, 0, bytes.length), verdict)
    const rcode = rcodeOfVerdict(verdict)
    if (want === undefined) {
      assert.equal(rcode, -1)
      return
    }
    const out = new Uint8Array(REFUSAL_SIZE_MAX + 3)
    const length = composeRefusal(query, rcode, NO_EDE, OWN_SIZE, out, 3)
    assert.deepEqual([...out.subarray(3, 3 + length)], want)
    assert.ok(length <= bytes.length, 'not larger than the query')
  })
}

test('an accepted verdict is no refusal', () => assert.equal(rcodeOfVerdict(ACCEPT), -1))

const refusals = [
  { title: 'without EDNS: header and question', edns: false, ede: EDE_NOT_READY, options: undefined },
  {
    title: 'with EDNS: OPT with the Extended DNS Error (RFC 8914)',
    edns: true,
    ede: EDE_NOT_READY,
    options: [[15, [0, 14]]],
  },
  { title: 'with EDNS, without error code: an empty OPT', edns: true, ede: NO_EDE, options: [] },
]

for (const { title, edns, ede, options } of refusals) {
  test(title, () => {
    const bytes = message([1, 0x10, 0, 1, 0, 0, 0, 0, 0, edns ? 1 : 0], QUESTION, edns ? OPT(0) : [])
    const query = new ParsedQuery()
    assert.equal(query.parse(bytes, 0, bytes.length), ACCEPT)
    const out = new Uint8Array(REFUSAL_SIZE_MAX)
    const length = composeRefusal(query, RCODE_REFUSED, ede, OWN_SIZE, out, 0)
    const reply = dnsPacket.decode(Buffer.from(out.subarray(0, length))) as unknown as {
      id: number
      rcode: string
      flag_rd: boolean
      flag_cd: boolean
      questions: { name: string }[]
      additionals: { type: string; udpPayloadSize: number; options: { code: number; data: Uint8Array }[] }[]
    }
    assert.equal(reply.id, 0xabcd)
    assert.equal(reply.rcode, 'REFUSED')
    assert.equal(reply.flag_rd, true)
    assert.equal(reply.flag_cd, true)
    assert.equal(reply.questions[0]!.name, 'wWw.example')
    if (options === undefined) assert.deepEqual(reply.additionals, [])
    else {
      assert.equal(reply.additionals[0]!.udpPayloadSize, OWN_SIZE)
      assert.deepEqual(
        reply.additionals[0]!.options.map(({ code, data }) => [code, [...data]]),
        options,
      )
    }
  })
}

test('an RCODE of more than four bits becomes SERVFAIL where there is no OPT to say it', () => {
  const bytes = message([1, 0, 0, 1, 0, 0, 0, 0, 0, 0], QUESTION)
  const query = new ParsedQuery()
  query.parse(bytes, 0, bytes.length)
  const out = new Uint8Array(REFUSAL_SIZE_MAX)
  composeRefusal(query, 16, NO_EDE, OWN_SIZE, out, 0)
  assert.equal(out[3]! & 15, RCODE_SERVFAIL)
})

test('the longest question fits into REFUSAL_SIZE_MAX', () => {
  const labels = [63, 63, 63, 61].flatMap((size) => [size, ...new Array<number>(size).fill(0x61)])
  const bytes = message([0, 0, 0, 1, 0, 0, 0, 0, 0, 1], [...labels, 0, 0, 1, 0, 1], OPT(0))
  const query = new ParsedQuery()
  assert.equal(query.parse(bytes, 0, bytes.length), ACCEPT)
  const out = new Uint8Array(1000)
  assert.equal(composeRefusal(query, RCODE_FORMERR, EDE_NOT_READY, OWN_SIZE, out, 0), REFUSAL_SIZE_MAX)
})

test('hostile bytes: never longer than header, question and OPT, whatever came in', () => {
  const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
  console.log(`SEED=${seed}`)
  let state = seed | 0
  const random = (below: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0
    return (state >>> 8) % below
  }
  const query = new ParsedQuery()
  const out = new Uint8Array(REFUSAL_SIZE_MAX)
  for (let i = 0; i < 20_000; i++) {
    const bytes = message([random(256), random(256), 0, random(3), 0, 0, 0, 0, 0, random(3)], QUESTION, OPT(random(2)))
    for (let k = random(4); k > 0; k--) bytes[random(bytes.length)] = random(256)
    const length = random(bytes.length + 1)
    const rcode = rcodeOfVerdict(query.parse(bytes, 0, length))
    if (rcode < 0) continue
    const replied = composeRefusal(query, rcode, NO_EDE, OWN_SIZE, out, 0)
    assert.ok(replied <= length, `SEED=${seed}: ${replied} octets for ${length}`)
  }
})
