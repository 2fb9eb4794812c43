import assert from 'node:assert/strict'
import { test } from 'node:test'
import dnsPacket from 'dns-packet'
import {
  type Expected,
  QuerySet,
  RIGHT,
  WRONG_ANSWER,
  WRONG_HEADER,
  WRONG_QUESTION,
  WRONG_RCODE,
} from '../../native-free-bench/load/query-set.ts'
import { readWorkload, workloadNames } from '../../native-free-bench/workloads/workload.ts'

const one: Expected = { qname: 'n1.example.', qtype: 1, rcode: 0, answers: 1, rdata: 'c6120001' }
const unique: Expected = { qname: '0000000000x.example.', qtype: 28, rcode: 3, answers: 0, unique: true }

function composed(set: QuerySet, serial: number): Buffer {
  const bytes = new Uint8Array(600)
  const length = set.compose(serial, bytes, 7)
  return Buffer.from(bytes.subarray(7, 7 + length))
}

test('a query decodes to what was expected', () => {
  const query = dnsPacket.decode(composed(new QuerySet([one], 'sequence'), 0))
  assert.deepEqual(query.questions, [{ name: 'n1.example', type: 'A', class: 'IN' }])
  assert.equal(query.flag_rd, true)
  assert.equal(query.type, 'query')
})

test('unique queries carry their serial number, and only they', () => {
  const set = new QuerySet([unique, one], 'sequence')
  const names = [0, 1, 2, 1234567890].map((serial) => dnsPacket.decode(composed(set, serial)).questions![0]!.name)
  assert.deepEqual(names, ['0000000000x.example', 'n1.example', '0000000002x.example', '1234567890x.example'])
  assert.throws(() => new QuerySet([{ ...unique, qname: 'x.example.' }], 'sequence'), /too short/)
})

test('orders: in sequence, uniform, and by Zipf', () => {
  const many = Array.from({ length: 100 }, (_, i) => ({ ...one, qname: `n${i}.example.` }))
  const counts = (set: QuerySet) => {
    const list = new Array<number>(100).fill(0)
    for (let serial = 0; serial < 100_000; serial++) list[set.index(serial)]!++
    return list
  }
  assert(counts(new QuerySet(many, 'sequence')).every((count) => count === 1000))
  const uniform = counts(new QuerySet(many, 'random'))
  assert(Math.min(...uniform) > 850 && Math.max(...uniform) < 1150)
  const zipf = counts(new QuerySet(many, 'zipf'))
  // At exponent 1 the first of 100 has 1 / H(100) = 19.3 % of all, the second half of that.
  assert(Math.abs(zipf[0]! - 19_277) < 600 && Math.abs(zipf[1]! - 9_639) < 500 && zipf[99]! > 100)
})

const question = { name: 'n1.example', type: 'A', class: 'IN' } as const
const address = (data: string) => ({ name: 'n1.example', type: 'A', ttl: 300, data }) as const
const cname = { name: 'n1.example', type: 'CNAME', ttl: 300, data: 'n2.example' } as const
const replies = [
  { title: 'right', verdict: RIGHT, answers: [address('198.18.0.1')] },
  { title: 'right, not first', verdict: RIGHT, answers: [cname, address('198.18.0.2'), address('198.18.0.1')] },
  { title: 'no answer', verdict: WRONG_ANSWER, answers: [] },
  { title: 'another address', verdict: WRONG_ANSWER, answers: [address('198.18.0.2')] },
  { title: 'another RCODE', verdict: WRONG_RCODE, answers: [address('198.18.0.1')], flags: 2 },
  { title: 'another question', verdict: WRONG_QUESTION, answers: [address('198.18.0.1')], name: 'n2.example' },
  { title: 'a query', verdict: WRONG_HEADER, answers: [], type: 'query' },
  { title: 'truncated', verdict: WRONG_HEADER, answers: [], flags: dnsPacket.TRUNCATED_RESPONSE },
] as const
for (const { title, verdict, answers, ...about } of replies) {
  test(`reply: ${title}`, () => {
    const {
      flags = 0,
      name = question.name,
      type = 'response',
    } = about as { flags?: number; name?: string; type?: 'query' }
    const reply = dnsPacket.encode({ type, flags, questions: [{ ...question, name }], answers: [...answers] })
    const bytes = Buffer.concat([Buffer.alloc(3), reply])
    const set = new QuerySet([one], 'sequence')
    assert.equal(set.check(0, bytes, 3, reply.length), verdict)
    // Cut short anywhere, it is wrong and nothing beyond it is read.
    for (let length = 12; length < reply.length; length++) {
      assert.notEqual(
        set.check(0, Buffer.concat([reply.subarray(0, length)]), 0, length),
        verdict === RIGHT ? RIGHT : -1,
      )
    }
  })
}

for (const name of workloadNames()) {
  test(`workload ${name}: its queries can be composed, its targets name servers`, {
    skip: name === 'zone-1m',
  }, async () => {
    const workload = await readWorkload(name)
    const set = new QuerySet(workload.queries(), workload.order)
    for (const serial of [0, 1, 12_345, 4_000_000_000]) {
      const asked = dnsPacket.decode(composed(set, serial)).questions![0]!
      assert(
        workload.servers?.length === 0 ||
          workload.cluster !== undefined ||
          workload.zones.some(({ origin }) => `.${asked.name}.`.endsWith(`.${origin}`)),
      )
    }
    for (const { origin, records } of workload.zones) {
      assert.match(origin, /^([a-z]+\.)+$/)
      for (const record of records()) assert.match(record, /^\S+ (A|AAAA) \S+$/)
    }
  })
}
