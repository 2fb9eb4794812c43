import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Answer, decode, encode, type Packet } from 'dns-packet'
import {
  composeMessage,
  composeReplyMessage,
  type Message,
  MessageError,
  parseMessage,
} from '../../src/rdata/message.ts'
import { rdataValue, rowOf } from '../../src/rdata/rdata.ts'
import { typeNumber } from '../../src/rdata/rr-types.ts'
import { textToName } from '../../src/wire/name.ts'
import { ACCEPT, ParsedQuery } from '../../src/wire/parsed-query.ts'
import { Random, SEED } from '../support/random.ts'
import { RR_FIXTURES } from './rr-fixtures.ts'

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

/** Records that dns-packet looks into, as it wants them. */
const knownToDnsPacket = [
  { type: 'A', data: '192.0.2.1' },
  { type: 'AAAA', data: '2001:db8::1' },
  { type: 'CAA', data: { flags: 128, tag: 'issue', value: 'ca.example', issuerCritical: true } },
  { type: 'CNAME', data: 'target.example.org' },
  { type: 'DNAME', data: 'target.example.org' },
  { type: 'DNSKEY', data: { flags: 257, algorithm: 13, key: Buffer.from([1, 2, 3]) } },
  { type: 'DS', data: { keyTag: 1, algorithm: 13, digestType: 2, digest: Buffer.from([1, 2]) } },
  { type: 'HINFO', data: { cpu: 'PC', os: 'Unix é' } },
  { type: 'MX', data: { preference: 10, exchange: 'mail.example.org' } },
  {
    type: 'NAPTR',
    data: { order: 1, preference: 2, flags: 's', services: 'x', regexp: '!a!b!', replacement: 'r.example.org' },
  },
  { type: 'NS', data: 'ns.example.org' },
  { type: 'NSEC', data: { nextDomain: 'b.example.org', rrtypes: ['A', 'TXT', 'CAA'] } },
  {
    type: 'NSEC3',
    data: {
      algorithm: 1,
      flags: 0,
      iterations: 0,
      salt: Buffer.from([1]),
      nextDomain: Buffer.alloc(20, 7),
      rrtypes: ['A'],
    },
  },
  { type: 'PTR', data: 'ptr.example.org' },
  { type: 'RP', data: { mbox: 'm.example.org', txt: 't.example.org' } },
  {
    type: 'RRSIG',
    data: {
      typeCovered: 'A',
      algorithm: 13,
      labels: 2,
      originalTTL: 300,
      expiration: 1893456000,
      inception: 1767225600,
      keyTag: 7,
      signersName: 'example.org',
      signature: Buffer.from([9, 8]),
    },
  },
  {
    type: 'SOA',
    data: { mname: 'ns.example.org', rname: 'h.example.org', serial: 1, refresh: 2, retry: 3, expire: 4, minimum: 5 },
  },
  { type: 'SRV', data: { priority: 1, weight: 2, port: 3, target: 'srv.example.org' } },
  { type: 'SSHFP', data: { algorithm: 4, hash: 1, fingerprint: 'AB'.repeat(20) } },
  { type: 'TLSA', data: { usage: 3, selector: 1, matchingType: 1, certificate: Buffer.from([1, 2, 3]) } },
  { type: 'TXT', data: [Buffer.from('a'), Buffer.from('b c')] },
  { type: 'NULL', data: Buffer.from([1, 2]) },
].map((record) => ({ name: 'www.example.org', ttl: 300, class: 'IN', ...record }) as unknown as Answer)

const response: Packet = {
  id: 4711,
  type: 'response',
  flags: 0x0580,
  questions: [{ name: 'www.example.org', type: 'A', class: 'IN' }],
  answers: knownToDnsPacket,
}

/** Properties that only one of the two decoders gives. */
function shared(answers: readonly Answer[]): unknown[] {
  return answers.map((answer) => {
    const { flush: _flush, ...record } = answer as Answer & { flush?: boolean; data: unknown }
    if (record.type !== 'DNSKEY') return record
    const { protocol: _protocol, ...data } = record.data as unknown as Record<string, unknown>
    return { ...record, data }
  })
}

