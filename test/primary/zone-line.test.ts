import assert from 'node:assert/strict'
import { test } from 'node:test'
import { localLinks } from '../../src/messages/link.ts'
import type { FromWorker, ToWorker } from '../../src/messages/protocol.ts'
import { WorkerHandle } from '../../src/primary/worker-handle.ts'
import { ZoneLine } from '../../src/primary/zone-line.ts'
import type { ZoneChange } from '../../src/zone/zone-change.ts'
import type { ZoneStore } from '../../src/zone/zone-store.ts'
import { StubStore, serialBatch } from '../support/stub-engine.ts'
import { until } from '../support/until.ts'

/** A worker that does what it is told after a delay, and shows what it would answer. */
class FakeWorker {
  readonly handle: WorkerHandle
  readonly store = new StubStore()
  readonly rounds: number[] = []
  /** What came with the end of a hold: clients wait for it. */
  readonly roundChanges: string[] = []
  held = 0
  /** Milliseconds before a message is looked at. */
  delayMs = 0
  stopped = false
  onChange: () => void = () => {}
  #turn: Promise<void> = Promise.resolve()

  constructor(slot: number) {
    const [left, right] = localLinks<ToWorker, FromWorker>()
    this.handle = new WorkerHandle(slot, 1000 + slot, left, () => {})
    this.handle.phase = 'serving'
    left.onMessage((message) => this.handle.settle(message))
    right.onMessage((message) => {
      this.#turn = this.#turn.then(async () => {
        if (this.delayMs > 0) await new Promise((resolve) => setTimeout(resolve, this.delayMs))
        while (this.stopped) await new Promise((resolve) => setTimeout(resolve, 5))
        const answer = this.#obey(message)
        this.onChange()
        if (answer !== undefined) right.send(answer)
      })
    })
  }

  /** The serial it answers with, undefined while it is held. */
  get shown(): number | undefined {
    return this.held === 0 ? this.store.serial : undefined
  }

  #obey(message: ToWorker): FromWorker | undefined {
    if (message.kind === 'hold') {
      this.held = message.round
      this.rounds.push(message.round)
      return { kind: 'held', round: message.round }
    }
    if (message.kind === 'release' && this.held === message.round) this.held = 0
    if (message.kind !== 'zone') return undefined
    for (const change of message.changes) this.store.apply(change)
    if (message.round !== undefined) this.roundChanges.push(...message.changes.map((change) => change.kind))
    if (message.round === this.held) this.held = 0
    return { kind: 'applied', sequence: message.sequence }
  }
}

class Bench {
  readonly store = new StubStore()
  readonly line = new ZoneLine(this.store as unknown as ZoneStore)
  #transactions = 0

  async add(worker: FakeWorker): Promise<FakeWorker> {
    await this.line.attach(worker.handle)
    return worker
  }

  send(change: ZoneChange): Promise<void> {
    this.store.apply(change)
    return this.line.send(change)
  }

  begin(apex = 'example.'): number {
    const transaction = ++this.#transactions
    void this.send({ kind: 'begin', transaction, sourceId: 1, apex, mode: 'replace', form: 'zone' })
    return transaction
  }

  /** A whole transaction. */
  publish(serial: number, apex?: string): Promise<void> {
    const transaction = this.begin(apex)
    void this.send({ kind: 'records', transaction, batch: serialBatch(serial) })
    return this.send({ kind: 'commit', transaction })
  }
}

test('a commit resolves when every worker has applied it', async () => {
  const bench = new Bench()
  const workers = [await bench.add(new FakeWorker(0)), await bench.add(new FakeWorker(1))]
  workers[1]!.delayMs = 20
  await bench.publish(7)
  assert.deepEqual(
    workers.map(({ store }) => store.serial),
    [7, 7],
  )
})

test('no worker shows the old records while another shows the new ones', async () => {
  const bench = new Bench()
  const workers = [new FakeWorker(0), new FakeWorker(1), new FakeWorker(2)]
  const mixed: string[] = []
  for (const [i, worker] of workers.entries()) {
    await bench.add(worker)
    worker.delayMs = 3 * i
    worker.onChange = () => {
      const shown = workers.flatMap((each) => each.shown ?? [])
      if (new Set(shown).size > 1) mixed.push(shown.join(' '))
    }
  }
  for (let serial = 1; serial <= 10; serial++) await bench.publish(serial)
  assert.deepEqual(mixed, [])
  assert.equal(bench.line.heldLate, 0)
})

test('one worker alone is never held', async () => {
  const bench = new Bench()
  const worker = await bench.add(new FakeWorker(0))
  await bench.publish(1)
  assert.deepEqual([worker.rounds, worker.store.serial, bench.line.rounds], [[], 1, 0])
})

