/**
 * The line that every change of records goes through on its way from the primary's store to the workers'.
 *
 *   ZonePublishing ──► items, in order ──► begin, records, abort        to every worker at once
 *                                     ├──► commit, remove, unavailable  in a round: hold all workers, apply, go on
 *                                     ├──► a dump for a worker that came late
 *                                     └──► a swap of the configuration, which needs the workers held too
 *
 * A round takes all commits that wait, so that many small changes cost the clients one pause. Between items of one zone
 * the order is kept; items of other zones may overtake a commit that waits for its round. A dump or a swap lets nothing
 * overtake it.
 *
 * The primary's store is ahead of the line, so a dump can hold changes that come along the line once more. They do no
 * harm a second time: an RRset is replaced as a whole, and the worker opens its sockets only when the line has passed.
 * A worker that came while a transaction was open gets the whole zone ahead of the round that commits it: it never saw
 * the first records.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'

import type { ZoneChange } from '../zone/zone-change.ts'
import type { ZoneStore } from '../zone/zone-store.ts'
import { within } from './within.ts'
import type { WorkerHandle } from './worker-handle.ts'

/** How long a round waits for workers to fall silent. One that is stalled must not keep the others from the change. */
const HELD_MS_MAX = 100
/** At least this long between two rounds: at most a few hundredths of the time are pauses. */
const ROUND_PAUSE_MS = 5
/** Octets of records on their way to a worker, beyond which sources wait. */
const ON_THE_WAY_SIZE_MAX = 8 << 20
/** Octets of records in one message. */
const MESSAGE_SIZE = 256 * 1024
/** What a change weighs besides its records. */
const CHANGE_SIZE = 100
/** Transactions in which a late worker is given a zone; sources count theirs from 1. */
const RESEND_TRANSACTION_MIN = 2 ** 40

type Begin = ZoneChange & { readonly kind: 'begin' }

interface ChangeItem {
  readonly change: ZoneChange
  /** Source and apex: items of one zone keep their order. */
  readonly zone: string
  readonly resolve: () => void
}

type Item = ChangeItem | { readonly barrier: () => Promise<void> }

/** One worker's end of the line. */
interface Feed {
  sequence: number
  /** Octets sent and not yet applied. */
  onTheWay: number
  /** Transactions that were open when this worker got its dump. */
  readonly missed: Set<number>
}

export class ZoneLine {
  /** Rounds in which a worker did not fall silent in time. */
  heldLate = 0
  /** Pauses of all workers, for changes and for swaps. */
  rounds = 0
  readonly #store: Pick<ZoneStore, 'dump' | 'records'>
  readonly #feeds = new Map<WorkerHandle, Feed>()
  /** Transactions whose begin has left the line and whose end has not. */
  readonly #open = new Map<number, Begin>()
  /** Zones of transactions whose begin has entered the line and whose end has not. */
  readonly #zones = new Map<number, string>()
  #waiting: (() => void)[] = []
  #items: Item[] = []
  #running = false
  #roundAt = Number.NEGATIVE_INFINITY
  #resend = RESEND_TRANSACTION_MIN

  /** `store`: the primary's own, from which late workers are given a dump. */
  constructor(store: Pick<ZoneStore, 'dump' | 'records'>) {
    this.#store = store
  }

  /**
   * Sends a change that the primary's store has applied. Resolves when every worker has applied it too (commit, remove,
   * unavailable), or when more may come (the others). Never rejects.
   */
  async send(change: ZoneChange): Promise<void> {
    const zone = this.#zoneOf(change)
    await new Promise<void>((resolve) => {
      this.#items.push({ change, zone, resolve })
      void this.#run()
    })
    if (!isCommit(change)) await this.#below((feed) => feed.onTheWay <= ON_THE_WAY_SIZE_MAX)
  }

  /**
   * Gives the worker all that is served, and from then on every change. Resolves when all that was published before the
   * call is on its way to the worker.
   */
  async attach(worker: WorkerHandle): Promise<void> {
    await this.#barrier(() => this.#dump(worker))
    await this.#barrier(async () => {})
  }

  detach(worker: WorkerHandle): void {
    this.#feeds.delete(worker)
    this.#progress()
  }

