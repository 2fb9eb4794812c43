/**
 * Publishes records: packs what sources put into batches, keeps the transactions of one zone in their order, applies every
 * change to this process's own store and sends it to the others.
 *
 *   source ─ put ─► batch ─ full ─► own store, then send(change) ─► workers
 *                                   commit resolves when send's promise does: every worker serves it
 */

import { textToName } from '../wire/name.ts'
import { BATCH_SIZE, BatchWriter } from './change-batch.ts'
import { PackedRRset } from './packed-rrset.ts'
import { checkRRset } from './rrset-check.ts'
import type { ZoneChange, ZoneForm, ZoneHandle, ZonePublisher, ZoneTransaction } from './zone-change.ts'
import type { ZoneStore } from './zone-store.ts'

/** Batches on their way (not yet taken by `send`, or waiting for an earlier transaction) at which a source is asked to wait. */
const BATCHES_WAITING_MAX = 8
/** Milliseconds of this event loop that a source may use for its own store before it is asked to wait. */
const SLICE_MS = 3
/** What `put` was given last. */
const packed = new PackedRRset()

export interface ZonePublishingParts {
  /** This process's store; changes are applied to it first. */
  readonly store: ZoneStore
  /**
   * Passes a change on to the other processes, in order. For a batch the promise says that more may come; for a
   * commit, a removal or `unavailable` that every process has applied it. Nothing, when there are no others.
   */
  readonly send: (change: ZoneChange) => void | Promise<void>
}

/** The publishing side of one process: `forSource` gives each plugin its publisher. */
export class ZonePublishing {
  readonly #parts: ZonePublishingParts
  readonly #sources = new Map<number, Map<string, Zone>>()
  #transactions = 0

  constructor(parts: ZonePublishingParts) {
    this.#parts = parts
  }

  /** The publisher of one source. The same `sourceId` gives the same zones. */
  forSource(sourceId: number): ZonePublisher {
    return { zone: (apex, form = 'zone', minimal = false) => this.#zone(sourceId, apex, form, minimal) }
  }

  #zone(sourceId: number, apex: string, form: ZoneForm, minimal: boolean): ZoneHandle {
    let zones = this.#sources.get(sourceId)
    if (zones === undefined) {
      zones = new Map()
      this.#sources.set(sourceId, zones)
    }
    let zone = zones.get(apex)
    if (zone === undefined) {
      zone = new Zone(sourceId, apex, form, minimal, this.#parts, this.#nextTransaction)
      zones.set(apex, zone)
    }
    return zone
  }

  readonly #nextTransaction = (): number => ++this.#transactions

  /** Removes all zones of a source: its plugin is gone from the configuration. Resolves when every process has done so. */
  async removeSource(sourceId: number): Promise<void> {
    const zones = this.#sources.get(sourceId)
    if (zones === undefined) return
    this.#sources.delete(sourceId)
    await Promise.all([...zones.values()].map((zone) => zone.remove()))
  }
}

class Zone implements ZoneHandle {
  readonly apex: string
  readonly sourceId: number
  readonly form: ZoneForm
  readonly minimal: boolean
  readonly apexName: Uint8Array
  readonly parts: ZonePublishingParts
  readonly #nextTransaction: () => number
  #lastTurn: Turn | undefined

  constructor(
    sourceId: number,
    apex: string,
    form: ZoneForm,
    minimal: boolean,
    parts: ZonePublishingParts,
    nextTransaction: () => number,
  ) {
    this.sourceId = sourceId
    this.apex = apex
    this.apexName = textToName(apex)
    this.form = form
    this.minimal = minimal
    this.parts = parts
    this.#nextTransaction = nextTransaction
  }

  replace(): ZoneTransaction {
    return new Transaction(this, 'replace', this.#nextTransaction())
  }

  patch(): ZoneTransaction {
    return new Transaction(this, 'patch', this.#nextTransaction())
  }

  unavailable(): Promise<void> {
    return this.#inTurn({ kind: 'unavailable', sourceId: this.sourceId, apex: this.apex })
  }

  remove(): Promise<void> {
    return this.#inTurn({ kind: 'remove', sourceId: this.sourceId, apex: this.apex })
  }

  async #inTurn(change: ZoneChange): Promise<void> {
    const turn = this.takeTurn()
    try {
      if (turn.before !== undefined) await turn.before
      await this.publish(change)
    } finally {
      turn.end()
    }
  }

  takeTurn(): Turn {
    this.#lastTurn = new Turn(this.#lastTurn)
    return this.#lastTurn
  }

  /** To this process's store, then to the others. Throws what the store throws. */
  publish(change: ZoneChange): void | Promise<void> {
    this.parts.store.apply(change)
    return this.parts.send(change)
  }
}

/** A place in a zone's line. */
class Turn {
  /** Settles when it is one's turn; undefined: at once. */
  readonly before: Promise<void> | undefined
  #isOver = false
  #ended: Promise<void> | undefined
  #resolve: (() => void) | undefined

  constructor(previous: Turn | undefined) {
    this.before = previous === undefined ? undefined : previous.#whenOver()
  }

  /** Lets the next one in. */
  end(): void {
    this.#isOver = true
    this.#resolve?.()
  }

  #whenOver(): Promise<void> | undefined {
    if (this.#isOver) return undefined
    this.#ended ??= new Promise((resolve) => {
      this.#resolve = resolve
    })
    return this.#ended
  }
}

/** Of transactions that are over: a zone with five records takes less time than the memory for its batch. */
const spareBatches: BatchWriter[] = []
const SPARE_BATCHES_MAX = 4

