import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import dnsPacket, { type Answer } from 'dns-packet'
import { parseCidr } from '../../src/corefile/cidr.ts'
import { plugin } from '../../src/plugins/loadbalance/index.ts'
import { Random } from '../../src/plugins/loadbalance/random.ts'
import { openReorder, Reorder } from '../../src/plugins/loadbalance/reorder.ts'
import { parseWeights } from '../../src/plugins/loadbalance/weight-file.ts'
import { textToName } from '../../src/wire/name.ts'
import type { ParsedQuery } from '../../src/wire/parsed-query.ts'
import { REQUIRED, ReplyWriter } from '../../src/wire/reply-writer.ts'
import { OCTETS_PER_CALL_NONE, octetsPerCall } from '../support/allocations.ts'
import { parseWith } from '../support/directives.ts'
import { aClient, aLog, aQuery, aReply } from '../support/front.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31) + 1)
console.log(`SEED=${seed}`)
const folder = temporaryFolder()
const file = (name: string, text: string): string => {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

const a = (name: string, data: string): Answer => ({ name, type: 'A', class: 'IN', ttl: 60, data })
const aaaa = (name: string, data: string): Answer => ({ name, type: 'AAAA', class: 'IN', ttl: 60, data })
const cname = (name: string, data: string): Answer => ({ name, type: 'CNAME', class: 'IN', ttl: 60, data })
const mx = (name: string, preference: number, exchange: string): Answer => ({
  name,
  type: 'MX',
  class: 'IN',
  ttl: 60,
  data: { preference, exchange },
})

/** `answers` after a finisher, as `TYPE data`. */
function rows(answers: readonly Answer[] | undefined): string[] {
  return (answers ?? []).map((answer) => {
    const data = 'data' in answer ? answer.data : ''
    return `${answer.type} ${typeof data === 'string' ? data : JSON.stringify(data)}`
  })
}

/** The types don't list it. */
const encodeRecord = (dnsPacket as unknown as { answer: { encode(record: Answer): Buffer } }).answer.encode

/** Compresses a dns-packet message with our own writer: what the front would hand over. */
function compressed(query: ParsedQuery, message: Uint8Array): Uint8Array {
  const out = new Uint8Array(65535)
  const writer = new ReplyWriter()
  writer.begin(query, out, 0, 65535)
  const { answers = [], authorities = [], additionals = [] } = dnsPacket.decode(Buffer.from(message))
  for (const [section, records] of [answers, authorities, additionals].entries()) {
    for (const record of records) {
      const wire = encodeRecord(record)
      const owner = textToName(record.name)
      const fixed = owner.length
      const type = (wire[fixed]! << 8) | wire[fixed + 1]!
      const size = (wire[fixed + 8]! << 8) | wire[fixed + 9]!
      assert.ok(writer.putRecord(section, owner, type, 1, 60, wire, fixed + 10, size, REQUIRED))
    }
  }
  return out.slice(0, writer.end())
}

function finish(reorder: Reorder, query: ParsedQuery, message: Uint8Array, start = 0): dnsPacket.DecodedPacket {
  const buffer = new Uint8Array(start + message.length + 10).fill(0xee)
  buffer.set(message, start)
  const length = reorder.finish(query, aClient(), buffer, start, message.length)
  assert.ok(length <= message.length)
  assert.ok(buffer.subarray(0, start).every((octet) => octet === 0xee))
  assert.ok(buffer.subarray(start + message.length).every((octet) => octet === 0xee))
  return dnsPacket.decode(Buffer.from(buffer.subarray(start, start + length)))
}

const roundRobin = () => new Reorder(new Random(seed), [], undefined)

test('syntax', () => {
  const weights = file('good', 'www.example.org\n192.0.2.1 3\n')
  assert.deepEqual(parseWith(plugin, 'loadbalance'), { policy: 'round_robin', prefer: [] })
  assert.deepEqual(parseWith(plugin, 'loadbalance round_robin'), { policy: 'round_robin', prefer: [] })
  assert.deepEqual(parseWith(plugin, 'loadbalance round_robin {\nprefer 10.9.0.0/16 2001:db8::/32\n}'), {
    policy: 'round_robin',
    prefer: [parseCidr('10.9.0.0/16'), parseCidr('2001:db8::/32')],
  })
  assert.deepEqual(parseWith(plugin, 'loadbalance {\nprefer\n}'), { policy: 'round_robin', prefer: [] })
  assert.deepEqual(parseWith(plugin, `loadbalance weighted ${weights}`), {
    policy: 'weighted',
    file: weights,
    reloadMs: 30_000,
  })
  assert.deepEqual(parseWith(plugin, 'loadbalance weighted good {\nreload 0s\n}', { root: folder }), {
    policy: 'weighted',
    file: weights,
    reloadMs: 0,
  })
  const warnings: string[] = []
  parseWith(plugin, 'loadbalance weighted missing', { root: folder, warnings })
  assert.deepEqual(warnings, [`1: Failed to open weight file: ${join(folder, 'missing')}`])
})

test('syntax errors', () => {
  file('bad', 'www.example.org\n192.0.2.1 0\n')
  file('good', 'www.example.org\n192.0.2.1 3\n')
  const cases: readonly [string, RegExp][] = [
    ['loadbalance round_robin a', /unknown property for round_robin/],
    ['loadbalance weighted', /missing weight file argument/],
    ['loadbalance weighted one two', /unexpected argument\(s\)/],
    ['loadbalance unknown', /unknown policy: unknown/],
    ['loadbalance weighted good {\nreload\n}', /Corefile:2 .*reload duration value is missing/],
    ['loadbalance weighted good {\nreload 10s 20s\n}', /unexpected argument/],
    ['loadbalance weighted good {\nreload a\n}', /invalid reload duration 'a'/],
    ['loadbalance weighted good {\nprefer 10.0.0.0/8\n}', /unknown property 'prefer'/],
    ['loadbalance round_robin {\nreload 1s\n}', /unknown property 'reload'/],
    ['loadbalance {\nprefer 10.0.0.0/33\n}', /invalid CIDR "10.0.0.0\/33"/],
    ['loadbalance {\nprefer 10.0.0.1\n}', /invalid CIDR/],
    ['loadbalance weighted bad', /bad:2: wrong weight value:"0"/],
    ['loadbalance weighted missing {\nreload 0s\n}', /Failed to open weight file/],
  ]
  for (const [source, message] of cases)
    assert.throws(() => parseWith(plugin, source, { root: folder }), { message }, source)
})

test('weight files', () => {
  const cases: readonly [string, RegExp][] = [
    ['192.0.2.1', /f:1: wrong domain name:"192.0.2.1"/],
    ['192.0.2.1 1', /f:1: missing domain name/],
    ['a\nb 1', /f:2: wrong IP address:"b"/],
    ['a\n192.0.2.1 256', /wrong weight value:"256"/],
    ['a\n192.0.2.1 x', /wrong weight value:"x"/],
    ['a\n192.0.2.1 1 2', /could not parse weight line/],
    ['a..b', /f:1: .*a\.\.b/],
  ]
  for (const [text, message] of cases) assert.throws(() => parseWeights(text, 'f'), message, text)
  const table = parseWeights(
    '# comment\n\nWWW.example.org\n  192.0.2.1   3\n2001:db8::1 255\nb.\nwww.example.org.\n192.0.2.2 9\n',
    'f',
  )
  const name = textToName('www.example.org')
  const index = table.find(name, name.length)
  assert.equal(table.weightOf(index, Uint8Array.of(192, 0, 2, 1), 0, 4), 3)
  assert.equal(table.weightOf(index, Uint8Array.of(9, 192, 0, 2, 2), 1, 4), 9)
  assert.equal(table.weightOf(index, Uint8Array.of(192, 0, 2, 3), 0, 4), 1)
  assert.ok(table.find(textToName('c'), 3) < 0)
  assert.equal(parseWeights('', 'f').isEmpty, true)
})

test('addresses of an RRset are shuffled, evenly', () => {
  const query = aQuery({ name: 'www.example.org' })
  const addresses = ['192.0.2.1', '192.0.2.2', '192.0.2.3']
  const message = compressed(query, aReply(query, { answers: addresses.map((data) => a('www.example.org', data)) }))
  const reorder = roundRobin()
  const seen = new Map<string, number>()
  for (let i = 0; i < 6000; i++) {
    const order = rows(finish(reorder, query, message, i % 7).answers).join()
    seen.set(order, (seen.get(order) ?? 0) + 1)
  }
  assert.equal(seen.size, 6)
  for (const count of seen.values()) assert.ok(count > 800 && count < 1200, `${count}`)
})

test('a CNAME chain stays in front, addresses of every name move among themselves', () => {
  const query = aQuery({ name: 'www.example.org', type: 'A' })
  const message = compressed(
    query,
    aReply(query, {
      answers: [
        cname('www.example.org', 'web.example.net'),
        a('web.example.net', '192.0.2.1'),
        a('web.example.net', '192.0.2.2'),
      ],
      authorities: [{ name: 'example.net', type: 'NS', ttl: 60, data: 'ns.example.net' }],
      additionals: [
        a('ns.example.net', '192.0.2.9'),
        a('ns.example.net', '192.0.2.10'),
        aaaa('ns.example.net', '2001:db8::1'),
      ],
    }),
  )
  const reorder = roundRobin()
  const seen = new Set<string>()
  for (let i = 0; i < 200; i++) {
    const { answers, authorities, additionals } = finish(reorder, query, message)
    assert.equal(rows(answers)[0], 'CNAME web.example.net')
    assert.deepEqual(rows(answers).slice(1).sort(), ['A 192.0.2.1', 'A 192.0.2.2'])
    assert.deepEqual(
      answers!.map(({ name }) => name),
      ['www.example.org', 'web.example.net', 'web.example.net'],
    )
    assert.deepEqual(rows(authorities), ['NS ns.example.net'])
    assert.deepEqual(rows(additionals).sort(), ['A 192.0.2.10', 'A 192.0.2.9', 'AAAA 2001:db8::1'])
    seen.add(rows(answers).join() + rows(additionals).join())
  }
  assert.equal(seen.size, 4)
})

test('answers out of order become CNAME, others, addresses, MX', () => {
  const query = aQuery({ name: 'www.example.org', type: 'ANY' })
  const answers: Answer[] = [
    a('web.example.net', '192.0.2.1'),
    mx('web.example.net', 10, 'mail.example.net'),
    { name: 'web.example.net', type: 'TXT', ttl: 60, data: 'x' },
    cname('www.example.org', 'web.example.net'),
    aaaa('web.example.net', '2001:db8::1'),
  ]
  for (const message of [aReply(query, { answers }), compressed(query, aReply(query, { answers }))]) {
    const reply = finish(roundRobin(), query, message)
    assert.deepEqual(
      reply.answers!.map(({ type, name }) => `${name} ${type}`),
      [
        'www.example.org CNAME',
        'web.example.net TXT',
        'web.example.net A',
        'web.example.net AAAA',
        'web.example.net MX',
      ],
    )
    assert.equal(reply.flags! & 0x0500, dnsPacket.decode(Buffer.from(message)).flags! & 0x0500)
  }
})

test('MX records are shuffled although their names are compressed against each other', () => {
  const query = aQuery({ name: 'example.org', type: 'MX' })
  const message = compressed(
    query,
    aReply(query, {
      answers: [
        mx('example.org', 10, 'aspmx.example.com'),
        mx('example.org', 20, 'alt1.aspmx.example.com'),
        mx('example.org', 30, 'alt2.aspmx.example.com'),
      ],
      additionals: [a('aspmx.example.com', '192.0.2.1'), a('alt2.aspmx.example.com', '192.0.2.2')],
    }),
  )
  const reorder = roundRobin()
  const seen = new Set<string>()
  for (let i = 0; i < 300; i++) {
    const { answers, additionals } = finish(reorder, query, message)
    assert.deepEqual(rows(answers).sort(), [
      'MX {"preference":10,"exchange":"aspmx.example.com"}',
      'MX {"preference":20,"exchange":"alt1.aspmx.example.com"}',
      'MX {"preference":30,"exchange":"alt2.aspmx.example.com"}',
    ])
    assert.deepEqual(
      additionals!.map(({ name }) => name),
      ['aspmx.example.com', 'alt2.aspmx.example.com'],
    )
    seen.add(rows(answers).join())
  }
  // Where the longest name comes first the reply can't be rewritten in its old length, and stays as it was.
  assert.ok(seen.size >= 2, `${seen.size} orders`)
})

test('signatures stay behind what they cover', () => {
  const query = aQuery({ name: 'www.example.org', udpSize: 1232, dnssecOk: true })
  const sig = {
    typeCovered: 'A',
    algorithm: 13,
    labels: 3,
    originalTTL: 60,
    expiration: 9,
    inception: 1,
    keyTag: 1,
    signersName: 'example.org',
    signature: Buffer.alloc(64),
  }
  const answers = [
    a('www.example.org', '192.0.2.1'),
    a('www.example.org', '192.0.2.2'),
    { name: 'www.example.org', type: 'RRSIG', ttl: 60, data: sig } as Answer,
  ]
  for (let i = 0; i < 20; i++) {
    assert.deepEqual(
      finish(roundRobin(), query, aReply(query, { answers })).answers!.map(({ type }) => type),
      ['A', 'A', 'RRSIG'],
    )
  }
})

test('RFC 2181 5: addresses of another class are another RRset', () => {
  const query = aQuery({ name: 'www.example.org', type: 'ANY' })
  const of = (rrclass: 'IN' | 'CH', data: string): Answer =>
    ({ ...a('www.example.org', data), class: rrclass }) as Answer
  const message = aReply(query, { answers: [of('CH', '192.0.2.1'), of('IN', '192.0.2.2'), of('CH', '192.0.2.3')] })
  const reorder = roundRobin()
  for (let i = 0; i < 50; i++) {
    assert.deepEqual(rows(finish(reorder, query, message).answers), ['A 192.0.2.1', 'A 192.0.2.2', 'A 192.0.2.3'])
  }
})

test('left alone: single records, other RCODEs, transfers, messages that cannot be read', () => {
  const reorder = roundRobin()
  const query = aQuery({ name: 'www.example.org' })
  const two = { answers: [a('www.example.org', '192.0.2.1'), a('www.example.org', '192.0.2.2')] }
  const untouched: readonly [ParsedQuery, Uint8Array][] = [
    [query, aReply(query, { answers: [a('www.example.org', '192.0.2.1')] })],
    [query, aReply(query, two, { rcode: 3 })],
    [aQuery({ name: 'www.example.org', type: 'AXFR' }), aReply(aQuery({ name: 'www.example.org', type: 'AXFR' }), two)],
  ]
  for (const [asked, message] of untouched) {
    for (let i = 0; i < 20; i++) {
      const copy = Uint8Array.from(message)
      assert.equal(reorder.finish(asked, aClient(), copy, 0, copy.length), message.length)
      assert.deepEqual(copy, message)
    }
  }
  const random = new Random(seed)
  const whole = compressed(
    query,
    aReply(query, { answers: [...two.answers, mx('x.example.org', 1, 'y.example.org'), cname('a', 'b')] }),
  )
  for (let i = 0; i < 5000; i++) {
    const hostile = Uint8Array.from(whole.subarray(0, 30 + random.below(whole.length - 30)))
    for (let k = 0; k < 4; k++)
      hostile[12 + random.below(hostile.length - 12)] = random.below(3) === 0 ? 0xc0 : random.below(256)
    const length = reorder.finish(query, aClient(), hostile, 0, hostile.length)
    assert.ok(length <= hostile.length && length > 12)
  }
})

test('weighted picks the first address by weight', () => {
  const query = aQuery({ name: 'www.example.org' })
  const message = compressed(
    query,
    aReply(query, { answers: ['192.0.2.1', '192.0.2.2', '192.0.2.3'].map((data) => a('www.example.org', data)) }),
  )
  const reorder = new Reorder(new Random(seed), [], parseWeights('www.example.org\n192.0.2.2 6\n192.0.2.3 3\n', 'f'))
  const first = new Map<string, number>()
  for (let i = 0; i < 10_000; i++) {
    const top = rows(finish(reorder, query, message).answers)[0]!
    first.set(top, (first.get(top) ?? 0) + 1)
  }
  const share = (address: string) => (first.get(`A ${address}`) ?? 0) / 10_000
  assert.ok(Math.abs(share('192.0.2.1') - 0.1) < 0.02, `${share('192.0.2.1')}`)
  assert.ok(Math.abs(share('192.0.2.2') - 0.6) < 0.03)
  assert.ok(Math.abs(share('192.0.2.3') - 0.3) < 0.03)
  const mxQuery = aQuery({ name: 'www.example.org', type: 'MX' })
  const extra = aReply(mxQuery, {
    additionals: [a('m', '192.0.2.1'), a('m', '192.0.2.2')],
    answers: [mx('www.example.org', 1, 'm')],
  })
  for (let i = 0; i < 20; i++)
    assert.deepEqual(rows(finish(reorder, mxQuery, extra).additionals), ['A 192.0.2.1', 'A 192.0.2.2'])
})

test('preferred networks come first, in their order', () => {
  const query = aQuery({ name: 'www.example.org' })
  const answers = ['192.0.2.1', '10.9.9.9', '198.51.100.1', '10.9.0.1', '192.0.2.2'].map((data) =>
    a('www.example.org', data),
  )
  const reorder = new Reorder(new Random(seed), [parseCidr('10.9.0.0/16')!, parseCidr('198.51.100.0/24')!], undefined)
  const seen = new Set<string>()
  for (let i = 0; i < 100; i++) {
    const [first, second, third, ...rest] = rows(finish(reorder, query, aReply(query, { answers })).answers)
    assert.deepEqual([first, second].sort(), ['A 10.9.0.1', 'A 10.9.9.9'])
    assert.equal(third, 'A 198.51.100.1')
    seen.add(`${first} ${rest.join()}`)
  }
  assert.equal(seen.size, 4)
})

test('a weight file is read again; a bad one leaves the old weights', async () => {
  const path = file('weights', 'www.example.org\n192.0.2.1 255\n')
  const log = aLog()
  const closers: (() => void)[] = []
  const part = await openReorder(
    { policy: 'weighted', file: path, reloadMs: 10 },
    { log, onClose: (close) => closers.push(close) },
  )
  const query = aQuery({ name: 'www.example.org' })
  const message = aReply(query, { answers: [a('www.example.org', '192.0.2.1'), a('www.example.org', '192.0.2.2')] })
  const share = () => {
    let count = 0
    for (let i = 0; i < 300; i++) {
      const copy = Uint8Array.from(message)
      part.finish!(query, aClient(), copy, 0, copy.length)
      if (rows(dnsPacket.decode(Buffer.from(copy)).answers)[0] === 'A 192.0.2.1') count++
    }
    return count / 300
  }
  const until = async (line: RegExp) => {
    while (!log.lines.some((seen) => line.test(seen))) await new Promise((resolve) => setTimeout(resolve, 5))
  }
  assert.ok(share() > 0.9)
  file('weights', 'www.example.org\n192.0.2.1 x\n')
  await until(/^ERROR .*wrong weight value/)
  assert.ok(share() > 0.9)
  file('weights', 'www.example.org\n192.0.2.2 255\n')
  await until(/(?:.*\n)*INFO Successfully reloaded/)
  while (share() > 0.1) await new Promise((resolve) => setTimeout(resolve, 5))
  for (const close of closers) close()
})

test('reordering addresses does not allocate', () => {
  const query = aQuery({ name: 'www.example.org' })
  const message = compressed(
    query,
    aReply(query, { answers: ['192.0.2.1', '192.0.2.2', '192.0.2.3'].map((data) => a('www.example.org', data)) }),
  )
  const reorder = roundRobin()
  const client = aClient()
  const perCall = octetsPerCall(() => void reorder.finish(query, client, message, 0, message.length))
  assert.ok(perCall < OCTETS_PER_CALL_NONE, `${perCall} octets per reply`)
})
