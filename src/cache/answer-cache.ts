/**
 * The answer cache: replies in wire form, in shared memory, found and composed on the event loop without allocating.
 *
 *   answer-cache.ts   this: lookup, compose, store, refresh
 *   layout.ts         the memory's byte layout, drawn      fence.ts          the order of accesses
 *   shard-writer.ts   lock, units, index, eviction         policy.ts         the `cache` plugin's options
 *   new-entry.ts      what may be stored                   cache-set.ts      one cache per block, kept over reloads
 *
 * Terms: an *entry* is one reply; *local* ones live until one of their zones changes, *fixed* ones until the configuration
 * does, *cached* ones for their lifetime, after which they may be *stale*. A *scope* tells blocks apart that share a cache;
 * a *server* is a row of counters.
 *
 * How it is used, by the front (an AnswerCache is one thread's view; none of this allocates, waits or throws):
 *
 *   const code = cache.lookup(query, scope, family, nowSeconds)
 *   HIT             length = cache.compose(query, out, outStart, sizeMax); 0: go on as after MISS
 *   HIT_REFRESH     the same, and the query goes to the chain as a refresh, for which nobody waits; `cache.isStale` is
 *                   kept beside it. Its reply is stored when `mayStoreRefresh` (new-entry.ts) says so; then, come what may,
 *                   endRefresh
 *   STALE_VERIFY    to the chain like a miss; `policy.staleVerifyMs` says how long to wait (0: as the chain takes).
 *                   Its reply is stored when `mayStoreRefresh` says so; then endRefresh. When the time is over, or the
 *                   reply doesn't pass `acceptsRefresh`: `lookupStale` and compose; the chain's reply goes to the
 *                   client only if that gives nothing
 *   MISS, BYPASS    to the record store or the chain; after BYPASS nothing is stored
 *
 * and with the chain's reply, whose marks say what it was made of (`mayStore`, new-entry.ts):
 *
 *   entry.body.setMessage(…); entry.kind = …; cache.store(query, entry, scope, family, nowSeconds)
 *
 * `nowSeconds` is a monotonic clock that all threads of the process share (process.hrtime), fractions welcome. A pool
 * thread attaches to the same region and uses it in the same way for its internal look-ups, with `mayRefresh` off: it gets
 * HIT instead of HIT_REFRESH.
 */
import { composeReply, FLAG_AA, FLAG_AD, FLAG_RA, KEEP_TTL, ReplyBody } from '../wire/compose-reply.ts'
import { copyOctets } from '../wire/copy-octets.ts'
import type { ParsedQuery } from '../wire/parsed-query.ts'
import { loadVersion, storeVersionAfterWrites, storeVersionBeforeWrites, versionAfterReads } from './fence.ts'
import {
  ADDITIONAL_COUNT_OFFSET,
  ANSWER_COUNT_OFFSET,
  AUTHORITY_COUNT_OFFSET,
  BODY_LENGTH_OFFSET,
  COUNT_EVICTIONS_DENIAL,
  COUNT_EVICTIONS_SUCCESS,
  COUNT_HITS_DENIAL,
  COUNT_HITS_SUCCESS,
  COUNT_LOCKED,
  COUNT_MISSES,
  COUNT_NO_ROOM,
  COUNT_PREFETCHES,
  COUNT_REQUESTS,
  COUNT_SERVED_STALE,
  COUNT_STORED,
  COUNT_TOO_LARGE,
  COUNT_TORN,
  COUNTER_ROW,
  ENTRIES_WORD,
  FLAGS_OFFSET,
  FREE_COUNT_WORD,
  FRESH_WORD,
  HASH_OFFSET,
  HEAD_PAYLOAD_OFFSET,
  HEAD_PAYLOAD_SIZE,
  HITS_WORD,
  IS_DEAD_OFFSET,
  KEY_BITS_OFFSET,
  KIND_DENIAL,
  KIND_FIXED,
  KIND_LOCAL,
  KIND_NONE,
  KIND_OFFSET,
  KIND_SUCCESS,
  KIND_UNANSWERED,
  KIND_VARIES,
  LAST_SEEN_WORD,
  type Layout,
  LIFETIME_OFFSET,
  LINK_MASK,
  LINK_OFFSET,
  layoutOf,
  NAME_LENGTH_OFFSET,
  OPTIONS_LENGTH_OFFSET,
  PAYLOAD_SIZE_MAX,
  QCLASS_OFFSET,
  QTYPE_OFFSET,
  RCODE_OFFSET,
  REFRESHING_WORD,
  RETRY_AFTER_WORD,
  SCOPE_OFFSET,
  SHARE_AT,
  SHARE_DENIAL,
  SHARE_SUCCESS,
  SHARE_WORDS,
  SLOT_DENIAL,
  SLOT_OFFSET,
  SLOT_SUCCESS,
  SLOT_UNANSWERED,
  SLOT_VARIES,
  STATE_WORDS,
  STORED_AT_OFFSET,
  TAIL_PAYLOAD_OFFSET,
  TAIL_PAYLOAD_SIZE,
  THREADS_MAX,
  TICKS_PER_SECOND,
  ticksOf,
  UNIT_SIZE,
  UNIT_WORDS,
  VISITS_MAX,
  VISITS_OFFSET,
  ZONE_COUNT_OFFSET,
  ZONES_MAX,
} from './layout.ts'
import { isCacheable, type NewEntry } from './new-entry.ts'
import type { CachePolicy } from './policy.ts'
import { NO_UNIT, PROBES_MAX, ShardWriter } from './shard-writer.ts'