test('dns-packet reads what we compose, and we read what dns-packet composes, with the same values', () => {
  const ours = composeMessage(response)
  const theirs = encode(structuredClone({ ...response, answers: [] }))
  assert.equal(hex(ours.slice(0, 6)), hex(theirs.subarray(0, 6)))
  const decoded = decode(Buffer.from(ours))
  const parsed = parseMessage(ours)
  assert.deepEqual(shared(parsed.answers), shared(decoded.answers!))
  assert.deepEqual(parsed.questions, decoded.questions)
  for (const key of [
    'id',
    'type',
    'flags',
    'opcode',
    'rcode',
    'flag_qr',
    'flag_aa',
    'flag_tc',
    'flag_rd',
    'flag_ra',
    'flag_z',
    'flag_ad',
    'flag_cd',
  ] as const) {
    assert.equal(parsed[key], (decoded as unknown as Message)[key], key)
  }
  const clone = {
    ...response,
    answers: knownToDnsPacket.map((answer) => ({ ...answer, data: (answer as { data: unknown }).data }) as Answer),
  }
  assert.deepEqual(shared(parseMessage(encode(clone)).answers), shared(parsed.answers))
})

test('names are compressed: the owner points to the question, targets to each other', () => {
  const bytes = composeMessage({
    id: 1,
    type: 'response',
    questions: [{ name: 'WWW.example.org', type: 'A' }],
    answers: [
      { name: 'www.example.org', type: 'CNAME', ttl: 1, data: 'a.Example.org' },
      { name: 'a.example.org', type: 'MX', ttl: 1, data: { preference: 1, exchange: 'mx.a.Example.org' } },
      { name: 'www.example.org', type: 'SRV', ttl: 1, data: { port: 1, target: 'a.example.org' } },
    ],
  })
  const { answers } = parseMessage(bytes)
  // Owners take the case of the question; targets keep their own. RFC 3597 section 4: SRV's target is not compressed.
  assert.deepEqual(
    answers.map((answer) => [answer.name, (answer as { data: unknown }).data]),
    [
      ['WWW.example.org', 'a.Example.org'],
      ['a.Example.org', { preference: 1, exchange: 'mx.a.Example.org' }],
      ['WWW.example.org', { priority: 0, weight: 0, port: 1, target: 'a.example.org' }],
    ],
  )
  const header = 12 + 'xWWWxexamplexorgx'.length + 4
  const cname = 12 + 'xaxExample'.length + 2
  const mx = 12 + 2 + 'xmx'.length + 2
  const srv = 12 + 6 + 'xaxexamplexorgx'.length
  assert.equal(bytes.length, header + cname + mx + srv)
})

test('every fixture survives a message, under its own type and under one nobody knows', () => {
  for (const { type, wire } of RR_FIXTURES) {
    if (type === 'OPT') continue
    for (const [name, as] of [[type, typeNumber(type)!] as const, ['TYPE65280', 65280] as const]) {
      const rdata = Buffer.from(wire, 'hex')
      // A Buffer as TXT's data is one of its strings.
      const written = name === 'TXT' ? rdataValue(as, rdata, 0, rdata.length) : rdata
      const first = composeMessage({
        type: 'response',
        answers: [{ name: 'a.example', type: name, ttl: 5, class: 'IN', data: written } as unknown as Answer],
      })
      const parsed = parseMessage(first)
      const { data } = parsed.answers[0] as unknown as { data: unknown }
      if (rowOf(as)?.inPacket === 'buffer' || rowOf(as)?.rdata === undefined) assert.deepEqual(data, rdata, type)
      else assert.deepEqual(data, rdataValue(as, rdata, 0, rdata.length), type)
      assert.equal(hex(composeMessage(parsed)), hex(first), type)
    }
  }
})

test('OPT in both directions', () => {
  const options = [
    { code: 3, type: 'NSID', data: Buffer.from('x') },
    {
      code: 8,
      type: 'CLIENT_SUBNET',
      data: Buffer.from('00011800c00002', 'hex'),
      family: 1,
      sourcePrefixLength: 24,
      scopePrefixLength: 0,
      ip: '192.0.2.0',
    },
    { code: 65001, type: 'OPTION_65001', data: Buffer.alloc(0) },
  ]
  const opt = {
    name: '.',
    type: 'OPT',
    udpPayloadSize: 1232,
    extendedRcode: 1,
    ednsVersion: 0,
    flags: 0x8000,
    flag_do: true,
    options,
  }
  const bytes = composeMessage({ type: 'response', additionals: [opt as unknown as Answer] })
  const parsed = parseMessage(bytes)
  assert.deepEqual(parsed.additionals, [opt])
  assert.equal(parsed.rcodeNumber, 16)
  const theirs = decode(Buffer.from(bytes)).additionals![0] as unknown as Record<string, unknown>
  assert.deepEqual({ ...theirs, options: undefined }, { ...opt, options: undefined })
  const fields = composeMessage({
    additionals: [
      {
        name: '.',
        type: 'OPT',
        udpPayloadSize: 512,
        extendedRcode: 0,
        ednsVersion: 0,
        flags: 0,
        flag_do: false,
        options: [
          { code: 'CLIENT_SUBNET', ip: '192.0.2.255', sourcePrefixLength: 25 },
          { code: 'PADDING', length: 3 },
          { code: 'TCP_KEEPALIVE', timeout: 150 },
          { code: 'KEY_TAG', tags: [1, 2] },
        ],
      } as unknown as Answer,
    ],
  })
  assert.equal(
    hex(fields.slice(23)),
    '0008000800011900c0000280' + '000c0003000000' + '000b00020096' + '000e000400010002',
  )
})

