/**
 * The record store: the zones of all sources in shared memory, and the one look-up that answers from them.
 *
 *   region.ts       the memory, its header, and the protocol between the writer and its readers
 *   allocator.ts    blocks by size class          draft.ts      blocks of a change that isn't shown yet
 *   zone-block.ts   one version of a zone         node.ts       an owner with its RRsets
 *   hash-trie.ts    names and zones by hash       order-tree.ts, order-key.ts   NSEC and NSEC3 in order
 *   zone-writer.ts, node-builder.ts, garbage.ts   the writer's side: build the next version, free the last one
 *   answer.ts, denial.ts                          the readers' side: RFC 1034 section 4.3.2, proofs
 *   packed-rrset.ts, change-batch.ts, zone-publisher.ts   how records get here
 *
 * One thread applies changes: the one that created the store. Any thread of the process answers. What is served never
 * changes in place, so a change costs the names it touches, and becomes visible whole.
 */
import { assert } from '../assert.ts'
import { equalNames, nameToText, textToName } from '../wire/name.ts'
import { LABELS_MAX, type ParsedQuery } from '../wire/parsed-query.ts'
import type { ReplyWriter } from '../wire/reply-writer.ts'
import { Allocator } from './allocator.ts'
import { ZoneAnswerer } from './answer.ts'
import { Draft } from './draft.ts'
import { Garbage, zoneBlocks } from './garbage.ts'
import { findLeaf, LEAF_COUNT_MASK, trieInsert, trieRemove, trieValues } from './hash-trie.ts'
import { hashSuffixes } from './name-hash.ts'
import { equalOctets, unpackOctets } from './node.ts'
import { UNAVAILABLE } from './outcomes.ts'
import { isPinned, type Pin, releasePin, takePin } from './pin.ts'
import {
  AT_CHUNKS_USED,
  AT_HASH_MULTIPLIER,
  AT_HASH_SEED,
  AT_RECLAIM_COUNT,
  AT_WORD_COUNT,
  AT_WORDS_USED,
  AT_ZONE_COUNT,
  AT_ZONE_SLOT_FREE,
  AT_ZONE_SLOTS_USED,
  AT_ZONE_TABLE,
  CHUNK_WORDS,
  createRegion,
  firstChunk,
  openRegion,
  REGION_BYTES_DEFAULT,
  ZONE_SLOT_WORDS,
  zoneSlotCount,
  zoneSlotsAt,
} from './region.ts'
import { TYPE_DS } from './types.ts'
import {
  apexOctets,
  referenceIncarnation,
  referenceSlot,
  SLOT_GENERATION,
  SLOT_INCARNATION,
  SLOT_NEXT_FREE,
  SLOT_ROOT,
  SLOT_STATE,
  STATE_UNAVAILABLE,
  ZONE_APEX,
  ZONE_FLAT,
  ZONE_HAS_SOA,
  ZONE_MINIMAL,
  ZONE_NAME_COUNT,
  ZONE_RECORD_COUNT,
  ZONE_SERIAL,
  ZONE_SHAPE,
  ZONE_SOURCE,
} from './zone-block.ts'
import type { ChangeBatch, ZoneChange, ZoneForm } from './zone-change.ts'
import { ZoneDataError } from './zone-data-error.ts'
import { zoneBatches } from './zone-dump.ts'
import { hasApexAt, NO_ZONE, noteApexAt, zoneAt, zoneHash } from './zone-table.ts'
import { type ZoneIdentity, ZoneWriter } from './zone-writer.ts'

export { StoreFullError } from './allocator.ts'
export * from './outcomes.ts'
export { ZoneDataError } from './zone-data-error.ts'
export { NO_ZONE } from './zone-table.ts'

/**
 * A reference that stands for the set of all zones: its generation changes whenever a zone comes or goes. Whoever goes
 * on because `findZone` said NO_ZONE depends on that.
 */
export const ZONE_SET = 0

/** Looks at a name again when memory it had read was reused meanwhile; a change every few microseconds would be needed to run out. */
const READ_ATTEMPTS_MAX = 1000
/** Blocks freed per portion: about a tenth of a millisecond. */
const RECLAIM_BLOCKS = 2000

