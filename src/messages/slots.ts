/**
 * Slots: the shared memory through which a worker's event loop hands queries to its pool threads and gets replies back.
 * One region per configuration and process.
 *
 *   event loop                                             pool thread t
 *     take a slot, write query + client       ┌──────────►   pop slot numbers, run the chain for each
 *     push its number on t's request ring ────┘              write reply + marks into the slot
 *     pop numbers from t's reply ring        ◄────────────   push its number on t's reply ring
 *     send, store in the cache, free the slot
 *
 * Each ring has one producer and one consumer. A ring holds as many numbers as there are slots, so a push never fails.
 * Ownership of a slot's bytes moves with its number; nobody else looks at them. Wake-ups: the consumer stores 1 into its
 * WAITING cell, looks at the ring once more and then waits on the SIGNAL cell; the producer bumps SIGNAL and notifies
 * only when it sees WAITING. Threads that can (`signal`) write to the event loop's event descriptor instead, if it has one.
 *
 * A slot, in octets:
 *
 *   offset  size  field
 *        0   160  header: 40 words, see the constants SLOT_*
 *      160    64  return path: the transport's own words on where the reply goes (udp-transport.ts)
 *      224  1824  data: the query; the reply's message, options and cause follow it (DATA_ALIGN) when they fit, else they lie in a
 *                 large buffer whose index is in SLOT_LARGE
 *
 * Large buffers: 128 KiB each, claimed by either side with a compare-and-swap on the LARGE bitmap, freed by the event
 * loop with the slot.
 */
import { assert } from '../assert.ts'

export const SLOT_SIZE = 2048
export const SLOT_DATA_OFFSET = 224
export const SLOT_DATA_SIZE = SLOT_SIZE - SLOT_DATA_OFFSET
export const RETURN_PATH_OFFSET = 160
export const RETURN_PATH_SIZE = 64
export const LARGE_SIZE = 128 * 1024
/** Large buffers of a region: replies and TCP queries above a slot's size that are in flight at once. */
export const LARGE_COUNT = 256
/** Queries in flight in the pool at once; beyond it the event loop refuses (see `worker/hand-off.ts`). */
export const SLOT_COUNT_DEFAULT = 16384
/** Pool threads of one process. */
export const THREADS_MAX = 64

assert(SLOT_DATA_OFFSET === RETURN_PATH_OFFSET + RETURN_PATH_SIZE)

/** Words (int32) of a slot's header. */
export const SLOT_QUERY_LENGTH = 0
export const SLOT_LISTENER = 1
export const SLOT_BLOCK = 2
/** Bits FLAG_*. */
export const SLOT_FLAGS = 3
export const SLOT_PORT = 4
/** 4 or 6; the address follows in network order. */
export const SLOT_FAMILY = 5
export const SLOT_ADDRESS = 6
/** Index of the large buffer that holds the query, or -1. */
export const SLOT_QUERY_LARGE = 10
/** Index of the large buffer that holds the reply, or -1. */
export const SLOT_REPLY_LARGE = 11
/** One of REPLY_*. */
export const SLOT_REPLY_KIND = 12
export const SLOT_REPLY_LENGTH = 13
export const SLOT_OPTIONS_LENGTH = 14
export const SLOT_RCODE = 16
/** `Marks.reads`. */
export const SLOT_READS = 17
/** One of STORE_*. */
export const SLOT_STORE = 18
export const SLOT_TTL = 19
export const SLOT_ZONE_COUNT = 21
/** LOCAL_ZONES_MAX pairs of zone and generation. */
export const SLOT_ZONES = 22
export const SLOT_WORDS = 40
assert(SLOT_ZONES + 8 <= SLOT_WORDS && SLOT_WORDS * 4 === RETURN_PATH_OFFSET)

export const FLAG_TCP = 1
/** Nobody waits for the reply: it refreshes a cache entry. */
export const FLAG_REFRESH = 2

export const REPLY_WRITTEN = 1
export const REPLY_UNWRITTEN = 2
export const REPLY_DROPPED = 3

