/**
 * Memory of one answer cache: any region, host byte order, no references inside but numbers.
 *
 *   region   ┌─────────┬──────────┬─────────┬─────────┬───┬────────────────────────────────┐
 *            │ control │ counters │ shard 0 │ shard 1 │ … │ units of shard 0, of shard 1 … │
 *            └─────────┴──────────┴─────────┴─────────┴───┴────────────────────────────────┘
 *   shard    lock and shares' state · index · rings and ghosts of both shares · refresh states
 *
 * Index: open addressing, linear probing; a word is 8 bits of the hash over the number of the entry's head unit plus
 * one; 0 is empty. Success and denial entries of one key stand side by side in it.
 *
 * Shares: success and denial each have units, rings and a ghost table of their own, so that a flood of the one kind
 * evicts nothing of the other. A ghost table holds 16 bits of the hash of entries that left the small ring, by other bits
 * of it; a later one takes the place of an earlier.
 *
 * A unit is UNIT_SIZE octets. An entry is a head unit, which holds an ordinary answer whole, and as many more as its octets need:
 *
 *   offset  size  field        meaning
 *        0     4  version      odd while a writer is inside; only a head's counts, but no unit uses it for anything else
 *        4     3  link         number of the entry's next unit plus one, 0 at the end; also the free list's
 *        7     1  visits       hits since the eviction hand last passed, at most VISITS_MAX; readers write it
 *        8     4  hash         of the key: query.hash, mixed with scope and family
 *       12     4  scope        block, where several share a cache
 *       16     2  qtype
 *       18     2  qclass
 *       20     1  nameLength
 *       21     1  keyBits      DO 1, CD 2, for clients of IPv4 only 4, of IPv6 only 8
 *       22     1  kind         KIND_*
 *       23     1  slot         SLOT_*: what it stands for beside other entries of its key
 *       24     2  flags        AA, RA, AD
 *       26     2  rcode
 *       28     2  bodyLength
 *       30     2  optionsLength
 *       32     6  counts       answer, authority, additional
 *       38     1  zoneCount
 *       39     1  isDead       removed; its units are freed when the eviction hand comes by
 *       40     4  storedAt     ticks
 *       44     4  lifetime     seconds (cached kinds), or the configuration's generation (local, fixed)
 *       48   144  payload      zoneCount pairs of zone and generation, qname, options, body
 *
 * In the units after the head the payload starts at offset 8.
 *
 * Reading: find the word, load `version` (even), read, load `version` again; when it changed, what was read is
 * discarded. No unit is written before the version of the head it belonged to has changed, so this covers the units
 * behind a head too. Fences: see `fence.ts`. Writing: under the shard's lock, `shard-writer.ts`.
 */
import { assert } from '../assert.ts'
import { type CachePolicy, capacityOf } from './policy.ts'

export const UNIT_SIZE = 192
export const UNIT_WORDS = UNIT_SIZE / 4

/** Offsets in octets. */
export const LINK_OFFSET = 4
export const VISITS_OFFSET = 7
export const HASH_OFFSET = 8
export const SCOPE_OFFSET = 12
export const QTYPE_OFFSET = 16
export const QCLASS_OFFSET = 18
export const NAME_LENGTH_OFFSET = 20
export const KEY_BITS_OFFSET = 21
export const KIND_OFFSET = 22
export const SLOT_OFFSET = 23
export const FLAGS_OFFSET = 24
export const RCODE_OFFSET = 26
export const BODY_LENGTH_OFFSET = 28
export const OPTIONS_LENGTH_OFFSET = 30
export const ANSWER_COUNT_OFFSET = 32
export const AUTHORITY_COUNT_OFFSET = 34
export const ADDITIONAL_COUNT_OFFSET = 36
export const ZONE_COUNT_OFFSET = 38
export const IS_DEAD_OFFSET = 39
export const STORED_AT_OFFSET = 40
export const LIFETIME_OFFSET = 44
export const HEAD_PAYLOAD_OFFSET = 48
export const TAIL_PAYLOAD_OFFSET = 8
export const HEAD_PAYLOAD_SIZE = UNIT_SIZE - HEAD_PAYLOAD_OFFSET
export const TAIL_PAYLOAD_SIZE = UNIT_SIZE - TAIL_PAYLOAD_OFFSET
export const LINK_MASK = 0xffffff
export const VISITS_MAX = 3