test('a reply takes ID, opcode, RD, CD and the question from the query, octet by octet', () => {
  const query = new ParsedQuery()
  const message = encode({ id: 99, flags: 0x0110, questions: [{ name: 'wWw.ExAmple.org', type: 'A' }] })
  const buffer = new Uint8Array(message.length + 9)
  buffer.set(message, 9)
  assert.equal(query.parse(buffer, 9, message.length), ACCEPT)
  const reply = composeReplyMessage(query, {
    rcode: 23,
    authoritative: true,
    recursionAvailable: true,
    authenticData: false,
    truncated: false,
    sections: {
      answers: [{ name: 'www.example.org', type: 'A', ttl: 1, data: '192.0.2.1' }],
      authorities: [{ name: 'example.org', type: 'NS', ttl: 1, data: 'ns.example.org' }],
      additionals: [
        { name: '.', type: 'OPT', udpPayloadSize: 512 } as unknown as Answer,
        { name: 'ns.example.org', type: 'A', ttl: 1, data: '192.0.2.2' },
      ],
    },
  })
  assert.equal(hex(reply.slice(0, 12)), '0063' + '8597' + '0001000100010001')
  assert.deepEqual(reply.slice(12, query.questionEnd), buffer.slice(9 + 12, 9 + query.questionEnd))
  const parsed = parseMessage(reply)
  assert.equal(parsed.answers[0]!.name, 'wWw.ExAmple.org')
  assert.deepEqual(
    parsed.additionals.map(({ type }) => type),
    ['A'],
  )
})

const unwritable: { title: string; record: Record<string, unknown>; message: string }[] = [
  {
    title: 'no name',
    record: { name: 'a..b', type: 'A', data: '192.0.2.1' },
    message: '"a..b": an empty label (two dots in a row, or a leading dot)',
  },
  { title: 'no type', record: { name: 'a', type: 'NOPE', data: '' }, message: '"NOPE" is not an RR type' },
  {
    title: 'no class',
    record: { name: 'a', type: 'A', class: 'NOPE', data: '192.0.2.1' },
    message: '"NOPE" is not a class',
  },
  { title: 'no data', record: { name: 'a', type: 'A' }, message: 'a A: data is not an IPv4 address (undefined)' },
  { title: 'no TTL', record: { name: 'a', type: 'A', ttl: -1, data: '192.0.2.1' }, message: '-1 is not a TTL' },
]
for (const { title, record, message } of unwritable) {
  test(`can't be written: ${title}`, () => {
    assert.throws(() => composeMessage({ answers: [record as unknown as Answer] }), {
      name: 'MessageError',
      code: 'SHOAL_MESSAGE',
      message,
    })
  })
}

test('more than 65,535 octets', () => {
  const answers = Array.from(
    { length: 300 },
    (_, i) => ({ name: `a${i}`, type: 'TXT', ttl: 1, data: ['x'.repeat(250)] }) as Answer,
  )
  assert.throws(() => composeMessage({ answers }), { message: 'the message would have more than 65535 octets' })
  assert.equal(composeMessage({ answers: answers.slice(0, 240) }).length < 65536, true)
})

/** A message: header with these counts, then the octets. */
function raw(counts: readonly [number, number, number, number], ...parts: readonly (string | Uint8Array)[]): Buffer {
  const header = Buffer.alloc(12)
  header.writeUInt16BE(0x8180, 2)
  for (const [i, count] of counts.entries()) header.writeUInt16BE(count, 4 + 2 * i)
  return Buffer.concat([
    header,
    ...parts.map((part) => (typeof part === 'string' ? Buffer.from(part.replaceAll(' ', ''), 'hex') : part)),
  ])
}

