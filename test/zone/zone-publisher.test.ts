/** Publishing: batches, order, backpressure, acknowledgements, and what happens when a process fails. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { textToName } from '../../src/wire/name.ts'
import { BATCH_SIZE, BatchReader } from '../../src/zone/change-batch.ts'
import type { ZoneChange } from '../../src/zone/zone-change.ts'
import { ZoneDataError } from '../../src/zone/zone-data-error.ts'
import { ZonePublishing } from '../../src/zone/zone-publisher.ts'
import { ZoneStore } from '../../src/zone/zone-store.ts'
import { askStore, rrsetsOf } from '../support/store-zones.ts'

const SOA = rrsetsOf(['example. 3600 SOA a. b. 7 2 3 4 60'], '.')[0]!
const n = textToName

function address(last: number): Uint8Array[] {
  return [Uint8Array.of(192, 0, 2, last)]
}

/** A second process: its store gets what is sent; acknowledgements wait until the test lets them go. */
class OtherProcess {
  readonly store = ZoneStore.create({ bytesMax: 2 ** 23 })
  readonly changes: ZoneChange[] = []
  readonly #held: (() => void)[] = []
  isHolding = false

  readonly send = (change: ZoneChange): Promise<void> => {
    this.changes.push(change)
    this.store.apply(change)
    if (!this.isHolding) return Promise.resolve()
    return new Promise((resolve) => this.#held.push(resolve))
  }

  release(): void {
    for (const resolve of this.#held.splice(0)) resolve()
  }
}

function open(): { store: ZoneStore; other: OtherProcess; publishing: ZonePublishing } {
  const store = ZoneStore.create({ bytesMax: 2 ** 23 })
  const other = new OtherProcess()
  return { store, other, publishing: new ZonePublishing({ store, send: other.send }) }
}

const isSettled = async (promise: unknown): Promise<boolean> => {
  let settled = false
  Promise.resolve(promise).then(
    () => {
      settled = true
    },
    () => {
      settled = true
    },
  )
  for (let i = 0; i < 5; i++) await new Promise(setImmediate)
  return settled
}

test('the same apex gives the same handle, per source', () => {
  const { publishing } = open()
  assert.equal(publishing.forSource(1).zone('example.'), publishing.forSource(1).zone('example.'))
  assert.notEqual(publishing.forSource(1).zone('example.'), publishing.forSource(2).zone('example.'))
})

test('a commit resolves when the other processes serve it too', async () => {
  const { store, other, publishing } = open()
  const zone = publishing.forSource(1).zone('example.')
  const transaction = zone.replace()
  transaction.put(SOA.owner, SOA.type, SOA.ttlSeconds, SOA.rdatas)
  transaction.put(n('www.example.'), 1, 60, address(1))
  other.isHolding = true
  const commit = transaction.commit()
  // begin and the batch are taken; the commit is on its way.
  await new Promise(setImmediate)
  other.release()
  await new Promise(setImmediate)
  assert.equal(await isSettled(commit), false)
  other.release()
  await commit
  for (const each of [store, other.store])
    assert.deepEqual(askStore(each, 'www.example. A')!.answer, ['www.example. 60 A 192.0.2.1'])
})

test('transactions of one zone take effect in the order they were started, however they are filled and committed', async () => {
  const { store, other, publishing } = open()
  const zone = publishing.forSource(1).zone('example.')
  const first = zone.replace()
  const second = zone.patch()
  const third = zone.patch()
  third.put(n('www.example.'), 1, 60, address(3))
  const thirdDone = third.commit()
  second.put(n('www.example.'), 1, 60, address(2))
  second.put(n('two.example.'), 1, 60, address(2))
  assert.equal(await isSettled(thirdDone), false)
  assert.equal(askStore(store, 'www.example. A'), undefined)
  first.put(SOA.owner, SOA.type, SOA.ttlSeconds, SOA.rdatas)
  first.put(n('www.example.'), 1, 60, address(1))
  await first.commit()
  assert.deepEqual(askStore(store, 'www.example. A')!.answer, ['www.example. 60 A 192.0.2.1'])
  await second.commit()
  await thirdDone
  for (const each of [store, other.store]) {
    assert.deepEqual(askStore(each, 'www.example. A')!.answer, ['www.example. 60 A 192.0.2.3'])
    assert.deepEqual(askStore(each, 'two.example. A')!.answer, ['two.example. 60 A 192.0.2.2'])
  }
})

test('an aborted transaction lets the next one in, whether it had its turn or not', async () => {
  const { store, publishing } = open()
  const zone = publishing.forSource(1).zone('example.')
  const [first, second, third] = [zone.replace(), zone.replace(), zone.replace()]
  third!.put(SOA.owner, SOA.type, SOA.ttlSeconds, SOA.rdatas)
  second!.put(n('second.example.'), 1, 60, address(2))
  second!.abort()
  first!.put(n('first.example.'), 1, 60, address(1))
  first!.abort()
  await third!.commit()
  assert.equal(askStore(store, 'first.example. A')!.rcode, 3)
  assert.equal(askStore(store, 'second.example. A')!.rcode, 3)
})

test('removal and unavailable wait for their turn', async () => {
  const { store, publishing } = open()
  const zone = publishing.forSource(1).zone('example.')
  const transaction = zone.replace()
  const removal = zone.remove()
  assert.equal(await isSettled(removal), false)
  transaction.put(SOA.owner, SOA.type, SOA.ttlSeconds, SOA.rdatas)
  await transaction.commit()
  await removal
  assert.equal(askStore(store, 'example. SOA'), undefined)
  await zone.unavailable()
  assert.equal(askStore(store, 'example. SOA')!.outcome, 6)
})

test('put asks to wait when batches pile up, and drained says when to go on', async () => {
  const { other, publishing } = open()
  const transaction = publishing.forSource(1).zone('example.').replace()
  transaction.put(SOA.owner, SOA.type, SOA.ttlSeconds, SOA.rdatas)
  other.isHolding = true
  const text = [Buffer.concat([Uint8Array.of(250), Buffer.alloc(250, 0x61)])]
  let puts = 0
  while (transaction.put(n(`h${puts}.example.`), 16, 60, text)) {
    puts++
    assert.ok(puts < 10_000, 'never asked to wait')
  }
  const drained = transaction.drained()
  if (other.changes.length > 2) {
    other.release()
    await drained
  }
  other.isHolding = false
  other.release()
  await drained
  await transaction.commit()
  const sizes = other.changes.flatMap((change) => (change.kind === 'records' ? [change.batch.length] : []))
  assert.ok(
    sizes.slice(0, -1).every((size) => size >= BATCH_SIZE && size < BATCH_SIZE + 600),
    `${sizes}`,
  )
})

test('a process that cannot take it fails the commit, and no process keeps it half done', async () => {
  const store = ZoneStore.create({ bytesMax: 2 ** 23 })
  const other = new OtherProcess()
  let isFailing = false
  const publishing = new ZonePublishing({
    store,
    send: (change) =>
      isFailing && change.kind === 'records' ? Promise.reject(new Error('worker is full')) : other.send(change),
  })
  const zone = publishing.forSource(1).zone('example.')
  const good = zone.replace()
  good.put(SOA.owner, SOA.type, SOA.ttlSeconds, SOA.rdatas)
  await good.commit()
  isFailing = true
  const bad = zone.patch()
  bad.put(n('www.example.'), 1, 60, address(1))
  await assert.rejects(async () => bad.commit(), /worker is full/)
  isFailing = false
  const next = zone.patch()
  next.put(n('next.example.'), 1, 60, address(2))
  await next.commit()
  for (const each of [store, other.store]) {
    assert.equal(askStore(each, 'www.example. A')!.rcode, 3)
    assert.equal(askStore(each, 'next.example. A')!.answer.length, 1)
  }
})

test('removing a source removes its zones', async () => {
  const { store, publishing } = open()
  for (const apex of ['a.', 'b.']) await publishing.forSource(3).zone(apex).unavailable()
  await publishing.forSource(4).zone('a.').unavailable()
  await publishing.removeSource(3)
  await publishing.removeSource(99)
  assert.deepEqual(
    [...store.zones()].map(({ sourceId }) => sourceId),
    [4],
  )
})

const malformed: readonly (readonly [title: string, owner: string, type: number, rdata: string])[] = [
  ['an owner outside', 'www.elsewhere.', 1, 'c0000201'],
  ['an owner above', '.', 1, 'c0000201'],
  ['an owner that only ends alike', 'notexample.', 1, 'c0000201'],
  ['NS without a name', 'www.example.', 2, ''],
  ['NS cut short', 'www.example.', 2, '03616263'],
  ['NS with octets after', 'www.example.', 2, '0000'],
  ['CNAME with a pointer', 'www.example.', 5, 'c000'],
  ['SOA without numbers', 'example.', 6, '0000'],
  ['SOA with one name', 'example.', 6, `01${'61'.repeat(40)}`],
  ['MX of one octet', 'www.example.', 15, '00'],
  ['SRV cut short', 'www.example.', 33, '00000000003501'],
  ['HTTPS without target', 'www.example.', 65, '0001'],
  ['RRSIG cut short', 'www.example.', 46, '0001080200000000'],
  ['NSEC3 with a salt past the end', 'x.example.', 50, '0100000005aa'],
  ['NSEC3PARAM with octets after', 'example.', 51, '0100000000aa'],
]
for (const [title, owner, type, rdata] of malformed) {
  test(`put refuses ${title}`, async () => {
    const { store, publishing } = open()
    const transaction = publishing.forSource(1).zone('example.').replace()
    transaction.put(SOA.owner, SOA.type, SOA.ttlSeconds, SOA.rdatas)
    assert.throws(() => transaction.put(n(owner), type, 60, [Buffer.from(rdata, 'hex')]), ZoneDataError)
    // The transaction goes on without it.
    await transaction.commit()
    assert.equal([...store.zones()][0]!.records, 1)
  })
}

test('RFC 2181 5: duplicates are dropped, in small RRsets and large ones; singletons keep the first', async () => {
  const { other, publishing } = open()
  const transaction = publishing.forSource(1).zone('example.').replace()
  transaction.put(SOA.owner, SOA.type, SOA.ttlSeconds, [
    ...SOA.rdatas,
    Buffer.concat([n('c.'), n('d.'), Buffer.alloc(20)]),
  ])
  transaction.put(n('few.example.'), 1, 60, [...address(1), ...address(2), ...address(1)])
  transaction.put(
    n('many.example.'),
    1,
    60,
    Array.from({ length: 100 }, (_, i) => address(i % 20)[0]!),
  )
  transaction.put(n('alias.example.'), 5, 60, [n('a.'), n('b.')])
  await transaction.commit()
  const reader = new BatchReader()
  const counts: number[] = []
  for (const change of other.changes) {
    if (change.kind !== 'records') continue
    reader.start(change.batch)
    while (reader.next()) counts.push(reader.count)
  }
  assert.deepEqual(counts, [1, 2, 20, 1])
})
