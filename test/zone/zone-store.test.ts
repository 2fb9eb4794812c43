/** The store as its users see it: changes, generations, dumps, memory. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { printRecord } from '../../src/rdata/record-text.ts'
import { nameToText, textToName } from '../../src/wire/name.ts'
import { ReplyWriter } from '../../src/wire/reply-writer.ts'
import { BATCH_DELETE, BATCH_PUT, BatchReader, BatchWriter } from '../../src/zone/change-batch.ts'
import type { ZoneChange } from '../../src/zone/zone-change.ts'
import { ZonePublishing } from '../../src/zone/zone-publisher.ts'
import {
  ANSWERED,
  NO_ZONE,
  NXDOMAIN_OUTCOME,
  StoreFullError,
  UNAVAILABLE,
  ZONE_SET,
  ZoneStore,
} from '../../src/zone/zone-store.ts'
import { Random, SEED } from '../support/random.ts'
import { randomZone, signed, wire } from '../support/random-zone.ts'
import { askStore, queryFor, replaceZone, rrsetsOf } from '../support/store-zones.ts'
import type { ZoneModel } from '../support/zone-model.ts'

const SOA = 'example. 3600 SOA a. b. 7 2 3 4 60'

function small(): ZoneStore {
  return ZoneStore.create({ bytesMax: 2 ** 23 })
}

function findZone(store: ZoneStore, name: string, sourceId = 1): number {
  return store.findZone(sourceId, queryFor(textToName(name), 1))
}

/** Everything in batches, one line per record. */
function printBatches(batches: Iterable<Uint8Array>): string[] {
  const reader = new BatchReader()
  const lines: string[] = []
  for (const batch of batches) {
    reader.start(batch)
    while (reader.next()) {
      assert.equal(reader.operation, BATCH_PUT)
      for (const rdata of reader.rdatas()) {
        lines.push(
          printRecord({ owner: reader.owner(), type: reader.type, rrclass: 1, ttlSeconds: reader.ttlSeconds, rdata }),
        )
      }
    }
  }
  return lines
}

function describe(store: ZoneStore): unknown[] {
  return [...store.zones()].map(({ names, records, serial }) => ({ names, records, serial }))
}

async function putModel(store: ZoneStore, zone: ZoneModel): Promise<void> {
  const transaction = new ZonePublishing({ store, send: () => undefined })
    .forSource(1)
    .zone(nameToText(Buffer.from(zone.apex, 'latin1'), 0))
    .replace()
  const latin = (text: string) => Uint8Array.from(Buffer.from(text, 'latin1'))
  for (const [owner, types] of zone.owners) {
    for (const [type, { ttlSeconds, rdatas }] of types)
      transaction.put(latin(owner), type, ttlSeconds, rdatas.map(latin))
  }
  await transaction.commit()
}

test('a generation changes with every commit, unavailable and remove, and never comes back', async () => {
  const store = small()
  const seen = new Set<number>()
  const note = (zone: number) => {
    const generation = store.generation(zone)
    assert.ok(!seen.has(generation), 'a generation came back')
    seen.add(generation)
  }
  await replaceZone(store, 'example.', [SOA])
  const zone = findZone(store, 'www.example.')
  note(zone)
  const handle = new ZonePublishing({ store, send: () => undefined }).forSource(1).zone('example.')
  const patch = handle.patch()
  patch.put(textToName('www.example.'), 1, 60, [Uint8Array.of(192, 0, 2, 1)])
  const before = store.generation(zone)
  assert.equal(findZone(store, 'www.example.'), zone)
  await patch.commit()
  assert.notEqual(store.generation(zone), before)
  note(zone)
  await handle.unavailable()
  note(zone)
  await handle.remove()
  note(zone)
  assert.equal(findZone(store, 'www.example.'), NO_ZONE)
  // The slot is used again, for another zone: the old reference is still safe, and says nothing.
  await replaceZone(store, 'other.', ['other. 1 SOA a. b. 1 2 3 4 5', 'www.other. 1 A 192.0.2.9'])
  const other = findZone(store, 'www.other.')
  assert.notEqual(other, zone)
  note(zone)
  const writer = new ReplyWriter()
  const query = queryFor(textToName('www.other.'), 1)
  writer.begin(query, new Uint8Array(512), 0, 512)
  assert.equal(store.answer(zone, query, writer), UNAVAILABLE)
  assert.equal(store.answer(other, query, writer), ANSWERED)
})

