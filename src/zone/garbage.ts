/**
 * Frees what fell out of readers' reach, a bounded portion at a time, so that dropping a zone of a million names never
 * holds the event loop up.
 */
import type { Allocator } from './allocator.ts'
import { INNER_WORDS, LEAF_COUNT_MASK } from './hash-trie.ts'
import { firstRRset, nextRRset, RRSET_HEADER_WORDS, RRSET_SHAPE, rrsetCount } from './node.ts'
import { NSEC3_KEY_WORDS } from './order-key.ts'
import { orderKeys, orderPages } from './order-tree.ts'
import { AT_PIN_SECONDS, AT_PINS, AT_RECLAIM_COUNT, PIN_COUNT } from './region.ts'
import { ZONE_APEX_NODE, ZONE_NAMES, ZONE_NSEC3, ZONE_ORDER } from './zone-block.ts'

/** A pin that is older than this no longer holds anything back: its reader has to start again. */
export const PIN_SECONDS_MAX = 600

interface Portion {
  readonly blocks: Iterator<number>
  /** The reclaim count when it fell out of reach; readers that pinned this count or an earlier one may still see it. */
  readonly retiredAt: number
}

export class Garbage {
  readonly #words: Int32Array
  readonly #allocator: Allocator
  readonly #portions: Portion[] = []

  constructor(words: Int32Array, allocator: Allocator) {
    this.#words = words
    this.#allocator = allocator
  }

  /** Whether something waits to be freed. */
  get isEmpty(): boolean {
    return this.#portions.length === 0
  }

  /** Takes over blocks that no reader can reach any more by starting now. */
  add(blocks: Iterable<number>): void {
    const retiredAt = Atomics.add(this.#words, AT_RECLAIM_COUNT, 1)
    this.#portions.push({ blocks: blocks[Symbol.iterator](), retiredAt })
  }

  /** Takes over blocks that no reader has ever been able to reach. */
  addUnseen(blocks: Iterable<number>): void {
    this.#portions.push({ blocks: blocks[Symbol.iterator](), retiredAt: -1 })
  }

  /** Frees up to `blocksMax` blocks. Returns whether there is more to free now. */
  collect(blocksMax: number, nowSeconds: number): boolean {
    let left = blocksMax
    let oldestPin = this.#portions.length > 0 ? this.#oldestPin(nowSeconds) : 0
    for (let i = 0; i < this.#portions.length; ) {
      const portion = this.#portions[i]!
      // The count is compared by difference: it may have wrapped.
      if (portion.retiredAt !== -1 && oldestPin !== 0 && ((portion.retiredAt - oldestPin) | 0) >= 0) {
        i++
        continue
      }
      for (;;) {
        if (left-- <= 0) return true
        const next = portion.blocks.next()
        if (next.done === true) break
        this.#allocator.free(next.value)
      }
      this.#portions.splice(i, 1)
      oldestPin = this.#portions.length > 0 ? this.#oldestPin(nowSeconds) : 0
    }
    return false
  }

  /** The lowest count that is pinned, or 0. Pins that have expired are taken away. */
  #oldestPin(nowSeconds: number): number {
    const words = this.#words
    let oldest = 0
    for (let pin = 0; pin < PIN_COUNT; pin++) {
      const count = Atomics.load(words, AT_PINS + pin)
      if (count === 0) continue
      if (nowSeconds - Atomics.load(words, AT_PIN_SECONDS + pin) > PIN_SECONDS_MAX) {
        Atomics.compareExchange(words, AT_PINS + pin, count, 0)
        continue
      }
      if (oldest === 0 || ((count - oldest) | 0) < 0) oldest = count
    }
    return oldest
  }
}

/** All blocks of a zone version, each after those that it points to, since a freed block's first word is overwritten. */
export function* zoneBlocks(words: Int32Array, zone: number): Generator<number> {
  yield* trieBlocks(words, words[zone + ZONE_NAMES]!)
  yield* nodeBlocks(words, words[zone + ZONE_APEX_NODE]!)
  for (const key of orderKeys(words, words[zone + ZONE_ORDER]!)) yield key
  yield* orderPages(words, words[zone + ZONE_ORDER]!)
  for (const key of orderKeys(words, words[zone + ZONE_NSEC3]!)) {
    yield* nodeBlocks(words, words[key + 1 + NSEC3_KEY_WORDS]!)
    yield key
  }
  yield* orderPages(words, words[zone + ZONE_NSEC3]!)
  yield zone
}

function* trieBlocks(words: Int32Array, page: number): Generator<number> {
  if (page === 0) return
  if (page < 0) {
    const leaf = -page
    for (let i = 0, count = words[leaf]! & LEAF_COUNT_MASK; i < count; i++)
      yield* nodeBlocks(words, words[leaf + 2 + 2 * i]!)
    yield leaf
    return
  }
  for (let index = 0, previous = 0; index < INNER_WORDS; index++) {
    const child = words[page + index]!
    if (child !== previous) yield* trieBlocks(words, child)
    previous = child
  }
  yield page
}

function* nodeBlocks(words: Int32Array, node: number): Generator<number> {
  let rrset = firstRRset(words, node)
  for (let left = rrsetCount(words, node); left > 0; left--) {
    if (words[rrset + RRSET_SHAPE]! < 0) yield words[rrset + RRSET_HEADER_WORDS]!
    rrset = nextRRset(words, rrset)
  }
  yield node
}
