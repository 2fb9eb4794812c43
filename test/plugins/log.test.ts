import assert from 'node:assert/strict'
import test from 'node:test'
import { Registry } from 'prom-client'
import { LineWriter } from '../../src/observe/line-writer.ts'
import { COMBINED_FORMAT, COMMON_FORMAT, LineFormat, scanFormat } from '../../src/plugins/log/format.ts'
import { plugin } from '../../src/plugins/log/index.ts'
import { putAddress, putDecimal, putSeconds } from '../../src/plugins/log/put-text.ts'
import { openQueryLog } from '../../src/plugins/log/query-log.ts'
import { addressText, parseAddress } from '../../src/wire/address.ts'
import { OCTETS_PER_CALL_NONE, octetsPerCall } from '../support/allocations.ts'
import { parseWith } from '../support/directives.ts'
import { aClient, aListener, anOutcome, aQuery, aReply } from '../support/front.ts'

const out = Buffer.alloc(8192)
const text = (write: (at: number) => number): string => out.toString('latin1', 3, write(3))

test('syntax: names, format, classes', () => {
  const rule = { scope: '.', format: COMMON_FORMAT, classes: ['all'] }
  const cases: readonly [string, unknown][] = [
    ['log', [rule]],
    ['log example.org', [{ ...rule, scope: 'example.org.' }]],
    [
      'log Example.ORG. example.net',
      [
        { ...rule, scope: 'example.org.' },
        { ...rule, scope: 'example.net.' },
      ],
    ],
    ['log example.org {common}', [{ ...rule, scope: 'example.org.' }]],
    ['log example.org {combined}', [{ ...rule, scope: 'example.org.', format: COMBINED_FORMAT }]],
    ['log . "{common} {/forward/upstream}"', [{ ...rule, format: `${COMMON_FORMAT} {/forward/upstream}` }]],
    ['log example.org {when}', [{ ...rule, scope: 'example.org.', format: '{when}' }]],
    ['log {\nclass denial\n}', [{ ...rule, classes: ['denial'] }]],
    ['log {\nclass denial error\nclass success denial\n}', [{ ...rule, classes: ['denial', 'error', 'success'] }]],
    ['log {\nclass all\n}', [rule]],
    ['log example.org {\nclass error\n}\nlog', [{ ...rule, scope: 'example.org.', classes: ['error'] }, rule]],
  ]
  for (const [source, want] of cases) assert.deepEqual(parseWith(plugin, source), want, source)
})

test('syntax errors name the line and a line that works', () => {
  const cases: readonly [string, RegExp][] = [
    ['log {\nclass\n}', /^Corefile:2 - .*.*Wrong argument count .*after 'class'/],
    ['log {\nclass abracadabra\n}', /^Corefile:2 - .*invalid Class: abracadabra/],
    ['log {\nunknown\n}', /^Corefile:2 - .*unknown property 'unknown'/],
    ['log a..b', /^Corefile:1 - .*.*a\.\.b/],
  ]
  for (const [source, message] of cases) assert.throws(() => parseWith(plugin, source), { message })
})

test('formats are cut at fields; unknown braces stay', () => {
  const cases: readonly [string, unknown][] = [
    ['', []],
    ['A {type} B', [{ literal: 'A ' }, { field: '{type}' }, { literal: ' B' }]],
    ['{type}{name}', [{ field: '{type}' }, { field: '{name}' }]],
    ['{ {type} }', [{ literal: '{ ' }, { field: '{type}' }, { literal: ' }' }]],
    ['A } {type}', [{ literal: 'A }' }, { literal: ' ' }, { field: '{type}' }]],
    ['A {X} {type', [{ literal: 'A {X}' }, { literal: ' {type' }]],
    ['{/a/b}!', [{ field: '{/a/b}' }, { literal: '!' }]],
  ]
  for (const [format, want] of cases) assert.deepEqual(scanFormat(format), want, format)
})

const query = aQuery({ name: 'WWW.example.net', type: 'AAAA', udpSize: 1232, dnssecOk: true })
const answers = [
  { name: 'www.example.net', type: 'AAAA', class: 'IN', ttl: 300, data: '2001:db8::1' },
  { name: 'www.example.net', type: 'AAAA', class: 'IN', ttl: 300, data: '2001:db8::2' },
] as const
const reply = aReply(query, { answers: [...answers] })

