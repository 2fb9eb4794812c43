/**
 * Name compression for messages being composed (RFC 1035 section 4.1.4): remembers where every suffix that was written
 * starts, in a hash table of fixed size.
 *
 * A name costs at most LABELS_MAX look-ups of PROBES_MAX slots each, however many names came before, so composing is
 * linear in the message. When the table is full, or a slot's neighbours are, a name is just not remembered. The seed is
 * random, so nobody can choose names that collide.
 */
import { randomBytes } from 'node:crypto'
import { LOWER } from './name.ts'
import { LABELS_MAX } from './parsed-query.ts'

/** Pointers hold 14 bits, so nothing further in can be pointed to. */
const POINTABLE_MAX = 0x3fff
const SLOTS = 4096
const ENTRIES_MAX = 3072
const PROBES_MAX = 8

const seed = randomBytes(4).readInt32LE()
const labelAts = new Uint16Array(LABELS_MAX + 1)
const suffixHashes = new Int32Array(LABELS_MAX + 1)

/** One per message being composed; `reset` makes it ready for the next. */
export class NameCompressor {
  /** Offsets from the message's start; 0 is a free slot, for no name starts there. */
  readonly #offsets = new Uint16Array(SLOTS)
  readonly #hashes = new Int32Array(SLOTS)
  readonly #used = new Uint16Array(ENTRIES_MAX)
  #usedCount = 0
  #start = 0

  /** Forgets all names. Offsets will count from `start`. */
  reset(start: number): void {
    for (let i = 0; i < this.#usedCount; i++) this.#offsets[this.#used[i]!] = 0
    this.#usedCount = 0
    this.#start = start
  }

  /** Suffixes remembered now; never above ENTRIES_MAX. */
  get size(): number {
    return this.#usedCount
  }

  /**
   * Writes the name at `name[nameAt]` (no pointers) to `out[at]`, its longest known suffix as a pointer, and remembers
   * the rest. With `sameCase` only suffixes in the same case count as known. Returns the offset past it. `out` must have
   * room for the whole name. Neither allocates nor throws.
   */
  put(out: Uint8Array, at: number, name: Uint8Array, nameAt: number, sameCase: boolean): number {
    const count = this.#hashSuffixes(name, nameAt)
    let to = at
    for (let i = 0; i < count; i++) {
      const label = labelAts[i]!
      const hash = suffixHashes[i]!
      const known = this.#find(out, hash, name, label, sameCase)
      if (known !== 0) {
        out[to] = 0xc0 | (known >>> 8)
        out[to + 1] = known
        return to + 2
      }
      this.#remember(hash, to - this.#start)
      const end = label + name[label]! + 1
      for (let j = label; j < end; j++) out[to++] = name[j]!
    }
    out[to] = 0
    return to + 1
  }

  /** Remembers the name without pointers that was written at `out[at]` (the question's). */
  note(out: Uint8Array, at: number): void {
    const count = this.#hashSuffixes(out, at)
    for (let i = 0; i < count; i++) {
      const label = labelAts[i]!
      if (this.#find(out, suffixHashes[i]!, out, label, true) !== 0) return
      this.#remember(suffixHashes[i]!, label - this.#start)
    }
  }

  /** Labels of the name into `labelAts`, hash of the suffix from each into `suffixHashes`; returns how many there are. */
  #hashSuffixes(name: Uint8Array, nameAt: number): number {
    let count = 0
    for (let from = nameAt; name[from] !== 0; from += name[from]! + 1) labelAts[count++] = from
    let hash = seed
    for (let i = count - 1; i >= 0; i--) {
      const from = labelAts[i]!
      const end = from + name[from]! + 1
      for (let j = from; j < end; j++) hash = Math.imul(hash ^ LOWER[name[j]!]!, 0x01000193)
      hash ^= hash >>> 15
      suffixHashes[i] = hash
    }
    return count
  }

  #find(out: Uint8Array, hash: number, name: Uint8Array, nameAt: number, sameCase: boolean): number {
    let slot = (hash ^ (hash >>> 12)) & (SLOTS - 1)
    for (let probe = 0; probe < PROBES_MAX; probe++) {
      const offset = this.#offsets[slot]!
      if (offset === 0) return 0
      if (this.#hashes[slot] === hash && this.#matches(out, offset, name, nameAt, sameCase)) return offset
      slot = (slot + 1) & (SLOTS - 1)
    }
    return 0
  }

  /** Whether the (perhaps compressed) name at `offset` of the message is `name[nameAt]`. */
  #matches(out: Uint8Array, offset: number, name: Uint8Array, nameAt: number, sameCase: boolean): boolean {
    let a = this.#start + offset
    let b = nameAt
    for (;;) {
      let length = out[a]!
      while (length >= 0xc0) {
        a = this.#start + (((length & 0x3f) << 8) | out[a + 1]!)
        length = out[a]!
      }
      if (length !== name[b]!) return false
      if (length === 0) return true
      for (let i = 1; i <= length; i++) {
        const x = out[a + i]!
        const y = name[b + i]!
        if (x !== y && (sameCase || LOWER[x] !== LOWER[y])) return false
      }
      a += length + 1
      b += length + 1
    }
  }

  #remember(hash: number, offset: number): void {
    if (offset > POINTABLE_MAX || offset === 0 || this.#usedCount >= ENTRIES_MAX) return
    let slot = (hash ^ (hash >>> 12)) & (SLOTS - 1)
    for (let probe = 0; probe < PROBES_MAX; probe++) {
      if (this.#offsets[slot] === 0) {
        this.#offsets[slot] = offset
        this.#hashes[slot] = hash
        this.#used[this.#usedCount++] = slot
        return
      }
      slot = (slot + 1) & (SLOTS - 1)
    }
  }
}