test('a zone that comes or goes changes the generation of the zone around it and of the set of zones', async () => {
  const store = small()
  await replaceZone(store, 'example.', [SOA])
  await replaceZone(store, 'unrelated.', ['unrelated. 1 SOA a. b. 1 2 3 4 5'])
  const around = findZone(store, 'example.')
  const unrelated = findZone(store, 'unrelated.')
  const read = () => [store.generation(around), store.generation(unrelated), store.generation(ZONE_SET)]
  const [a0, u0, s0] = read()
  await replaceZone(store, 'a.b.example.', ['a.b.example. 1 SOA a. b. 1 2 3 4 5'])
  const [a1, u1, s1] = read()
  assert.ok(a1 !== a0 && u1 === u0 && s1 !== s0)
  store.apply({ kind: 'remove', sourceId: 1, apex: 'a.b.example.' })
  const [a2, u2, s2] = read()
  assert.ok(a2 !== a1 && u2 === u1 && s2 !== s1)
  await replaceZone(store, 'example.', [SOA])
  assert.equal(store.generation(ZONE_SET), s2, 'a commit to a zone that is there leaves the set as it is')
})

test('what is served stays until the commit, and for good after an abort', async () => {
  const store = small()
  const handle = new ZonePublishing({ store, send: () => undefined }).forSource(1).zone('example.')
  await replaceZone(store, 'example.', [SOA, 'www.example. 60 A 192.0.2.1', 'old.example. 60 A 192.0.2.2'])
  store.reclaim()
  const used = store.memory().used
  for (const mode of ['replace', 'patch'] as const) {
    const transaction = handle[mode]()
    for (const { owner, type, ttlSeconds, rdatas } of rrsetsOf(
      [SOA, 'www.example. 60 A 192.0.2.3', 'new.example. 60 A 192.0.2.4'],
      '.',
    )) {
      transaction.put(owner, type, ttlSeconds, rdatas)
    }
    transaction.delete(textToName('old.example.'), 1)
    for (let i = 0; i < 3000; i++)
      transaction.put(textToName(`x${i}.y${i % 7}.example.`), 16, 60, [Uint8Array.of(1, i)])
    assert.deepEqual(askStore(store, 'www.example. A')!.answer, ['www.example. 60 A 192.0.2.1'])
    assert.equal(askStore(store, 'x1.y1.example. TXT')!.outcome, NXDOMAIN_OUTCOME)
    transaction.abort()
    assert.throws(() => transaction.put(textToName('www.example.'), 1, 60, []), /is over/)
    assert.deepEqual(askStore(store, 'old.example. A')!.answer, ['old.example. 60 A 192.0.2.2'])
    store.reclaim()
    assert.equal(store.memory().used, used, `${mode} aborted: its memory comes back`)
  }
  const unseen = new ZonePublishing({ store, send: () => undefined }).forSource(1).zone('never.').replace()
  unseen.put(textToName('never.'), 6, 1, [rrsetsOf(['never. 1 SOA a. b. 1 2 3 4 5'], '.')[0]!.rdatas[0]!])
  assert.equal(findZone(store, 'never.'), NO_ZONE, 'a new zone is not there before its first commit')
  unseen.abort()
  assert.equal(findZone(store, 'never.'), NO_ZONE)
})

test('a thousand replacements, and a thousand patches, take no more memory than the first ones', async () => {
  const store = small()
  const handle = new ZonePublishing({ store, send: () => undefined }).forSource(1).zone('example.')
  const soa = rrsetsOf([SOA], '.')[0]!
  const fill = async (round: number, mode: 'replace' | 'patch') => {
    const transaction = handle[mode]()
    transaction.put(soa.owner, soa.type, soa.ttlSeconds, soa.rdatas)
    for (let i = 0; i < 50; i++) {
      const owner = textToName(`host-${mode === 'patch' ? (i * 31 + round * 7) % 200 : i}.zone.example.`)
      if (mode === 'patch' && (i + round) % 3 === 0) transaction.delete(owner, 1)
      else
        transaction.put(owner, 1, 60, [
          Uint8Array.of(192, 0, round, i),
          ...(i % 5 === 0 ? [Uint8Array.of(1, 1, round, i)] : []),
        ])
    }
    await transaction.commit()
    store.reclaim()
  }
  for (const mode of ['replace', 'patch'] as const) {
    let touched = 0
    for (let round = 0; round < 1000; round++) {
      await fill(round & 255, mode)
      if (round === 300) touched = store.memory().touched
    }
    assert.equal(store.memory().touched, touched, `${mode}: no growth`)
  }
  await handle.remove()
  store.reclaim()
  assert.equal(store.memory().used, 0)
})

