/**
 * Blocks of the record store's memory, by size class.
 *
 *   chunk (64 KiB): blocks of one size          chunk table entry, 8 words:
 *     ┌─────┬─────┬─────┬─ ─ ─┐                   0  words per block; 0: free chunk; -n: first of n chunks of one large block
 *     │block│free │block│never│                   1  first free block (word offset), or 0; a free block's word 0 is the next one
 *     └─────┴─────┴─────┴─ ─ ─┘                   2  next block never used (word offset), or 0 when there is none left
 *                                                 3  blocks in use
 *   A chunk with room is in its class's list;     4  next chunk in the list, or 0
 *   a chunk without blocks goes back to the       5  previous chunk in the list, or 0
 *   list of free chunks, for any class.           6, 7  not used
 *
 * A block carries no header: its chunk says how large it is. Only the writer allocates and frees.
 */
import { assert } from '../assert.ts'
import {
  AT_CHUNK_TABLE,
  AT_CHUNKS_FREE,
  AT_CHUNKS_USED,
  AT_LISTS,
  AT_WORD_COUNT,
  AT_WORDS_USED,
  CHUNK_ENTRY_WORDS,
  CHUNK_SHIFT,
  CHUNK_WORDS,
  firstChunk,
  LIST_COUNT_MAX,
} from './region.ts'

const BLOCK_WORDS = 0
const FREE_HEAD = 1
const UNUSED_AT = 2
const USED_COUNT = 3
const NEXT = 4
const PREVIOUS = 5
assert(PREVIOUS < CHUNK_ENTRY_WORDS)

/** Largest block that shares a chunk. */
const SHARED_WORDS_MAX = CHUNK_WORDS / 4

/** Sizes grow by an eighth, so at most that much of a block is lost to rounding (small blocks: one word pair). */
const CLASS_WORDS: number[] = []
for (let words = 2; words <= SHARED_WORDS_MAX; words += words < 32 ? 2 : 1 << (28 - Math.clz32(words)))
  CLASS_WORDS.push(words)
assert(CLASS_WORDS.at(-1) === SHARED_WORDS_MAX)
/** List 0 holds the free chunks; list 1 + class the chunks of that class with room. */
assert(CLASS_WORDS.length < LIST_COUNT_MAX)
const FREE_CHUNKS = 0
/** Kept for operations under way and for removals: one change allocates in no more classes than this. */
const RESERVED_CHUNKS = 8

const CLASS_OF = new Uint8Array(SHARED_WORDS_MAX + 1)
for (let words = 0, index = 0; words <= SHARED_WORDS_MAX; words++) {
  if (words > CLASS_WORDS[index]!) index++
  CLASS_OF[words] = index
}

/** The store's memory is used up: the transaction that needed more is given up, what is served stays. */
export class StoreFullError extends Error {
  readonly code = 'SHOAL_STORE_FULL'
  constructor(bytes: number) {
    super(`the record store's ${Math.floor(bytes / 2 ** 20)} MiB are full`)
  }
}

export class Allocator {
  readonly #words: Int32Array
  readonly #chunkCount: number
  readonly #firstChunk: number

  constructor(words: Int32Array) {
    this.#words = words
    this.#chunkCount = words[AT_WORD_COUNT]! >>> CHUNK_SHIFT
    this.#firstChunk = firstChunk(words[AT_WORD_COUNT]!)
  }

  /** A block of at least `size` words, with whatever was in it. Throws StoreFullError. */
  allocate(size: number): number {
    if (size > SHARED_WORDS_MAX) return this.#allocateLarge(size)
    const words = this.#words
    const index = CLASS_OF[size]!
    const blockWords = CLASS_WORDS[index]!
    let chunk = words[AT_LISTS + 1 + index]!
    if (chunk === 0) {
      chunk = this.#takeChunk()
      const entry = AT_CHUNK_TABLE + chunk * CHUNK_ENTRY_WORDS
      words[entry + BLOCK_WORDS] = blockWords
      words[entry + FREE_HEAD] = 0
      words[entry + UNUSED_AT] = chunk << CHUNK_SHIFT
      words[entry + USED_COUNT] = 0
      this.#link(1 + index, chunk)
    }
    const entry = AT_CHUNK_TABLE + chunk * CHUNK_ENTRY_WORDS
    let block = words[entry + FREE_HEAD]!
    if (block !== 0) words[entry + FREE_HEAD] = words[block]!
    else {
      block = words[entry + UNUSED_AT]!
      const next = block + blockWords
      words[entry + UNUSED_AT] = next + blockWords <= (chunk + 1) << CHUNK_SHIFT ? next : 0
    }
    words[entry + USED_COUNT]!++
    if (words[entry + FREE_HEAD] === 0 && words[entry + UNUSED_AT] === 0) this.#unlink(1 + index, chunk)
    words[AT_WORDS_USED]! += blockWords
    return block
  }

