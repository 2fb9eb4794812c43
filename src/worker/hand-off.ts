/**
 * The way through the pool, on the event loop's side: slots, dispatch to the least busy thread, joining of equal
 * queries in flight, and the replies' way back. `messages/slots.ts` draws it.
 *
 * Two queries are equal when they have the same block, qname (ignoring case), qtype, qclass, DO, CD, RD and AD, and
 * neither carries EDNS options or other records. The first one (the leader) goes to the pool; the others wait in slots
 * of their own. A reply that was made from something the key doesn't hold (`Marks.reads`) is given to the leader alone,
 * and the others are dispatched one by one.
 */
import type { MessagePort } from 'node:worker_threads'
import type { Piscina } from 'piscina'
import { monotonicSeconds } from '../chain/clock.ts'
import type { Client } from '../chain/plugin.ts'
import {
  FLAG_REFRESH,
  FLAG_TCP,
  REPLY_DROPPED,
  SLOT_ADDRESS,
  SLOT_BLOCK,
  SLOT_DATA_SIZE,
  SLOT_FAMILY,
  SLOT_FLAGS,
  SLOT_LISTENER,
  SLOT_PORT,
  SLOT_QUERY_LARGE,
  SLOT_QUERY_LENGTH,
  SLOT_READS,
  SLOT_REPLY_KIND,
  SLOT_REPLY_LARGE,
  Slots,
} from '../messages/slots.ts'
import type { Logger } from '../observe/logger.ts'
import type { PoolConfig, PoolData, ServeTask } from '../pool/pool-data.ts'
import { OPCODE_QUERY, type ParsedQuery } from '../wire/parsed-query.ts'
import type { StartThreads } from './pool-threads.ts'
import type { ReplyPort } from './query-handler.ts'
import { openReplyEvent, type ReplyEvent } from './reply-event.ts'

/** Seconds after which a query that the chain has not answered gets SERVFAIL. CoreDNS's `forward` gives up after 5. */
export const CHAIN_SECONDS_MAX = 10
/** A query that no thread could begin with for so long sheds those that come after it. */
const BACKLOG_SECONDS_MAX = 0.5
/** Below so many queries in a thread nothing is shed: a pause of the machine is no overload. */
const BACKLOG_MIN = 256
/** Replies handled before other sockets and timers get their turn. */
const REPLIES_PER_TURN = 256
/** Milliseconds before a thread that died is started again, doubling up to the maximum while it keeps dying. */
const RESTART_MS = 10
const RESTART_MS_MAX = 5000

/** How often a query whose records changed under it is asked again; then what there is goes out. */
const REPEATS_MAX = 8

/** How long a thread's handlers may take to close. */
const THREAD_END_MS_MAX = 1000

/** What became of the queries of all hand-offs of a process. One object per process. */
export interface PoolCounts {
  dispatched: number
  joined: number
  /** Asked again because the records had changed before the reply could leave. */
  repeated: number
  /** Not answered by the chain within CHAIN_SECONDS_MAX. */
  abandoned: number
  /** No slot was free. */
  shed: number
  threadDeaths: number
}

/** What the hand-off gives back to the engine; called on the event loop. */
export interface HandOffOwner {
  readonly log: Logger
  readonly counts: PoolCounts
  /** Whether the records that the slot's reply was made from are still the ones that are served. */
  isCurrent(slot: number): boolean
  /** The reply of a slot is there: compose, send, store. Called for the leader and for each one that joined it. */
  onReply(slot: number, leader: number): void
  /** The query of the slot can't be answered by the chain (thread died, took too long): SERVFAIL. */
  onFailure(slot: number): void
  onThreadDeath(thread: number): void
  /** The thread's end of a channel for `ChannelMessage`s; a thread starts. */
  openChannel(thread: number): MessagePort
}

const NOBODY = -1
const FREE = 0
const DISPATCHED = 1
const WAITING = 2
/** Answered SERVFAIL for being late; the thread still owns its bytes. */
const ABANDONED = 3

/** What threads get. The configuration is asked for when one starts. */
type TaskData = Omit<PoolData, 'slots' | 'config'> & { config(): PoolConfig }