test('many commits at once share a few pauses, and the order within a zone is kept', async () => {
  const bench = new Bench()
  const workers = [await bench.add(new FakeWorker(0)), await bench.add(new FakeWorker(1))]
  const published: Promise<void>[] = []
  for (let i = 0; i < 200; i++) published.push(bench.publish(i, `zone${i % 50}.example.`))
  await Promise.all(published)
  assert.ok(bench.line.rounds <= 8, `${bench.line.rounds} rounds`)
  for (const { store } of workers) {
    const orders = new Map<number, string[]>()
    for (const change of store.applied) {
      if ('transaction' in change)
        orders.set(change.transaction, [...(orders.get(change.transaction) ?? []), change.kind])
    }
    assert.equal(orders.size, 200)
    for (const order of orders.values()) assert.deepEqual(order, ['begin', 'records', 'commit'])
    const zone0 = store.applied.filter((change) => change.kind === 'begin' && change.apex === 'zone0.example.')
    assert.deepEqual(
      zone0.map((change) => 'transaction' in change && change.transaction),
      [1, 51, 101, 151],
    )
  }
})

test('a worker that comes late gets what is served, then the changes', async () => {
  const bench = new Bench()
  await bench.add(new FakeWorker(0))
  await bench.publish(3)
  const late = await bench.add(new FakeWorker(1))
  await until('it has the zone', () => late.store.serial === 3)
  await bench.publish(4)
  assert.equal(late.store.serial, 4)
})

test('a worker that comes in the middle of a transaction gets the whole zone at its commit', async () => {
  const bench = new Bench()
  const early = await bench.add(new FakeWorker(0))
  await bench.publish(3)
  const transaction = bench.begin()
  await bench.send({ kind: 'records', transaction, batch: serialBatch(4) })
  const late = await bench.add(new FakeWorker(1))
  await until('it has what is served', () => late.store.serial === 3)
  await bench.send({ kind: 'commit', transaction })
  assert.deepEqual([early.store.serial, late.store.serial], [4, 4])
  assert.deepEqual(late.roundChanges, ['commit'])
  assert.ok(!late.store.applied.some((change) => 'transaction' in change && change.transaction === transaction))
})

test('a transaction that was open when a worker came and is given up leaves nothing there', async () => {
  const bench = new Bench()
  await bench.add(new FakeWorker(0))
  const transaction = bench.begin()
  const late = await bench.add(new FakeWorker(1))
  await bench.send({ kind: 'abort', transaction })
  await bench.publish(9)
  assert.equal(late.store.serial, 9)
  assert.ok(!late.store.applied.some((change) => change.kind === 'abort'))
})

test('a worker that stands still keeps the others from nothing, and its end settles what waits for it', async () => {
  const bench = new Bench()
  const alive = await bench.add(new FakeWorker(0))
  const stuck = await bench.add(new FakeWorker(1))
  stuck.stopped = true
  const first = bench.publish(1)
  const second = bench.publish(2)
  await until('the living one goes on', () => alive.store.serial === 2)
  assert.equal(alive.held, 0)
  assert.ok(bench.line.heldLate >= 1)
  stuck.handle.bury()
  bench.line.detach(stuck.handle)
  await Promise.all([first, second])
  stuck.stopped = false
})

test('records wait while a worker has too many on its way', async () => {
  const bench = new Bench()
  const slow = await bench.add(new FakeWorker(0))
  slow.stopped = true
  const transaction = bench.begin()
  let taken = 0
  for (let i = 0; i < 40; i++) {
    const batch = new Uint8Array(512 * 1024)
    void bench.send({ kind: 'records', transaction, batch }).then(() => taken++)
  }
  await new Promise((resolve) => setTimeout(resolve, 50))
  assert.equal(taken, 0)
  slow.stopped = false
  await until('all are taken', () => taken === 40)
})

test('a swap holds its place in the line, and the workers go on after it', async () => {
  const bench = new Bench()
  const workers = [await bench.add(new FakeWorker(0)), await bench.add(new FakeWorker(1))]
  const before = bench.publish(1)
  const seen: (number | undefined)[] = []
  const swap = bench.line.held(
    workers.map(({ handle }) => handle),
    async () => {
      seen.push(...workers.map(({ store }) => store.serial), ...workers.map(({ shown }) => shown))
    },
  )
  const behind = bench.publish(2)
  await Promise.all([before, swap, behind])
  assert.deepEqual(seen, [1, 1, undefined, undefined])
  assert.deepEqual(
    workers.map(({ shown }) => shown),
    [2, 2],
  )
})
