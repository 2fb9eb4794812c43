/** The memory of replies, against a model of it: what it finds is what was kept last for an equal query, or nothing. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { ParsedQuery } from '../../src/wire/parsed-query.ts'
import { ReplyMemory } from '../../src/worker/reply-memory.ts'
import { OCTETS_PER_CALL_NONE, octetsPerCall } from '../support/allocations.ts'
import { composeTestQuery } from '../support/dns-client.ts'
import { Random, SEED } from '../support/random.ts'

const ROOM = 1232
const out = new Uint8Array(2000)

interface Asked {
  readonly name: string
  readonly qtype?: number
  readonly flags?: number
  readonly udpSize?: number
  readonly id?: number
}

function parsed({ name, qtype = 1, ...options }: Asked, query = new ParsedQuery(7)): ParsedQuery {
  const bytes = composeTestQuery(name, qtype, options)
  assert.equal(query.parse(bytes, 0, bytes.length), 0)
  return query
}

/** A reply of so many octets, all `fill` but for the ID. */
const reply = (size: number, fill: number): Uint8Array => new Uint8Array(size).fill(fill)

test('what was kept is found by an equal query and under its ID, and by no other', () => {
  const memory = new ReplyMemory()
  const kept = { name: 'www.example.org', udpSize: 1232, id: 1 }
  assert.equal(memory.find(parsed(kept), 5, 0, ROOM, out, 0), 0)
  memory.keep(parsed(kept), 0, ROOM, 3, reply(100, 9), 0, 100)
  assert.equal(memory.find(parsed({ ...kept, id: 0x1234 }), 5, 0, ROOM, out, 10), 100)
  assert.equal(memory.rcode, 3)
  assert.deepEqual(out.slice(10, 110), Uint8Array.of(0x12, 0x34, ...new Array(98).fill(9)))
  for (const other of [
    { ...kept, name: 'wwW.example.org' },
    { ...kept, name: 'ww.wexample.org' },
    { ...kept, qtype: 28 },
    { ...kept, flags: 0 },
    { ...kept, flags: 0x0120 },
    { ...kept, udpSize: 1231 },
    { name: kept.name },
  ]) {
    assert.equal(memory.find(parsed(other), 5, 0, ROOM, out, 0), 0, JSON.stringify(other))
  }
  assert.equal(memory.find(parsed(kept), 5, 1, ROOM, out, 0), 0, 'another block')
  assert.equal(memory.find(parsed(kept), 5, 0, ROOM - 1, out, 0), 0, 'less room')
  assert.equal(memory.find(parsed(kept), 5, 0, ROOM, out, 0), 100)
  assert.equal(memory.find(parsed(kept), 6, 0, ROOM, out, 0), 0, 'the store changed')
})

test('long replies are not kept', () => {
  const memory = new ReplyMemory()
  const query = parsed({ name: 'www.example.org' })
  memory.keep(query, 0, ROOM, 0, reply(400, 1), 0, 400)
  assert.equal(memory.find(query, 1, 0, ROOM, out, 0), 0)
})

test(`as the model, whatever comes (SEED=${SEED})`, () => {
  const random = new Random()
  const memory = new ReplyMemory()
  const model = new Map<string, { readonly fill: number; readonly size: number }>()
  let change = 1
  let found = 0
  for (let i = 0; i < 100_000; i++) {
    if (random.below(5000) === 0) change++
    const name = `n${random.below(3000)}.example`
    const query = parsed({ name, qtype: random.below(2) === 0 ? 1 : 28, id: random.below(65536) })
    const block = random.below(2)
    const key = `${name} ${query.qtype} ${block} ${change}`
    const size = memory.find(query, change, block, ROOM, out, 0)
    if (size === 0) {
      const next = { fill: random.below(256), size: 12 + random.below(330) }
      memory.keep(query, block, ROOM, next.fill & 15, reply(next.size, next.fill), 0, next.size)
      model.set(key, next)
      continue
    }
    found++
    const want = model.get(key)
    assert.ok(want !== undefined, key)
    assert.equal(size, want.size)
    assert.equal(memory.rcode, want.fill & 15)
    assert.equal((out[0]! << 8) | out[1]!, query.id)
    for (let at = 2; at < size; at++) assert.equal(out[at], want.fill)
  }
  assert.ok(found > 10_000, `${found} found`)
})

test('names that come once push out few of those that come often', () => {
  const memory = new ReplyMemory()
  const query = new ParsedQuery(7)
  const ask = (name: string): boolean => {
    parsed({ name }, query)
    if (memory.find(query, 1, 0, ROOM, out, 0) > 0) return true
    memory.keep(query, 0, ROOM, 0, reply(100, 1), 0, 100)
    return false
  }
  const names = Array.from({ length: 1000 }, (_, i) => `n${i}.example`)
  for (const name of names) ask(name)
  const known = names.filter(ask).length
  assert.ok(known > 950, `${known} of 1000`)
  for (let i = 0; i < 20_000; i++) {
    ask(`once${i}.example`)
    if (i % 10 === 0) ask(names[(i / 10) % 1000]!)
  }
  const left = names.filter(ask).length
  assert.ok(left > 700, `${left} of 1000`)
})

test('neither finding nor keeping allocates', () => {
  const memory = new ReplyMemory()
  const query = parsed({ name: 'www.example.org' })
  const octets = reply(150, 1)
  let change = 0
  const perCall = octetsPerCall(() => {
    change = (change + 1) & 0xffff
    memory.find(query, change, 0, ROOM, out, 0)
    memory.keep(query, 0, ROOM, 0, octets, 0, 150)
    memory.find(query, change, 0, ROOM, out, 0)
  })
  assert.ok(perCall < OCTETS_PER_CALL_NONE, `${perCall} octets per query`)
})
