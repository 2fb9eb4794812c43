/**
 * Replies from the record store as they were composed last: the front's short cut past look-up and composition. One counts
 * for a query that is equal octet for octet, but for its ID, in the same block and with the same room for the reply, as long
 * as nothing in the record store has changed.
 *
 *   query ─hash─► one of two slots ─► tag ─► about: hash, block, room, sizes, RCODE
 *                                      └──► octets: the query from its flags on │ the reply from its flags on
 *
 * The tags are small enough to stay in the processor's cache: of names that never come again little else is touched.
 * Nothing here allocates after the constructor.
 */
import { copyOctets } from '../wire/copy-octets.ts'
import type { ParsedQuery } from '../wire/parsed-query.ts'

const SLOT_BITS = 13
/** Of query and reply together; what is longer is not kept. Signed answers aren't, answers of clusters are. */
const SLOT_SIZE = 320
const ID_SIZE = 2

const ABOUT_WORDS = 8
const HASH = 0
const BLOCK = 1
const ROOM = 2
const QUERY_SIZE = 3
const REPLY_SIZE = 4
const RCODE = 5

/** The tag of a slot without a reply. */
const EMPTY = 0

/** A reply that counts gives way to another one of its slot once in so many times: names that come once push out few. */
const STAY_MASK = 15

export class ReplyMemory {
  /** Of the reply that `find` found. */
  rcode = 0
  readonly #tags = new Uint16Array(1 << SLOT_BITS)
  readonly #about = new Int32Array(ABOUT_WORDS << SLOT_BITS)
  readonly #octets = new Uint8Array(SLOT_SIZE << SLOT_BITS)
  #change = 0
  #turn = 0

  /** Puts the reply to `out[outStart ..]`; its length, or 0 when there is none. `change`: `ZoneStore.changeCount`. */
  find(query: ParsedQuery, change: number, blockId: number, room: number, out: Uint8Array, outStart: number): number {
    if (change !== this.#change) {
      this.#change = change
      this.#tags.fill(EMPTY)
      return 0
    }
    const hash = hashOf(query)
    const tag = tagOf(hash)
    const tags = this.#tags
    let slot = firstSlot(hash)
    if (tags[slot] !== tag || !this.#holds(slot, hash, query, blockId, room)) {
      slot++
      if (tags[slot] !== tag || !this.#holds(slot, hash, query, blockId, room)) return 0
    }
    const at = slot * ABOUT_WORDS
    const replySize = this.#about[at + REPLY_SIZE]!
    out[outStart] = query.bytes[query.start]!
    out[outStart + 1] = query.bytes[query.start + 1]!
    copyOctets(this.#octets, slot * SLOT_SIZE + query.length - ID_SIZE, out, outStart + ID_SIZE, replySize)
    this.rcode = this.#about[at + RCODE]!
    return replySize + ID_SIZE
  }

  /** Keeps a reply that was composed since `find` found none, at `reply[start .. start + length)`. */
  keep(
    query: ParsedQuery,
    blockId: number,
    room: number,
    rcode: number,
    reply: Uint8Array,
    start: number,
    length: number,
  ): void {
    const size = query.length - ID_SIZE
    const replySize = length - ID_SIZE
    if (size + replySize > SLOT_SIZE) return
    const hash = hashOf(query)
    const tags = this.#tags
    let slot = firstSlot(hash)
    if (tags[slot] !== EMPTY) {
      slot++
      if (tags[slot] !== EMPTY) {
        if ((++this.#turn & STAY_MASK) !== 0) return
        slot -= (this.#turn / (STAY_MASK + 1)) & 1
      }
    }
    tags[slot] = tagOf(hash)
    const about = this.#about
    const at = slot * ABOUT_WORDS
    const kept = slot * SLOT_SIZE
    copyOctets(query.bytes, query.start + ID_SIZE, this.#octets, kept, size)
    copyOctets(reply, start + ID_SIZE, this.#octets, kept + size, replySize)
    about[at + HASH] = hash
    about[at + BLOCK] = blockId
    about[at + ROOM] = room
    about[at + QUERY_SIZE] = size
    about[at + REPLY_SIZE] = replySize
    about[at + RCODE] = rcode
  }

  #holds(slot: number, hash: number, query: ParsedQuery, blockId: number, room: number): boolean {
    const about = this.#about
    const at = slot * ABOUT_WORDS
    if (about[at + HASH] !== hash || about[at + BLOCK] !== blockId || about[at + ROOM] !== room) return false
    const size = query.length - ID_SIZE
    if (about[at + QUERY_SIZE] !== size) return false
    const octets = this.#octets
    const { bytes } = query
    const kept = slot * SLOT_SIZE
    const asked = query.start + ID_SIZE
    for (let i = 0; i < size; i++) if (octets[kept + i] !== bytes[asked + i]) return false
    return true
  }
}

/** Of what clients vary for one name, but for its case: each kind of client has a place of its own. */
function hashOf(query: ParsedQuery): number {
  return Math.imul(query.hash ^ query.flags ^ (query.length << 16) ^ (query.udpSize << 8), 0x9e3779b1)
}

/** The other one is the next. */
function firstSlot(hash: number): number {
  return (hash >>> (32 - SLOT_BITS)) & ~1
}

function tagOf(hash: number): number {
  return (hash & 0xffff) | 1
}
