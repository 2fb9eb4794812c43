import assert from 'node:assert/strict'
import { test } from 'node:test'
import { composeReply, FLAG_AA, FLAG_AD, FLAG_RA, FLAG_TC, KEEP_TTL, ReplyBody } from '../../src/wire/compose-reply.ts'
import { OCTETS_PER_CALL_NONE, octetsPerCall } from '../support/allocations.ts'
import { cpuMs } from '../support/cpu-time.ts'
import {
  AT_QNAME,
  labels,
  parsedQuery,
  record,
  soaRecord,
  TYPE_A,
  TYPE_AAAA,
  TYPE_CNAME,
  TYPE_MX,
  TYPE_NS,
  TYPE_RRSIG,
  TYPE_TXT,
  type WireQuery,
  type WireSections,
  wireReply,
} from '../support/wire-reply.ts'

const A = record(TYPE_A, [192, 0, 2, 1])
const OTHER_A = record(TYPE_A, [192, 0, 2, 2])

interface Reply {
  readonly flags: number
  readonly counts: number[]
  readonly body: number[]
  readonly length: number
  readonly id: number
}

function bodyOf(
  query: ReturnType<typeof parsedQuery>,
  sections: WireSections,
  about: { rcode?: number; flags?: number },
) {
  const body = new ReplyBody()
  const message = wireReply(query, sections, about)
  body.setMessage(message, 0, message.length, query.questionEnd)
  return body
}

/** Composes at offset 5 of a marked buffer, and checks that nothing outside was touched. */
function compose(query: ReturnType<typeof parsedQuery>, body: ReplyBody, sizeMax: number): Reply {
  const out = new Uint8Array(5 + sizeMax + 5).fill(0xee)
  const length = composeReply(query, body, out, 5, sizeMax)
  assert.ok(length <= sizeMax, `${length} octets where ${sizeMax} are allowed`)
  assert.ok(out.subarray(0, 5).every((octet) => octet === 0xee))
  assert.ok(out.subarray(5 + sizeMax).every((octet) => octet === 0xee))
  const reply = out.subarray(5, 5 + length)
  const question = query.bytes.subarray(12, query.questionEnd)
  assert.deepEqual(reply.subarray(12, query.questionEnd), question, 'the question as it came')
  const read = (at: number) => (reply[at]! << 8) | reply[at + 1]!
  return {
    flags: read(2),
    counts: [read(4), read(6), read(8), read(10)],
    body: [...reply.subarray(query.questionEnd)],
    length,
    id: read(0),
  }
}

const headers: {
  title: string
  query: WireQuery
  stored: { rcode?: number; flags?: number }
  rcode?: number
  want: number
}[] = [
  { title: "RD is the query's: set", query: { rd: true }, stored: { flags: FLAG_AA }, want: 0x8500 },
  { title: "RD is the query's: clear", query: { rd: false }, stored: { flags: FLAG_AA }, want: 0x8400 },
  { title: "CD is the query's", query: { flags: 0x0010 }, stored: { flags: 0 }, want: 0x8110 },
  { title: "AA and RA are the reply's", query: { rd: false }, stored: { flags: FLAG_AA | FLAG_RA }, want: 0x8480 },
  { title: "the opcode is the query's", query: { rd: false, flags: 0x2000 }, stored: { flags: FLAG_AA }, want: 0xa400 },
  { title: 'RFC 6840 5.8: no AD for who did not ask', query: { rd: false }, stored: { flags: FLAG_AD }, want: 0x8000 },
  { title: 'AD for a query with AD', query: { rd: false, flags: FLAG_AD }, stored: { flags: FLAG_AD }, want: 0x8020 },
  { title: 'AD for a query with DO', query: { rd: false, dnssecOk: true }, stored: { flags: FLAG_AD }, want: 0x8020 },
  {
    title: "a query's AD alone sets nothing",
    query: { rd: false, flags: FLAG_AD },
    stored: { flags: 0 },
    want: 0x8000,
  },
  { title: 'TC as an upstream set it', query: { rd: false }, stored: { flags: FLAG_TC }, want: 0x8200 },
  { title: 'the RCODE', query: { rd: false }, stored: { flags: 0, rcode: 3 }, want: 0x8003 },
  {
    title: 'an RCODE above 15 without OPT: SERVFAIL',
    query: { rd: false },
    stored: { flags: 0 },
    rcode: 16,
    want: 0x8002,
  },
  {
    title: 'an RCODE above 15 with OPT: its lower bits',
    query: { rd: false, udpSize: 512 },
    stored: { flags: 0 },
    rcode: 23,
    want: 0x8007,
  },
]

