/**
 * The front: what happens to every query on the event loop, on wire bytes and without allocating, promises or
 * exceptions. The cheapest way that has the answer wins:
 *
 *   handle ─► parse ─► block ─► gates ─► record store ─► answer cache ─► hand-off ─► pool
 *               │        │        │           │                │                      │
 *               └────────┴────────┴───────────┴──► reply ◄─────┴──────────────────────┘ onReply: store, compose
 *                                                    └─► finishers ─► observers ─► transport
 *
 * `block-plan.ts` works out what each server block needs of this; `hand-off.ts` is the way through the pool.
 */

import { randomInt } from 'node:crypto'
import type { MessagePort } from 'node:worker_threads'
import { BYPASS, HIT, HIT_REFRESH, MISS, STALE_VERIFY } from '../cache/answer-cache.ts'
import { CacheSet } from '../cache/cache-set.ts'
import {
  acceptsRefresh,
  mayStore,
  mayStoreRefresh,
  NewEntry,
  STORE_BY_FAMILY,
  STORE_NEVER,
} from '../cache/new-entry.ts'
import { BlockTable, NO_BLOCK } from '../chain/block-table.ts'
import { monotonicSeconds } from '../chain/clock.ts'
import { type Client, GATE_DROP, GATE_PASS, type Outcome } from '../chain/plugin.ts'
import type { ListenerConfig } from '../corefile/server-config.ts'
import type { Figures } from '../messages/figures.ts'
import {
  FLAG_TCP,
  REPLY_DROPPED,
  REPLY_UNWRITTEN,
  replyOffset,
  SLOT_ADDRESS,
  SLOT_BLOCK,
  SLOT_FAMILY,
  SLOT_FLAGS,
  SLOT_LISTENER,
  SLOT_OPTIONS_LENGTH,
  SLOT_PORT,
  SLOT_QUERY_LARGE,
  SLOT_QUERY_LENGTH,
  SLOT_RCODE,
  SLOT_READS,
  SLOT_REPLY_KIND,
  SLOT_REPLY_LARGE,
  SLOT_REPLY_LENGTH,
  SLOT_STORE,
  SLOT_TTL,
  SLOT_ZONE_COUNT,
  SLOT_ZONES,
  type Slots,
  STORE_NONE,
} from '../messages/slots.ts'
import { type DnsMetrics, dnsMetrics } from '../observe/dns-metrics.ts'
import { createLogger, debugEnabled } from '../observe/log.ts'
import { composeReply, KEEP_TTL, ReplyBody } from '../wire/compose-reply.ts'
import { OPT_SIZE, putOpt, UDP_REPLY_SIZE_MAX } from '../wire/opt.ts'
import { ACCEPT, ParsedQuery } from '../wire/parsed-query.ts'
import {
  composeRefusal,
  EDE_NOT_AUTHORITATIVE,
  EDE_OTHER,
  EDE_PROHIBITED,
  NO_EDE,
  RCODE_REFUSED,
  RCODE_SERVFAIL,
  rcodeOfVerdict,
} from '../wire/refusal.ts'
import { ReplyWriter } from '../wire/reply-writer.ts'
import {
  ABSENT,
  CNAME_LEAVES,
  NO_ZONE,
  NODATA,
  NXDOMAIN_OUTCOME,
  UNAVAILABLE,
  type ZoneStore,
} from '../zone/zone-store.ts'
import { type BlockPlan, BlockPlans } from './block-plan.ts'
import type { CreateEngine, Engine, EngineOptions } from './engine.ts'
import {
  type FrontMetrics,
  frontMetrics,
  WAY_CACHE,
  WAY_DROPPED,
  WAY_MALFORMED,
  WAY_POOL,
  WAY_REFUSED,
  WAY_STORE,
} from './front-metrics.ts'
import { HandOff, type HandOffOwner } from './hand-off.ts'
import { PoolChannel } from './pool-channel.ts'
import type { StartThreads } from './pool-threads.ts'
import { NO_REPLY, REPLY_LATER, type ReplyPort } from './query-handler.ts'
import { ReplyMemory } from './reply-memory.ts'