test('zones by the thousand: each found, and all memory back when they are gone', async () => {
  const store = ZoneStore.create({ bytesMax: 2 ** 27 })
  const publisher = new ZonePublishing({ store, send: () => undefined }).forSource(1)
  const COUNT = 4000
  for (let i = 0; i < COUNT; i++) {
    const apex = `z${i}.example.`
    const transaction = publisher.zone(apex).replace()
    for (const { owner, type, ttlSeconds, rdatas } of rrsetsOf(
      [`${apex} 60 SOA a. b. ${i} 2 3 4 5`, `www.${apex} 60 A 192.0.2.1`],
      '.',
    )) {
      transaction.put(owner, type, ttlSeconds, rdatas)
    }
    await transaction.commit()
  }
  for (let i = 0; i < COUNT; i += 7) assert.equal(askStore(store, `www.z${i}.example. A`)!.answer.length, 1)
  assert.equal([...store.zones()].length, COUNT)
  store.reclaim()
  assert.ok(store.memory().used / COUNT < 500, `${store.memory().used / COUNT} octets per small zone`)
  for (let i = 0; i < COUNT; i++) await publisher.zone(`z${i}.example.`).remove()
  store.reclaim()
  assert.equal(store.memory().used, 0)
  assert.equal([...store.zones()].length, 0)
})

test('what a zone is made of can be listed', async () => {
  const store = small()
  await replaceZone(store, 'example.', [
    SOA,
    'a.b.example. 60 A 192.0.2.1',
    'a.b.example. 60 TXT "x"',
    'c.example. 60 RRSIG A 8 2 60 20300101000000 20200101000000 7 example. AAAA',
  ])
  await replaceZone(store, '.', ['localhost. 1 A 127.0.0.1'], { sourceId: 2, form: 'flat' })
  const zones = [...store.zones()]
    .sort((a, b) => a.sourceId - b.sourceId)
    .map(({ apex, generation, ...rest }) => ({ ...rest, apex: nameToText(apex, 0), hasGeneration: generation > 0 }))
  assert.deepEqual(zones, [
    {
      sourceId: 1,
      apex: 'example.',
      form: 'zone',
      minimal: false,
      serial: 7,
      names: 3,
      records: 4,
      unavailable: false,
      hasGeneration: true,
    },
    {
      sourceId: 2,
      apex: '.',
      form: 'flat',
      minimal: false,
      serial: undefined,
      names: 1,
      records: 1,
      unavailable: false,
      hasGeneration: true,
    },
  ])
})

test(`records come back in canonical order, SOA first, whatever their order going in (SEED=${SEED})`, async () => {
  const random = new Random(SEED)
  const order = [
    'example.',
    'a.example.',
    'yljkjljk.a.example.',
    'Z.a.example.',
    'zABC.a.EXAMPLE.',
    'z.example.',
    '\\001.z.example.',
    '*.z.example.',
    '\\200.z.example.',
  ]
  const lines = order.map((owner) => `${owner} 60 TXT "x"`)
  const store = small()
  const shuffled = [...lines, 'example. 60 NS a.', SOA]
    .map((line) => ({ line, key: random.next() }))
    .sort((a, b) => a.key - b.key)
    .map(({ line }) => line)
  await replaceZone(store, 'example.', shuffled)
  const printed = printBatches(store.records(1, 'example.'))
  assert.match(printed[0]!, /^example\. 3600 IN SOA/)
  const owners = printed.filter((line) => line.includes('TXT')).map((line) => line.split(' ')[0])
  assert.deepEqual(
    owners,
    order.map((owner) => owner.toLowerCase()),
    'RFC 4034 6.1',
  )
  assert.deepEqual(printBatches(store.records(1, 'example.', 'any')).sort(), printed.toSorted())
  assert.deepEqual([...store.records(1, 'absent.')], [])
  assert.deepEqual([...store.records(2, 'example.')], [])
})