/** Options and body of the largest answer that is stored. */
export const PAYLOAD_SIZE_MAX = 4096
/** Zones a local entry may be made from. */
export const ZONES_MAX = 4

assert(UNIT_SIZE % 64 === 0 && HEAD_PAYLOAD_OFFSET % 4 === 0)
assert(LIFETIME_OFFSET + 4 === HEAD_PAYLOAD_OFFSET)
// The zones of an entry always lie in its head: readers look at them as words.
assert(ZONES_MAX * 8 <= HEAD_PAYLOAD_SIZE)

/** Kinds of entries; up to KIND_DENIAL they are what `messages/slots.ts` calls STORE_*. */
export const KIND_NONE = 0
export const KIND_LOCAL = 1
export const KIND_FIXED = 2
export const KIND_SUCCESS = 3
export const KIND_DENIAL = 4
/** NOERROR that does not answer its question: a referral, an empty reply without SOA. Class success. */
export const KIND_UNANSWERED = 5
/** No answer: tells that replies to this key differ by the client's family, and are found under the key with it. */
export const KIND_VARIES = 6

/** What an entry stands for beside others of its key. */
export const SLOT_SUCCESS = 0
export const SLOT_DENIAL = 1
/** With `prefer_positive`: KIND_UNANSWERED, which must not replace the last good answer. */
export const SLOT_UNANSWERED = 2
export const SLOT_VARIES = 3

export const SHARE_SUCCESS = 0
export const SHARE_DENIAL = 1

/** Words of a share's state, from SHARE_AT + share × SHARE_WORDS in the shard. */
export const LOCK_WORD = 0
export const SHARE_AT = 16
export const SHARE_WORDS = 16
export const FREE_WORD = 0
/** Units that were ever used: those above it are untouched memory. */
export const FRESH_WORD = 1
export const FREE_COUNT_WORD = 2
export const ENTRIES_WORD = 3
export const SMALL_HEAD_WORD = 4
export const SMALL_COUNT_WORD = 5
export const MAIN_HEAD_WORD = 6
export const MAIN_COUNT_WORD = 7

/** Words of an entry's refresh state, by head unit; there only when the policy prefetches or serves stale. */
export const STATE_WORDS = 4
export const LAST_SEEN_WORD = 0
export const HITS_WORD = 1
export const REFRESHING_WORD = 2
export const RETRY_AFTER_WORD = 3

/** Counters: rows of doubles, one row per thread and server; each thread writes its own rows only. */
export const COUNTER_ROW = 16
export const COUNT_REQUESTS = 0
export const COUNT_HITS_SUCCESS = 1
export const COUNT_HITS_DENIAL = 2
export const COUNT_MISSES = 3
export const COUNT_PREFETCHES = 4
export const COUNT_SERVED_STALE = 5
export const COUNT_EVICTIONS_SUCCESS = 6
export const COUNT_EVICTIONS_DENIAL = 7
export const COUNT_STORED = 8
export const COUNT_TOO_LARGE = 9
export const COUNT_LOCKED = 10
export const COUNT_NO_ROOM = 11
export const COUNT_TORN = 12

/** Event loop and pool threads that may attach to a cache: those of two configurations, while one takes over from the other. */
export const THREADS_MAX = 129