export const STORE_NONE = 0
export const STORE_LOCAL = 1
export const STORE_FIXED = 2
export const STORE_SUCCESS = 3
export const STORE_DENIAL = 4
/** A success that does not answer its question (`CachedMark.answers`). */
export const STORE_UNANSWERED = 5

/** Cells (int32 indexes) of a thread's ring control block. One cache line apart. */
const RING_CONTROL_WORDS = 64
const REQUEST_HEAD = 0
const REQUEST_TAIL = 16
const REQUEST_WAITING = 32
const REQUEST_SIGNAL = 33
const REPLY_HEAD = 48
const REPLY_TAIL = 49

/** Region control words. */
const CONTROL_WORDS = 64
const SLOT_COUNT_CELL = 0
/** The event loop waits on this for all its threads. */
const REPLY_SIGNAL = 1
const REPLY_WAITING = 2
const THREAD_COUNT_CELL = 3
/** Threads that serve. */
const READY_THREADS = 4
const CLOSING = 5
/** The event loop's event descriptor plus one; 0 for none. */
const REPLY_EVENT = 6
const LARGE_BITMAP = 16
assert(LARGE_BITMAP + LARGE_COUNT / 32 <= CONTROL_WORDS)

/** Where a reply starts in its slot: after the query, on an 8-octet border. Both sides compute it. */
export function replyOffset(queryLength: number, queryIsLarge: boolean): number {
  return queryIsLarge ? 0 : (queryLength + 7) & ~7
}

/** A view of the region, for one side. */
export class Slots {
  readonly region: SharedArrayBuffer
  readonly count: number
  readonly threads: number
  readonly words: Int32Array
  readonly bytes: Uint8Array
  /** Thread: writes to an event descriptor. Undefined until it can. */
  signal: ((event: number) => void) | undefined
  readonly #ringsAt: number
  readonly #slotsAt: number
  readonly #largeAt: number

  private constructor(region: SharedArrayBuffer) {
    this.region = region
    this.words = new Int32Array(region)
    this.bytes = new Uint8Array(region)
    this.count = this.words[SLOT_COUNT_CELL]!
    this.threads = this.words[THREAD_COUNT_CELL]!
    this.#ringsAt = CONTROL_WORDS
    const ringWords = RING_CONTROL_WORDS + 2 * this.count
    this.#slotsAt = align(4 * (CONTROL_WORDS + this.threads * ringWords), SLOT_SIZE)
    this.#largeAt = this.#slotsAt + this.count * SLOT_SIZE
  }

  /** `count`: a power of two. Memory that no query touched is never committed. */
  static create(threads: number, count = SLOT_COUNT_DEFAULT): Slots {
    assert(threads >= 1 && threads <= THREADS_MAX && (count & (count - 1)) === 0)
    const ringWords = RING_CONTROL_WORDS + 2 * count
    const slotsAt = align(4 * (CONTROL_WORDS + threads * ringWords), SLOT_SIZE)
    const region = new SharedArrayBuffer(slotsAt + count * SLOT_SIZE + LARGE_COUNT * LARGE_SIZE)
    const words = new Int32Array(region)
    words[SLOT_COUNT_CELL] = count
    words[THREAD_COUNT_CELL] = threads
    return new Slots(region)
  }

  static attach(region: SharedArrayBuffer): Slots {
    return new Slots(region)
  }