  /** Calls `act` while the given workers are silent; they go on when they have done what `act` told them under the round. */
  held(workers: readonly WorkerHandle[], act: (round: number) => Promise<void>): Promise<void> {
    return this.#barrier(async () => {
      const round = await this.#hold(workers)
      try {
        await act(round)
      } finally {
        if (round > 0) for (const worker of workers) worker.send({ kind: 'release', round })
      }
    })
  }

  #barrier(run: () => Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#items.push({ barrier: () => run().then(resolve, reject) })
      void this.#run()
    })
  }

  async #run(): Promise<void> {
    if (this.#running) return
    this.#running = true
    while (this.#items.length > 0) {
      const commits = this.#sendAhead()
      if (commits.length > 0) await this.#commitRound(commits)
      else {
        const item = this.#items.shift()
        if (item !== undefined && 'barrier' in item) await item.barrier()
      }
    }
    this.#running = false
  }

  /**
   * Sends what needs no round, up to the first barrier, and returns what goes into the next round. What has to wait for
   * that round because it is of the same zone stays in the line.
   */
  #sendAhead(): ChangeItem[] {
    const commits: ChangeItem[] = []
    const waiting: Item[] = []
    const zones = new Set<string>()
    const outgoing = new Outgoing(this, undefined)
    let at = 0
    for (; at < this.#items.length; at++) {
      const item = this.#items[at]!
      if ('barrier' in item) break
      if (zones.has(item.zone)) waiting.push(item)
      else if (isCommit(item.change)) {
        zones.add(item.zone)
        commits.push(item)
      } else this.#sendOne(item, outgoing)
    }
    this.#items = [...waiting, ...this.#items.slice(at)]
    void outgoing.flush()
    return commits
  }

  #sendOne({ change, resolve }: ChangeItem, outgoing: Outgoing): void {
    if (change.kind === 'begin') this.#open.set(change.transaction, change)
    for (const [worker, feed] of this.#feeds) {
      if (!('transaction' in change && feed.missed.has(change.transaction))) outgoing.add(worker, change)
    }
    if (change.kind === 'abort') this.#close(change.transaction)
    resolve()
  }

  async #commitRound(commits: readonly ChangeItem[]): Promise<void> {
    const pause = this.#roundAt + ROUND_PAUSE_MS - performance.now()
    if (pause > 0) await new Promise((resolve) => setTimeout(resolve, pause))
    const resent = await this.#resendZones(commits)
    const workers = [...this.#feeds.keys()]
    const round = await this.#hold(workers)
    const outgoing = new Outgoing(this, round)
    for (const { change } of commits) this.#commitOne(change, resent, outgoing)
    if (round > 0) for (const worker of workers) outgoing.touch(worker)
    const applied = outgoing.flush().then(() => {
      for (const { resolve } of commits) resolve()
    })
    // A worker that is stuck must not keep the others from the next round; its watchdog sees to it.
    await within(HELD_MS_MAX, applied)
    this.#roundAt = performance.now()
  }

  #commitOne(change: ZoneChange, resent: ReadonlyMap<number, number>, outgoing: Outgoing): void {
    const begin = change.kind === 'commit' ? this.#open.get(change.transaction) : undefined
    for (const [worker, feed] of this.#feeds) {
      if (begin === undefined || !feed.missed.has(begin.transaction)) outgoing.add(worker, change)
      else outgoing.add(worker, { kind: 'commit', transaction: resent.get(begin.transaction)! })
    }
    if (begin !== undefined) this.#close(begin.transaction)
  }

  /**
   * Sends each zone to the workers that missed its transaction, but for the commit, which belongs to the round. Returns the transactions they know instead.
   */
  async #resendZones(commits: readonly ChangeItem[]): Promise<ReadonlyMap<number, number>> {
    const resent = new Map<number, number>()
    for (const { change } of commits) {
      const begin = change.kind === 'commit' ? this.#open.get(change.transaction) : undefined
      if (begin === undefined) continue
      const late = [...this.#feeds].filter(([, feed]) => feed.missed.has(begin.transaction))
      if (late.length === 0) continue
      const transaction = this.#resend++
      resent.set(begin.transaction, transaction)
      await this.#stream(late, this.#zoneRecords(begin, transaction))
    }
    return resent
  }

  *#zoneRecords(begin: Begin, transaction: number): Iterable<ZoneChange> {
    yield { ...begin, transaction, mode: 'replace' }
    for (const batch of this.#store.records(begin.sourceId, begin.apex, 'any'))
      yield { kind: 'records', transaction, batch }
  }

  /** Sends the changes to these workers as fast as they take them, and lets this thread's other work go on. */
  async #stream(feeds: readonly (readonly [WorkerHandle, Feed])[], changes: Iterable<ZoneChange>): Promise<void> {
    const outgoing = new Outgoing(this, undefined)
    for (const change of changes) {
      const present = feeds.filter(([worker, feed]) => this.#feeds.get(worker) === feed)
      if (present.length === 0) return
      for (const [worker] of present) outgoing.add(worker, change)
      await nextTurn()
      await this.#below((each) => each.onTheWay <= ON_THE_WAY_SIZE_MAX || !present.some(([, feed]) => feed === each))
    }
    void outgoing.flush()
  }

  /** The number of the round; 0 when there is no need for one: a worker alone can't contradict another. */
  async #hold(workers: readonly WorkerHandle[]): Promise<number> {
    if (workers.length < 2) return 0
    const round = ++this.rounds
    const held = workers.map((worker) => {
      const answer = worker.expect(`held ${round}`)
      worker.send({ kind: 'hold', round })
      return answer
    })
    if (!(await within(HELD_MS_MAX, Promise.all(held)))) this.heldLate++
    return round
  }

  async #dump(worker: WorkerHandle): Promise<void> {
    if (worker.phase === 'gone') return
    const feed: Feed = { sequence: 0, onTheWay: 0, missed: new Set(this.#open.keys()) }
    this.#feeds.set(worker, feed)
    await this.#stream([[worker, feed]], this.#store.dump())
  }

  /** Sends the changes in one message. Resolves when the worker has applied them, or is gone. */
  async deliver(worker: WorkerHandle, changes: readonly ZoneChange[], size: number, round: number): Promise<void> {
    const feed = this.#feeds.get(worker)
    if (feed === undefined) return
    const sequence = ++feed.sequence
    feed.onTheWay += size
    const applied = worker.expect(`applied ${sequence}`)
    worker.send({ kind: 'zone', sequence, changes, ...(round === 0 ? {} : { round }) })
    await applied
    feed.onTheWay -= size
    this.#progress()
  }

  async #below(isBelow: (feed: Feed) => boolean): Promise<void> {
    while (![...this.#feeds.values()].every(isBelow)) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
  }

  #progress(): void {
    for (const resolve of this.#waiting.splice(0)) resolve()
  }

  #zoneOf(change: ZoneChange): string {
    if ('sourceId' in change) {
      const zone = `${change.sourceId} ${change.apex}`
      if (change.kind === 'begin') this.#zones.set(change.transaction, zone)
      return zone
    }
    const zone = this.#zones.get(change.transaction) ?? ''
    if (change.kind !== 'records') this.#zones.delete(change.transaction)
    return zone
  }

  #close(transaction: number): void {
    this.#open.delete(transaction)
    for (const { missed } of this.#feeds.values()) missed.delete(transaction)
  }
}