export class HandOff {
  readonly slots: Slots
  /** Undefined until it is opened. */
  #pool: Piscina | undefined
  #opened: Promise<void> | undefined
  readonly #data: TaskData
  readonly #owner: HandOffOwner
  readonly #free: Int32Array
  #freeCount: number
  /** The slot that `submit` took last. */
  lastSlot = NOBODY
  /** Per slot, on this side only. */
  readonly ports: (ReplyPort | undefined)[]
  readonly #state: Uint8Array
  readonly #thread: Int8Array
  readonly #startedAt: Float64Array
  readonly #hash: Int32Array
  /** The query's, as it came: a chain may change them in the slot while it runs. */
  readonly #flags: Uint16Array
  /** Chain of leaders with the same hash bucket, and of those that joined a leader. */
  readonly #buckets: Int32Array
  readonly #bucketNext: Int32Array
  readonly #joined: Int32Array
  readonly #joinedNext: Int32Array
  readonly #inFlight: Int32Array
  readonly #woken: Uint8Array
  readonly #touchedPorts = new Set<ReplyPort>()
  readonly #sweep: NodeJS.Timeout
  readonly #repeats: Uint8Array
  readonly #counts: PoolCounts
  #serving: readonly Promise<void>[] = []
  #turn = 0
  #event: ReplyEvent | undefined
  #held: Promise<void> | undefined
  #endHold = (): void => {}
  #closing = false
  #closed = false

  constructor(threadCount: number, data: TaskData, owner: HandOffOwner) {
    const slots = Slots.create(threadCount)
    this.slots = slots
    this.#data = data
    this.#owner = owner
    const { count, threads } = slots
    this.#free = new Int32Array(count)
    for (let i = 0; i < count; i++) this.#free[i] = count - 1 - i
    this.#freeCount = count
    this.ports = new Array<ReplyPort | undefined>(count).fill(undefined)
    this.#state = new Uint8Array(count)
    this.#thread = new Int8Array(count)
    this.#startedAt = new Float64Array(count)
    this.#hash = new Int32Array(count)
    this.#flags = new Uint16Array(count)
    this.#buckets = new Int32Array(count).fill(NOBODY)
    this.#bucketNext = new Int32Array(count).fill(NOBODY)
    this.#joined = new Int32Array(count).fill(NOBODY)
    this.#joinedNext = new Int32Array(count).fill(NOBODY)
    this.#inFlight = new Int32Array(threads)
    this.#woken = new Uint8Array(threads)
    this.#repeats = new Uint8Array(count)
    this.#counts = owner.counts
    this.#sweep = setInterval(() => this.#abandonLate(), 1000)
    this.#sweep.unref()
    void this.#drainReplies()
  }

  /**
   * Sets the threads to work, once. Resolves when all serve, rejects when a plugin can't be opened in them. What is submitted
   * before waits.
   */
  open(startThreads: StartThreads): Promise<void> {
    this.#opened ??= this.#open(startThreads)
    return this.#opened
  }