  /** Index of the slot's first header word in `words`. */
  header(slot: number): number {
    return (this.#slotsAt + slot * SLOT_SIZE) >>> 2
  }

  /** Offset of the slot's data in `bytes`. */
  data(slot: number): number {
    return this.#slotsAt + slot * SLOT_SIZE + SLOT_DATA_OFFSET
  }

  returnPath(slot: number): number {
    return this.#slotsAt + slot * SLOT_SIZE + RETURN_PATH_OFFSET
  }

  large(index: number): number {
    return this.#largeAt + index * LARGE_SIZE
  }

  /** Claims a large buffer: its index, or -1 when all are in use. Either side. */
  claimLarge(): number {
    const { words } = this
    for (let i = 0; i < LARGE_COUNT / 32; i++) {
      for (;;) {
        const seen = Atomics.load(words, LARGE_BITMAP + i)
        if (seen === -1) break
        const bit = 31 - Math.clz32(~seen)
        if (Atomics.compareExchange(words, LARGE_BITMAP + i, seen, seen | (1 << bit)) === seen) return i * 32 + bit
      }
    }
    return -1
  }

  freeLarge(index: number): void {
    if (index >= 0) Atomics.and(this.words, LARGE_BITMAP + (index >>> 5), ~(1 << (index & 31)))
  }

  #ring(thread: number): number {
    return this.#ringsAt + thread * (RING_CONTROL_WORDS + 2 * this.count)
  }

  /** Event loop: hands the slot to a thread. `wakeRequests` must follow, once for any number of pushes. */
  pushRequest(thread: number, slot: number): void {
    const ring = this.#ring(thread)
    const tail = this.words[ring + REQUEST_TAIL]!
    this.words[ring + RING_CONTROL_WORDS + (tail & (this.count - 1))] = slot
    Atomics.store(this.words, ring + REQUEST_TAIL, (tail + 1) | 0)
  }

  wakeRequests(thread: number): void {
    const ring = this.#ring(thread)
    if (Atomics.load(this.words, ring + REQUEST_WAITING) === 1) {
      Atomics.store(this.words, ring + REQUEST_WAITING, 0)
      Atomics.add(this.words, ring + REQUEST_SIGNAL, 1)
      Atomics.notify(this.words, ring + REQUEST_SIGNAL)
    }
  }

  /** Thread: the next slot, or -1. */
  popRequest(thread: number): number {
    const ring = this.#ring(thread)
    const head = this.words[ring + REQUEST_HEAD]!
    if (Atomics.load(this.words, ring + REQUEST_TAIL) === head) return -1
    const slot = this.words[ring + RING_CONTROL_WORDS + (head & (this.count - 1))]!
    Atomics.store(this.words, ring + REQUEST_HEAD, (head + 1) | 0)
    return slot
  }

  /** Event loop: the slot that the thread takes next, or -1; it may take it at this moment. */
  nextRequest(thread: number): number {
    const ring = this.#ring(thread)
    const head = Atomics.load(this.words, ring + REQUEST_HEAD)
    if (head === this.words[ring + REQUEST_TAIL]) return -1
    return this.words[ring + RING_CONTROL_WORDS + (head & (this.count - 1))]!
  }

  /** Thread: resolves when a request may be there or the pool closes; undefined when that is so already. */
  waitRequests(thread: number): Promise<unknown> | undefined {
    const ring = this.#ring(thread)
    const signal = Atomics.load(this.words, ring + REQUEST_SIGNAL)
    Atomics.store(this.words, ring + REQUEST_WAITING, 1)
    if (this.isClosing() || Atomics.load(this.words, ring + REQUEST_TAIL) !== this.words[ring + REQUEST_HEAD]) {
      Atomics.store(this.words, ring + REQUEST_WAITING, 0)
      return undefined
    }
    const wait = Atomics.waitAsync(this.words, ring + REQUEST_SIGNAL, signal)
    return wait.async ? wait.value : undefined
  }

  /** Event loop: wakes a thread whether it has requests or not (to close). */
  wake(thread: number): void {
    const ring = this.#ring(thread)
    Atomics.store(this.words, ring + REQUEST_WAITING, 0)
    Atomics.add(this.words, ring + REQUEST_SIGNAL, 1)
    Atomics.notify(this.words, ring + REQUEST_SIGNAL)
  }

  /** Thread: gives the slot back with its reply. `wakeReplies` must follow. */
  pushReply(thread: number, slot: number): void {
    const ring = this.#ring(thread)
    const tail = this.words[ring + REPLY_TAIL]!
    this.words[ring + RING_CONTROL_WORDS + this.count + (tail & (this.count - 1))] = slot
    Atomics.store(this.words, ring + REPLY_TAIL, (tail + 1) | 0)
  }