for (const { title, query: about, stored, rcode, want } of headers) {
  test(`header: ${title}`, () => {
    const query = parsedQuery({ ...about, id: 0xbeef })
    const body = bodyOf(query, { answers: [A] }, stored)
    body.flags |= 0x7957 // What else a header may hold is not taken over.
    body.flags &= ~(FLAG_AA | FLAG_TC | FLAG_RA | FLAG_AD) | (stored.flags ?? 0)
    if (rcode !== undefined) body.rcode = rcode
    const reply = compose(query, body, 512)
    assert.equal(reply.id, 0xbeef)
    assert.equal(reply.flags.toString(16), want.toString(16))
  })
}

test('the question keeps its case (0x20), and the body is put behind it as it is', () => {
  const stored = parsedQuery({ name: 'www.example.' })
  const body = bodyOf(stored, { answers: [A, OTHER_A] }, {})
  const reply = compose(parsedQuery({ name: 'wWw.EXAMPLE.' }), body, 512)
  assert.deepEqual(reply.counts, [1, 2, 0, 0])
  assert.deepEqual(reply.body, [...A, ...OTHER_A])
})

const opts: {
  title: string
  query: WireQuery
  options?: number[]
  sizeMax?: number
  want: number[]
  rcode?: number
}[] = [
  {
    title: 'none without OPT in the query, whatever options there are',
    query: {},
    options: [0, 15, 0, 2, 0, 3],
    want: [],
  },
  {
    title: "the client's size, where ours is larger",
    query: { udpSize: 700 },
    want: [0, 0, 41, 2, 188, 0, 0, 0, 0, 0, 0],
  },
  {
    title: "our size, where the client's is larger",
    query: { udpSize: 4096 },
    sizeMax: 1232,
    want: [0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0],
  },
  {
    title: 'RFC 6891 6.2.5: below 512 counts as 512',
    query: { udpSize: 100 },
    want: [0, 0, 41, 2, 0, 0, 0, 0, 0, 0, 0],
  },
  {
    title: 'what UDP would get, over TCP too',
    query: { udpSize: 4096 },
    sizeMax: 65535,
    want: [0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0],
  },
  { title: 'DO is copied', query: { dnssecOk: true }, want: [0, 0, 41, 4, 208, 0, 0, 0x80, 0, 0, 0] },
  { title: "the RCODE's upper bits", query: { udpSize: 1232 }, rcode: 23, want: [0, 0, 41, 4, 208, 1, 0, 0, 0, 0, 0] },
  {
    title: 'options of the reply',
    query: { udpSize: 1232 },
    options: [0, 15, 0, 2, 0, 3],
    want: [0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 6, 0, 15, 0, 2, 0, 3],
  },
  {
    title: 'RFC 7873 5.2, 7830, 7828, 7314: what the client put into its OPT is not echoed',
    query: {
      udpSize: 1232,
      options: [0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0, 12, 0, 2, 0, 0, 0, 11, 0, 0, 0, 9, 0, 0],
    },
    want: [0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0],
  },
  {
    title: "options that do not fit are left out, not the answer's OPT",
    query: { udpSize: 512 },
    sizeMax: 512,
    options: [0, 15, 2, 0, ...new Array<number>(512).fill(7)],
    want: [0, 0, 41, 2, 0, 0, 0, 0, 0, 0, 0],
  },
]