const SHARDS = 8
/** Head units are this share of all units when every answer is ordinary; the others are for larger ones. */
const UNITS_PER_ENTRY = 1.2
const INDEX_LOAD = 1 / 1.6
/** Evicted entries that are remembered, two octets each. The more, the rarer a name may be that gets through a flood. */
const GHOSTS_PER_ENTRY = 16
const CONTROL_WORDS = 64

/** Where everything lies: words are int32 indexes into the region. */
export interface Layout {
  readonly shards: number
  readonly servers: number
  /** First counter row, in doubles. */
  readonly countersAt: number
  readonly shardsAt: number
  readonly shardWords: number
  /** Entries and units of a share, in one shard: [success, denial]. */
  readonly entries: readonly [number, number]
  readonly units: readonly [number, number]
  /** First unit number of a share in its shard. */
  readonly firstUnit: readonly [number, number]
  readonly indexMask: number
  /** Word offsets from the shard's start. */
  readonly indexAt: number
  readonly smallAt: readonly [number, number]
  readonly mainAt: readonly [number, number]
  readonly ghostAt: readonly [number, number]
  readonly ghostMask: readonly [number, number]
  /** -1 without refresh states. */
  readonly stateAt: number
  /** First unit of shard 0, in words. */
  readonly unitsAt: number
  readonly unitsPerShard: number
  readonly size: number
}

export function layoutOf(policy: CachePolicy, servers: number): Layout {
  const shards = SHARDS
  const entries: [number, number] = [
    capacityOf(policy.successCapacity) / shards,
    capacityOf(policy.denialCapacity) / shards,
  ]
  const units: [number, number] = [Math.ceil(entries[0] * UNITS_PER_ENTRY), Math.ceil(entries[1] * UNITS_PER_ENTRY)]
  const unitsPerShard = units[0] + units[1]
  assert(unitsPerShard < LINK_MASK)
  const indexSize = powerOfTwo((entries[0] + entries[1]) / INDEX_LOAD)
  const ghosts: [number, number] = [
    powerOfTwo(entries[0] * GHOSTS_PER_ENTRY),
    powerOfTwo(entries[1] * GHOSTS_PER_ENTRY),
  ]
  let at = SHARE_AT + 2 * SHARE_WORDS
  const take = (words: number): number => {
    const from = at
    at += words
    return from
  }
  const indexAt = take(indexSize)
  const smallAt: [number, number] = [take(entries[0]), take(entries[1])]
  const mainAt: [number, number] = [take(entries[0]), take(entries[1])]
  const ghostAt: [number, number] = [take(ghosts[0] / 2), take(ghosts[1] / 2)]
  const hasState = policy.prefetchAmount > 0 || policy.staleSeconds > 0
  const stateAt = hasState ? take(unitsPerShard * STATE_WORDS) : -1
  const shardWords = align(at, 16)
  const countersAt = CONTROL_WORDS / 2
  const shardsAt = CONTROL_WORDS + 2 * COUNTER_ROW * THREADS_MAX * servers
  const unitsAt = align(shardsAt + shards * shardWords, UNIT_WORDS)
  return {
    shards,
    servers,
    countersAt,
    shardsAt,
    shardWords,
    entries,
    units,
    firstUnit: [0, units[0]],
    indexMask: indexSize - 1,
    indexAt,
    smallAt,
    mainAt,
    ghostAt,
    ghostMask: [ghosts[0] - 1, ghosts[1] - 1],
    stateAt,
    unitsAt,
    unitsPerShard,
    size: 4 * (unitsAt + shards * unitsPerShard * UNIT_WORDS),
  }
}

/** Sixteenths of a second, modulo 2^32: differences are right for four years. */
export const TICKS_PER_SECOND = 16

export function ticksOf(nowSeconds: number): number {
  return (nowSeconds * TICKS_PER_SECOND) | 0
}

function powerOfTwo(atLeast: number): number {
  let size = 8
  while (size < atLeast) size *= 2
  return size
}

function align(words: number, to: number): number {
  return Math.ceil(words / to) * to
}
