/**
 * Which server block answers a name on a listener: the longest zone that is a suffix of the qname on a label boundary.
 * Hash table over zones in wire form, probed from the longest suffix that any zone could be; no allocation per query.
 */
import type { ListenerConfig } from '../corefile/server-config.ts'
import { textToName } from '../wire/name.ts'
import { LABELS_MAX, type ParsedQuery } from '../wire/parsed-query.ts'

/** No block of the listener serves the name: REFUSED. */
export const NO_BLOCK = -1

const TYPE_DS = 43

interface ZoneEntry {
  readonly zone: Uint8Array
  readonly labelCount: number
  readonly blockIds: readonly number[]
}

/** Hashes of the qname's suffixes of 1, 2, … labels; shared by all tables of a thread, filled by each look-up. */
const suffixHashes = new Int32Array(LABELS_MAX + 1)

export class BlockTable {
  readonly #slots: Int32Array
  readonly #mask: number
  readonly #entries: ZoneEntry[] = []
  readonly #labelsMax: number
  readonly #root: number

  constructor(listener: ListenerConfig) {
    let labelsMax = 0
    let root = NO_BLOCK
    for (const { zone, blockIds } of listener.zones) {
      const wire = textToName(zone)
      if (wire.length === 1) root = blockIds[0] ?? NO_BLOCK
      else this.#entries.push({ zone: wire, labelCount: countLabels(wire), blockIds })
    }
    let size = 8
    while (size < this.#entries.length * 4) size *= 2
    this.#slots = new Int32Array(size).fill(-1)
    this.#mask = size - 1
    for (const [index, entry] of this.#entries.entries()) {
      labelsMax = Math.max(labelsMax, entry.labelCount)
      let at = hashWhole(entry.zone) & this.#mask
      while (this.#slots[at] !== -1) at = (at + 1) & this.#mask
      this.#slots[at] = index
    }
    this.#labelsMax = labelsMax
    this.#root = root
  }

  /** The block's id, or NO_BLOCK. A DS query at a zone's apex belongs to the parent's block when that is served here (RFC 4035 section 3.1.4.1). */
  find(query: ParsedQuery): number {
    const { name, labels, labelCount } = query
    let depth = Math.min(labelCount, this.#labelsMax)
    if (depth === 0) return this.#root
    let hash = 0
    for (let i = 1; i <= depth; i++) {
      const from = labels[labelCount - i]!
      const end = from + name[from]! + 1
      for (let p = from; p < end; p++) hash = Math.imul(hash ^ name[p]!, 0x01000193)
      suffixHashes[i] = hash
    }
    let atApex = NO_BLOCK
    for (; depth > 0; depth--) {
      const found = this.#probe(query, depth)
      if (found < 0) continue
      const blockId = this.#entries[found]!.blockIds[0]!
      if (query.qtype === TYPE_DS && depth === labelCount) atApex = blockId
      else return blockId
    }
    return atApex !== NO_BLOCK ? atApex : this.#root
  }

  #probe(query: ParsedQuery, depth: number): number {
    const { name, labels, labelCount, nameLength } = query
    const from = labels[labelCount - depth]!
    const length = nameLength - from
    let at = spread(suffixHashes[depth]!) & this.#mask
    for (;;) {
      const index = this.#slots[at]!
      if (index === -1) return -1
      const { zone } = this.#entries[index]!
      if (zone.length === length) {
        let i = 0
        while (i < length && zone[i] === name[from + i]) i++
        if (i === length) return index
      }
      at = (at + 1) & this.#mask
    }
  }
}

function countLabels(wire: Uint8Array): number {
  let count = 0
  for (let at = 0; wire[at] !== 0; at += wire[at]! + 1) count++
  return count
}

/** The same hash as `find` computes: labels from the right, each with its length octet. */
function hashWhole(wire: Uint8Array): number {
  const starts: number[] = []
  for (let at = 0; wire[at] !== 0; at += wire[at]! + 1) starts.push(at)
  let hash = 0
  for (const from of starts.reverse()) {
    const end = from + wire[from]! + 1
    for (let p = from; p < end; p++) hash = Math.imul(hash ^ wire[p]!, 0x01000193)
  }
  return spread(hash)
}

function spread(hash: number): number {
  hash ^= hash >>> 15
  hash = Math.imul(hash, 0x2c1b3c6d)
  return hash ^ (hash >>> 13)
}