for (const { title, query: about, options = [], sizeMax = 1232, want, rcode } of opts) {
  test(`OPT: ${title}`, () => {
    const query = parsedQuery(about)
    const body = bodyOf(query, { answers: [A] }, {})
    body.options = Uint8Array.from([1, 2, 3, ...options])
    body.optionsAt = 3
    body.optionsLength = options.length
    if (rcode !== undefined) body.rcode = rcode
    const reply = compose(query, body, sizeMax)
    assert.deepEqual(reply.body, [...A, ...want])
    assert.deepEqual(reply.counts, [1, 1, 0, want.length === 0 ? 0 : 1])
  })
}

test('TTLs: kept, or all set to one', () => {
  const query = parsedQuery({ udpSize: 1232 })
  const sections = {
    answers: [
      record(TYPE_CNAME, labels('a.example.'), { ttl: 9 }),
      record(TYPE_A, [192, 0, 2, 1], { ttl: 0, owner: labels('a.example.') }),
    ],
    authorities: [record(TYPE_NS, AT_QNAME.slice(), { ttl: 0x7fffffff })],
    additionals: [record(TYPE_AAAA, new Array<number>(16).fill(1), { ttl: 77, owner: [0] })],
  }
  const body = bodyOf(query, sections, {})
  const kept = compose(query, body, 1232)
  const opt = kept.body.slice(-11)
  assert.deepEqual(kept.body, [...sections.answers, ...sections.authorities, ...sections.additionals, opt].flat())
  body.ttlSeconds = 0x01020304
  const set = compose(query, body, 1232)
  const ttl = 0x01020304
  assert.deepEqual(set.body, [
    ...record(TYPE_CNAME, labels('a.example.'), { ttl }),
    ...record(TYPE_A, [192, 0, 2, 1], { ttl, owner: labels('a.example.') }),
    ...record(TYPE_NS, AT_QNAME.slice(), { ttl }),
    ...record(TYPE_AAAA, new Array<number>(16).fill(1), { ttl, owner: [0] }),
    ...opt,
  ])
  body.ttlSeconds = 0
  assert.deepEqual(
    compose(query, body, 1232).body.slice(18, 22),
    [...labels('a.example.').slice(6, 10)],
    'rdata untouched',
  )
})

/** What the reply must keep: whole RRsets from the front, as many as fit. */
interface RRset {
  readonly section: 0 | 1 | 2
  readonly records: readonly (readonly number[])[]
  readonly isRequired: boolean
}

function expected(rrsets: readonly RRset[], room: number) {
  const counts = [0, 0, 0]
  const body: number[] = []
  let cut = false
  for (const [index, { section, records }] of rrsets.entries()) {
    const octets = records.flat()
    if (body.length + octets.length > room) {
      cut = rrsets.slice(index).some(({ isRequired }) => isRequired)
      break
    }
    body.push(...octets)
    counts[section] = counts[section]! + records.length
  }
  return { counts, body, tc: cut }
}

const text = (size: number) => record(TYPE_TXT, [size, ...new Array<number>(size).fill(0x61)])
const glue = (owner: string) => record(TYPE_A, [192, 0, 2, 9], { owner: labels(owner) })