test(`a zone is the same, and all its memory comes back, whether its owners come whole or RRset by RRset (SEED=${SEED})`, () => {
  const random = new Random(SEED)
  for (const signing of ['unsigned', 'NSEC', 'NSEC3'] as const) {
    const zone = signed(randomZone(random, `${wire('example')}\0`, 60), signing)
    const latin = (text: string) => Uint8Array.from(Buffer.from(text, 'latin1'))
    const rrsets = [...zone.owners].flatMap(([owner, types]) =>
      [...types].map(([type, { ttlSeconds, rdatas }]) => ({
        owner: latin(owner),
        type,
        ttlSeconds,
        rdatas: rdatas.map(latin),
      })),
    )
    const load = (order: typeof rrsets, perBatch: number): ZoneStore => {
      const store = small()
      const apex = nameToText(latin(zone.apex), 0)
      store.apply({ kind: 'begin', transaction: 1, sourceId: 1, apex, mode: 'replace', form: 'zone' })
      const writer = new BatchWriter()
      order.forEach(({ owner, type, ttlSeconds, rdatas }, i) => {
        writer.put(owner, type, ttlSeconds, rdatas)
        if (i % perBatch === perBatch - 1) store.apply({ kind: 'records', transaction: 1, batch: writer.take() })
      })
      store.apply({ kind: 'records', transaction: 1, batch: writer.take() })
      assert.equal(store.repeated(1).size, 0)
      store.apply({ kind: 'commit', transaction: 1 })
      store.reclaim()
      return store
    }
    // Signatures come back with the TTL of the owner's last RRset that has some, and the order of RRsets isn't kept.
    const print = (store: ZoneStore) =>
      printBatches(store.records(1, nameToText(latin(zone.apex), 0)))
        .map((line) => line.replace(/ \d+ IN RRSIG /, ' RRSIG '))
        .sort()
    const whole = load(rrsets, Number.MAX_SAFE_INTEGER)
    const shuffled = rrsets
      .map((rrset) => ({ rrset, key: random.next() }))
      .sort((a, b) => a.key - b.key)
      .map(({ rrset }) => rrset)
    for (const other of [load(rrsets, 1), load(shuffled, 3)]) {
      assert.deepEqual(print(other), print(whole))
      assert.deepEqual(describe(other), describe(whole))
    }
    whole.apply({ kind: 'remove', sourceId: 1, apex: 'example.' })
    whole.reclaim()
    assert.equal(whole.memory().used, 0)
  }
})

test('an RRset that is put twice in a replacement is told, one beside others of its owner is not', () => {
  const store = small()
  const writer = new BatchWriter()
  const put = (owner: string, type: number, ...rdatas: Uint8Array[]) => writer.put(textToName(owner), type, 60, rdatas)
  const apply = () => store.apply({ kind: 'records', transaction: 1, batch: writer.take() })
  const address = Uint8Array.of(192, 0, 2, 1)
  store.apply({ kind: 'begin', transaction: 1, sourceId: 1, apex: 'example.', mode: 'replace', form: 'zone' })
  put('a.example.', 1, address)
  put('a.example.', 16, Uint8Array.of(1, 65))
  put('b.example.', 1, address)
  put('a.example.', 28, new Uint8Array(16))
  put('a.b.example.', 1, address)
  apply()
  assert.deepEqual([...store.repeated(1)], [])
  put('b.example.', 1, address)
  // In a row too: the later one counts.
  put('c.example.', 1, address)
  put('c.example.', 1, Uint8Array.of(192, 0, 2, 2))
  apply()
  assert.deepEqual([...store.repeated(1)].sort(), ['\x01b\x07example\0', '\x01c\x07example\0'])
  store.apply({ kind: 'commit', transaction: 1 })
  assert.deepEqual(
    printBatches(store.records(1, 'example.')).filter((line) => line.startsWith('c.')),
    ['c.example. 60 IN A 192.0.2.2'],
  )
  assert.equal(store.repeated(1).size, 0)
})