/** What is known of one zone, for listings. */
export interface ZoneInfo {
  readonly sourceId: number
  /** Wire form, lower-case. */
  readonly apex: Uint8Array
  readonly form: ZoneForm
  readonly minimal: boolean
  /** Undefined without SOA. */
  readonly serial: number | undefined
  readonly names: number
  readonly records: number
  readonly generation: number
  readonly unavailable: boolean
}

interface Transaction {
  readonly identity: ZoneIdentity
  readonly writer: ZoneWriter
  /** The version that the writer started from; 0 when it builds the zone anew. */
  readonly base: number
}

export class ZoneStore {
  /** The shared memory; hand it to another thread and `attach` there. */
  readonly region: SharedArrayBuffer
  readonly #words: Int32Array
  readonly #mask: number
  readonly #slotsAt: number
  readonly #answerer: ZoneAnswerer
  /** The writer's own: undefined in a store that was attached. */
  readonly #writing: Writing | undefined
  readonly #hashes = new Int32Array(130)
  #changeCount = 0

  private constructor(region: SharedArrayBuffer, isWriter: boolean) {
    this.region = region
    this.#words = openRegion(region)
    this.#mask = this.#words[AT_WORD_COUNT]! - 1
    this.#slotsAt = zoneSlotsAt(this.#words[AT_WORD_COUNT]!)
    this.#answerer = new ZoneAnswerer(this.#words)
    this.#writing = isWriter ? new Writing(this.#words) : undefined
  }

  /** `bytesMax`: address space to reserve, rounded down to a power of two; memory is used as records come. */
  static create(options?: { readonly bytesMax?: number }): ZoneStore {
    return new ZoneStore(createRegion(options?.bytesMax ?? REGION_BYTES_DEFAULT), true)
  }

  /** A reader of the same memory in another thread of the process. */
  static attach(region: SharedArrayBuffer): ZoneStore {
    return new ZoneStore(region, false)
  }

  /** After CNAME_LEAVES: the target in wire form, lower-case: `target[0 .. targetLength)`. Per thread, overwritten by the next answer. */
  get target(): Uint8Array {
    return this.#answerer.target
  }

  get targetLength(): number {
    return this.#answerer.targetLength
  }