const cuts: { title: string; rrsets: RRset[]; rcode?: number }[] = [
  {
    title: 'an RRset of the answer is kept whole or not at all, and all behind it goes too',
    rrsets: [
      { section: 0, isRequired: true, records: [record(TYPE_CNAME, labels('b.example.'))] },
      {
        section: 0,
        isRequired: true,
        records: Array.from({ length: 20 }, (_, i) => record(TYPE_A, [192, 0, 2, i], { owner: labels('b.example.') })),
      },
      { section: 0, isRequired: true, records: [text(90)] },
      { section: 0, isRequired: true, records: [record(TYPE_MX, [0, 1, 0]), record(TYPE_MX, [0, 2, 0])] },
      {
        section: 1,
        isRequired: false,
        records: [
          record(TYPE_NS, labels('ns.example.'), { owner: labels('example.') }),
          record(TYPE_NS, labels('ns2.example.'), { owner: labels('EXAMPLE.') }),
        ],
      },
    ],
  },
  {
    title: 'RFC 2181 9: dropped additional data of an answer, and the NS RRset with its signature beside it, set no TC',
    rrsets: [
      { section: 0, isRequired: true, records: [text(200), text(190)] },
      { section: 1, isRequired: false, records: [record(TYPE_NS, [0], { owner: [0] })] },
      {
        section: 1,
        isRequired: false,
        records: [record(TYPE_RRSIG, [0, TYPE_NS, ...new Array<number>(60).fill(1)], { owner: [0] })],
      },
      ...Array.from(
        { length: 30 },
        (_, i): RRset => ({ section: 2, isRequired: false, records: [glue(`h${i}.example.`), glue(`h${i}.example.`)] }),
      ),
    ],
  },
  {
    title: "a wildcard's proof beside an answer is required",
    rrsets: [
      { section: 0, isRequired: true, records: [text(200), text(150)] },
      { section: 1, isRequired: false, records: [record(TYPE_NS, [0], { owner: [0] })] },
      {
        section: 1,
        isRequired: true,
        records: [record(47, new Array<number>(40).fill(1), { owner: labels('x.example.') })],
      },
      {
        section: 1,
        isRequired: true,
        records: [record(TYPE_RRSIG, [0, 47, ...new Array<number>(160).fill(1)], { owner: labels('x.example.') })],
      },
    ],
  },
  {
    title: 'a denial needs all of its authority section',
    rcode: 3,
    rrsets: [
      { section: 1, isRequired: true, records: [soaRecord('example.')] },
      {
        section: 1,
        isRequired: true,
        records: [record(TYPE_RRSIG, [0, 6, ...new Array<number>(250).fill(1)], { owner: labels('example.') })],
      },
      {
        section: 1,
        isRequired: true,
        records: [record(47, new Array<number>(240).fill(1), { owner: labels('x.example.') })],
      },
      {
        section: 1,
        isRequired: true,
        records: [record(47, new Array<number>(240).fill(1), { owner: labels('y.example.') })],
      },
    ],
  },
  {
    title: 'RFC 9471: a referral needs its glue',
    rrsets: [
      {
        section: 1,
        isRequired: true,
        records: Array.from({ length: 6 }, (_, i) =>
          record(TYPE_NS, labels(`ns${i}.sub.example.`), { owner: labels('sub.example.') }),
        ),
      },
      ...Array.from(
        { length: 30 },
        (_, i): RRset => ({ section: 2, isRequired: true, records: [glue(`ns${i}.sub.example.`)] }),
      ),
    ],
  },
  {
    title: 'additional data of a NODATA is not required',
    rrsets: [
      { section: 1, isRequired: true, records: [soaRecord('example.')] },
      ...Array.from(
        { length: 40 },
        (_, i): RRset => ({ section: 2, isRequired: false, records: [glue(`ns${i}.example.`)] }),
      ),
    ],
  },
]

for (const { title, rrsets, rcode = 0 } of cuts) {
  test(`every size from 512 to 1232, with and without OPT: ${title}`, () => {
    const of = (section: number) =>
      rrsets.filter((rrset) => rrset.section === section).flatMap(({ records }) => records)
    for (const edns of [true, false]) {
      const query = parsedQuery(edns ? { udpSize: 4096 } : {})
      const body = bodyOf(query, { answers: of(0), authorities: of(1), additionals: of(2) }, { flags: FLAG_AA, rcode })
      const optSize = edns ? 11 : 0
      for (let sizeMax = 512; sizeMax <= 1232; sizeMax++) {
        const want = expected(rrsets, sizeMax - query.questionEnd - optSize)
        const reply = compose(query, body, sizeMax)
        assert.deepEqual(
          reply.counts.slice(1),
          [want.counts[0], want.counts[1], want.counts[2]! + (edns ? 1 : 0)],
          `${sizeMax}`,
        )
        assert.equal((reply.flags & FLAG_TC) !== 0, want.tc, `TC at ${sizeMax}`)
        assert.deepEqual(reply.body.slice(0, reply.body.length - optSize), want.body, `${sizeMax}`)
        if (edns) assert.deepEqual(reply.body.slice(-11, -8), [0, 0, 41])
      }
    }
  })
}