test(`a dump makes an equal store, and what came after it applies to both (SEED=${SEED})`, async () => {
  const random = new Random(SEED)
  const store = ZoneStore.create({ bytesMax: 2 ** 24 })
  const models = ['NSEC', 'NSEC3', 'opt-out', 'unsigned'].map((signing, i) => {
    return signed(randomZone(random, `${wire(`z${i}`)}\0`, 60), signing as 'NSEC')
  })
  for (const model of models) await putModel(store, model)
  await replaceZone(store, '.', ['localhost. 1 A 127.0.0.1'], { sourceId: 9, form: 'flat' })
  store.apply({ kind: 'unavailable', sourceId: 1, apex: 'z3.' })
  store.apply({ kind: 'unavailable', sourceId: 5, apex: 'never.loaded.' })
  await replaceZone(store, '.', [], { sourceId: 10, form: 'flat' })
  const dump = store.dump()
  // Read while the store goes on changing: the dump is of the moment of the call.
  const copy = ZoneStore.create({ bytesMax: 2 ** 24 })
  const batch = new BatchWriter()
  batch.put(textToName('more.z0.'), 1, 60, [Uint8Array.of(1, 2, 3, 5)])
  const later: ZoneChange[] = [
    { kind: 'begin', transaction: 77, sourceId: 1, apex: 'z0.', mode: 'patch', form: 'zone' },
    { kind: 'records', transaction: 77, batch: batch.take() },
    { kind: 'commit', transaction: 77 },
    { kind: 'remove', sourceId: 1, apex: 'z1.' },
  ]
  for (const change of later) store.apply(change)
  store.reclaim()
  for (const change of dump) copy.apply(change)
  for (const change of later) copy.apply(change)
  const listing = (of: ZoneStore) =>
    [...of.zones()]
      .map(({ generation, ...rest }) => ({
        ...rest,
        apex: nameToText(rest.apex, 0),
        records: printBatches(of.records(rest.sourceId, nameToText(rest.apex, 0))),
      }))
      .sort((a, b) => (a.apex < b.apex ? -1 : 1))
  assert.deepEqual(listing(copy), listing(store))
  assert.equal(listing(store).length, 6)
  store.reclaim()
  const used = store.memory().used
  store.reclaim()
  assert.equal(store.memory().used, used, 'the pin of the dump is gone')
})

test('a transfer that was left half way holds nothing back', async () => {
  const store = small()
  await replaceZone(store, 'example.', [
    SOA,
    ...Array.from({ length: 5000 }, (_, i) => `h${i}.example. 60 TXT "${'x'.repeat(40)}"`),
  ])
  store.reclaim()
  const reader = ZoneStore.attach(store.region)
  for (const batch of reader.records(1, 'example.')) {
    assert.ok(batch.length > 0)
    store.apply({ kind: 'remove', sourceId: 1, apex: 'example.' })
    store.reclaim()
    assert.ok(store.memory().used > 0, 'pinned')
    break
  }
  store.reclaim()
  assert.equal(store.memory().used, 0)
})

test('a full store refuses the transaction, keeps what it serves, and takes others again', async () => {
  const store = ZoneStore.create({ bytesMax: 2 ** 21 })
  await replaceZone(store, 'example.', [SOA, 'www.example. 60 A 192.0.2.1'])
  store.reclaim()
  const used = store.memory().used
  const publishing = new ZonePublishing({ store, send: () => undefined })
  for (const mode of ['replace', 'patch'] as const) {
    const transaction = publishing.forSource(1).zone('example.')[mode]()
    for (let i = 0; i < 20_000; i++)
      transaction.put(textToName(`h${i}.example.`), 16, 60, [
        Buffer.concat([Uint8Array.of(200), Buffer.alloc(200, 0x61)]),
      ])
    await assert.rejects(async () => transaction.commit(), StoreFullError)
    assert.deepEqual(askStore(store, 'www.example. A')!.answer, ['www.example. 60 A 192.0.2.1'])
    store.reclaim()
    assert.equal(store.memory().used, used, mode)
  }
  await replaceZone(store, 'example.', [SOA, 'www.example. 60 A 192.0.2.2'])
  assert.deepEqual(askStore(store, 'www.example. A')!.answer, ['www.example. 60 A 192.0.2.2'])
})