/** Changes for the workers, put together into messages of a fair size. */
class Outgoing {
  readonly #line: ZoneLine
  readonly #round: number
  readonly #perWorker = new Map<WorkerHandle, { changes: ZoneChange[]; size: number }>()
  readonly #applied: Promise<unknown>[] = []

  /** With a round all goes in one message, which ends the worker's hold. */
  constructor(line: ZoneLine, round: number | undefined) {
    this.#line = line
    this.#round = round ?? 0
  }

  add(worker: WorkerHandle, change: ZoneChange): void {
    const message = this.touch(worker)
    message.changes.push(change)
    message.size += CHANGE_SIZE + (change.kind === 'records' ? change.batch.length : 0)
    if (message.size > MESSAGE_SIZE && this.#round === 0) this.#send(worker)
  }

  /** The worker gets a message even if there is nothing for it: it waits for the end of its hold. */
  touch(worker: WorkerHandle): { changes: ZoneChange[]; size: number } {
    let message = this.#perWorker.get(worker)
    if (message === undefined) {
      message = { changes: [], size: 0 }
      this.#perWorker.set(worker, message)
    }
    return message
  }

  /** Resolves when all workers have applied what was added. */
  async flush(): Promise<void> {
    for (const worker of [...this.#perWorker.keys()]) this.#send(worker)
    await Promise.all(this.#applied)
  }

  #send(worker: WorkerHandle): void {
    const message = this.#perWorker.get(worker)!
    this.#perWorker.delete(worker)
    this.#applied.push(this.#line.deliver(worker, message.changes, message.size, this.#round))
  }
}

function isCommit(change: ZoneChange): boolean {
  return change.kind === 'commit' || change.kind === 'remove' || change.kind === 'unavailable'
}