  /**
   * Applies one change. Only the thread that created the store. A batch of 64 KiB takes about a millisecond; the other
   * changes take microseconds, and what they make superfluous is freed in portions between other work. Throws
   * StoreFullError, ZoneDataError and RangeError (a malformed batch): the transaction is given up then, and what is
   * served stays; its remaining changes are passed over, except that its commit throws.
   */
  apply(change: ZoneChange): void {
    assert(this.#writing !== undefined, 'only the thread that created the store changes it')
    // Of the other changes readers see nothing.
    if (change.kind === 'commit' || change.kind === 'remove' || change.kind === 'unavailable') this.#changeCount++
    this.#writing.apply(change)
  }

  /** Of a replacement under way: owners with an RRset that was put more than once, as latin1 text of their wire form. */
  repeated(transaction: number): ReadonlySet<string> {
    return this.#writing?.repeated(transaction) ?? new Set()
  }

  /** Another one after each change that an answer could depend on. Only the writer's thread. */
  get changeCount(): number {
    return this.#changeCount
  }

  /** The longest zone of this source at or above the qname (or its parent for qtype DS at an apex), or NO_ZONE. Doesn't allocate. */
  findZone(sourceId: number, query: ParsedQuery): number {
    const words = this.#words
    const { labelCount } = query
    hashSuffixes(query.name, query.labels, labelCount, this.#hashes, words[AT_HASH_SEED]!, words[AT_HASH_MULTIPLIER]!)
    for (let attempt = 0; attempt < READ_ATTEMPTS_MAX; attempt++) {
      const count = Atomics.load(words, AT_RECLAIM_COUNT)
      const zone = this.#findZone(sourceId, query)
      if (this.#writing !== undefined || Atomics.add(words, AT_RECLAIM_COUNT, 0) === count) return zone
    }
    return NO_ZONE
  }

  #findZone(sourceId: number, query: ParsedQuery): number {
    const words = this.#words
    const { labelCount, qtype } = query
    const table = Atomics.load(words, AT_ZONE_TABLE)
    let atApex = NO_ZONE
    for (let i = 0; i <= labelCount; i++) {
      if (!hasApexAt(words, labelCount - i)) continue
      const zone = zoneAt(words, table, sourceId, query.name, query.labels[i]!, query.nameLength, this.#hashes[i]!)
      if (zone === NO_ZONE) continue
      // The DS of a child's apex is the parent's (RFC 4035 section 3.1.4.1), if the parent is here too.
      if (i > 0 || qtype !== TYPE_DS || labelCount === 0) return zone
      atApex = zone
    }
    return atApex
  }

  /**
   * Changes with every commit to the zone, and with `unavailable` and `remove`. Any thread, at any time: a reference whose zone was removed keeps
   * a valid cell, whose value never comes back to what it was while the zone was there. Whoever stores an answer reads
   * the generation before asking for the answer.
   */
  generation(zone: number): number {
    return Atomics.load(this.#words, this.#slotsAt + referenceSlot(zone) * ZONE_SLOT_WORDS + SLOT_GENERATION)
  }

  /**
   * RFC 1034 section 4.3.2 into `writer`, which `begin` has made ready; the qname is in the zone. Returns an outcome. After UNAVAILABLE the writer has what
   * it had before. Doesn't allocate or throw; bounded work per query.
   */
  answer(zone: number, query: ParsedQuery, writer: ReplyWriter): number {
    const words = this.#words
    const slotAt = this.#slotsAt + referenceSlot(zone) * ZONE_SLOT_WORDS
    const { at, answerCount, authorityCount, additionalCount } = writer
    for (let attempt = 0; attempt < READ_ATTEMPTS_MAX; attempt++) {
      const count = Atomics.load(words, AT_RECLAIM_COUNT)
      const block = Atomics.load(words, slotAt + SLOT_ROOT) & this.#mask
      let outcome = UNAVAILABLE
      if (
        block !== 0 &&
        (words[slotAt + SLOT_INCARNATION]! & 0x7ff) === referenceIncarnation(zone) &&
        (words[slotAt + SLOT_STATE]! & STATE_UNAVAILABLE) === 0
      ) {
        outcome = this.#answerer.answer(block, query, writer)
      }
      if (this.#writing !== undefined || Atomics.add(words, AT_RECLAIM_COUNT, 0) === count) {
        if (outcome === UNAVAILABLE) break
        return outcome
      }
      writer.rewind(at, answerCount, authorityCount, additionalCount)
      writer.rcode = 0
      writer.truncated = false
    }
    writer.rewind(at, answerCount, authorityCount, additionalCount)
    writer.rcode = 0
    writer.truncated = false
    writer.authoritative = false
    return UNAVAILABLE
  }

  /** Zones of all sources, in no order that means anything. Only the writer's thread. */
  *zones(): Generator<ZoneInfo> {
    const words = this.#words
    for (const slot of [...trieValues(words, words[AT_ZONE_TABLE]!)]) {
      if (words[this.#slotsAt + slot * ZONE_SLOT_WORDS + SLOT_ROOT] !== 0) yield this.#describe(slot).info
    }
  }

  #describe(slot: number): { info: ZoneInfo; block: number } {
    const words = this.#words
    const slotAt = this.#slotsAt + slot * ZONE_SLOT_WORDS
    const block = words[slotAt + SLOT_ROOT]!
    const apex = new Uint8Array(apexOctets(words, block))
    unpackOctets(words, block + ZONE_APEX, apex.length, apex, 0)
    const shape = words[block + ZONE_SHAPE]!
    const info: ZoneInfo = {
      sourceId: words[block + ZONE_SOURCE]!,
      apex,
      form: (shape & ZONE_FLAT) !== 0 ? 'flat' : 'zone',
      minimal: (shape & ZONE_MINIMAL) !== 0,
      serial: (shape & ZONE_HAS_SOA) !== 0 ? words[block + ZONE_SERIAL]! >>> 0 : undefined,
      names: words[block + ZONE_NAME_COUNT]!,
      records: words[block + ZONE_RECORD_COUNT]!,
      generation: words[slotAt + SLOT_GENERATION]!,
      unavailable: (words[slotAt + SLOT_STATE]! & STATE_UNAVAILABLE) !== 0,
    }
    return { info, block }
  }

  /**
   * Everything that is served at the call, as changes, for a process that starts late. Transactions that are open are not
   * in it. It can be read over as long as PIN_SECONDS_MAX while the store goes on changing. Only the writer's thread.
   * Throws RangeError when too many dumps and transfers run at once.
   */
  dump(): Iterable<ZoneChange> {
    assert(this.#writing !== undefined, 'only the thread that created the store dumps it')
    const words = this.#words
    const pin = takePin(words, seconds())
    if (pin === undefined) throw new RangeError('too many zones are being read at once')
    const zones = [...trieValues(words, words[AT_ZONE_TABLE]!)].map((slot) => this.#describe(slot))
    return pinned(words, dumpZones(words, zones), pin)
  }

  /**
   * Records of one zone in canonical order with the SOA first, for transfers, audits and tests; in `any` order it is faster for large zones. Every
   * record is in it, in batches (change-batch.ts) of puts. Any thread; the zone is read as it was at the call, over as long as PIN_SECONDS_MAX, then the
   * iterator throws. Nothing when the zone isn't there. Throws RangeError when too many dumps and transfers run at once.
   */
  records(sourceId: number, apex: string, order: 'canonical' | 'any' = 'canonical'): Iterable<ChangeBatch> {
    const words = this.#words
    const name = textToName(apex)
    const labels = new Uint8Array(LABELS_MAX + 1)
    let labelCount = 0
    for (let at = 0; name[at] !== 0; at += name[at]! + 1) labels[labelCount++] = at
    hashSuffixes(name, labels, labelCount, this.#hashes, words[AT_HASH_SEED]!, words[AT_HASH_MULTIPLIER]!)
    const pin = takePin(words, seconds())
    if (pin === undefined) throw new RangeError('too many zones are being read at once')
    const zone = zoneAt(words, Atomics.load(words, AT_ZONE_TABLE), sourceId, name, 0, name.length, this.#hashes[0]!)
    if (zone === NO_ZONE) {
      releasePin(words, pin)
      return []
    }
    const block = words[this.#slotsAt + referenceSlot(zone) * ZONE_SLOT_WORDS + SLOT_ROOT]!
    return pinned(words, zoneBatches(words, block, order), pin)
  }

  /** Octets in use, touched since the start (what the process may hold at most for it), and reserved. */
  memory(): { readonly used: number; readonly touched: number; readonly reserved: number } {
    const words = this.#words
    return {
      used: words[AT_WORDS_USED]! * 4,
      touched: (words[AT_CHUNKS_USED]! - firstChunk(words[AT_WORD_COUNT]!)) * CHUNK_WORDS * 4,
      reserved: words.byteLength,
    }
  }

  /** Frees all that waits to be freed, without a pause: for tests, and before figures are read. Only the writer's thread. */
  reclaim(): void {
    this.#writing?.reclaim()
  }
}

// Of the zone in hand: its labels, and the hashes of its suffixes.
const labelsInHand = new Uint8Array(LABELS_MAX + 1)
const hashesInHand = new Int32Array(LABELS_MAX + 1)

/** What only the thread has that created the store. */
class Writing {
  readonly #words: Int32Array
  readonly #slotsAt: number
  readonly #allocator: Allocator
  readonly #garbage: Garbage
  readonly #transactions = new Map<number, Transaction>()
  /** Transactions that were given up: their commit throws this. */
  readonly #failed = new Map<number, unknown>()
  #timer: NodeJS.Immediate | NodeJS.Timeout | undefined

  constructor(words: Int32Array) {
    this.#words = words
    this.#slotsAt = zoneSlotsAt(words[AT_WORD_COUNT]!)
    this.#allocator = new Allocator(words)
    this.#garbage = new Garbage(words, this.#allocator)
  }

  apply(change: ZoneChange): void {
    switch (change.kind) {
      case 'begin':
        this.#begin(change)
        break
      case 'records':
        this.#records(change.transaction, change.batch)
        break
      case 'commit':
        this.#commit(change.transaction)
        break
      case 'abort':
        this.#abort(change.transaction)
        this.#failed.delete(change.transaction)
        break
      case 'remove':
        this.#remove(change)
        break
      case 'unavailable':
        this.#unavailable(change)
        break
    }
    this.#reclaimSoon()
  }

  repeated(id: number): ReadonlySet<string> | undefined {
    return this.#transactions.get(id)?.writer.repeated
  }

  #begin(change: ZoneChange & { kind: 'begin' }): void {
    try {
      const identity = this.#identify(change)
      assert(this.#openOf(identity) === undefined, 'transactions of one zone follow each other')
      const slot = this.#slotOf(identity)
      const served = slot === undefined ? 0 : this.#words[this.#slotsAt + slot * ZONE_SLOT_WORDS + SLOT_ROOT]!
      const base = change.mode === 'patch' ? served : 0
      this.#transactions.set(change.transaction, {
        identity,
        writer: new ZoneWriter(this.#words, this.#allocator, identity, base),
        base,
      })
    } catch (error) {
      this.#failed.set(change.transaction, error)
      throw error
    }
  }

  #records(id: number, batch: ChangeBatch): void {
    const transaction = this.#transactions.get(id)
    if (transaction === undefined) {
      assert(this.#failed.has(id), 'records of a transaction that was never begun')
      return
    }
    try {
      transaction.writer.apply(batch)
    } catch (error) {
      this.#abort(id)
      this.#failed.set(id, error)
      throw error
    }
  }

  #commit(id: number): void {
    const transaction = this.#transactions.get(id)
    if (transaction === undefined) {
      const error = this.#failed.get(id)
      this.#failed.delete(id)
      throw error ?? new Error('commit of a transaction that was never begun')
    }
    const { identity, writer, base } = transaction
    this.#transactions.delete(id)
    const words = this.#words
    const slot = this.#slotOf(identity)
    if (slot === undefined) {
      try {
        this.#addZone(identity, writer.block, 0)
      } catch (error) {
        this.#garbage.addUnseen(zoneBlocks(words, writer.block))
        throw error
      }
      return
    }
    const slotAt = this.#slotsAt + slot * ZONE_SLOT_WORDS
    const old = words[slotAt + SLOT_ROOT]!
    words[slotAt + SLOT_STATE] = words[slotAt + SLOT_STATE]! & ~STATE_UNAVAILABLE
    Atomics.store(words, slotAt + SLOT_ROOT, writer.block)
    Atomics.add(words, slotAt + SLOT_GENERATION, 1)
    this.#garbage.add(base !== 0 ? writer.draft.retired : zoneBlocks(words, old))
  }

  #abort(id: number): void {
    const transaction = this.#transactions.get(id)
    if (transaction === undefined) return
    const { writer, base } = transaction
    this.#transactions.delete(id)
    if (base !== 0) writer.draft.abandon()
    else this.#garbage.addUnseen(zoneBlocks(this.#words, writer.block))
  }

  #remove(change: ZoneChange & { kind: 'remove' }): void {
    const identity = this.#identify(change)
    const open = this.#openOf(identity)
    if (open !== undefined) {
      this.#abort(open)
      this.#failed.set(open, new Error('the zone was removed'))
    }
    const slot = this.#slotOf(identity)
    if (slot === undefined) return
    const words = this.#words
    const slotAt = this.#slotsAt + slot * ZONE_SLOT_WORDS
    const old = words[slotAt + SLOT_ROOT]!
    const draft = new Draft(words, this.#allocator, false)
    const table = trieRemove(draft, words[AT_ZONE_TABLE]!, zoneHash(identity.apexHash, identity.sourceId), slot)
    Atomics.store(words, AT_ZONE_TABLE, table)
    words[slotAt + SLOT_INCARNATION] = words[slotAt + SLOT_INCARNATION]! + 1
    Atomics.store(words, slotAt + SLOT_ROOT, 0)
    Atomics.add(words, slotAt + SLOT_GENERATION, 1)
    words[slotAt + SLOT_NEXT_FREE] = words[AT_ZONE_SLOT_FREE]!
    words[AT_ZONE_SLOT_FREE] = slot
    words[AT_ZONE_COUNT]!--
    this.#noteZoneSet(identity)
    this.#garbage.add(draft.retired)
    this.#garbage.add(zoneBlocks(words, old))
  }

  #unavailable(change: ZoneChange & { kind: 'unavailable' }): void {
    const identity = this.#identify(change)
    const slot = this.#slotOf(identity)
    const words = this.#words
    if (slot === undefined) {
      // A zone that never had data: an empty one, so that its names are found and answered SERVFAIL.
      this.#addZone(identity, new ZoneWriter(words, this.#allocator, identity, 0).block, STATE_UNAVAILABLE)
      return
    }
    const slotAt = this.#slotsAt + slot * ZONE_SLOT_WORDS
    words[slotAt + SLOT_STATE] = words[slotAt + SLOT_STATE]! | STATE_UNAVAILABLE
    Atomics.add(words, slotAt + SLOT_GENERATION, 1)
  }

  #identify(change: {
    readonly sourceId: number
    readonly apex: string
    readonly form?: ZoneForm
    readonly minimal?: boolean
  }): ZoneIdentity {
    const apex = textToName(change.apex)
    const labelCount = this.#hashApex(apex)
    const flags = change.form === 'flat' ? ZONE_FLAT : change.minimal === true ? ZONE_MINIMAL : 0
    return { sourceId: change.sourceId, apex, labelCount, apexHash: hashesInHand[0]!, flags }
  }

  /** Takes the apex in hand. Returns its labels' number. */
  #hashApex(apex: Uint8Array): number {
    const words = this.#words
    let labelCount = 0
    for (let at = 0; apex[at] !== 0; at += apex[at]! + 1) labelsInHand[labelCount++] = at
    labelsInHand[labelCount] = apex.length - 1
    hashSuffixes(apex, labelsInHand, labelCount, hashesInHand, words[AT_HASH_SEED]!, words[AT_HASH_MULTIPLIER]!)
    return labelCount
  }

  /** The zone's open transaction; few are open at once. */
  #openOf({ sourceId, apex }: ZoneIdentity): number | undefined {
    for (const [id, { identity }] of this.#transactions) {
      if (identity.sourceId === sourceId && equalNames(identity.apex, 0, apex, 0)) return id
    }
    return undefined
  }

  #slotOf({ apex, apexHash, sourceId }: ZoneIdentity): number | undefined {
    return this.#slotAt(sourceId, apex, 0, apexHash)
  }

  /** The slot of the source's zone whose apex is `apex[from ..]`. */
  #slotAt(sourceId: number, apex: Uint8Array, from: number, apexHash: number): number | undefined {
    const words = this.#words
    const size = apex.length - from
    const hash = zoneHash(apexHash, sourceId)
    const leaf = findLeaf(words, words[AT_ZONE_TABLE]!, hash, words[AT_WORD_COUNT]! - 1)
    if (leaf === 0) return undefined
    for (let i = leaf + 1, end = i + 2 * (words[leaf]! & LEAF_COUNT_MASK); i < end; i += 2) {
      if (words[i] !== hash) continue
      const slot = words[i + 1]!
      const zone = words[this.#slotsAt + slot * ZONE_SLOT_WORDS + SLOT_ROOT]!
      if (words[zone + ZONE_SOURCE] !== sourceId || apexOctets(words, zone) !== size) continue
      if (equalOctets(words, zone + ZONE_APEX, apex, from, size)) return slot
    }
    return undefined
  }

  /** Gives a zone its slot and shows it. Throws with nothing changed when there is no room. */
  #addZone(identity: ZoneIdentity, block: number, state: number): void {
    const words = this.#words
    let slot = words[AT_ZONE_SLOT_FREE]!
    const isNew = slot === 0
    if (isNew) {
      // Slot 0 stands for the set of all zones.
      slot = Math.max(words[AT_ZONE_SLOTS_USED]!, ZONE_SET + 1)
      if (slot >= zoneSlotCount(words[AT_WORD_COUNT]!)) throw new ZoneDataError(`more than ${slot - 1} zones`)
    }
    const draft = new Draft(words, this.#allocator, false)
    let table: number
    try {
      table = trieInsert(draft, words[AT_ZONE_TABLE]!, zoneHash(identity.apexHash, identity.sourceId), slot)
    } catch (error) {
      draft.abandon()
      throw error
    }
    const slotAt = this.#slotsAt + slot * ZONE_SLOT_WORDS
    if (isNew) words[AT_ZONE_SLOTS_USED] = slot + 1
    else words[AT_ZONE_SLOT_FREE] = words[slotAt + SLOT_NEXT_FREE]!
    noteApexAt(words, identity.labelCount)
    words[slotAt + SLOT_STATE] = state
    Atomics.store(words, slotAt + SLOT_ROOT, block)
    Atomics.add(words, slotAt + SLOT_GENERATION, 1)
    Atomics.store(words, AT_ZONE_TABLE, table)
    words[AT_ZONE_COUNT]!++
    this.#noteZoneSet(identity)
    this.#garbage.add(draft.retired)
  }

  /** A zone came or went: names in it may have been answered from the zone around it, or by nobody. */
  #noteZoneSet(identity: ZoneIdentity): void {
    const words = this.#words
    Atomics.add(words, this.#slotsAt + ZONE_SET * ZONE_SLOT_WORDS + SLOT_GENERATION, 1)
    const { apex, sourceId } = identity
    const labelCount = this.#hashApex(apex)
    for (let i = 1; i <= labelCount; i++) {
      const slot = this.#slotAt(sourceId, apex, labelsInHand[i]!, hashesInHand[i]!)
      if (slot === undefined) continue
      Atomics.add(words, this.#slotsAt + slot * ZONE_SLOT_WORDS + SLOT_GENERATION, 1)
      return
    }
  }

  /** Frees a portion, and goes on with it between other work. */
  #reclaimSoon(): void {
    if (this.#garbage.isEmpty || this.#timer !== undefined) return
    const again = () => {
      this.#timer = undefined
      // What only pins hold back waits for a second; there is nothing else to wait for.
      if (this.#garbage.collect(RECLAIM_BLOCKS, seconds())) this.#timer = setImmediate(again)
      else if (!this.#garbage.isEmpty) this.#timer = setTimeout(again, 1000)
      this.#timer?.unref()
    }
    this.#timer = setImmediate(again)
    this.#timer.unref()
  }

  reclaim(): void {
    while (this.#garbage.collect(1e6, seconds()));
  }
}

function seconds(): number {
  return Math.floor(Date.now() / 1000)
}

/** Hands on what is read under a pin, which goes when the reader is done, throws or leaves. */
function* pinned<T>(words: Int32Array, items: Iterable<T>, pin: Pin): Generator<T> {
  try {
    const iterator = items[Symbol.iterator]()
    for (;;) {
      // What was read is right only if the pin held before and after.
      const item = isPinned(words, pin) ? iterator.next() : undefined
      if (item === undefined || !isPinned(words, pin)) {
        throw new RangeError('the zone was read too slowly: its memory was needed for changes')
      }
      if (item.done === true) return
      yield item.value
    }
  } finally {
    releasePin(words, pin)
  }
}

function* dumpZones(
  words: Int32Array,
  zones: readonly { readonly info: ZoneInfo; readonly block: number }[],
): Generator<ZoneChange> {
  // Numbers of real transactions are positive.
  let transaction = 0
  for (const { info, block } of zones) {
    const { sourceId, form, minimal } = info
    const apex = nameToText(info.apex, 0)
    // A zone that never had data has none to give; an empty one is there all the same.
    if (info.names > 0 || !info.unavailable) {
      transaction--
      yield { kind: 'begin', transaction, sourceId, apex, mode: 'replace', form, minimal }
      for (const batch of zoneBatches(words, block, 'any')) yield { kind: 'records', transaction, batch }
      yield { kind: 'commit', transaction }
    }
    if (info.unavailable) yield { kind: 'unavailable', sourceId, apex }
  }
}
