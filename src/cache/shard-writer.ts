/**
 * Changes a shard, under its lock: units, index and eviction. `layout.ts` draws the memory.
 *
 * Eviction is S3-FIFO (docs/decisions/0004-cache-eviction.md): a new entry joins the small ring, a tenth of the share. One
 * that was hit there moves to the main ring when its turn comes, the others leave and only their hash is remembered (the
 * ghosts); an entry that comes back while remembered joins the main ring at once. Hits only raise a count in the unit.
 * A flood of names that are asked once passes through the small ring and touches nothing else.
 *
 * The lock is a compare-and-swap that nobody waits on: who does not get it does not store. A thread that is ended
 * while it holds a lock leaves it behind; who finds the same holder for LOCK_SECONDS_MAX empties the shard and goes on.
 */

import { storeVersionBeforeWrites } from './fence.ts'
import {
  ENTRIES_WORD,
  FREE_COUNT_WORD,
  FREE_WORD,
  FRESH_WORD,
  HASH_OFFSET,
  IS_DEAD_OFFSET,
  KIND_FIXED,
  KIND_LOCAL,
  KIND_OFFSET,
  KIND_VARIES,
  type Layout,
  LIFETIME_OFFSET,
  LINK_MASK,
  LINK_OFFSET,
  LOCK_WORD,
  MAIN_COUNT_WORD,
  MAIN_HEAD_WORD,
  SHARE_AT,
  SHARE_DENIAL,
  SHARE_SUCCESS,
  SHARE_WORDS,
  SMALL_COUNT_WORD,
  SMALL_HEAD_WORD,
  STATE_WORDS,
  STORED_AT_OFFSET,
  TICKS_PER_SECOND,
  UNIT_WORDS,
  VISITS_OFFSET,
} from './layout.ts'

/** Words looked at per look-up. At the index's load a longer run means that it was made on purpose. */
export const PROBES_MAX = 128
/** Entries that an eviction lets pass before it takes the next one whatever its hits. */
const PASSES_MAX = 256
/** The small ring's part of a share. */
const SMALL_PART = 0.1
export const LOCK_SECONDS_MAX = 10
const LOCK_TRIES_MIN = 16

/** The lower bits of a ticket tell threads apart. */
const TICKET_STEP = 256

export const NO_UNIT = -1

const LINK_WORD = LINK_OFFSET / 4
const HASH_WORD = HASH_OFFSET / 4

export class ShardWriter {
  readonly #words: Int32Array
  readonly #halves: Uint16Array
  readonly #bytes: Uint8Array
  readonly #layout: Layout
  readonly #shardMask: number
  /** Seconds for which an entry that has ended is still of use. */
  readonly #staleSeconds: number
  /** Who holds a lock now: never 0, another one for each taking, and no two threads' are the same. */
  #ticket: number
  /** Per shard: whom a failed try saw holding the lock, since when, and how often. */
  readonly #holder: Int32Array
  readonly #heldSince: Int32Array
  readonly #heldTries: Int32Array
  #shard = 0
  #shardAt = 0
  /** Entries evicted by the last `allocate`. */
  evicted = 0

  constructor(region: ArrayBufferLike, layout: Layout, staleSeconds: number, thread: number) {
    this.#words = new Int32Array(region)
    this.#halves = new Uint16Array(region)
    this.#bytes = new Uint8Array(region)
    this.#layout = layout
    this.#shardMask = layout.shards - 1
    this.#staleSeconds = staleSeconds
    this.#ticket = thread + 1 + TICKET_STEP * Math.floor(Math.random() * 0x10000)
    this.#holder = new Int32Array(layout.shards)
    this.#heldSince = new Int32Array(layout.shards)
    this.#heldTries = new Int32Array(layout.shards)
  }