test('fields, octet for octet', () => {
  const format = (pattern: string) =>
    new LineFormat(pattern, [aListener(), aListener({ address: '2001:db8::53' }), aListener({ address: '192.0.2.53' })])
  const line = (pattern: string, q = query, client = aClient(), outcome = anOutcome(reply, { seconds: 0.000412 })) =>
    text((at) => format(pattern).write(out, at, q, client, outcome))
  assert.equal(
    line(COMMON_FORMAT),
    '192.0.2.7:40112 - 4711 "AAAA IN www.example.net. udp 44 true 1232" NOERROR qr,aa,rd 119 0.000412s',
  )
  assert.equal(line(COMBINED_FORMAT).slice(-4), ' "0"')
  assert.equal(
    line('{remote} {port} {proto} {>bufsize}', query, aClient('2001:db8::a', 53, { tcp: true })),
    '[2001:db8::a] 53 tcp 65535',
  )
  assert.equal(line('{local}'), '[::]')
  assert.equal(line('{local}', query, aClient('192.0.2.1', 1, { listenerId: 1 })), '[2001:db8::53]')
  assert.equal(line('{local}', query, aClient('192.0.2.1', 1, { listenerId: 2 })), '192.0.2.53')
  assert.equal(line('{/kubernetes/client-namespace} {when}'), '- {when}')
  assert.equal(line('{>id} {>opcode} {>do}', aQuery({ name: '.', type: 'NS', id: 0 })), '0 0 false')
  assert.equal(line('{name} {type} {class} {>bufsize}', aQuery({ name: '.', type: 'NS', class: 'CH' })), '. NS CH 512')
  assert.equal(line('{type}', aQuery({ name: 'a', type: 'UNKNOWN_65400' })), 'TYPE65400')
  assert.equal(line('{rcode} {>rflags} {rsize}', query, aClient(), anOutcome(undefined)), '- - 0')
  assert.equal(
    line('{rcode} {>rflags} {rsize}', query, aClient(), anOutcome(aReply(query, {}, { rcode: 3, flags: 0x07b0 }))),
    'NXDOMAIN qr,aa,tc,rd,ra,ad,cd 33',
  )
  const special = aQuery({ name: 'a' })
  Buffer.from('\x09we ird@\xff"\x07example\x00', 'latin1').copy(special.name)
  assert.equal(line('{name}', special), 'we\\ ird\\@\\255\\".example.')
})

test('a reply counts without compression and without its OPT', () => {
  // www.example.net. AAAA with the owner as a pointer, and an OPT.
  const compressed = Buffer.concat([
    Buffer.from(reply.subarray(0, 33)),
    Buffer.from([0xc0, 12, 0, 28, 0, 1, 0, 0, 1, 44, 0, 16, ...Array(16).fill(1)]),
    Buffer.from([0xc0, 12, 0, 28, 0, 1, 0, 0, 1, 44, 0, 16, ...Array(16).fill(2)]),
    Buffer.from([0, 0, 41, 4, 208, 0, 0, 0x80, 0, 0, 0]),
  ])
  compressed[7] = 2
  compressed[11] = 1
  const format = new LineFormat('{rsize}', [])
  assert.equal(
    text((at) => format.write(out, at, query, aClient(), anOutcome(compressed))),
    '119',
  )
})

test('numbers, durations and addresses as Go prints them', () => {
  for (const value of [0, 9, 10, 99, 100, 4711, 65535, 2 ** 31 - 1]) {
    assert.equal(
      text((at) => putDecimal(out, at, value)),
      String(value),
    )
  }
  const durations: readonly [number, string][] = [
    [0, '0s'],
    [0.000412, '0.000412s'],
    [0.000166407, '0.000166407s'],
    [1, '1s'],
    [2.5, '2.5s'],
    [1e-9, '0.000000001s'],
    [0.9999999999, '1s'],
  ]
  for (const [seconds, want] of durations)
    assert.equal(
      text((at) => putSeconds(out, at, { seconds })),
      want,
    )
  const addresses = [
    '::',
    '::1',
    '1::',
    '2001:db8::1',
    '1:0:0:2::3',
    '1:2:3:4:5:6:7:8',
    '1:0:2:0:3:0:4:0',
    'fe80::abcd:ef:1:23',
    '0:1::',
    '1::2:0',
  ]
  for (const address of addresses) {
    const octets = new Uint8Array(16)
    assert.equal(parseAddress(address, octets), 6)
    assert.equal(
      text((at) => putAddress(out, at, octets, 6)),
      `[${addressText(octets)}]`,
    )
  }
})

/** Lines that a log with these rules writes for these outcomes. */
function linesOf(
  source: string,
  queries: readonly (readonly [ReturnType<typeof aQuery>, Uint8Array | undefined, number?])[],
): string[] {
  const writer = new LineWriter(-1, 'nonblocking')
  const part = openQueryLog(parseWith(plugin, source), { listeners: [aListener()], registry: new Registry() }, writer)
  const lines: string[] = []
  for (const [q, message, rcode] of queries) {
    const from = writer.reserve(0)
    part.observe!(q, aClient(), anOutcome(message, rcode === undefined ? {} : { rcode }))
    lines.push(writer.buffer.toString('latin1', from, writer.reserve(0)))
  }
  return lines
}