/** Results of `lookup` and `lookupStale`. */
export const MISS = 0
export const HIT = 1
/** Answer from the cache, then have the chain fetch it again. */
export const HIT_REFRESH = 2
/** There is a stale answer: ask the chain first. */
export const STALE_VERIFY = 3
/** Not a query for the cache: neither look up nor store. */
export const BYPASS = -1

/** Results of `store`. */
export const STORED = 1
export const TOO_LARGE = -1
/** Another thread is writing in the same shard. */
export const LOCKED = -2
export const NO_ROOM = -3
export const NOT_STORED = -4

/** A refresh that was not heard of for so long is taken for lost, and another may start. */
export const REFRESH_SECONDS_MAX = 30

const KEY_DO = 1
const KEY_CD = 2
const KEY_IPV4 = 4
const KEY_IPV6 = 8
const RCODE_SERVFAIL = 2
const STORED_FLAGS = FLAG_AA | FLAG_RA | FLAG_AD

/** Two years: longer than anything is served stale. */
const LONG_AGO_TICKS = 1 << 30

const ZONES_WORD = HEAD_PAYLOAD_OFFSET / 4

/** States of an entry at some time. */
const ENDED = 0
const STALE = 1
const FRESH = 2

/** Who knows the generation of a zone now: the record store. */
export interface Generations {
  generation(zone: number): number
}

/** What another thread needs to attach. Plain data; the region is shared. */
export interface AnswerCacheHandle {
  readonly region: SharedArrayBuffer
  readonly policy: CachePolicy
  readonly servers: number
}

export interface CacheFigures {
  readonly requests: number
  readonly hitsSuccess: number
  readonly hitsDenial: number
  readonly misses: number
  readonly prefetches: number
  readonly servedStale: number
  readonly evictionsSuccess: number
  readonly evictionsDenial: number
  readonly stored: number
  readonly tooLarge: number
  readonly locked: number
  readonly noRoom: number
  readonly torn: number
}

export interface AttachOptions {
  /** 0: the event loop; pool threads from 1, each its own. */
  readonly thread: number
  readonly generations: Generations
  readonly mayRefresh?: boolean
  /** Entries made under another configuration that are local or fixed are not used. */
  readonly configGeneration: number
}

export class AnswerCache {
  readonly policy: CachePolicy
  readonly region: SharedArrayBuffer
  /** Which row the counters of the next calls go to. */
  server = 0
  /** After `compose`: the reply's RCODE, 12 bits. */
  rcode = 0
  /** After a hit: the entry's time is over. */
  isStale = false
  readonly #words: Int32Array
  readonly #bytes: Uint8Array
  readonly #counters: Float64Array
  readonly #layout: Layout
  readonly #writer: ShardWriter
  readonly #generations: Generations
  readonly #configGeneration: number
  readonly #thread: number
  readonly #mayRefresh: boolean
  readonly #shardMask: number
  readonly #prefetchTicks: number
  readonly #recheckTicks: number
  readonly #body = new ReplyBody()
  /** Options and body of an entry of several units, put together. */
  readonly #gathered = new Uint8Array(PAYLOAD_SIZE_MAX)
  /** Heads (words) that the last probe found under the key, by SLOT_*, or -1; and their versions. */
  #successAt = -1
  #successVersion = 0
  #denialAt = -1
  #denialVersion = 0
  #unansweredAt = -1
  #unansweredVersion = 0
  #varies = false
  /** The entry that `compose` composes. */
  #foundAt = -1
  #foundVersion = 0
  #foundTtl = KEEP_TTL
  /** Left of the lifetime of the entry that `#stateOf` looked at last, in seconds; below 1 when stale. */
  #left = 0
  /** Where `#putStream` writes next. */
  #streamUnit = 0
  #streamAt = 0
  #streamLeft = 0

  private constructor(handle: AnswerCacheHandle, layout: Layout, options: AttachOptions) {
    const { policy, region } = handle
    this.policy = policy
    this.region = region
    this.#layout = layout
    this.#words = new Int32Array(region)
    this.#bytes = new Uint8Array(region)
    this.#counters = new Float64Array(region, layout.countersAt * 8, COUNTER_ROW * THREADS_MAX * layout.servers)
    this.#writer = new ShardWriter(region, layout, policy.staleSeconds, options.thread)
    this.#generations = options.generations
    this.#configGeneration = options.configGeneration | 0
    this.#thread = options.thread
    this.#mayRefresh = options.mayRefresh ?? true
    this.#shardMask = layout.shards - 1
    this.#prefetchTicks = Math.round(policy.prefetchSeconds * TICKS_PER_SECOND)
    this.#recheckTicks = Math.ceil(policy.staleRecheckSeconds * TICKS_PER_SECOND)
  }