const malformed = [
  { title: 'no header', bytes: Buffer.alloc(11) },
  { title: 'a question that isn’t there', bytes: raw([1, 0, 0, 0]) },
  { title: 'question cut', bytes: raw([1, 0, 0, 0], '0161 00 0001') },
  { title: 'a record that isn’t there', bytes: raw([0, 1, 0, 0]) },
  { title: 'record cut', bytes: raw([0, 1, 0, 0], '00 0001 0001 00000001 00') },
  { title: 'rdata past the end', bytes: raw([0, 1, 0, 0], '00 0001 0001 00000001 0004 0102') },
  { title: 'rdata of the wrong size', bytes: raw([0, 1, 0, 0], '00 0001 0001 00000001 0003 010203') },
  { title: 'owner that points to itself', bytes: raw([0, 1, 0, 0], 'c00c 0001 0001 00000001 0004 01020304') },
  { title: 'rdata name that points to itself', bytes: raw([0, 1, 0, 0], '00 0002 0001 00000001 0002 c017') },
  { title: 'rdata name that runs past the rdata', bytes: raw([0, 1, 0, 0], '00 0002 0001 00000001 0002 0361 626300') },
  { title: 'OPT option past its end', bytes: raw([0, 0, 0, 1], '00 0029 0200 00000000 0004 00010001') },
  { title: 'pointer into the header', bytes: raw([0, 1, 0, 0], 'c002 0001 0001 00000001 0004 01020304') },
]
for (const { title, bytes } of malformed) {
  test(`malformed: ${title}`, () =>
    assert.throws(() => parseMessage(bytes), { name: 'MessageError', code: 'SHOAL_MESSAGE' }))
}

test('RFC 2181 8: a TTL above 2^31-1 is 0', () => {
  const { answers } = parseMessage(raw([0, 1, 0, 0], '00 0001 0001 80000000 0004 01020304'))
  assert.equal((answers[0] as { ttl: number }).ttl, 0)
})

test('RFC 2136 2.4: updates have records of classes ANY and NONE without rdata', () => {
  const bytes = raw([0, 0, 1, 0], '0161 00 0001 00ff 00000000 0000')
  const message = parseMessage(bytes)
  assert.deepEqual(message.authorities, [{ name: 'a', type: 'A', ttl: 0, class: 'ANY', data: Buffer.alloc(0) }])
  assert.equal(hex(composeMessage(message)), hex(bytes))
})

test('records that are there twice are given once, but not in transfers', () => {
  const record = '0161 00 0001 0001 00000001 0004 01020304'
  const other = '0161 00 0001 0001 00000001 0004 01020305'
  assert.equal(
    parseMessage(raw([1, 1000, 0, 0], '00 0006 0001', ...Array<string>(1000).fill(SOA_BY_POINTERS))).answers.length,
    1,
  )
  assert.equal(parseMessage(raw([0, 3, 1, 0], record, other, record, record)).answers.length, 2)
  assert.equal(parseMessage(raw([1, 3, 0, 0], '00 00fc 0001', record, other, record)).answers.length, 3)
})

const sizes = [1000, 2000, 4000] as const

/** The shortest of a few runs, in milliseconds. */
function fastest(run: () => void): number {
  let best = Number.POSITIVE_INFINITY
  for (let i = 0; i < 15; i++) {
    const startedMs = performance.now()
    run()
    best = Math.min(best, performance.now() - startedMs)
  }
  return best
}

const SOA_BY_POINTERS = 'c00c 0006 0001 00000001 0018 c00c c00c 00000001 00000001 00000001 00000001 00000001'

