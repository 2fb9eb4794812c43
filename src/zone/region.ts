/**
 * The record store's memory: one SharedArrayBuffer per process, seen as 32-bit words. All offsets in it are in words, so
 * that an offset of a 4 GiB region is still a small integer. A word that holds octets holds them from its low end up,
 * on every kind of machine: they are packed and unpacked with shifts.
 *
 *   word            size  field
 *      0               1  magic
 *      1               1  layout version
 *      2               1  words of the region, a power of two: offsets read under a race are masked with it
 *      3               1  hash seed            } random, so that nobody can choose names that collide
 *      4               1  hash multiplier, odd }
 *      5               1  zone table: root of the hash trie from (source, apex) to zone slot
 *      6               1  zone slots ever used
 *      7               1  first free zone slot + 1, or 0
 *      8               4  bit set: numbers of labels that apexes have or had
 *     12               1  zones
 *     13               1  words in blocks that are in use
 *     14               1  chunks ever used
 *     15               1  chunks used before that are free now
 *     16               1  reclaim count: see below
 *     32              32  pins: reclaim count that a long reader started at, or 0
 *     64              32  pins: seconds at which each was set
 *     96             160  allocator: list heads (allocator.ts)
 *    256         8 × C  chunk table (allocator.ts)
 *   ...          8 × Z  zone slots (zone-block.ts)
 *   ...                 chunks of CHUNK_WORDS
 *
 * Protocol. One thread writes: the one that created the region. What readers can reach is never changed in place, except
 * for single words (a zone's root, its state, its generation, the zone table's root): a change builds new blocks
 * beside the old ones and shows them with one store. Blocks that fell out of reach are freed later, in bounded
 * portions. Before the first block of a change is freed, the reclaim count goes up by one. So a reader notes the count, reads,
 * and looks at it again: unchanged means that nothing it saw was used for anything else meanwhile; changed means again from the
 * start. The second look is an Atomics.add of 0, since on ARM earlier plain reads could slip past a load.
 * Under a race a reader may follow garbage before it finds out, so every loop is bounded and every offset is masked.
 * The writer's own thread needs none of this. A long reader (a zone transfer) pins the count instead: what was retired
 * at it or later is not freed until the pin is gone.
 */

import { randomBytes } from 'node:crypto'
import { assert } from '../assert.ts'

const MAGIC = 0x53484f4c
const LAYOUT_VERSION = 1

export const AT_MAGIC = 0
export const AT_LAYOUT_VERSION = 1
export const AT_WORD_COUNT = 2
export const AT_HASH_SEED = 3
export const AT_HASH_MULTIPLIER = 4
export const AT_ZONE_TABLE = 5
export const AT_ZONE_SLOTS_USED = 6
export const AT_ZONE_SLOT_FREE = 7
export const AT_APEX_DEPTHS = 8
export const AT_ZONE_COUNT = 12
export const AT_WORDS_USED = 13
export const AT_CHUNKS_USED = 14
export const AT_CHUNKS_FREE = 15
export const AT_RECLAIM_COUNT = 16
export const AT_PINS = 32
export const AT_PIN_SECONDS = 64
export const PIN_COUNT = 32
export const AT_LISTS = 96
export const LIST_COUNT_MAX = 160
export const AT_CHUNK_TABLE = 256
assert(AT_APEX_DEPTHS + 4 === AT_ZONE_COUNT)
assert(AT_PINS + PIN_COUNT === AT_PIN_SECONDS && AT_PIN_SECONDS + PIN_COUNT === AT_LISTS)
assert(AT_LISTS + LIST_COUNT_MAX === AT_CHUNK_TABLE)

/** Words of a chunk: 64 KiB. */
export const CHUNK_SHIFT = 14
export const CHUNK_WORDS = 1 << CHUNK_SHIFT
export const CHUNK_ENTRY_WORDS = 8
export const ZONE_SLOT_WORDS = 8
/** A zone reference has 20 bits for the slot. */
export const ZONE_SLOTS_MAX = 1 << 20

/** Address space reserved by default; memory is used as records come. */
export const REGION_BYTES_DEFAULT = 4 * 2 ** 30
/** Below this a region isn't worth having. */
export const REGION_BYTES_MIN = 2 ** 20

/** Zone slots of a region: one per 16 KiB, so that the table stays small in small regions. */
export function zoneSlotCount(wordCount: number): number {
  return Math.min(ZONE_SLOTS_MAX, Math.max(1024, wordCount >>> 12))
}

/** Where the zone slots start. */
export function zoneSlotsAt(wordCount: number): number {
  return AT_CHUNK_TABLE + (wordCount >>> CHUNK_SHIFT) * CHUNK_ENTRY_WORDS
}

/** The first chunk that holds blocks; those below hold the header and the tables. */
export function firstChunk(wordCount: number): number {
  return (zoneSlotsAt(wordCount) + zoneSlotCount(wordCount) * ZONE_SLOT_WORDS + CHUNK_WORDS - 1) >>> CHUNK_SHIFT
}

/**
 * Reserves a region of at most `bytesMax` octets, rounded down to a power of two; less when the system refuses that much
 * address space. Throws RangeError when even REGION_BYTES_MIN can't be had.
 */
export function createRegion(bytesMax: number): SharedArrayBuffer {
  let bytes = REGION_BYTES_MIN
  while (bytes * 2 <= Math.min(bytesMax, REGION_BYTES_DEFAULT)) bytes *= 2
  for (;;) {
    try {
      const region = new SharedArrayBuffer(bytes)
      const words = new Int32Array(region)
      const random = new Int32Array(Uint8Array.from(randomBytes(8)).buffer)
      words[AT_MAGIC] = MAGIC
      words[AT_LAYOUT_VERSION] = LAYOUT_VERSION
      words[AT_WORD_COUNT] = words.length
      words[AT_HASH_SEED] = random[0]!
      words[AT_HASH_MULTIPLIER] = random[1]! | 1
      words[AT_CHUNKS_USED] = firstChunk(words.length)
      words[AT_RECLAIM_COUNT] = 1
      return region
    } catch (error) {
      if (bytes <= REGION_BYTES_MIN) throw error
      bytes /= 2
    }
  }
}

/** The words of a region that `createRegion` made. Throws when it is something else. */
export function openRegion(region: SharedArrayBuffer): Int32Array {
  const words = new Int32Array(region)
  assert(words[AT_MAGIC] === MAGIC && words[AT_LAYOUT_VERSION] === LAYOUT_VERSION, 'not a record store of this version')
  return words
}