  /** Takes the lock of the hash's shard; false when another thread has it. All else works on that shard. Never waits. */
  lock(hash: number, nowTicks: number): boolean {
    const shard = hash & this.#shardMask
    const at = this.#layout.shardsAt + shard * this.#layout.shardWords
    this.#ticket = (this.#ticket + TICKET_STEP) | 0
    const holder = Atomics.compareExchange(this.#words, at + LOCK_WORD, 0, this.#ticket)
    this.#shard = shard
    this.#shardAt = at
    if (holder === 0) {
      this.#holder[shard] = 0
      return true
    }
    if (holder !== this.#holder[shard]) {
      this.#holder[shard] = holder
      this.#heldSince[shard] = nowTicks
      this.#heldTries[shard] = 0
      return false
    }
    const tries = this.#heldTries[shard]! + 1
    this.#heldTries[shard] = tries
    const heldTicks = (nowTicks - this.#heldSince[shard]!) | 0
    if (tries < LOCK_TRIES_MIN || heldTicks < LOCK_SECONDS_MAX * TICKS_PER_SECOND) return false
    if (Atomics.compareExchange(this.#words, at + LOCK_WORD, holder, this.#ticket) !== holder) return false
    this.#holder[shard] = 0
    this.clear()
    return true
  }

  unlock(): void {
    Atomics.compareExchange(this.#words, this.#shardAt + LOCK_WORD, this.#ticket, 0)
  }

  /** First word of a unit of the locked shard. */
  unitAt(unit: number): number {
    return this.#layout.unitsAt + (this.#shard * this.#layout.unitsPerShard + unit) * UNIT_WORDS
  }

  shareOf(unit: number): number {
    return unit < this.#layout.firstUnit[1] ? SHARE_SUCCESS : SHARE_DENIAL
  }

  /** Word of the unit's refresh state; only with a policy that has them. */
  stateAt(unit: number): number {
    return this.#shardAt + this.#layout.stateAt + unit * STATE_WORDS
  }

  /**
   * A head unit, with `more` units linked behind it, from `share`; its version is odd. Evicts as much as it takes.
   * NO_UNIT when that gives no room.
   */
  allocateEntry(share: number, more: number, nowTicks: number, hash: number): number {
    const shareAt = this.#shareAt(share)
    const words = this.#words
    this.evicted = 0
    if (words[shareAt + ENTRIES_WORD]! >= this.#layout.entries[share]!) this.#evict(share, NO_UNIT, nowTicks)
    if (!this.#makeRoom(share, 1 + more, NO_UNIT, nowTicks)) return NO_UNIT
    const unit = this.#takeUnit(share)
    const at = this.unitAt(unit)
    storeVersionBeforeWrites(words, at, words[at]! | 1)
    words[at + LINK_WORD] = this.#takeChain(share, more)
    words[shareAt + ENTRIES_WORD] = words[shareAt + ENTRIES_WORD]! + 1
    if (this.#isGhost(share, hash)) this.#pushMain(share, unit)
    else this.#pushSmall(share, unit)
    return unit
  }

  /** Makes the entry of the head `unit` as long as 1 + `more` units, its version odd. False when there is no room: it is removed then. */
  resizeEntry(unit: number, more: number, nowTicks: number): boolean {
    const words = this.#words
    const share = this.shareOf(unit)
    const at = this.unitAt(unit)
    this.evicted = 0
    storeVersionBeforeWrites(words, at, words[at]! | 1)
    this.#freeChain(share, words[at + LINK_WORD]! & LINK_MASK)
    const visits = words[at + LINK_WORD]! & ~LINK_MASK
    words[at + LINK_WORD] = visits
    if (!this.#makeRoom(share, more, unit, nowTicks)) {
      this.#unpublish(unit)
      this.#kill(unit)
      return false
    }
    words[at + LINK_WORD] = this.#takeChain(share, more) | visits
    return true
  }

  /** Puts a head whose hash is written into the index; false when the index has no place near (the entry is dead then). */
  publish(unit: number, hash: number): boolean {
    const { indexMask, indexAt } = this.#layout
    const from = this.#shardAt + indexAt
    let at = (hash >>> 3) & indexMask
    for (let i = 0; i < PROBES_MAX; i++) {
      if (this.#words[from + at] === 0) {
        Atomics.store(this.#words, from + at, (hash & ~LINK_MASK) | (unit + 1))
        return true
      }
      at = (at + 1) & indexMask
    }
    this.#kill(unit)
    return false
  }

  /** Empties the locked shard. */
  clear(): void {
    const words = this.#words
    const { indexAt, indexMask, firstUnit } = this.#layout
    words.fill(0, this.#shardAt + indexAt, this.#shardAt + indexAt + indexMask + 1)
    for (let share = 0; share < 2; share++) {
      const shareAt = this.#shareAt(share)
      const fresh = words[shareAt + FRESH_WORD]!
      for (let i = 0; i < fresh; i++) {
        const at = this.unitAt(firstUnit[share]! + i)
        storeVersionBeforeWrites(words, at, (words[at]! | 1) + 1)
      }
      words.fill(0, shareAt, shareAt + SHARE_WORDS)
    }
  }

  #shareAt(share: number): number {
    return this.#shardAt + SHARE_AT + share * SHARE_WORDS
  }

  #freeUnits(share: number): number {
    const shareAt = this.#shareAt(share)
    return this.#layout.units[share]! - this.#words[shareAt + FRESH_WORD]! + this.#words[shareAt + FREE_COUNT_WORD]!
  }

  #makeRoom(share: number, units: number, spared: number, nowTicks: number): boolean {
    while (this.#freeUnits(share) < units) if (!this.#evict(share, spared, nowTicks)) return false
    return true
  }

  /** The caller has made room. */
  #takeUnit(share: number): number {
    const words = this.#words
    const shareAt = this.#shareAt(share)
    const free = words[shareAt + FREE_WORD]!
    if (free === 0) {
      const fresh = words[shareAt + FRESH_WORD]!
      words[shareAt + FRESH_WORD] = fresh + 1
      return this.#layout.firstUnit[share]! + fresh
    }
    words[shareAt + FREE_WORD] = words[this.unitAt(free - 1) + LINK_WORD]! & LINK_MASK
    words[shareAt + FREE_COUNT_WORD] = words[shareAt + FREE_COUNT_WORD]! - 1
    return free - 1
  }

  /** `count` units linked to each other: the number of the first plus one, or 0. */
  #takeChain(share: number, count: number): number {
    let link = 0
    for (let i = 0; i < count; i++) {
      const unit = this.#takeUnit(share)
      this.#words[this.unitAt(unit) + LINK_WORD] = link
      link = unit + 1
    }
    return link
  }

  #freeChain(share: number, link: number): void {
    const words = this.#words
    const shareAt = this.#shareAt(share)
    while (link !== 0) {
      const at = this.unitAt(link - 1)
      const next = words[at + LINK_WORD]! & LINK_MASK
      words[at + LINK_WORD] = words[shareAt + FREE_WORD]!
      words[shareAt + FREE_WORD] = link
      words[shareAt + FREE_COUNT_WORD] = words[shareAt + FREE_COUNT_WORD]! + 1
      link = next
    }
  }

  /** Version even and new, so that who still reads the entry learns of it; out of the index already. */
  #kill(unit: number): void {
    const at = this.unitAt(unit)
    storeVersionBeforeWrites(this.#words, at, (this.#words[at]! | 1) + 1)
    this.#bytes[at * 4 + IS_DEAD_OFFSET] = 1
  }

  #pushSmall(share: number, unit: number): void {
    this.#push(this.#layout.smallAt[share]!, this.#shareAt(share) + SMALL_HEAD_WORD, this.#layout.entries[share]!, unit)
  }

  #pushMain(share: number, unit: number): void {
    this.#push(this.#layout.mainAt[share]!, this.#shareAt(share) + MAIN_HEAD_WORD, this.#layout.entries[share]!, unit)
  }

  /** Rings: a head (oldest) word followed by a count word. Both rings together hold at most `capacity` entries. */
  #push(ringAt: number, headAt: number, capacity: number, unit: number): void {
    const words = this.#words
    const count = words[headAt + 1]!
    let at = words[headAt]! + count
    if (at >= capacity) at -= capacity
    words[this.#shardAt + ringAt + at] = unit
    words[headAt + 1] = count + 1
  }

  #pop(ringAt: number, headAt: number, capacity: number): number {
    const words = this.#words
    const head = words[headAt]!
    const unit = words[this.#shardAt + ringAt + head]!
    words[headAt] = head + 1 === capacity ? 0 : head + 1
    words[headAt + 1] = words[headAt + 1]! - 1
    return unit
  }

  /** Frees one entry of the share; false when there is none to free. */
  #evict(share: number, spared: number, nowTicks: number): boolean {
    const { entries, smallAt, mainAt } = this.#layout
    const capacity = entries[share]!
    const shareAt = this.#shareAt(share)
    const words = this.#words
    const smallMax = Math.max(1, Math.floor(capacity * SMALL_PART))
    for (let passes = 0; words[shareAt + ENTRIES_WORD]! > 0; passes++) {
      const isForced = passes >= PASSES_MAX
      const small = words[shareAt + SMALL_COUNT_WORD]!
      const main = words[shareAt + MAIN_COUNT_WORD]!
      if (small + main === 1 && spared !== NO_UNIT) return false
      const fromSmall = small > 0 && (small > smallMax || main === 0)
      const unit = fromSmall
        ? this.#pop(smallAt[share]!, shareAt + SMALL_HEAD_WORD, capacity)
        : this.#pop(mainAt[share]!, shareAt + MAIN_HEAD_WORD, capacity)
      const visitsAt = this.unitAt(unit) * 4 + VISITS_OFFSET
      const visits = this.#bytes[visitsAt]!
      const isDead = this.#bytes[this.unitAt(unit) * 4 + IS_DEAD_OFFSET] === 1
      if (unit === spared) {
        this.#pushMain(share, unit)
        continue
      }
      if (!isDead && !isForced && visits > 0 && !this.#hasEnded(unit, nowTicks)) {
        this.#bytes[visitsAt] = fromSmall ? 0 : visits - 1
        this.#pushMain(share, unit)
        continue
      }
      if (!isDead) {
        if (fromSmall) this.#remember(share, words[this.unitAt(unit) + HASH_WORD]!)
        this.#unpublish(unit)
        this.#kill(unit)
        this.evicted++
      }
      words[shareAt + ENTRIES_WORD] = words[shareAt + ENTRIES_WORD]! - 1
      this.#freeChain(share, unit + 1)
      return true
    }
    return false
  }

  /** No lookup will use the entry again. Local ones never end by time. */
  #hasEnded(unit: number, nowTicks: number): boolean {
    const at = this.unitAt(unit) * 4
    const kind = this.#bytes[at + KIND_OFFSET]!
    if (kind === KIND_LOCAL || kind === KIND_FIXED || kind === KIND_VARIES) return false
    const ageTicks = (nowTicks - this.#words[(at + STORED_AT_OFFSET) >>> 2]!) | 0
    const lifetime = (this.#words[(at + LIFETIME_OFFSET) >>> 2]! >>> 0) + this.#staleSeconds
    return ageTicks / TICKS_PER_SECOND >= lifetime
  }

  #remember(share: number, hash: number): void {
    this.#halves[this.#ghostAt(share, hash)] = ghostOf(hash)
  }

  #isGhost(share: number, hash: number): boolean {
    const at = this.#ghostAt(share, hash)
    if (this.#halves[at] !== ghostOf(hash)) return false
    this.#halves[at] = 0
    return true
  }

  /** In half words. */
  #ghostAt(share: number, hash: number): number {
    return 2 * (this.#shardAt + this.#layout.ghostAt[share]!) + ((hash >>> 3) & this.#layout.ghostMask[share]!)
  }

  /** Takes the head out of the index and closes the gap, so that no look-up needs marks for what was deleted. */
  #unpublish(unit: number): void {
    const words = this.#words
    const { indexMask, indexAt } = this.#layout
    const from = this.#shardAt + indexAt
    const hash = words[this.unitAt(unit) + HASH_WORD]!
    const wanted = (hash & ~LINK_MASK) | (unit + 1)
    let at = (hash >>> 3) & indexMask
    for (let i = 0; words[from + at] !== wanted; i++) {
      if (i >= PROBES_MAX || words[from + at] === 0) return
      at = (at + 1) & indexMask
    }
    let gap = at
    for (let i = 0; i < indexMask; i++) {
      at = (at + 1) & indexMask
      const word = words[from + at]!
      if (word === 0) break
      const home = (words[this.unitAt((word & LINK_MASK) - 1) + HASH_WORD]! >>> 3) & indexMask
      // Moves only what may stand in the gap: its home is not between the gap and where it stands.
      if (((at - home) & indexMask) >= ((at - gap) & indexMask)) {
        Atomics.store(words, from + gap, word)
        gap = at
      }
    }
    Atomics.store(words, from + gap, 0)
  }
}

/** What is remembered of a hash: 16 bits, never 0, of bits that do not say where it is remembered. */
function ghostOf(hash: number): number {
  return (Math.imul(hash, 0x9e3779b1) >>> 16) | 1
}