  wakeReplies(): void {
    if (Atomics.load(this.words, REPLY_WAITING) !== 1) return
    const event = Atomics.load(this.words, REPLY_EVENT)
    if (this.signal === undefined || event === 0) this.wakeSelf()
    else {
      Atomics.store(this.words, REPLY_WAITING, 0)
      this.signal(event - 1)
    }
  }

  /** Event loop: threads may signal here from now on, besides what `waitReplies` waits for. */
  useEvent(event: number): void {
    Atomics.store(this.words, REPLY_EVENT, event + 1)
  }

  /** Event loop: the next slot that thread answered, or -1. */
  popReply(thread: number): number {
    const ring = this.#ring(thread)
    const head = this.words[ring + REPLY_HEAD]!
    if (Atomics.load(this.words, ring + REPLY_TAIL) === head) return -1
    const slot = this.words[ring + RING_CONTROL_WORDS + this.count + (head & (this.count - 1))]!
    this.words[ring + REPLY_HEAD] = (head + 1) | 0
    return slot
  }

  /** Event loop: whether any thread has answered since. */
  hasReplies(): boolean {
    for (let thread = 0; thread < this.threads; thread++) {
      const ring = this.#ring(thread)
      if (Atomics.load(this.words, ring + REPLY_TAIL) !== this.words[ring + REPLY_HEAD]) return true
    }
    return false
  }

  /** Event loop: asks to be woken for the next reply. False when there are some already. */
  expectReplies(): boolean {
    Atomics.store(this.words, REPLY_WAITING, 1)
    if (!this.hasReplies()) return true
    Atomics.store(this.words, REPLY_WAITING, 0)
    return false
  }

  /** Event loop: resolves when replies may be there; undefined when there are some already. Doesn't see what comes through the event. */
  waitReplies(): Promise<unknown> | undefined {
    const signal = Atomics.load(this.words, REPLY_SIGNAL)
    if (!this.expectReplies()) return undefined
    const wait = Atomics.waitAsync(this.words, REPLY_SIGNAL, signal)
    return wait.async ? wait.value : undefined
  }

  /** Ends the event loop's wait; its own, when the pool closes. */
  wakeSelf(): void {
    Atomics.store(this.words, REPLY_WAITING, 0)
    Atomics.add(this.words, REPLY_SIGNAL, 1)
    Atomics.notify(this.words, REPLY_SIGNAL)
  }

  /** Thread: its chains are open. */
  announceThread(): void {
    Atomics.add(this.words, READY_THREADS, 1)
    this.wakeSelf()
  }

  /** Event loop: threads that have announced themselves since the start, successors of dead ones included. */
  get announced(): number {
    return Atomics.load(this.words, READY_THREADS)
  }

  /** Event loop: resolves when another thread may have announced itself; undefined when `count` have. */
  waitAnnounced(count: number): Promise<unknown> | undefined {
    const signal = Atomics.load(this.words, REPLY_SIGNAL)
    if (this.announced >= count) return undefined
    const wait = Atomics.waitAsync(this.words, REPLY_SIGNAL, signal)
    return wait.async ? wait.value : Promise.resolve()
  }

  /** Event loop: ends every thread's serving once its request ring is empty. */
  close(): void {
    Atomics.store(this.words, CLOSING, 1)
    for (let thread = 0; thread < this.threads; thread++) this.wake(thread)
  }

  isClosing(): boolean {
    return Atomics.load(this.words, CLOSING) === 1
  }

  /** Event loop, after a thread died and before its successor starts: forgets what was on its rings. */
  resetThread(thread: number): void {
    const ring = this.#ring(thread)
    this.words.fill(0, ring, ring + RING_CONTROL_WORDS)
  }
}

function align(size: number, to: number): number {
  return Math.ceil(size / to) * to
}