  async #open(startThreads: StartThreads): Promise<void> {
    if (this.#closing) return
    const { slots } = this
    const [pool] = await Promise.all([startThreads(slots.threads), this.#openEvent()])
    this.#pool = pool
    if (this.#closing) return this.destroy()
    this.#serving = Array.from({ length: slots.threads }, (_, thread) => this.#serve(pool, thread))
    const failed = new Promise<never>((_, reject) => {
      for (const first of this.#serving) first.catch(reject)
    })
    const ready = (async () => {
      while (slots.announced < slots.threads) await slots.waitAnnounced(slots.threads)
    })()
    await Promise.race([ready, failed])
    for (const [thread, first] of this.#serving.entries())
      first.catch((error: unknown) => this.#onDeath(thread, error, RESTART_MS))
  }

  /** Queries in the pool or waiting for one. */
  get inFlight(): number {
    return this.slots.count - this.#freeCount
  }

  get isFull(): boolean {
    return this.#freeCount === 0
  }

  /**
   * Hands the query to the pool, or joins it to an equal one. False when no slot (or large buffer) is free: the caller
   * refuses. `port` undefined: a refresh, nobody waits. `flush` must follow.
   */
  submit(
    query: ParsedQuery,
    blockId: number,
    client: Client,
    port: ReplyPort | undefined,
    nowSeconds: number,
  ): boolean {
    if (this.#freeCount === 0 || this.#closing) {
      this.#counts.shed++
      return false
    }
    const mayJoin = port !== undefined && isJoinable(query)
    const leader = mayJoin ? this.#findLeader(query, blockId) : NOBODY
    const thread = this.#leastBusy()
    if (leader === NOBODY && this.#isBehind(thread, nowSeconds)) {
      this.#counts.shed++
      return false
    }
    const { slots } = this
    let large = -1
    if (query.length > SLOT_DATA_SIZE) {
      large = slots.claimLarge()
      if (large < 0) {
        this.#counts.shed++
        return false
      }
    }
    const slot = this.#free[--this.#freeCount]!
    const header = slots.header(slot)
    const { words, bytes } = slots
    words[header + SLOT_QUERY_LENGTH] = query.length
    words[header + SLOT_LISTENER] = client.listenerId
    words[header + SLOT_BLOCK] = blockId
    words[header + SLOT_FLAGS] = (client.tcp ? FLAG_TCP : 0) | (port === undefined ? FLAG_REFRESH : 0)
    words[header + SLOT_PORT] = client.port
    words[header + SLOT_FAMILY] = client.family
    words[header + SLOT_QUERY_LARGE] = large
    words[header + SLOT_REPLY_LARGE] = -1
    const addressAt = (header + SLOT_ADDRESS) * 4
    for (let i = 0; i < 16; i++) bytes[addressAt + i] = client.address[i]!
    const at = large >= 0 ? slots.large(large) : slots.data(slot)
    for (let i = 0; i < query.length; i++) bytes[at + i] = query.bytes[query.start + i]!
    this.ports[slot] = port
    if (port !== undefined) port.saveReturnPath(bytes, slots.returnPath(slot))
    this.#startedAt[slot] = nowSeconds
    this.#repeats[slot] = 0
    this.lastSlot = slot
    this.#joined[slot] = NOBODY
    this.#flags[slot] = query.flags
    if (leader !== NOBODY) {
      this.#state[slot] = WAITING
      this.#joinedNext[slot] = this.#joined[leader]!
      this.#joined[leader] = slot
      this.#counts.joined++
      return true
    }
    if (mayJoin) this.#lead(slot, query.hash)
    else this.#hash[slot] = 0
    this.#dispatch(slot, thread)
    return true
  }

  /** Wakes the threads that got something since the last flush. */
  flush(): void {
    for (let thread = 0; thread < this.#woken.length; thread++) {
      if (this.#woken[thread] === 1) {
        this.#woken[thread] = 0
        this.slots.wakeRequests(thread)
      }
    }
  }

  /** Sends a reply on the slot's way back; the port is flushed at the end of the turn. */
  send(slot: number, bytes: Uint8Array, start: number, length: number): void {
    const port = this.ports[slot]
    if (port === undefined) return
    const path = this.slots.returnPath(slot)
    if (length > 0) port.sendLater(this.slots.bytes, path, bytes, start, length)
    else port.forget(this.slots.bytes, path)
    this.#touchedPorts.add(port)
  }

  /** The slot's client has its answer: `send` does nothing for it any more. */
  forgetClient(slot: number): void {
    this.#flushPorts()
    this.ports[slot] = undefined
  }

  startedAt(slot: number): number {
    return this.#startedAt[slot]!
  }

  /** Replies wait in their rings until `release`. */
  hold(): void {
    if (this.#held !== undefined) return
    this.#held = new Promise((resolve) => {
      this.#endHold = resolve
    })
  }

  release(): void {
    this.#held = undefined
    this.#endHold()
    this.#onEvent()
  }

  /** Takes no more queries, waits until those in flight are answered (at most `milliseconds`), then ends the threads. */
  async close(milliseconds: number): Promise<void> {
    this.#closing = true
    this.release()
    const until = performance.now() + milliseconds
    while (this.inFlight > 0 && performance.now() < until) await new Promise((resolve) => setTimeout(resolve, 5))
    this.slots.close()
    // Their handlers close now: upstream sockets, last reports.
    const late = new Promise((resolve) => setTimeout(resolve, THREAD_END_MS_MAX).unref())
    await Promise.race([Promise.allSettled(this.#serving), late])
    await this.destroy()
  }

  async destroy(): Promise<void> {
    this.#closing = true
    this.#closed = true
    clearInterval(this.#sweep)
    this.slots.close()
    this.slots.wakeSelf()
    await this.#pool?.destroy()
    // No thread is left that could write to it.
    await this.#event?.close()
    this.#event = undefined
  }

  async #openEvent(): Promise<void> {
    if (!this.#data.ffi) return
    this.#event = await openReplyEvent(() => this.#onEvent())
    if (this.#event !== undefined) this.slots.useEvent(this.#event.fd)
  }

  #serve(pool: Piscina, thread: number): Promise<void> {
    const channel = this.#owner.openChannel(thread)
    const task: ServeTask = {
      thread,
      data: { ...this.#data, config: this.#data.config(), slots: this.slots.region },
      channel,
    }
    // piscina's types mistake the list for the options of postMessage's newer form.
    const options = { transferList: [channel] } as unknown as NonNullable<Parameters<Piscina['run']>[1]>
    return pool.run(task, options) as Promise<void>
  }

  #onDeath(thread: number, error: unknown, restartMs: number): void {
    if (this.#closing) return
    this.#counts.threadDeaths++
    this.#owner.onThreadDeath(thread)
    const what = error instanceof Error ? error.message : String(error)
    this.#owner.log.error(`a pool thread ended and is replaced: ${what}`)
    for (let slot = 0; slot < this.slots.count; slot++) {
      if (this.#thread[slot] !== thread) continue
      if (this.#state[slot] === DISPATCHED) this.#fail(slot)
      else if (this.#state[slot] === ABANDONED) this.#release(slot)
    }
    this.#inFlight[thread] = 0
    this.slots.resetThread(thread)
    this.#flushPorts()
    setTimeout(() => {
      if (this.#closing) return
      const startedAt = performance.now()
      this.#serve(this.#pool!, thread).catch((again: unknown) => {
        const lasted = performance.now() - startedAt
        this.#onDeath(thread, again, lasted > RESTART_MS_MAX ? RESTART_MS : Math.min(restartMs * 2, RESTART_MS_MAX))
      })
      this.slots.wake(thread)
    }, restartMs)
  }

  #leastBusy(): number {
    let thread = 0
    for (let i = 1; i < this.#inFlight.length; i++) if (this.#inFlight[i]! < this.#inFlight[thread]!) thread = i
    return thread
  }

  /** What the thread would take next has waited so long that a new query would be answered when nobody waits any more. */
  #isBehind(thread: number, nowSeconds: number): boolean {
    if (this.#inFlight[thread]! < BACKLOG_MIN) return false
    const next = this.slots.nextRequest(thread)
    return next >= 0 && nowSeconds - this.#startedAt[next]! > BACKLOG_SECONDS_MAX
  }

  #dispatch(slot: number, thread: number): void {
    this.#state[slot] = DISPATCHED
    this.#thread[slot] = thread
    this.#inFlight[thread] = this.#inFlight[thread]! + 1
    this.#woken[thread] = 1
    this.#counts.dispatched++
    this.slots.pushRequest(thread, slot)
  }

  async #drainReplies(): Promise<void> {
    while (!this.#closed) {
      while (this.#held !== undefined) await this.#held
      if (this.#drainSome()) await new Promise(setImmediate)
      else {
        const wait = this.slots.waitReplies()
        if (wait !== undefined) await wait
      }
    }
  }

  /** The same for what threads say through the event; `#drainReplies` goes on waiting for those that have none. */
  #onEvent(): void {
    while (!this.#closed && this.#held === undefined) {
      if (this.#drainSome()) {
        setImmediate(() => this.#onEvent())
        return
      }
      if (this.slots.expectReplies()) return
    }
  }

  /** Handles what is there, REPLIES_PER_TURN at most. Returns whether it stopped there. */
  #drainSome(): boolean {
    let handled = 0
    // Each time another thread first: none has to wait for the others to run dry.
    const { threads } = this.slots
    this.#turn = (this.#turn + 1) % threads
    for (let i = 0; i < threads; i++) {
      const thread = (this.#turn + i) % threads
      for (; handled < REPLIES_PER_TURN; handled++) {
        const slot = this.slots.popReply(thread)
        if (slot < 0) break
        this.#inFlight[thread] = this.#inFlight[thread]! - 1
        this.#onReply(slot)
      }
    }
    this.#flushPorts()
    this.flush()
    return handled >= REPLIES_PER_TURN
  }

  #flushPorts(): void {
    for (const port of this.#touchedPorts) port.flushLater()
    this.#touchedPorts.clear()
  }

  #onReply(slot: number): void {
    if (this.#state[slot] === ABANDONED) {
      this.#release(slot)
      return
    }
    const header = this.slots.header(slot)
    const { words } = this.slots
    if (!this.#owner.isCurrent(slot) && this.#repeats[slot]! < REPEATS_MAX) {
      this.#repeats[slot] = this.#repeats[slot]! + 1
      this.#counts.repeated++
      this.slots.freeLarge(words[header + SLOT_REPLY_LARGE]!)
      words[header + SLOT_REPLY_LARGE] = -1
      this.#dispatch(slot, this.#leastBusy())
      return
    }
    this.#unlead(slot)
    this.#owner.onReply(slot, slot)
    const isShared = words[header + SLOT_READS] === 0 && words[header + SLOT_REPLY_KIND] !== REPLY_DROPPED
    let follower = this.#joined[slot]!
    while (follower !== NOBODY) {
      const next = this.#joinedNext[follower]!
      if (isShared) {
        this.#owner.onReply(follower, slot)
        this.#release(follower)
      } else {
        this.#hash[follower] = 0
        this.#joined[follower] = NOBODY
        this.#dispatch(follower, this.#leastBusy())
      }
      follower = next
    }
    this.#release(slot)
  }

  /** SERVFAIL for the slot and all that joined it; the slot is free again. */
  #fail(slot: number): void {
    this.#unlead(slot)
    let follower = this.#joined[slot]!
    while (follower !== NOBODY) {
      const next = this.#joinedNext[follower]!
      this.#owner.onFailure(follower)
      this.#release(follower)
      follower = next
    }
    this.#owner.onFailure(slot)
    this.#release(slot)
  }

  #abandonLate(): void {
    if (this.#freeCount === this.slots.count) return
    const now = monotonicSeconds()
    for (let slot = 0; slot < this.slots.count; slot++) {
      if (this.#state[slot] !== DISPATCHED || now - this.#startedAt[slot]! < CHAIN_SECONDS_MAX) continue
      this.#counts.abandoned++
      this.#unlead(slot)
      let follower = this.#joined[slot]!
      this.#joined[slot] = NOBODY
      while (follower !== NOBODY) {
        const next = this.#joinedNext[follower]!
        this.#owner.onFailure(follower)
        this.#release(follower)
        follower = next
      }
      this.#owner.onFailure(slot)
      this.ports[slot] = undefined
      this.#state[slot] = ABANDONED
    }
    this.#flushPorts()
  }

  #release(slot: number): void {
    const header = this.slots.header(slot)
    this.slots.freeLarge(this.slots.words[header + SLOT_QUERY_LARGE]!)
    this.slots.freeLarge(this.slots.words[header + SLOT_REPLY_LARGE]!)
    this.#state[slot] = FREE
    this.ports[slot] = undefined
    this.#free[this.#freeCount++] = slot
  }

  #lead(slot: number, hash: number): void {
    // 0 marks "leads nothing"; the one hash that is 0 only loses its joins.
    this.#hash[slot] = hash
    if (hash === 0) return
    const bucket = hash & (this.slots.count - 1)
    this.#bucketNext[slot] = this.#buckets[bucket]!
    this.#buckets[bucket] = slot
  }

  #unlead(slot: number): void {
    const hash = this.#hash[slot]!
    if (hash === 0) return
    this.#hash[slot] = 0
    const bucket = hash & (this.slots.count - 1)
    let at = this.#buckets[bucket]!
    if (at === slot) {
      this.#buckets[bucket] = this.#bucketNext[slot]!
      return
    }
    while (at !== NOBODY) {
      const next = this.#bucketNext[at]!
      if (next === slot) {
        this.#bucketNext[at] = this.#bucketNext[slot]!
        return
      }
      at = next
    }
  }

  #findLeader(query: ParsedQuery, blockId: number): number {
    const bucket = query.hash & (this.slots.count - 1)
    for (let slot = this.#buckets[bucket]!; slot !== NOBODY; slot = this.#bucketNext[slot]!) {
      if (this.#hash[slot] === query.hash && this.#isEqual(slot, query, blockId)) return slot
    }
    return NOBODY
  }

  #isEqual(slot: number, query: ParsedQuery, blockId: number): boolean {
    const { slots } = this
    const header = slots.header(slot)
    const { words, bytes } = slots
    if (words[header + SLOT_BLOCK] !== blockId || words[header + SLOT_LISTENER] === undefined) return false
    const large = words[header + SLOT_QUERY_LARGE]!
    const at = large >= 0 ? slots.large(large) : slots.data(slot)
    // Same flags (RD, AD, CD), same presence of an OPT; DO is in the hash and compared through the OPT's octets below.
    if (this.#flags[slot] !== query.flags) return false
    if (words[header + SLOT_QUERY_LENGTH] !== query.length) return false
    const { name, nameLength, questionEnd } = query
    for (let i = 0; i < nameLength; i++) {
      const octet = bytes[at + 12 + i]!
      const lower = octet >= 0x41 && octet <= 0x5a ? octet | 0x20 : octet
      if (lower !== name[i]) return false
    }
    // QTYPE, QCLASS and the OPT record, octet by octet.
    for (let i = 12 + nameLength; i < query.length; i++) {
      if (i >= questionEnd + 3 && i < questionEnd + 5) continue // the UDP payload size may differ
      if (bytes[at + i] !== query.bytes[query.start + i]) return false
    }
    return true
  }
}

function isJoinable(query: ParsedQuery): boolean {
  return query.opcode === OPCODE_QUERY && query.optionsLength === 0 && !query.hasExtraRecords
}