class Transaction implements ZoneTransaction {
  readonly #zone: Zone
  readonly #mode: 'replace' | 'patch'
  readonly #id: number
  readonly #batch = spareBatches.pop() ?? new BatchWriter()
  readonly #turn: Turn
  /** Changes that wait for the transaction's turn. */
  #waiting: ZoneChange[] = []
  #isMyTurn: boolean
  /** Settles when the transaction has its turn and what waited for it is out. */
  readonly #ready: Promise<void> | undefined
  #isOver = false
  #failure: unknown
  /** Sends that haven't been taken yet. */
  #sends = 0
  #sent: Promise<unknown> | undefined
  #usedMs = 0

  constructor(zone: Zone, mode: 'replace' | 'patch', id: number) {
    this.#zone = zone
    this.#mode = mode
    this.#id = id
    this.#turn = zone.takeTurn()
    this.#isMyTurn = this.#turn.before === undefined
    this.#publish({
      kind: 'begin',
      transaction: id,
      sourceId: zone.sourceId,
      apex: zone.apex,
      mode,
      form: zone.form,
      minimal: zone.minimal,
    })
    this.#ready = this.#turn.before?.then(() => this.#start())
  }

  put(owner: Uint8Array, type: number, ttlSeconds: number, rdatas: readonly Uint8Array[]): boolean {
    packed.load(owner, type, ttlSeconds, rdatas)
    return this.putPacked(packed)
  }

  putPacked(rrset: PackedRRset): boolean {
    this.#assertOpen()
    checkRRset(this.#zone.apexName, rrset)
    this.#batch.putPacked(rrset)
    return this.#afterOperation()
  }

  delete(owner: Uint8Array, type: number): boolean {
    this.#assertOpen()
    this.#batch.delete(owner, type)
    return this.#afterOperation()
  }

  async drained(): Promise<void> {
    await this.#ready
    await this.#sent
    await new Promise(setImmediate)
    this.#usedMs = 0
  }

  repeated(): ReadonlySet<string> | Promise<ReadonlySet<string>> {
    this.#assertOpen()
    this.#flush()
    const { store } = this.#zone.parts
    // What went to the store is there: batches, too, are applied before they are sent.
    return this.#isMyTurn ? store.repeated(this.#id) : this.#ready!.then(() => store.repeated(this.#id))
  }

  commit(): void | Promise<void> {
    this.#assertOpen()
    this.#end()
    return this.#isMyTurn && this.#sent === undefined ? this.#commitNow() : this.#commitLater()
  }

  async #commitLater(): Promise<void> {
    await this.#ready
    await this.#sent
    await this.#commitNow()
  }

  #commitNow(): void | Promise<void> {
    try {
      if (this.#failure !== undefined) throw this.#failure
      const serving = this.#zone.publish({ kind: 'commit', transaction: this.#id })
      if (serving !== undefined)
        return serving.then(
          () => this.#turn.end(),
          (error: unknown) => this.#failed(error),
        )
    } catch (error) {
      this.#failed(error)
    }
    this.#turn.end()
  }

  /** Wherever it failed, no process may keep it half done. */
  #failed(error: unknown): never {
    this.#abandon()
    this.#turn.end()
    throw error
  }

  abort(): void {
    if (this.#isOver) return
    this.#batch.clear()
    this.#end()
    if (this.#isMyTurn) {
      this.#abandon()
      this.#turn.end()
      return
    }
    this.#waiting = []
    void this.#ready?.then(() => {
      this.#abandon()
      this.#turn.end()
    })
  }

  /** Nothing is put any more. */
  #end(): void {
    this.#isOver = true
    this.#flush()
    if (spareBatches.length < SPARE_BATCHES_MAX && this.#batch.capacity <= 2 * BATCH_SIZE)
      spareBatches.push(this.#batch)
  }

  #assertOpen(): void {
    if (this.#isOver) throw new Error(`the transaction (${this.#mode}) of zone ${this.#zone.apex} is over`)
  }

  #afterOperation(): boolean {
    if (this.#batch.length >= BATCH_SIZE) this.#flush()
    return this.#usedMs < SLICE_MS && this.#sends < BATCHES_WAITING_MAX && this.#waiting.length < BATCHES_WAITING_MAX
  }

  #flush(): void {
    if (this.#batch.length > 0) this.#publish({ kind: 'records', transaction: this.#id, batch: this.#batch.take() })
  }

  /** All earlier transactions of the zone have ended: what waited goes out, a slice at a time. */
  async #start(): Promise<void> {
    for (let i = 0; i < this.#waiting.length; i++) {
      this.#publishNow(this.#waiting[i]!)
      if (this.#usedMs < SLICE_MS) continue
      await new Promise(setImmediate)
      this.#usedMs = 0
    }
    this.#waiting = []
    this.#isMyTurn = true
  }

  #publish(change: ZoneChange): void {
    if (this.#isMyTurn) this.#publishNow(change)
    else this.#waiting.push(change)
  }

  #publishNow(change: ZoneChange): void {
    if (this.#failure !== undefined) return
    const from = performance.now()
    try {
      const taken = this.#zone.publish(change)
      if (taken !== undefined) {
        this.#sends++
        const settled = taken.then(
          () => {
            this.#sends--
          },
          (error: unknown) => {
            this.#sends--
            this.#failure ??= error
          },
        )
        this.#sent = Promise.all([this.#sent, settled])
      }
    } catch (error) {
      this.#failure = error
    }
    this.#usedMs += performance.now() - from
  }

  #abandon(): void {
    const abort: ZoneChange = { kind: 'abort', transaction: this.#id }
    try {
      const sent = this.#zone.publish(abort)
      // A process that can't even be told is on its way out; nothing depends on it.
      if (sent !== undefined) sent.catch(() => {})
    } catch {}
  }
}
