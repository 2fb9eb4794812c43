import assert from 'node:assert/strict'
import test from 'node:test'
import type { Answer } from 'dns-packet'
import type { FrontPart } from '../../src/chain/plugin.ts'
import { Reply } from '../../src/chain/reply.ts'
import { plugin } from '../../src/plugins/minimal/index.ts'
import { stripMessage } from '../../src/plugins/minimal/strip-message.ts'
import { parseWith } from '../support/directives.ts'
import { aClient, aQuery, aReply } from '../support/front.ts'
import { aChainQuery, openHandler } from '../support/handler.ts'

const A: Answer = { type: 'A', name: 'example.org', class: 'IN', ttl: 60, data: '192.0.2.1' }
const NS: Answer = { type: 'NS', name: 'example.org', class: 'IN', ttl: 60, data: 'ns.example.org' }
const SOA: Answer = {
  type: 'SOA',
  name: 'example.org',
  class: 'IN',
  ttl: 60,
  data: { mname: 'ns.example.org', rname: 'x.example.org', serial: 1, refresh: 1, retry: 1, expire: 1, minimum: 1 },
}
const GLUE: Answer = { type: 'A', name: 'ns.example.org', class: 'IN', ttl: 60, data: '192.0.2.53' }
const OPT = { type: 'OPT', name: '.', udpPayloadSize: 1232, flags: 0, options: [] } as unknown as Answer

const cases: readonly {
  title: string
  rcode?: number
  answers?: Answer[]
  authorities?: Answer[]
  additionals?: Answer[]
  /** Counts of the three sections afterwards. */
  want: [number, number, number]
}[] = [
  { title: 'an answer keeps nothing else', answers: [A], authorities: [NS], additionals: [GLUE], want: [1, 0, 0] },
  { title: 'the OPT stays', answers: [A], authorities: [NS], additionals: [GLUE, OPT], want: [1, 0, 1] },
  { title: 'an OPT before other records stays too', answers: [A], additionals: [OPT, GLUE], want: [1, 0, 1] },
  { title: 'an answer with SOA is an answer', answers: [A], authorities: [SOA], want: [1, 0, 0] },
  { title: 'NODATA', authorities: [SOA], additionals: [GLUE], want: [0, 1, 1] },
  { title: 'NXDOMAIN', rcode: 3, answers: [A], authorities: [SOA], want: [1, 1, 0] },
  { title: 'a delegation', authorities: [NS], additionals: [GLUE], want: [0, 1, 1] },
  { title: 'SERVFAIL', rcode: 2, additionals: [GLUE], want: [0, 0, 1] },
  { title: 'neither answer nor authority: whoami', additionals: [GLUE], want: [0, 0, 0] },
]
const counts = (message: Uint8Array): number[] => [7, 9, 11].map((at) => message[at]!)

for (const { title, rcode = 0, answers = [], authorities = [], additionals = [], want } of cases) {
  test(title, async () => {
    const query = aQuery({ name: 'example.org', udpSize: 1232 })
    const whole = aReply(query, { answers, authorities, additionals }, { rcode })
    const front = plugin.front!(null, undefined as never) as FrontPart
    assert.equal(front.concerns!(query), false)
    const padded = new Uint8Array(whole.length + 20).fill(0xee)
    padded.set(whole, 7)
    const length = front.finish!(query, aClient(), padded, 7, whole.length)
    const finished = padded.slice(7, 7 + length)
    assert.deepEqual(counts(finished), want)
    // What stays is what a message composed without the rest has.
    const opt = want[2] === 1 && additionals.includes(OPT) ? [OPT] : want[2] === 0 ? [] : additionals
    const smaller = aReply(
      query,
      { answers, authorities: want[1] === 0 ? [] : authorities, additionals: opt },
      { rcode },
    )
    assert.deepEqual(finished, smaller)
    assert.ok(
      padded.subarray(0, 7).every((octet) => octet === 0xee) &&
        padded.subarray(7 + whole.length).every((octet) => octet === 0xee),
    )
    // The chain: wire form and records alike.
    const plain = additionals.filter((record) => record !== OPT)
    const minimal = await openHandler(plugin, 'minimal')
    const wanted = [want[0], want[1], want[2] === 0 ? 0 : plain.length === additionals.length ? want[2] : 0]
    const wire = Reply.fromWire(aReply(query, { answers, authorities, additionals: plain }, { rcode }))
    const fromWire = await minimal.ask(aChainQuery('example.org.'), () => wire)
    assert.deepEqual(counts(fromWire.wire!), wanted)
    const records = Reply.of({ answers, authorities, additionals: plain }, { rcode })
    const { sections } = await minimal.ask(aChainQuery('example.org.'), async () => records)
    assert.deepEqual([sections.answers.length, sections.authorities.length, sections.additionals.length], wanted)
  })
}

test('unwritten replies and drops pass', async () => {
  const minimal = await openHandler(plugin, 'minimal')
  for (const reply of [Reply.unwritten(2, 'cause'), Reply.drop()]) {
    assert.equal(await minimal.ask(aChainQuery('a.'), () => reply), reply)
  }
})

test('octets that are no message stay as they are, whatever they say', () => {
  const query = aQuery({ name: 'example.org' })
  const whole = aReply(query, { answers: [A], authorities: [NS], additionals: [GLUE] })
  for (let length = 0; length < whole.length; length++) {
    const cut = whole.slice(0, length)
    assert.equal(stripMessage(cut, 0, length), length)
  }
  const lying = whole.slice()
  lying[6] = 0xff
  assert.equal(stripMessage(lying, 0, lying.length), lying.length)
})

test('it takes no arguments', () => assert.throws(() => parseWith(plugin, 'minimal x'), /Wrong argument count/))