  /** Reserves the memory; it is used as entries come. `servers`: rows of counters per thread. */
  static create(policy: CachePolicy, options: AttachOptions & { readonly servers?: number }): AnswerCache {
    const servers = options.servers ?? 1
    const layout = layoutOf(policy, servers)
    return new AnswerCache({ region: new SharedArrayBuffer(layout.size), policy, servers }, layout, options)
  }

  static attach(handle: AnswerCacheHandle, options: AttachOptions): AnswerCache {
    return new AnswerCache(handle, layoutOf(handle.policy, handle.servers), options)
  }

  get handle(): AnswerCacheHandle {
    return { region: this.region, policy: this.policy, servers: this.#layout.servers }
  }

  /**
   * Looks for an answer to `query`. `scope`: 0, or the block where several share this cache. `family`: the client's, 4 or 6. Returns HIT,
   * HIT_REFRESH, STALE_VERIFY, MISS or BYPASS. A query without RD never starts a refresh: what an upstream answers it is
   * not what others asked for.
   */
  lookup(query: ParsedQuery, scope: number, family: number, nowSeconds: number): number {
    if (!isCacheable(query)) return BYPASS
    const now = ticksOf(nowSeconds)
    this.#count(COUNT_REQUESTS)
    const state = this.#choose(query, scope, family, now)
    if (state === ENDED) {
      this.#count(COUNT_MISSES)
      return MISS
    }
    this.isStale = state === STALE
    const at = this.#foundAt
    this.#count(this.#isDenial(at) ? COUNT_HITS_DENIAL : COUNT_HITS_SUCCESS)
    const byteAt = at * 4
    const visits = this.#bytes[byteAt + VISITS_OFFSET]!
    if (visits < VISITS_MAX) this.#bytes[byteAt + VISITS_OFFSET] = visits + 1
    const { policy } = this
    const recursion = (query.flags & 0x0100) !== 0
    if (state === STALE) {
      if (policy.staleVerify) {
        if (this.#recheckTicks === 0 || this.#beginRefresh(at, now, this.#recheckTicks)) return STALE_VERIFY
        this.#count(COUNT_SERVED_STALE)
        return HIT
      }
      this.#count(COUNT_SERVED_STALE)
      if (!recursion || !this.#mayRefresh || !this.#beginRefresh(at, now, this.#recheckTicks)) return HIT
      this.#count(COUNT_PREFETCHES)
      return HIT_REFRESH
    }
    if (policy.prefetchAmount > 0 && this.#wantsPrefetch(at, now)) {
      if (!recursion || !this.#mayRefresh || !this.#beginRefresh(at, now, 0)) return HIT
      this.#count(COUNT_PREFETCHES)
      return HIT_REFRESH
    }
    return HIT
  }

  /** After STALE_VERIFY, when the chain gave nothing better: HIT when there is an answer, fresh or stale, else MISS. */
  lookupStale(query: ParsedQuery, scope: number, family: number, nowSeconds: number): number {
    const state = this.#choose(query, scope, family, ticksOf(nowSeconds))
    if (state === ENDED) return MISS
    if (state === STALE) this.#count(COUNT_SERVED_STALE)
    return HIT
  }

  /**
   * Composes the entry that the last lookup of this thread found: the reply's length, or 0 when it was changed
   * meanwhile (a miss, then). `out` needs `sizeMax` octets of room at `outStart`.
   */
  compose(query: ParsedQuery, out: Uint8Array, outStart: number, sizeMax: number): number {
    const at = this.#foundAt
    if (at < 0) return 0
    const length = this.#composeEntry(query, at, out, outStart, sizeMax)
    if (versionAfterReads(this.#words, at) === this.#foundVersion) return length
    this.#count(COUNT_TORN)
    return 0
  }

  #composeEntry(query: ParsedQuery, at: number, out: Uint8Array, outStart: number, sizeMax: number): number {
    const bytes = this.#bytes
    const head = at * 4
    const body = this.#body
    body.flags = read16(bytes, head + FLAGS_OFFSET)
    body.rcode = read16(bytes, head + RCODE_OFFSET)
    body.answerCount = read16(bytes, head + ANSWER_COUNT_OFFSET)
    body.authorityCount = read16(bytes, head + AUTHORITY_COUNT_OFFSET)
    body.additionalCount = read16(bytes, head + ADDITIONAL_COUNT_OFFSET)
    body.ttlSeconds = this.#foundTtl
    const bodyLength = read16(bytes, head + BODY_LENGTH_OFFSET)
    const optionsLength = read16(bytes, head + OPTIONS_LENGTH_OFFSET)
    const before = (bytes[head + ZONE_COUNT_OFFSET]! & 7) * 8 + bytes[head + NAME_LENGTH_OFFSET]!
    if (optionsLength + bodyLength > PAYLOAD_SIZE_MAX) return 0
    body.bodyLength = bodyLength
    body.optionsLength = optionsLength
    if (before + optionsLength + bodyLength <= HEAD_PAYLOAD_SIZE) {
      body.bytes = body.options = bytes
      body.optionsAt = head + HEAD_PAYLOAD_OFFSET + before
      body.bodyAt = body.optionsAt + optionsLength
    } else {
      if (!this.#gather(at, before, optionsLength + bodyLength)) return 0
      body.bytes = body.options = this.#gathered
      body.optionsAt = 0
      body.bodyAt = optionsLength
    }
    this.rcode = body.rcode
    return composeReply(query, body, out, outStart, sizeMax)
  }

  /** Copies `length` octets of the entry's payload, from `skip` on, to `#gathered`. False when the links end early. */
  #gather(at: number, skip: number, length: number): boolean {
    const words = this.#words
    const units = this.#layout.unitsPerShard
    const shardUnits = at - ((at - this.#layout.unitsAt) % (units * UNIT_WORDS))
    let unitAt = at
    let from = HEAD_PAYLOAD_OFFSET + skip
    let to = 0
    for (;;) {
      if (from < UNIT_SIZE) {
        const size = Math.min(UNIT_SIZE - from, length - to)
        copyOctets(this.#bytes, unitAt * 4 + from, this.#gathered, to, size)
        to += size
        if (to === length) return true
        from = TAIL_PAYLOAD_OFFSET
      } else from += TAIL_PAYLOAD_OFFSET - UNIT_SIZE
      const link = words[unitAt + LINK_OFFSET / 4]! & LINK_MASK
      if (link === 0 || link > units) return false
      unitAt = shardUnits + (link - 1) * UNIT_WORDS
    }
  }

  /**
   * Stores the reply in `entry` as the answer to `query`. The caller has asked `mayStore`. Returns STORED, or why not:
   * a store that does not happen is a miss later, never an error.
   */
  store(query: ParsedQuery, entry: NewEntry, scope: number, family: number, nowSeconds: number): number {
    const { kind, body } = entry
    if (kind === KIND_NONE || !isCacheable(query)) return NOT_STORED
    const isCached = kind !== KIND_LOCAL && kind !== KIND_FIXED
    if (isCached && entry.lifetimeSeconds <= 0) return NOT_STORED
    if (body.optionsLength + body.bodyLength > PAYLOAD_SIZE_MAX) {
      this.#count(COUNT_TOO_LARGE)
      return TOO_LARGE
    }
    const now = ticksOf(nowSeconds)
    const slot = this.#slotOf(entry)
    if (!entry.byFamily) return this.#storeUnder(query, entry, slot, scope, 0, now)
    const stored = this.#storeUnder(query, entry, slot, scope, family, now)
    return stored === STORED ? this.#storeUnder(query, entry, SLOT_VARIES, scope, 0, now) : stored
  }

  /**
   * The refresh that a HIT_REFRESH or STALE_VERIFY started has ended. `refreshed`: its reply passes `acceptsRefresh`
   * (any reply, for one of an entry that was not stale). After a failed one the entry is left alone for
   * staleRecheckSeconds. Forgets what the last lookup found.
   */
  endRefresh(query: ParsedQuery, scope: number, family: number, nowSeconds: number, refreshed: boolean): void {
    if (this.#layout.stateAt < 0) return
    const now = ticksOf(nowSeconds)
    const state = this.#choose(query, scope, family, now)
    if (state === ENDED) return
    const at = this.#stateAt(this.#foundAt)
    this.#foundAt = -1
    const isStale = state === STALE
    this.#words[at + RETRY_AFTER_WORD] =
      !refreshed && isStale && this.#recheckTicks > 0 ? (now + this.#recheckTicks) | 1 : 0
    Atomics.store(this.#words, at + REFRESHING_WORD, 0)
  }

  /** Whether the entry that the last lookup found was made from records of the record store, or of the configuration. */
  get foundZones(): boolean {
    const head = this.#foundAt * 4
    if (head < 0) return false
    const kind = this.#bytes[head + KIND_OFFSET]!
    return kind === KIND_LOCAL || kind === KIND_FIXED || this.#bytes[head + ZONE_COUNT_OFFSET]! > 0
  }

  /** Counters of one server row, summed over threads. Allocates. */
  figures(server = 0): CacheFigures {
    const sum = (counter: number): number => {
      let total = 0
      for (let thread = 0; thread < THREADS_MAX; thread++) {
        total += this.#counters[(thread * this.#layout.servers + server) * COUNTER_ROW + counter]!
      }
      return total
    }
    return {
      requests: sum(COUNT_REQUESTS),
      hitsSuccess: sum(COUNT_HITS_SUCCESS),
      hitsDenial: sum(COUNT_HITS_DENIAL),
      misses: sum(COUNT_MISSES),
      prefetches: sum(COUNT_PREFETCHES),
      servedStale: sum(COUNT_SERVED_STALE),
      evictionsSuccess: sum(COUNT_EVICTIONS_SUCCESS),
      evictionsDenial: sum(COUNT_EVICTIONS_DENIAL),
      stored: sum(COUNT_STORED),
      tooLarge: sum(COUNT_TOO_LARGE),
      locked: sum(COUNT_LOCKED),
      noRoom: sum(COUNT_NO_ROOM),
      torn: sum(COUNT_TORN),
    }
  }

  /** Entries held now, those included whose time is over but whose place nobody needed yet. */
  entries(): { readonly success: number; readonly denial: number } {
    return { success: this.#sumShare(SHARE_SUCCESS, ENTRIES_WORD), denial: this.#sumShare(SHARE_DENIAL, ENTRIES_WORD) }
  }

  /** Octets: `used` by entries, `reserved` for all that this cache will ever hold. */
  memory(): { readonly used: number; readonly reserved: number } {
    let units = 0
    for (let share = 0; share < 2; share++) {
      units += this.#sumShare(share, FRESH_WORD) - this.#sumShare(share, FREE_COUNT_WORD)
    }
    return { used: units * UNIT_SIZE, reserved: this.region.byteLength }
  }

  #sumShare(share: number, word: number): number {
    let total = 0
    for (let shard = 0; shard < this.#layout.shards; shard++) {
      total +=
        this.#words[this.#layout.shardsAt + shard * this.#layout.shardWords + SHARE_AT + share * SHARE_WORDS + word]!
    }
    return total
  }

  #count(counter: number): void {
    const at = (this.#thread * this.#layout.servers + this.server) * COUNTER_ROW + counter
    this.#counters[at] = this.#counters[at]! + 1
  }

  /** Sets #foundAt, #foundVersion and #foundTtl to the entry that answers, and returns its state; ENDED: there is none. */
  #choose(query: ParsedQuery, scope: number, family: number, now: number): number {
    this.#probe(query, scope, 0)
    if (this.#varies) {
      this.#probe(query, scope, family)
      const state = this.#chooseAmong(now)
      if (state !== ENDED) return state
      this.#probe(query, scope, 0)
    }
    return this.#chooseAmong(now)
  }

  /**
   * CoreDNS's order: the denial, unless it is a SERVFAIL and something positive can be used; then the success. With
   * preferPositive an answer that can be used goes first, and a reply that answers nothing last.
   */
  #chooseAmong(now: number): number {
    const success = this.#successAt
    const denial = this.#denialAt
    const unanswered = this.#unansweredAt
    if (denial < 0 && unanswered < 0) return success < 0 ? this.#found(-1, 0, ENDED) : this.#tryEntry(success, now)
    const { policy } = this
    if (success >= 0 && policy.preferPositive && policy.staleSeconds > 0) {
      if (this.#bytes[success * 4 + KIND_OFFSET] !== KIND_UNANSWERED) {
        const state = this.#tryEntry(success, now)
        if (state !== ENDED) return state
      }
    }
    if (denial >= 0) {
      const state = this.#tryEntry(denial, now)
      if (state !== ENDED) {
        if (read16(this.#bytes, denial * 4 + RCODE_OFFSET) !== RCODE_SERVFAIL) return state
        const instead = this.#trySuccess(now)
        return instead !== ENDED ? instead : this.#tryEntry(denial, now)
      }
    }
    return this.#trySuccess(now)
  }

  #trySuccess(now: number): number {
    if (this.#successAt >= 0) {
      const state = this.#tryEntry(this.#successAt, now)
      if (state !== ENDED) return state
    }
    return this.#unansweredAt >= 0 ? this.#tryEntry(this.#unansweredAt, now) : this.#found(-1, 0, ENDED)
  }

  #tryEntry(at: number, now: number): number {
    const version =
      at === this.#successAt
        ? this.#successVersion
        : at === this.#denialAt
          ? this.#denialVersion
          : this.#unansweredVersion
    const state = this.#stateOf(at, version, now)
    if (state === ENDED) return this.#found(-1, 0, ENDED)
    const kind = this.#bytes[at * 4 + KIND_OFFSET]!
    const { policy } = this
    if (kind === KIND_LOCAL || kind === KIND_FIXED) this.#foundTtl = KEEP_TTL
    else if (state === STALE && policy.staleTtlSeconds > 0) this.#foundTtl = policy.staleTtlSeconds
    else if (policy.keepTtl) this.#foundTtl = this.#words[at + LIFETIME_OFFSET / 4]! >>> 0
    else this.#foundTtl = state === STALE ? 0 : this.#left
    return this.#found(at, version, state)
  }

  #found(at: number, version: number, state: number): number {
    this.#foundAt = at
    this.#foundVersion = version
    return state
  }

  #stateOf(at: number, version: number, now: number): number {
    const words = this.#words
    const head = at * 4
    const zoneCount = this.#bytes[head + ZONE_COUNT_OFFSET]!
    if (zoneCount > ZONES_MAX) return ENDED
    for (let i = 0; i < zoneCount; i++) {
      const pairAt = at + ZONES_WORD + 2 * i
      const zone = words[pairAt]!
      const generation = words[pairAt + 1]!
      // The record store must not be asked for a zone that was never one.
      if (versionAfterReads(words, at) !== version) return ENDED
      if ((this.#generations.generation(zone) | 0) !== generation) return ENDED
    }
    const kind = this.#bytes[head + KIND_OFFSET]!
    const lifetime = words[at + LIFETIME_OFFSET / 4]!
    if (kind === KIND_LOCAL || kind === KIND_FIXED) return lifetime === this.#configGeneration ? FRESH : ENDED
    const age = Math.floor(((now - words[at + STORED_AT_OFFSET / 4]!) | 0) / TICKS_PER_SECOND)
    this.#left = (lifetime >>> 0) - Math.max(age, 0)
    if (this.#left > 0) return FRESH
    const { staleSeconds } = this.policy
    return staleSeconds > 0 && -this.#left < Math.floor(staleSeconds) ? STALE : ENDED
  }

  #isDenial(at: number): boolean {
    return this.#bytes[at * 4 + SLOT_OFFSET] === SLOT_DENIAL
  }

  /** Finds the heads under the key. Entries that are being written are passed over. */
  #probe(query: ParsedQuery, scope: number, family: number): void {
    this.#successAt = -1
    this.#denialAt = -1
    this.#unansweredAt = -1
    this.#varies = false
    const words = this.#words
    const { shardsAt, shardWords, indexAt, indexMask, unitsAt, unitsPerShard } = this.#layout
    const hash = keyHash(query.hash, scope, family)
    const shard = hash & this.#shardMask
    const from = shardsAt + shard * shardWords + indexAt
    let position = (hash >>> 3) & indexMask
    for (let i = 0; i < PROBES_MAX; i++) {
      const word = words[from + position]!
      if (word === 0) return
      if ((word ^ hash) >>> 24 === 0) {
        const unit = (word & LINK_MASK) - 1
        const at = unitsAt + (shard * unitsPerShard + unit) * UNIT_WORDS
        const version = loadVersion(words, at)
        if ((version & 1) === 0 && this.#matches(query, scope, family, hash, at)) this.#note(at, version)
      }
      position = (position + 1) & indexMask
    }
  }

  #note(at: number, version: number): void {
    const slot = this.#bytes[at * 4 + SLOT_OFFSET]
    if (slot === SLOT_SUCCESS) {
      this.#successAt = at
      this.#successVersion = version
    } else if (slot === SLOT_DENIAL) {
      this.#denialAt = at
      this.#denialVersion = version
    } else if (slot === SLOT_UNANSWERED) {
      this.#unansweredAt = at
      this.#unansweredVersion = version
    } else this.#varies = true
  }

  /** The whole key, never only its hash: whoever finds colliding names must not get another name's answer. */
  #matches(query: ParsedQuery, scope: number, family: number, hash: number, at: number): boolean {
    const bytes = this.#bytes
    const head = at * 4
    if (this.#words[at + HASH_OFFSET / 4] !== hash || this.#words[at + SCOPE_OFFSET / 4] !== scope) return false
    const { nameLength, name } = query
    if (
      bytes[head + NAME_LENGTH_OFFSET] !== nameLength ||
      read16(bytes, head + QTYPE_OFFSET) !== query.qtype ||
      read16(bytes, head + QCLASS_OFFSET) !== query.qclass ||
      bytes[head + KEY_BITS_OFFSET] !== keyBits(query, family)
    ) {
      return false
    }
    const zonesSize = (bytes[head + ZONE_COUNT_OFFSET]! & 7) * 8
    const nameAt = head + HEAD_PAYLOAD_OFFSET + zonesSize
    const inHead = Math.min(nameLength, HEAD_PAYLOAD_SIZE - zonesSize)
    for (let i = 0; i < inHead; i++) if (bytes[nameAt + i] !== name[i]) return false
    return inHead === nameLength || this.#matchesRest(query, at, inHead)
  }

  /** A name that does not fit into the head goes on in the next unit, and one more at most. */
  #matchesRest(query: ParsedQuery, at: number, from: number): boolean {
    const { nameLength, name } = query
    const units = this.#layout.unitsPerShard
    const shardUnits = at - ((at - this.#layout.unitsAt) % (units * UNIT_WORDS))
    let unitAt = at
    let i = from
    while (i < nameLength) {
      const link = this.#words[unitAt + LINK_OFFSET / 4]! & LINK_MASK
      if (link === 0 || link > units) return false
      unitAt = shardUnits + (link - 1) * UNIT_WORDS
      const byteAt = unitAt * 4 + TAIL_PAYLOAD_OFFSET
      const until = Math.min(nameLength, i + TAIL_PAYLOAD_SIZE)
      for (let k = byteAt - i; i < until; i++) if (this.#bytes[k + i] !== name[i]) return false
    }
    return true
  }

  #slotOf({ kind, body }: NewEntry): number {
    if (kind === KIND_SUCCESS) return SLOT_SUCCESS
    if (kind === KIND_DENIAL) return SLOT_DENIAL
    if (kind === KIND_UNANSWERED) return this.policy.preferPositive ? SLOT_UNANSWERED : SLOT_SUCCESS
    return body.rcode === 0 && body.answerCount > 0 ? SLOT_SUCCESS : SLOT_DENIAL
  }

  #storeUnder(query: ParsedQuery, entry: NewEntry, slot: number, scope: number, family: number, now: number): number {
    const writer = this.#writer
    const hash = keyHash(query.hash, scope, family)
    if (!writer.lock(hash, now)) {
      this.#count(COUNT_LOCKED)
      return LOCKED
    }
    const result = this.#storeLocked(query, entry, slot, scope, family, hash, now)
    writer.unlock()
    this.#count(result === STORED ? COUNT_STORED : COUNT_NO_ROOM)
    return result
  }

  #storeLocked(
    query: ParsedQuery,
    entry: NewEntry,
    slot: number,
    scope: number,
    family: number,
    hash: number,
    now: number,
  ): number {
    const writer = this.#writer
    const { body, kind } = entry
    const isMarker = slot === SLOT_VARIES
    this.#probe(query, scope, family)
    if (isMarker && this.#varies) return STORED
    const isPositive = slot === SLOT_SUCCESS && kind === KIND_SUCCESS
    // A positive refresh is the newest state: a denial from before must not hide it. With preferPositive only a reply
    // that answers is such, and it also ends what was kept beside the last good answer.
    if (isPositive && (this.policy.preferPositive || entry.isRefresh)) {
      if (this.#denialAt >= 0) this.#end(this.#denialAt, now)
      if (this.#unansweredAt >= 0) this.#end(this.#unansweredAt, now)
    }
    const share = slot === SLOT_DENIAL ? SHARE_DENIAL : SHARE_SUCCESS
    const zoneCount = isMarker ? 0 : entry.zoneCount
    const optionsLength = isMarker ? 0 : body.optionsLength
    const bodyLength = isMarker ? 0 : body.bodyLength
    const size = zoneCount * 8 + query.nameLength + optionsLength + bodyLength
    const more = size <= HEAD_PAYLOAD_SIZE ? 0 : Math.ceil((size - HEAD_PAYLOAD_SIZE) / TAIL_PAYLOAD_SIZE)
    const knownAt =
      slot === SLOT_SUCCESS
        ? this.#successAt
        : slot === SLOT_DENIAL
          ? this.#denialAt
          : isMarker
            ? -1
            : this.#unansweredAt
    let unit = knownAt < 0 ? NO_UNIT : this.#unitOf(knownAt)
    const isNew = unit === NO_UNIT
    let hasRoom = true
    if (isNew) {
      unit = writer.allocateEntry(share, more, now, hash)
      hasRoom = unit !== NO_UNIT
    } else hasRoom = writer.resizeEntry(unit, more, now)
    const evictions = share === SHARE_DENIAL ? COUNT_EVICTIONS_DENIAL : COUNT_EVICTIONS_SUCCESS
    for (let i = 0; i < writer.evicted; i++) this.#count(evictions)
    if (!hasRoom) return NO_ROOM
    const at = writer.unitAt(unit)
    const words = this.#words
    const bytes = this.#bytes
    const head = at * 4
    words[at + HASH_OFFSET / 4] = hash
    words[at + SCOPE_OFFSET / 4] = scope
    write16(bytes, head + QTYPE_OFFSET, query.qtype)
    write16(bytes, head + QCLASS_OFFSET, query.qclass)
    bytes[head + NAME_LENGTH_OFFSET] = query.nameLength
    bytes[head + KEY_BITS_OFFSET] = keyBits(query, family)
    bytes[head + KIND_OFFSET] = isMarker ? KIND_VARIES : kind
    bytes[head + SLOT_OFFSET] = slot
    const isCached = kind !== KIND_LOCAL && kind !== KIND_FIXED
    // AA as the reply had it (RFC 1034 section 6.2.2); CoreDNS sets it on every hit, for libraries of 2014.
    write16(bytes, head + FLAGS_OFFSET, body.flags & STORED_FLAGS)
    write16(bytes, head + RCODE_OFFSET, body.rcode)
    write16(bytes, head + BODY_LENGTH_OFFSET, bodyLength)
    write16(bytes, head + OPTIONS_LENGTH_OFFSET, optionsLength)
    write16(bytes, head + ANSWER_COUNT_OFFSET, body.answerCount)
    write16(bytes, head + AUTHORITY_COUNT_OFFSET, body.authorityCount)
    write16(bytes, head + ADDITIONAL_COUNT_OFFSET, body.additionalCount)
    bytes[head + ZONE_COUNT_OFFSET] = zoneCount
    bytes[head + IS_DEAD_OFFSET] = 0
    words[at + STORED_AT_OFFSET / 4] = now
    words[at + LIFETIME_OFFSET / 4] = isCached ? entry.lifetimeSeconds : this.#configGeneration
    for (let i = 0; i < zoneCount; i++) {
      words[at + ZONES_WORD + 2 * i] = entry.zones[i]!
      words[at + ZONES_WORD + 2 * i + 1] = entry.generations[i]!
    }
    this.#streamUnit = at
    this.#streamAt = head + HEAD_PAYLOAD_OFFSET + zoneCount * 8
    this.#streamLeft = HEAD_PAYLOAD_SIZE - zoneCount * 8
    this.#putStream(query.name, 0, query.nameLength)
    if (!isMarker) {
      this.#putStream(body.options, body.optionsAt, optionsLength)
      this.#putStream(body.bytes, body.bodyAt, bodyLength)
    }
    if (this.#layout.stateAt >= 0) {
      const stateAt = writer.stateAt(unit)
      // A refreshed entry stays as popular as it was; how often a new one was asked for is not known yet.
      if (isNew || !entry.isRefresh) words[stateAt + HITS_WORD] = 0
      words[stateAt + LAST_SEEN_WORD] = now
      words[stateAt + REFRESHING_WORD] = 0
      words[stateAt + RETRY_AFTER_WORD] = 0
    }
    if (isNew) bytes[head + VISITS_OFFSET] = 0
    storeVersionAfterWrites(words, at, (words[at]! + 1) | 0)
    return !isNew || writer.publish(unit, hash) ? STORED : NO_ROOM
  }

  /** Makes an entry one whose time was over long ago; it keeps its place for the next reply of its sort. */
  #end(at: number, now: number): void {
    const words = this.#words
    storeVersionBeforeWrites(words, at, words[at]! | 1)
    this.#bytes[at * 4 + KIND_OFFSET] = KIND_DENIAL
    words[at + LIFETIME_OFFSET / 4] = 0
    words[at + STORED_AT_OFFSET / 4] = (now - LONG_AGO_TICKS) | 0
    storeVersionAfterWrites(words, at, (words[at]! + 1) | 0)
  }

  #putStream(from: Uint8Array, fromAt: number, length: number): void {
    let left = length
    let at = fromAt
    while (left > 0) {
      if (this.#streamLeft === 0) {
        const link = this.#words[this.#streamUnit + LINK_OFFSET / 4]! & LINK_MASK
        this.#streamUnit = this.#writer.unitAt(link - 1)
        this.#streamAt = this.#streamUnit * 4 + TAIL_PAYLOAD_OFFSET
        this.#streamLeft = TAIL_PAYLOAD_SIZE
      }
      const size = Math.min(left, this.#streamLeft)
      copyOctets(from, at, this.#bytes, this.#streamAt, size)
      this.#streamAt += size
      this.#streamLeft -= size
      at += size
      left -= size
    }
  }

  /** Number of a head within its shard. */
  #unitOf(at: number): number {
    return ((at - this.#layout.unitsAt) / UNIT_WORDS) % this.#layout.unitsPerShard
  }

  /** First word of a head's refresh state. */
  #stateAt(at: number): number {
    const { unitsAt, unitsPerShard, shardsAt, shardWords, stateAt } = this.#layout
    const number = (at - unitsAt) / UNIT_WORDS
    const unit = number % unitsPerShard
    const shard = (number - unit) / unitsPerShard
    return shardsAt + shard * shardWords + stateAt + unit * STATE_WORDS
  }

  /** Notes the hit, and says whether the entry has become popular enough and old enough. */
  #wantsPrefetch(at: number, now: number): boolean {
    const kind = this.#bytes[at * 4 + KIND_OFFSET]!
    if (kind === KIND_LOCAL || kind === KIND_FIXED) return false
    const { policy } = this
    const words = this.#words
    const stateAt = this.#stateAt(at)
    const gap = (now - words[stateAt + LAST_SEEN_WORD]!) | 0
    const hits = gap > this.#prefetchTicks ? 1 : words[stateAt + HITS_WORD]! + 1
    words[stateAt + LAST_SEEN_WORD] = now
    words[stateAt + HITS_WORD] = hits
    const lifetime = words[at + LIFETIME_OFFSET / 4]! >>> 0
    return hits >= policy.prefetchAmount && this.#left <= Math.ceil((policy.prefetchPercent / 100) * lifetime)
  }

  /** One refresh per entry at a time, and none before a failed one's pause is over. */
  #beginRefresh(at: number, now: number, recheckTicks: number): boolean {
    const words = this.#words
    const stateAt = this.#stateAt(at)
    if (recheckTicks > 0) {
      const retryAfter = words[stateAt + RETRY_AFTER_WORD]!
      if (retryAfter !== 0 && ((now - retryAfter) | 0) < 0) return false
    }
    const since = Atomics.load(words, stateAt + REFRESHING_WORD)
    if (since !== 0 && ((now - since) | 0) < REFRESH_SECONDS_MAX * TICKS_PER_SECOND) return false
    return Atomics.compareExchange(words, stateAt + REFRESHING_WORD, since, now | 1) === since
  }
}

function keyBits(query: ParsedQuery, family: number): number {
  return (
    (query.dnssecOk ? KEY_DO : 0) |
    ((query.flags & 0x0010) !== 0 ? KEY_CD : 0) |
    (family === 0 ? 0 : family === 4 ? KEY_IPV4 : KEY_IPV6)
  )
}

/** The query's own hash is seeded; scope and family are small numbers that need no more than to be told apart. */
function keyHash(hash: number, scope: number, family: number): number {
  if (scope === 0 && family === 0) return hash
  const mixed = Math.imul(hash ^ Math.imul((scope << 4) | family, 0x9e3779b1), 0x85ebca6b)
  return mixed ^ (mixed >>> 15)
}

function read16(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8)
}

function write16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value
  bytes[at + 1] = value >>> 8
}