/** Messages that made other servers slow; each of `count` records. */
const bombs: { title: string; make: (count: number) => Buffer }[] = [
  {
    title: 'each owner points to the one before it, one label longer each (CVE-2023-4408)',
    make: (count) => {
      const parts: Buffer[] = []
      let at = 12
      for (let i = 0; i < count; i++) {
        const owner = i % 100 === 0 ? Buffer.from('016100', 'hex') : Buffer.from([1, 0x61, 0xc0 | (at >>> 8), at & 255])
        const start = 12 + parts.reduce((sum, part) => sum + part.length, 0)
        if (start > 0x3f00) {
          parts.push(Buffer.from(`c00c000100010000000100040102${(i & 0xffff).toString(16).padStart(4, '0')}`, 'hex'))
          continue
        }
        at = start
        parts.push(Buffer.concat([owner, Buffer.from(`00010001000000010004${i.toString(16).padStart(8, '0')}`, 'hex')]))
      }
      return raw([0, count, 0, 0], ...parts)
    },
  },
  {
    title: 'thousands of equal SOAs, names by pointer (CVE-2026-75029)',
    make: (count) => raw([1, count, 0, 0], '00 0006 0001', ...Array<string>(count).fill(SOA_BY_POINTERS)),
  },
  {
    title: 'thousands of SOAs that differ in their last octets',
    make: (count) =>
      raw(
        [1, count, 0, 0],
        '00 0006 0001',
        ...Array.from({ length: count }, (_, i) => SOA_BY_POINTERS.slice(0, -4) + i.toString(16).padStart(4, '0')),
      ),
  },
  {
    title: 'as many different names as fit',
    make: (count) =>
      raw(
        [0, count, 0, 0],
        ...Array.from({ length: count }, (_, i) =>
          `04${i.toString(16).padStart(8, '0')}00 0001 0001 00000001 0000`.replace('0001 0001', 'ff00 0001'),
        ),
      ),
  },
]
for (const { title, make } of bombs) {
  test(`linear: ${title}`, () => {
    const messages = sizes.map(make)
    for (const bytes of messages) assert.ok(parseMessage(bytes).answers.length > 0)
    const [small, , large] = messages.map((bytes) => fastest(() => parseMessage(bytes))) as [number, number, number]
    assert.ok(large < 4 * 3 * small + 1, `${small} ms for ${sizes[0]} records, ${large} ms for ${sizes[2]}`)
    assert.ok(large < 60, `${large} ms`)
  })
}

test('counts cost nothing: 65,535 of everything in 40 octets', () => {
  const bytes = raw([65535, 65535, 65535, 65535], '00 0001 0001', Buffer.alloc(21))
  const before = process.memoryUsage().heapUsed
  const ms = fastest(() => {
    for (let i = 0; i < 1000; i++) assert.throws(() => parseMessage(bytes), MessageError)
  })
  assert.ok(ms < 1000, `${ms} ms`)
  assert.ok(process.memoryUsage().heapUsed - before < 64 * 1024 * 1024)
})

test(`any octets are a message or a MessageError; what was parsed can be composed and parsed again (SEED=${SEED})`, () => {
  const random = new Random()
  const seeds = [
    composeMessage(response),
    composeMessage({
      type: 'response',
      answers: RR_FIXTURES.filter(({ type }) => type !== 'OPT').map(
        ({ type, wire }) => ({ name: 'a.example', type, ttl: 1, data: Buffer.from(wire, 'hex') }) as unknown as Answer,
      ),
    }),
  ]
  let parsedCount = 0
  for (let round = 0; round < 3000; round++) {
    const bytes = Uint8Array.from(random.of(seeds)).slice(0, random.below(3) === 0 ? random.below(3000) : undefined)
    for (let change = random.below(4); change > 0 && bytes.length > 0; change--) {
      bytes[random.below(bytes.length)] = random.of([0, 1, 0xc0, 0xff, random.below(256)])
    }
    let message: Message
    try {
      message = parseMessage(bytes)
    } catch (error) {
      assert.ok(error instanceof MessageError, String(error))
      continue
    }
    parsedCount++
    const again = composeMessage(message)
    assert.deepEqual(lowered(parseMessage(again)), lowered(message))
  }
  assert.ok(parsedCount > 100, `${parsedCount} parsed`)
})

/** Owners may change their case by compression. */
function lowered(message: Message): Message {
  const section = (records: Answer[]) => records.map((record) => ({ ...record, name: record.name.toLowerCase() }))
  return {
    ...message,
    questions: message.questions.map((question) => ({ ...question, name: question.name.toLowerCase() })),
    answers: section(message.answers),
    authorities: section(message.authorities),
    additionals: section(message.additionals),
  }
}

test('__proto__ is a name like any other', () => {
  const bytes = composeMessage({
    questions: [{ name: '__proto__', type: 'A' }],
    answers: [{ name: '__proto__', type: 'NS', ttl: 1, data: 'constructor' }],
  })
  const { questions, answers } = parseMessage(bytes)
  assert.equal(questions[0]!.name, '__proto__')
  assert.equal((answers[0] as { data: string }).data, 'constructor')
  assert.ok(textToName('__proto__').length === 11)
})

test('RFC 9460 8: parameters that contradict each other go out as they came in', () => {
  const header = '12348180000100010000000001610000410001'
  // Priority 1 and the root; mandatory=alpn, no-default-alpn, and no alpn.
  const answer = 'c00c0041000100000005000d00010000000002000100020000'
  const bytes = Buffer.from(header + answer, 'hex')
  const { answers } = parseMessage(bytes)
  assert.equal(hex(composeMessage(parseMessage(bytes))), hex(bytes))
  assert.equal(answers.length, 1)
})