const TCP_REPLY_SIZE_MAX = 65535
const CLASS_IN = 1
/** Of the answer to a query for which no zone or other step was found. */
const NOT_THERE = 0
/** Threads of two configurations may use the same cache; each has numbers of its own there, from 1. */
const CACHE_THREADS = 64

/** Why a query is in the pool: per slot, for what happens with its reply. */
const FOR_CLIENT = 0
/** Its reply must not be stored. */
const UNCACHED = 1
/** Nobody waits: an entry that is about to end is fetched again. */
const PREFETCH = 2
/** Nobody waits: an entry whose time is over. */
const REFRESH_STALE = 3
/** A client waits, for whom there is a stale answer. */
const VERIFY = 4

/** Nobody outside may choose names that collide in the caches, which last longer than one configuration. */
const HASH_SEED = randomInt(2 ** 32)

const NO_OCTETS = new Uint8Array(0)

/** Engines whose pools get their threads from `startThreads`. */
export function engineCreator(startThreads: StartThreads): CreateEngine {
  return (options) => createEngine(options, startThreads)
}

async function createEngine(options: EngineOptions, startThreads: StartThreads): Promise<Engine> {
  const { config, store, registry, previous } = options
  const caches = CacheSet.create(config, {
    generations: store,
    previous: previous instanceof Front ? previous.caches : undefined,
  })
  const closers: (() => void)[] = []
  const onClose = (close: () => void): unknown => closers.push(close)
  const plans = new BlockPlans(config.blocks, { listeners: config.listeners, store, registry, onClose })
  const front = new Front(options, startThreads, caches, plans, closers)
  try {
    await plans.open()
  } catch (error) {
    await front.close(0)
    throw error
  }
  return front
}