test('large RRsets are kept and given back whole', async () => {
  const store = ZoneStore.create({ bytesMax: 2 ** 26 })
  const publisher = new ZonePublishing({ store, send: () => undefined }).forSource(1)
  const texts = Array.from({ length: 300 }, (_, i) => Buffer.concat([Uint8Array.of(200), Buffer.alloc(200, i)]))
  const soa = rrsetsOf([SOA], '.')[0]!
  const first = publisher.zone('example.').replace()
  first.put(soa.owner, soa.type, soa.ttlSeconds, soa.rdatas)
  first.put(textToName('big.example.'), 16, 60, texts)
  first.put(textToName('big.example.'), 1, 60, [Uint8Array.of(192, 0, 2, 1)])
  first.put(
    textToName('many.example.'),
    1,
    60,
    Array.from({ length: 30_000 }, (_, i) => Uint8Array.of(10, 0, i >> 8, i)),
  )
  await first.commit()
  const answer = askStore(store, 'big.example. TXT')!
  assert.equal(answer.tc, false)
  assert.equal(answer.answer.length, 256, 'octets repeat, so rdatas do')
  const many = askStore(store, 'many.example. A')!
  assert.deepEqual([many.tc, many.answer.length], [true, 0])
  const patch = publisher.zone('example.').patch()
  patch.put(textToName('big.example.'), 28, 60, [new Uint8Array(16)])
  await patch.commit()
  assert.equal(askStore(store, 'big.example. TXT')!.answer.length, 256, 'a neighbour changed')
  const gone = publisher.zone('example.').patch()
  gone.delete(textToName('big.example.'), 16)
  gone.delete(textToName('many.example.'), 1)
  await gone.commit()
  store.reclaim()
  assert.ok(store.memory().used < 10_000)
  await publisher.zone('example.').remove()
  store.reclaim()
  assert.equal(store.memory().used, 0)
})

test('malformed batches are refused, and the transaction with them', () => {
  const writer = new BatchWriter()
  writer.put(textToName('www.example.'), 1, 60, [Uint8Array.of(192, 0, 2, 1)])
  writer.delete(textToName('old.example.'), 1)
  const good = writer.take()
  const reader = new BatchReader()
  reader.start(good)
  const operations: number[] = []
  while (reader.next()) operations.push(reader.operation)
  assert.deepEqual(operations, [BATCH_PUT, BATCH_DELETE])
  const store = small()
  let transaction = 0
  for (let cut = 1; cut < good.length; cut++) {
    transaction++
    store.apply({ kind: 'begin', transaction, sourceId: 1, apex: 'example.', mode: 'replace', form: 'zone' })
    const batch = good.subarray(0, cut)
    const isWhole = cut === 1 + 13 + 2 + 4 + 4 + 2 + 4
    if (isWhole) store.apply({ kind: 'records', transaction, batch })
    else {
      assert.throws(() => store.apply({ kind: 'records', transaction, batch }), RangeError)
      // What was on its way behind it is passed over.
      store.apply({ kind: 'records', transaction, batch: good })
      assert.throws(() => store.apply({ kind: 'commit', transaction }), RangeError)
    }
    store.apply({ kind: 'abort', transaction })
  }
  store.reclaim()
  assert.equal(store.memory().used, 0)
})

test('only the thread that created a store changes it', () => {
  const store = small()
  const reader = ZoneStore.attach(store.region)
  assert.throws(() => reader.apply({ kind: 'remove', sourceId: 1, apex: 'example.' }), /only the thread/)
  assert.throws(() => ZoneStore.attach(new SharedArrayBuffer(2 ** 20)), /not a record store/)
})

test('applying a batch of 64 KiB, and dropping a large zone, keep the event loop free', async () => {
  const store = ZoneStore.create({ bytesMax: 2 ** 28 })
  const publisher = new ZonePublishing({ store, send: () => undefined }).forSource(1)
  const soa = rrsetsOf([SOA], '.')[0]!
  let worstApplyMs = 0
  const apply = store.apply.bind(store)
  store.apply = (change) => {
    const from = performance.now()
    apply(change)
    worstApplyMs = Math.max(worstApplyMs, performance.now() - from)
  }
  const transaction = publisher.zone('example.').replace()
  transaction.put(soa.owner, soa.type, soa.ttlSeconds, soa.rdatas)
  for (let i = 0; i < 50_000; i++) {
    if (!transaction.put(textToName(`h${i}.example.`), 1, 60, [Uint8Array.of(10, 0, i >> 8, i)]))
      await transaction.drained()
  }
  await transaction.commit()
  await publisher.zone('example.').remove()
  let turns = 0
  while (store.memory().used > 0) {
    await new Promise(setImmediate)
    turns++
  }
  assert.ok(turns > 10, `freed in ${turns} portions`)
  // Far above what it takes, since other tests run beside this one.
  assert.ok(worstApplyMs < 100, `${worstApplyMs} ms`)
})
