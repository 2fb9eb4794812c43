/**
 * A pool thread. piscina starts it, replaces it when it dies and ends it; its one task, `serve`, takes slot numbers
 * from its request ring, runs the chain for each and gives the slots back (`messages/slots.ts`). Many queries wait at
 * once in one thread: a chain that waits for an upstream holds nothing but its slot.
 */
import { flushCompileCache } from 'node:module'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { CacheSet } from '../cache/cache-set.ts'
import { type ClientAddress, Query } from '../chain/query.ts'
import type { Reply } from '../chain/reply.ts'
import { figuresOf } from '../messages/figures.ts'
import {
  FLAG_TCP,
  SLOT_ADDRESS,
  SLOT_BLOCK,
  SLOT_FAMILY,
  SLOT_FLAGS,
  SLOT_LISTENER,
  SLOT_PORT,
  SLOT_QUERY_LARGE,
  SLOT_QUERY_LENGTH,
  Slots,
} from '../messages/slots.ts'
import { loadLibc } from '../mmsg/libc.ts'
import { standBehind } from '../niceness.ts'
import { setDebug } from '../observe/log.ts'
import { Registry } from '../observe/prom-client.ts'
import { addressText } from '../wire/address.ts'
import { ACCEPT, ParsedQuery } from '../wire/parsed-query.ts'
import { ZoneStore } from '../zone/zone-store.ts'
import { Blocks } from './blocks.ts'
import type { ChannelMessage, PoolData, ServeTask } from './pool-data.ts'
import { writeReply } from './write-reply.ts'

/** Requests taken before the thread's own event loop (upstream sockets, timers) gets its turn. */
const REQUESTS_PER_TURN = 64

let isWaking = false
let hasServed = false
// Of the thread's one task.
let data: PoolData
let slots: Slots
let blocks: Blocks

/**
 * Serves until `slots.close()`; then closes the plugins and resolves. Rejects when a plugin can't be opened: the
 * configuration is then not used.
 */
export default async function serve(task: ServeTask): Promise<void> {
  const { thread, channel } = task
  data = task.data
  setDebug(data.debug)
  yieldToEventLoop()
  slots = Slots.attach(data.slots)
  const store = ZoneStore.attach(data.store)
  const registry = new Registry()
  const post = (message: ChannelMessage): void => channel.postMessage(message)
  const caches = CacheSet.attach(data.config, data.cacheThreadBase + thread, store)
  blocks = new Blocks({ data, store, registry, caches, post })
  await blocks.open()
  channel.on('message', async (message: ChannelMessage) => {
    if (message.kind === 'told') blocks.told(message.sourceId, message.data)
    else if (message.kind === 'cache') blocks.cached.attach(message.blockId, message.handle)
    else if (message.kind === 'block') void blocks.openLate(message.block)
    else if (message.kind === 'scrape') {
      post({ kind: 'metrics', scrape: message.scrape, figures: await figuresOf(registry) })
    }
  })
  channel.unref()
  post({ kind: 'hello' })
  slots.announceThread()
  setImmediate(flushCompileCache)
  for (;;) {
    let taken = 0
    for (; taken < REQUESTS_PER_TURN; taken++) {
      const slot = slots.popRequest(thread)
      if (slot < 0) break
      start(thread, slot)
    }
    if (taken > 0) {
      slots.wakeReplies()
      if (!hasServed && data.ffi) void loadSignal()
      hasServed = true
    }
    if (taken === REQUESTS_PER_TURN) {
      await nextTurn()
      continue
    }
    if (slots.isClosing()) break
    const wait = slots.waitRequests(thread)
    if (wait !== undefined) await wait
  }
  await blocks.close()
  channel.close()
}

/**
 * Where threads share cores, the event loop goes first: it has the answers that are quick, and what waits for it is lost
 * when its sockets overflow.
 */
function yieldToEventLoop(): void {
  try {
    standBehind(0)
  } catch {
    // Not allowed here: all threads are equal.
  }
}

/**
 * From now on the event loop is woken through its event descriptor, for half of what Atomics.notify costs both sides (docs/decisions/0001).
 * After the first queries: to load node:ffi takes some milliseconds that no start should wait for.
 */
async function loadSignal(): Promise<void> {
  try {
    const libc = await loadLibc()
    slots.signal = (event) => libc.eventfd_write(event, 1n)
  } catch {
    // Not here: Atomics.notify does it.
  }
}

function start(thread: number, slot: number): void {
  const { words } = slots
  const header = slots.header(slot)
  const large = words[header + SLOT_QUERY_LARGE]!
  const at = large >= 0 ? slots.large(large) : slots.data(slot)
  const parsed = new ParsedQuery(data.hashSeed)
  // The event loop accepted these bytes; a slot that doesn't parse here is our bug and ends as silence.
  const verdict = parsed.parse(slots.bytes, at, words[header + SLOT_QUERY_LENGTH]!)
  if (verdict !== ACCEPT) throw new Error(`slot ${slot} holds no query (verdict ${verdict})`)
  const query = new Query(parsed, {
    client: new SlotClient(header),
    tcp: (words[header + SLOT_FLAGS]! & FLAG_TCP) !== 0,
    blockId: words[header + SLOT_BLOCK]!,
    listenerId: words[header + SLOT_LISTENER]!,
  })
  const chain = blocks.chain(query.blockId)
  const reply = chain instanceof Promise ? chain.then((opened) => opened.run(query)) : chain.run(query)
  if (reply instanceof Promise) {
    reply.then((late) => {
      finish(thread, slot, query, late)
      wakeLater()
    })
  } else finish(thread, slot, query, reply)
}

/** One wake-up for all that upstreams answered in this turn: each costs both sides a system call. */
function wakeLater(): void {
  if (isWaking) return
  isWaking = true
  setImmediate(wakeNow)
}

function wakeNow(): void {
  isWaking = false
  slots.wakeReplies()
}

function finish(thread: number, slot: number, query: Query, reply: Reply): void {
  try {
    writeReply(slots, slot, query, reply)
  } catch (error) {
    blocks.failed(query, error)
    writeReply(slots, slot, query, blocks.servfail(query))
  }
  slots.pushReply(thread, slot)
}

/** Most chains never look at the client: its address is words, copied since the slot goes away, until one asks for its text. */
class SlotClient implements ClientAddress {
  readonly port: number
  readonly family: 4 | 6
  readonly #word0: number
  readonly #word1: number
  readonly #word2: number
  readonly #word3: number
  #address: string | undefined

  constructor(header: number) {
    const { words } = slots
    this.port = words[header + SLOT_PORT]!
    this.family = words[header + SLOT_FAMILY] === 4 ? 4 : 6
    this.#word0 = words[header + SLOT_ADDRESS]!
    this.#word1 = words[header + SLOT_ADDRESS + 1]!
    this.#word2 = words[header + SLOT_ADDRESS + 2]!
    this.#word3 = words[header + SLOT_ADDRESS + 3]!
  }

  get address(): string {
    if (this.#address === undefined) {
      const octets = new Uint8Array(Int32Array.of(this.#word0, this.#word1, this.#word2, this.#word3).buffer)
      this.#address = addressText(this.family === 4 ? octets.subarray(0, 4) : octets)
    }
    return this.#address
  }
}