  /** Gives a block back. */
  free(block: number): void {
    const words = this.#words
    const chunk = block >>> CHUNK_SHIFT
    const entry = AT_CHUNK_TABLE + chunk * CHUNK_ENTRY_WORDS
    const blockWords = words[entry + BLOCK_WORDS]!
    if (blockWords < 0) {
      this.#freeLarge(chunk, -blockWords)
      return
    }
    assert(blockWords > 0 && words[entry + USED_COUNT]! > 0, 'block freed twice')
    const list = 1 + CLASS_OF[blockWords]!
    if (words[entry + FREE_HEAD] === 0 && words[entry + UNUSED_AT] === 0) this.#link(list, chunk)
    words[block] = words[entry + FREE_HEAD]!
    words[entry + FREE_HEAD] = block
    words[AT_WORDS_USED]! -= blockWords
    if (--words[entry + USED_COUNT]! === 0) {
      this.#unlink(list, chunk)
      words[entry + BLOCK_WORDS] = 0
      this.#link(FREE_CHUNKS, chunk)
    }
  }

  /**
   * Throws StoreFullError unless an operation that needs up to `words` words can be done to its end with chunks to spare: so
   * that none fails half way, and a full store can still remove what it has.
   */
  assertRoom(words: number): void {
    const chunks = this.#chunkCount - this.#words[AT_CHUNKS_USED]! + this.#words[AT_CHUNKS_FREE]!
    if (chunks < RESERVED_CHUNKS + (words >>> CHUNK_SHIFT)) throw new StoreFullError(this.#words.byteLength)
  }

  /** How many words the block at this offset has. */
  sizeOf(block: number): number {
    const size = this.#words[AT_CHUNK_TABLE + (block >>> CHUNK_SHIFT) * CHUNK_ENTRY_WORDS + BLOCK_WORDS]!
    return size < 0 ? -size << CHUNK_SHIFT : size
  }

  #takeChunk(): number {
    const words = this.#words
    const free = words[AT_LISTS + FREE_CHUNKS]!
    if (free !== 0) {
      this.#unlink(FREE_CHUNKS, free)
      return free
    }
    const chunk = words[AT_CHUNKS_USED]!
    if (chunk >= this.#chunkCount) throw new StoreFullError(words.byteLength)
    words[AT_CHUNKS_USED] = chunk + 1
    return chunk
  }

  /** Whole chunks in a row: the first gap among those used before that is wide enough, else new ones. */
  #allocateLarge(size: number): number {
    const words = this.#words
    const count = (size + CHUNK_WORDS - 1) >>> CHUNK_SHIFT
    const used = words[AT_CHUNKS_USED]!
    let first = used
    for (let chunk = this.#firstChunk, run = 0; chunk < used; chunk++) {
      const blockWords = words[AT_CHUNK_TABLE + chunk * CHUNK_ENTRY_WORDS + BLOCK_WORDS]!
      run = blockWords === 0 ? run + 1 : 0
      if (blockWords < 0) chunk += -blockWords - 1
      if (run === count) {
        first = chunk - count + 1
        break
      }
    }
    if (first === used) {
      if (used + count > this.#chunkCount) throw new StoreFullError(words.byteLength)
      words[AT_CHUNKS_USED] = used + count
    } else for (let chunk = first; chunk < first + count; chunk++) this.#unlink(FREE_CHUNKS, chunk)
    words[AT_CHUNK_TABLE + first * CHUNK_ENTRY_WORDS + BLOCK_WORDS] = -count
    words[AT_WORDS_USED]! += count << CHUNK_SHIFT
    return first << CHUNK_SHIFT
  }

  #freeLarge(first: number, count: number): void {
    const words = this.#words
    for (let chunk = first; chunk < first + count; chunk++) {
      words[AT_CHUNK_TABLE + chunk * CHUNK_ENTRY_WORDS + BLOCK_WORDS] = 0
      this.#link(FREE_CHUNKS, chunk)
    }
    words[AT_WORDS_USED]! -= count << CHUNK_SHIFT
  }

  #link(list: number, chunk: number): void {
    const words = this.#words
    const entry = AT_CHUNK_TABLE + chunk * CHUNK_ENTRY_WORDS
    const head = words[AT_LISTS + list]!
    words[entry + NEXT] = head
    words[entry + PREVIOUS] = 0
    if (head !== 0) words[AT_CHUNK_TABLE + head * CHUNK_ENTRY_WORDS + PREVIOUS] = chunk
    words[AT_LISTS + list] = chunk
    if (list === FREE_CHUNKS) words[AT_CHUNKS_FREE]!++
  }

  #unlink(list: number, chunk: number): void {
    const words = this.#words
    const entry = AT_CHUNK_TABLE + chunk * CHUNK_ENTRY_WORDS
    const next = words[entry + NEXT]!
    const previous = words[entry + PREVIOUS]!
    if (next !== 0) words[AT_CHUNK_TABLE + next * CHUNK_ENTRY_WORDS + PREVIOUS] = previous
    if (previous !== 0) words[AT_CHUNK_TABLE + previous * CHUNK_ENTRY_WORDS + NEXT] = next
    else words[AT_LISTS + list] = next
    if (list === FREE_CHUNKS) words[AT_CHUNKS_FREE]!--
  }
}