class Front implements Engine, HandOffOwner {
  readonly caches: CacheSet
  readonly log = createLogger()
  readonly #startThreads: StartThreads
  readonly #store: ZoneStore
  readonly #listeners: readonly ListenerConfig[]
  readonly #tables: readonly BlockTable[]
  readonly #plans: BlockPlans
  readonly #closers: readonly (() => void)[]
  readonly #channel: PoolChannel
  readonly #metrics: FrontMetrics
  readonly #ways: Float64Array
  readonly #dnsMetrics: DnsMetrics
  readonly #view: Parameters<FrontMetrics['open']>[0]
  readonly #query = new ParsedQuery(HASH_SEED)
  readonly #writer = new ReplyWriter()
  readonly #memory = new ReplyMemory()
  /** Of the reply that `#answerFromStore` gave last. */
  #storeRcode = 0
  readonly #outcome: Outcome = {
    blockId: NO_BLOCK,
    rcode: 0,
    reply: NO_OCTETS,
    start: 0,
    length: 0,
    seconds: 0,
    fromCache: false,
    fromStore: false,
  }
  /**
   * The clock is read once per batch. Undefined between batches, so that V8 keeps the number itself in the field and passes it on: a
   * field that only ever held doubles would be boxed anew for each query.
   */
  #now: number | undefined

  /** For replies from the pool. */
  readonly #handOff: HandOff
  readonly #slots: Slots
  readonly #purposes: Uint8Array
  readonly #slotQuery = new ParsedQuery(HASH_SEED)
  readonly #slotClient: Client = { family: 4, address: new Uint8Array(16), port: 0, listenerId: 0, tcp: false }
  readonly #body = new ReplyBody()
  readonly #entry = new NewEntry()
  readonly #out = new Uint8Array(TCP_REPLY_SIZE_MAX)
  /** By slot: when a client that has a stale answer has waited long enough. */
  readonly #staleTimers = new Map<number, NodeJS.Timeout>()

  constructor(
    options: EngineOptions,
    startThreads: StartThreads,
    caches: CacheSet,
    plans: BlockPlans,
    closers: readonly (() => void)[],
  ) {
    const { config, store, registry, threads, onReport } = options
    this.#startThreads = startThreads
    this.caches = caches
    this.#store = store
    this.#listeners = config.listeners
    this.#tables = config.listeners.map((listener) => new BlockTable(listener))
    this.#plans = plans
    this.#closers = closers
    this.#channel = new PoolChannel(
      onReport,
      (blockId) => caches.handleOf(blockId),
      (blockId) => config.blocks[blockId]!,
    )
    this.#metrics = frontMetrics(registry, store)
    this.#ways = this.#metrics.ways
    this.#dnsMetrics = dnsMetrics(registry)
    this.#view = { caches, plans, inFlight: () => this.#handOff.inFlight }
    const data = {
      config: () => ({
        ...config,
        blocks: config.blocks.map((block) => (plans.isLate(block.id) ? undefined : block)),
      }),
      store: store.region,
      cacheThreadBase: 1 + (config.generation % 2) * CACHE_THREADS,
      hashSeed: HASH_SEED,
      ffi: options.ffi,
      debug: debugEnabled() || config.blocks.some(({ debug }) => debug),
    }
    this.#handOff = new HandOff(threads, data, this)
    this.#slots = this.#handOff.slots
    this.#purposes = new Uint8Array(this.#slots.count)
    this.#metrics.open(this.#view)
  }

  open(): Promise<void> {
    return this.#handOff.open(this.#startThreads)
  }

  get counts() {
    return this.#metrics.pool
  }

  handle(
    bytes: Uint8Array,
    start: number,
    length: number,
    client: Client,
    port: ReplyPort,
    out: Uint8Array,
    outStart: number,
    outMax: number,
  ): number {
    const query = this.#query
    const verdict = query.parse(bytes, start, length)
    if (verdict !== ACCEPT) {
      this.#ways[WAY_MALFORMED]!++
      const rcode = rcodeOfVerdict(verdict)
      return rcode < 0 ? NO_REPLY : composeRefusal(query, rcode, NO_EDE, UDP_REPLY_SIZE_MAX, out, outStart)
    }
    const { listenerId } = client
    if (query.qclass !== CLASS_IN && !this.#listeners[listenerId]!.allClasses) {
      return this.#refuseUnserved(client, out, outStart)
    }
    const blockId = this.#tables[listenerId]!.find(query)
    if (blockId === NO_BLOCK) return this.#refuseUnserved(client, out, outStart)
    const plan = this.#plans.of(blockId)
    for (let i = 0; i < plan.gates.length; i++) {
      const verdict = plan.gates[i]!.gate!(query, client)
      if (verdict !== GATE_PASS) return this.#endAtGate(plan, verdict, client, out, outStart)
    }
    const sizeMax = Math.min(client.tcp ? TCP_REPLY_SIZE_MAX : Math.min(query.udpSize, UDP_REPLY_SIZE_MAX), outMax)
    if (plan.steps.length > 0) {
      const size = this.#answerFromStore(plan, out, outStart, sizeMax)
      if (size !== NOT_THERE) {
        this.#ways[WAY_STORE]!++
        this.#outcome.fromStore = true
        return this.#finish(plan, query, client, out, outStart, size, this.#storeRcode, 0)
      }
    }
    return this.#answerFromCache(plan, client, port, out, outStart, sizeMax)
  }

  flush(): void {
    this.#now = undefined
    this.#handOff.flush()
  }

  tell(sourceId: number, data: unknown): void {
    this.#channel.tell(sourceId, data)
  }

  /** Of the pool's threads; what the event loop counts is in `EngineOptions.registry`. */
  figures(): Promise<readonly Figures[]> {
    return this.#channel.figures()
  }

  hold(): void {
    this.#handOff.hold()
  }

  release(): void {
    this.#handOff.release()
  }

  async close(graceMs: number): Promise<void> {
    try {
      await this.#handOff.close(graceMs)
      for (const timer of this.#staleTimers.values()) clearTimeout(timer)
      for (const close of this.#closers) close()
      await this.#channel.close()
    } catch (error) {
      this.log.error(`closing a configuration: ${error instanceof Error ? error.message : String(error)}`)
    }
    this.#metrics.close(this.#view)
  }

  /** The reply's length, or NOT_THERE: cache and pool know more. */
  #answerFromStore(plan: BlockPlan, out: Uint8Array, outStart: number, sizeMax: number): number {
    const query = this.#query
    const { id } = plan.block
    let size = this.#memory.find(query, this.#store.changeCount, id, sizeMax, out, outStart)
    if (size > 0) {
      this.#storeRcode = this.#memory.rcode
      return size
    }
    size = this.#walk(plan, out, outStart, sizeMax)
    if (size === NOT_THERE) return NOT_THERE
    const rcode = this.#writer.rcode
    this.#storeRcode = rcode
    this.#memory.keep(query, id, sizeMax, rcode, out, outStart, size)
    return size
  }

  /** Goes through the data plugins in chain order: the reply's length, or NOT_THERE. */
  #walk(plan: BlockPlan, out: Uint8Array, outStart: number, sizeMax: number): number {
    const query = this.#query
    const { steps } = plan
    const writer = this.#writer
    for (let i = 0; i < steps.length; i++) {
      const { part, sourceId, isData } = steps[i]!
      if (part.concerns === undefined ? !isData : part.concerns(query)) return NOT_THERE
      if (!isData) continue
      const zone = this.#store.findZone(sourceId, query)
      if (zone === NO_ZONE) continue
      writer.begin(query, out, outStart, query.hasEdns ? sizeMax - OPT_SIZE : sizeMax)
      const outcome = this.#store.answer(zone, query, writer)
      if (outcome === NXDOMAIN_OUTCOME || outcome === NODATA || outcome === ABSENT) {
        const { fallsThrough } = part.data!
        if (fallsThrough?.(query, outcome)) continue
        if (outcome === ABSENT) return NOT_THERE
      } else if (outcome === CNAME_LEAVES || outcome === UNAVAILABLE) return NOT_THERE
      const size = writer.end()
      if (!query.hasEdns) return size
      const additionals = writer.additionalCount + 1
      out[outStart + 10] = additionals >>> 8
      out[outStart + 11] = additionals
      const udpSize = Math.min(query.udpSize, UDP_REPLY_SIZE_MAX)
      return putOpt(out, outStart + size, udpSize, writer.rcode, query.dnssecOk, NO_OCTETS, 0, 0) - outStart
    }
    return NOT_THERE
  }

  #answerFromCache(
    plan: BlockPlan,
    client: Client,
    port: ReplyPort,
    out: Uint8Array,
    outStart: number,
    sizeMax: number,
  ): number {
    const query = this.#query
    const blockId = plan.block.id
    const now = this.#clock()
    const cache = this.caches.cacheOf(blockId, client.listenerId)
    const scope = this.caches.scopeOf(blockId)
    const found = cache.lookup(query, scope, client.family, now)
    if (found === HIT || found === HIT_REFRESH) {
      const isStale = cache.isStale
      const size = cache.compose(query, out, outStart, sizeMax)
      if (found === HIT_REFRESH) {
        if (!this.#submit(plan, client, undefined, isStale ? REFRESH_STALE : PREFETCH)) {
          cache.endRefresh(query, scope, client.family, now, false)
        }
      }
      if (size > 0) return this.#finishCached(plan, client, out, outStart, size, cache.rcode)
    }
    const purpose = found === BYPASS ? UNCACHED : found === STALE_VERIFY ? VERIFY : FOR_CLIENT
    if (this.#submit(plan, client, port, purpose)) {
      const { staleVerifyMs } = cache.policy
      if (found === STALE_VERIFY && staleVerifyMs > 0) this.#waitStale(this.#handOff.lastSlot, staleVerifyMs)
      return REPLY_LATER
    }
    if (found === STALE_VERIFY) {
      cache.endRefresh(query, scope, client.family, now, false)
      if (cache.lookupStale(query, scope, client.family, now) === HIT) {
        const size = cache.compose(query, out, outStart, sizeMax)
        if (size > 0) return this.#finishCached(plan, client, out, outStart, size, cache.rcode)
      }
    }
    const size = composeRefusal(query, RCODE_SERVFAIL, EDE_OTHER, UDP_REPLY_SIZE_MAX, out, outStart)
    return this.#finish(plan, query, client, out, outStart, size, RCODE_SERVFAIL, 0)
  }

  #finishCached(
    plan: BlockPlan,
    client: Client,
    out: Uint8Array,
    outStart: number,
    size: number,
    rcode: number,
  ): number {
    this.#ways[WAY_CACHE]!++
    this.#outcome.fromCache = true
    return this.#finish(plan, this.#query, client, out, outStart, size, rcode, 0)
  }

  /** The server has no block for the name or the class. */
  #refuseUnserved(client: Client, out: Uint8Array, outStart: number): number {
    const query = this.#query
    this.#ways[WAY_REFUSED]!++
    const size = composeRefusal(query, RCODE_REFUSED, EDE_NOT_AUTHORITATIVE, UDP_REPLY_SIZE_MAX, out, outStart)
    const outcome = this.#setOutcome(NO_BLOCK, RCODE_REFUSED, out, outStart, size, 0)
    const { server } = this.#listeners[client.listenerId]!
    this.#dnsMetrics.countDropped(client.listenerId, server, query, client, outcome)
    return size
  }

  #endAtGate(plan: BlockPlan, verdict: number, client: Client, out: Uint8Array, outStart: number): number {
    const query = this.#query
    if (verdict === GATE_DROP) {
      this.#ways[WAY_DROPPED]!++
      this.#observe(plan, query, client, this.#setOutcome(plan.block.id, -1, NO_OCTETS, 0, 0, 0))
      return NO_REPLY
    }
    this.#ways[WAY_REFUSED]!++
    const ede = verdict === RCODE_REFUSED ? EDE_PROHIBITED : NO_EDE
    const size = composeRefusal(query, verdict, ede, UDP_REPLY_SIZE_MAX, out, outStart)
    return this.#finish(plan, query, client, out, outStart, size, verdict, 0)
  }

  /** Finishers and observers; returns the reply's length. */
  #finish(
    plan: BlockPlan,
    query: ParsedQuery,
    client: Client,
    out: Uint8Array,
    outStart: number,
    size: number,
    rcode: number,
    seconds: number,
  ): number {
    const { finishers } = plan
    let length = size
    for (let i = 0; i < finishers.length; i++) length = finishers[i]!.finish!(query, client, out, outStart, length)
    this.#observe(plan, query, client, this.#setOutcome(plan.block.id, rcode, out, outStart, length, seconds))
    return length
  }

  #setOutcome(
    blockId: number,
    rcode: number,
    reply: Uint8Array,
    start: number,
    length: number,
    seconds: number,
  ): Outcome {
    const outcome = this.#outcome
    outcome.blockId = blockId
    outcome.rcode = rcode
    outcome.reply = reply
    outcome.start = start
    outcome.length = length
    outcome.seconds = seconds
    return outcome
  }

  #observe(plan: BlockPlan, query: ParsedQuery, client: Client, outcome: Outcome): void {
    const { observers } = plan
    for (let i = 0; i < observers.length; i++) observers[i]!.observe!(query, client, outcome)
    outcome.fromCache = false
    outcome.fromStore = false
  }

  #clock(): number {
    this.#now ??= monotonicSeconds()
    return this.#now
  }

  #submit(plan: BlockPlan, client: Client, port: ReplyPort | undefined, purpose: number): boolean {
    const handOff = this.#handOff
    if (!handOff.submit(this.#query, plan.block.id, client, port, this.#clock())) return false
    this.#purposes[handOff.lastSlot] = purpose
    if (port !== undefined) this.#ways[WAY_POOL]!++
    return true
  }

  // From here on: replies on their way back from the pool.

  isCurrent(slot: number): boolean {
    const { words } = this.#slots
    const header = this.#slots.header(slot)
    const count = words[header + SLOT_ZONE_COUNT]!
    for (let i = 0; i < count; i++) {
      const zone = words[header + SLOT_ZONES + 2 * i]!
      if ((this.#store.generation(zone) | 0) !== words[header + SLOT_ZONES + 2 * i + 1]) return false
    }
    return true
  }

  onReply(slot: number, leader: number): void {
    this.#stopWaiting(slot)
    const { words, bytes } = this.#slots
    const from = this.#slots.header(leader)
    const purpose = this.#purposes[slot]!
    this.#readSlot(slot)
    const query = this.#slotQuery
    const client = this.#slotClient
    const plan = this.#plans.of(words[this.#slots.header(slot) + SLOT_BLOCK]!)
    const now = monotonicSeconds()
    const kind = words[from + SLOT_REPLY_KIND]!
    if (kind === REPLY_DROPPED) {
      if (purpose >= PREFETCH) this.#endRefresh(plan, false, now)
      this.#handOff.send(slot, bytes, 0, 0)
      this.#ways[WAY_DROPPED]!++
      this.#observe(plan, query, client, this.#setOutcome(plan.block.id, -1, NO_OCTETS, 0, 0, this.#age(slot, now)))
      return
    }
    const body = this.#entry.body
    const large = words[from + SLOT_REPLY_LARGE]!
    const at =
      large >= 0
        ? this.#slots.large(large)
        : this.#slots.data(leader) + replyOffset(words[from + SLOT_QUERY_LENGTH]!, words[from + SLOT_QUERY_LARGE]! >= 0)
    const length = words[from + SLOT_REPLY_LENGTH]!
    if (kind === REPLY_UNWRITTEN) {
      body.bytes = NO_OCTETS
      body.bodyAt = 0
      body.bodyLength = 0
      body.answerCount = 0
      body.authorityCount = 0
      body.additionalCount = 0
      body.flags = 0
      body.ttlSeconds = KEEP_TTL
    } else body.setMessage(bytes, at, length, query.questionEnd)
    body.rcode = words[from + SLOT_RCODE]!
    body.options = bytes
    body.optionsAt = at + length
    body.optionsLength = words[from + SLOT_OPTIONS_LENGTH]!
    const isLeader = slot === leader
    const isGood = this.#keep(plan, from, purpose, isLeader, now)
    if (purpose === VERIFY && !isGood && this.#sendStale(slot, plan, now)) return
    const port = this.#handOff.ports[slot]
    if (port === undefined) return
    const sizeMax = client.tcp ? TCP_REPLY_SIZE_MAX : Math.min(query.udpSize, UDP_REPLY_SIZE_MAX)
    const size = composeReply(query, body, this.#out, 0, sizeMax)
    this.#send(slot, plan, size, body.rcode, now)
  }

  onFailure(slot: number): void {
    this.#stopWaiting(slot)
    this.#readSlot(slot)
    const plan = this.#plans.of(this.#slots.words[this.#slots.header(slot) + SLOT_BLOCK]!)
    const now = monotonicSeconds()
    const purpose = this.#purposes[slot]!
    if (purpose >= PREFETCH) this.#endRefresh(plan, false, now)
    if (purpose === VERIFY && this.#sendStale(slot, plan, now)) return
    if (this.#handOff.ports[slot] === undefined) return
    const size = composeRefusal(this.#slotQuery, RCODE_SERVFAIL, EDE_OTHER, UDP_REPLY_SIZE_MAX, this.#out, 0)
    this.#send(slot, plan, size, RCODE_SERVFAIL, now)
  }

  openChannel(thread: number): MessagePort {
    return this.#channel.open(thread)
  }

  onThreadDeath(thread: number): void {
    this.#channel.threadDied(thread)
  }

  /** Parses the slot's own query again: the client's ID, case, sizes. */
  #readSlot(slot: number): void {
    const { words, bytes } = this.#slots
    const header = this.#slots.header(slot)
    const large = words[header + SLOT_QUERY_LARGE]!
    const at = large >= 0 ? this.#slots.large(large) : this.#slots.data(slot)
    this.#slotQuery.parse(bytes, at, words[header + SLOT_QUERY_LENGTH]!)
    const client = this.#slotClient
    client.family = words[header + SLOT_FAMILY]!
    client.port = words[header + SLOT_PORT]!
    client.listenerId = words[header + SLOT_LISTENER]!
    client.tcp = (words[header + SLOT_FLAGS]! & FLAG_TCP) !== 0
    const addressAt = (header + SLOT_ADDRESS) * 4
    for (let i = 0; i < 16; i++) client.address[i] = bytes[addressAt + i]!
  }

  /**
   * Stores the reply in `#entry.body` if what it was made of allows it, and ends the refresh that asked for it. Returns whether
   * it may take a stale entry's place for the client.
   */
  #keep(plan: BlockPlan, header: number, purpose: number, isLeader: boolean, now: number): boolean {
    const { words } = this.#slots
    const entry = this.#entry
    const query = this.#slotQuery
    const { family, listenerId } = this.#slotClient
    const kind = words[header + SLOT_STORE]!
    const allowed = kind === STORE_NONE ? STORE_NEVER : mayStore(kind, words[header + SLOT_READS]!)
    entry.kind = kind
    entry.lifetimeSeconds = words[header + SLOT_TTL]!
    entry.byFamily = allowed === STORE_BY_FAMILY
    entry.isRefresh = purpose >= PREFETCH
    const cache = this.caches.cacheOf(plan.block.id, listenerId)
    const { policy } = cache
    const isGood = purpose < PREFETCH || purpose === PREFETCH || acceptsRefresh(policy, entry)
    if (!isLeader) return isGood
    const wasStale = purpose === REFRESH_STALE || purpose === VERIFY
    if (allowed !== STORE_NEVER && purpose !== UNCACHED && mayStoreRefresh(policy, entry, wasStale)) {
      const count = words[header + SLOT_ZONE_COUNT]!
      entry.zoneCount = count
      for (let i = 0; i < count; i++) {
        entry.zones[i] = words[header + SLOT_ZONES + 2 * i]!
        entry.generations[i] = words[header + SLOT_ZONES + 2 * i + 1]!
      }
      cache.store(query, entry, this.caches.scopeOf(plan.block.id), family, now)
    }
    if (purpose >= PREFETCH) this.#endRefresh(plan, isGood, now)
    return isGood
  }

  #endRefresh(plan: BlockPlan, refreshed: boolean, now: number): void {
    const { id } = plan.block
    const { family, listenerId } = this.#slotClient
    const cache = this.caches.cacheOf(id, listenerId)
    cache.endRefresh(this.#slotQuery, this.caches.scopeOf(id), family, now, refreshed)
  }

  /** Answers the slot's client from a stale entry, if there still is one. */
  #sendStale(slot: number, plan: BlockPlan, now: number): boolean {
    const { id } = plan.block
    const client = this.#slotClient
    const query = this.#slotQuery
    if (this.#handOff.ports[slot] === undefined) return true
    const cache = this.caches.cacheOf(id, client.listenerId)
    if (cache.lookupStale(query, this.caches.scopeOf(id), client.family, now) === MISS) return false
    const sizeMax = client.tcp ? TCP_REPLY_SIZE_MAX : Math.min(query.udpSize, UDP_REPLY_SIZE_MAX)
    const size = cache.compose(query, this.#out, 0, sizeMax)
    if (size === 0) return false
    this.#outcome.fromCache = true
    this.#send(slot, plan, size, cache.rcode, now)
    return true
  }

  #send(slot: number, plan: BlockPlan, size: number, rcode: number, now: number): void {
    const length = this.#finish(
      plan,
      this.#slotQuery,
      this.#slotClient,
      this.#out,
      0,
      size,
      rcode,
      this.#age(slot, now),
    )
    this.#handOff.send(slot, this.#out, 0, length)
  }

  #age(slot: number, now: number): number {
    return Math.max(0, now - this.#handOff.startedAt(slot))
  }

  /** A client with a stale answer waits for a fresh one, but not longer than this. */
  #waitStale(slot: number, milliseconds: number): void {
    this.#staleTimers.set(
      slot,
      setTimeout(() => {
        this.#staleTimers.delete(slot)
        this.#readSlot(slot)
        const plan = this.#plans.of(this.#slots.words[this.#slots.header(slot) + SLOT_BLOCK]!)
        // What the chain gives later is for the cache alone.
        if (this.#sendStale(slot, plan, monotonicSeconds())) this.#handOff.forgetClient(slot)
      }, milliseconds),
    )
  }

  #stopWaiting(slot: number): void {
    if (this.#staleTimers.size === 0) return
    clearTimeout(this.#staleTimers.get(slot))
    this.#staleTimers.delete(slot)
  }
}