test('only the first rule whose name matches counts, even when its class leaves the line out', () => {
  const q = aQuery({ name: 'a.example.org' })
  const ok = aReply(q, { answers: [{ name: 'a.example.org', type: 'A', ttl: 1, data: '192.0.2.1' }] })
  const line = '[INFO] a.example.org.\n'
  assert.deepEqual(linesOf('log example.org {name} {\nclass error\n}\nlog . {name}', [[q, ok]]), [''])
  assert.deepEqual(linesOf('log org. "{name}"', [[q, ok]]), [line])
  assert.deepEqual(linesOf('log example.net {name}', [[q, ok]]), [''])
  assert.deepEqual(linesOf('log b.example.org EXAMPLE.org {name}', [[q, ok]]), [line])
})

test('classes are told apart as CoreDNS does', () => {
  const q = aQuery({ name: 'example.org' })
  const soa = {
    name: 'example.org',
    type: 'SOA',
    ttl: 1,
    data: { mname: 'a', rname: 'b', serial: 1, refresh: 1, retry: 1, expire: 1, minimum: 1 },
  } as const
  const ns = { name: 'example.org', type: 'NS', ttl: 1, data: 'a' } as const
  const a = { name: 'example.org', type: 'A', ttl: 1, data: '192.0.2.1' } as const
  const signed = aQuery({ name: 'example.org', udpSize: 1232, dnssecOk: true })
  const sig = (inception: number, expiration: number) =>
    ({
      name: 'example.org',
      type: 'RRSIG',
      ttl: 1,
      data: {
        typeCovered: 'A',
        algorithm: 8,
        labels: 2,
        originalTTL: 1,
        expiration,
        inception,
        keyTag: 1,
        signersName: 'example.org',
        signature: Buffer.alloc(8),
      },
    }) as const
  const now = Math.floor(Date.now() / 1000)
  const cases: readonly [string, ReturnType<typeof aQuery>, Uint8Array | undefined, number, string][] = [
    ['answer', q, aReply(q, { answers: [a] }), 0, 'success'],
    ['empty NOERROR', q, aReply(q, {}), 0, 'success'],
    ['delegation', q, aReply(q, { authorities: [ns] }), 0, 'success'],
    ['NODATA', q, aReply(q, { authorities: [soa] }), 0, 'denial'],
    ['NXDOMAIN', q, aReply(q, { authorities: [soa] }, { rcode: 3 }), 3, 'denial'],
    ['NXDOMAIN without SOA', q, aReply(q, {}, { rcode: 3 }), 3, 'denial'],
    ['NXDOMAIN with an answer', q, aReply(q, { answers: [a] }, { rcode: 3 }), 3, 'error'],
    ['SERVFAIL', q, aReply(q, {}, { rcode: 2 }), 2, 'error'],
    ['REFUSED', q, aReply(q, {}, { rcode: 5 }), 5, 'error'],
    ['drop', q, undefined, -1, 'error'],
    [
      'zone transfer',
      aQuery({ name: 'example.org', type: 'AXFR' }),
      aReply(aQuery({ name: 'example.org', type: 'AXFR' }), { answers: [soa] }),
      0,
      'error',
    ],
    ['valid signature', signed, aReply(signed, { answers: [a, sig(now - 60, now + 60)] }), 0, 'success'],
    ['expired signature', signed, aReply(signed, { answers: [a, sig(now - 60, now - 30)] }), 0, 'error'],
    ['signature of tomorrow', signed, aReply(signed, { answers: [a, sig(now + 60, now + 90)] }), 0, 'error'],
  ]
  for (const [title, asked, message, rcode, want] of cases) {
    const classes = ['success', 'denial', 'error'].filter(
      (name) => linesOf(`log . {name} {\nclass ${name}\n}`, [[asked, message, rcode]])[0] !== '',
    )
    assert.deepEqual(classes, [want], title)
    assert.equal(linesOf('log . {name}', [[asked, message, rcode]])[0], '[INFO] example.org.\n', title)
  }
})

test('a line is written without allocation', () => {
  const client = aClient('2001:db8::1')
  const outcome = anOutcome(reply, { seconds: 0.00001 })
  const format = new LineFormat(`[INFO] ${COMBINED_FORMAT}`, [aListener()])
  const written = octetsPerCall(() => format.write(out, 0, query, client, outcome))
  assert.ok(written < OCTETS_PER_CALL_NONE, `${written} octets per line written`)
})