test('a body that is cut gets its TTLs set too', () => {
  const query = parsedQuery()
  const body = bodyOf(
    query,
    { answers: [record(TYPE_CNAME, labels('b.example.')), ...Array.from({ length: 60 }, () => A)] },
    {},
  )
  body.ttlSeconds = 7
  const reply = compose(query, body, 512)
  assert.deepEqual(reply.body, record(TYPE_CNAME, labels('b.example.'), { ttl: 7 }))
})

test('when not even question and OPT fit there is no reply', () => {
  const query = parsedQuery({ udpSize: 512 })
  assert.equal(composeReply(query, bodyOf(query, { answers: [A] }, {}), new Uint8Array(64), 0, 30), 0)
})

test('hostile bodies: within bounds, whatever they hold', () => {
  const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
  console.log(`SEED=${seed}`)
  let state = seed | 0
  const random = (below: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0
    return (state >>> 8) % below
  }
  const query = parsedQuery({ udpSize: 4096 })
  const plain = parsedQuery()
  for (let i = 0; i < 5000; i++) {
    const answers = Array.from({ length: 5 + random(40) }, () =>
      record(random(3) === 0 ? TYPE_NS : TYPE_A, new Array<number>(random(40)).fill(0xc0), {
        owner: [0xc0, 12 + random(40)],
      }),
    )
    const asked = random(2) === 0 ? query : plain
    const body = bodyOf(asked, { answers }, {})
    for (let k = random(20); k > 0; k--) body.bytes[random(body.bytes.length)] = random(256)
    body.answerCount = random(100)
    body.authorityCount = random(3) === 0 ? 65535 : random(5)
    body.additionalCount = random(5)
    body.ttlSeconds = random(2) === 0 ? KEEP_TTL : 5
    body.bodyLength = Math.min(body.bodyLength, random(2000))
    compose(asked, body, 512 + random(800))
  }
})

test('a long chain of pointers costs bounded work', () => {
  const query = parsedQuery()
  // Each owner points at the one before; comparing two of them would follow thousands of pointers.
  const answers: number[][] = []
  let at = query.questionEnd
  for (let i = 0; i < 3000; i++) {
    const target = i === 0 ? 12 : at - 16
    const owner = [0xc0 | ((target >>> 8) & 0x3f), target & 0xff]
    answers.push(record(TYPE_A, [1, 2, 3, i & 255], { owner }))
    at += 16
  }
  const body = bodyOf(query, { answers }, {})
  const out = new Uint8Array(65535)
  const startedAt = cpuMs()
  for (let i = 0; i < 100; i++) composeReply(query, body, out, 0, 16_384)
  assert.ok(cpuMs() - startedAt < 2000)
})

test('composing allocates nothing, whole or cut', () => {
  const query = parsedQuery({ udpSize: 1232 })
  const body = bodyOf(query, { answers: Array.from({ length: 20 }, (_, i) => record(TYPE_A, [192, 0, 2, i])) }, {})
  const out = new Uint8Array(2048)
  body.ttlSeconds = 30
  assert.ok(octetsPerCall(() => void composeReply(query, body, out, 0, 1232)) < OCTETS_PER_CALL_NONE)
  assert.ok(octetsPerCall(() => void composeReply(query, body, out, 0, 300)) < OCTETS_PER_CALL_NONE)
})
