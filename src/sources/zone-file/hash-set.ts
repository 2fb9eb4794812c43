/**
 * A set of 32-bit hashes: six octets per entry, roughly. It is kept in many small tables, chosen by the hash's upper bits,
 * so that none of them takes long to grow.
 */

const TABLES = 256
const SLOTS_AT_START = 64

export class HashSet {
  /** Made when first needed: most zones are small. */
  readonly #tables = new Array<Int32Array | undefined>(TABLES)
  readonly #counts = new Int32Array(TABLES)
  /** 0 marks a free slot, so the hash 0 is kept apart. */
  #hasZero = false

  /** False when the hash was there already. */
  add(hash: number): boolean {
    if (hash === 0) {
      const isNew = !this.#hasZero
      this.#hasZero = true
      return isNew
    }
    const number = hash >>> 24
    let table = this.#tables[number]
    if (table === undefined) {
      table = new Int32Array(SLOTS_AT_START)
      this.#tables[number] = table
    }
    const slot = find(table, hash)
    if (table[slot] === hash) return false
    table[slot] = hash
    // Two thirds full: half as many look-ups again cost less than the memory.
    if (++this.#counts[number]! * 3 > table.length * 2) {
      table = grown(table)
      this.#tables[number] = table
    }
    return true
  }
}

function grown(table: Int32Array): Int32Array {
  const larger = new Int32Array(table.length * 2)
  for (const hash of table) if (hash !== 0) larger[find(larger, hash)] = hash
  return larger
}

/** Where the hash is, or the free slot where it belongs. The upper bits chose the table, so the lower ones choose the slot. */
function find(table: Int32Array, hash: number): number {
  const mask = table.length - 1
  let slot = hash & mask
  while (table[slot] !== 0 && table[slot] !== hash) slot = (slot + 1) & mask
  return slot
}
