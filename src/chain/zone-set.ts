/**
 * A set of zones that names are matched against: which of them is the longest suffix of the qname, on a label boundary.
 * Look-ups work on wire form, cost one hash per label up to the deepest zone, and, but for the first, don't allocate.
 */
import { textToName } from '../wire/name.ts'
import type { ParsedQuery } from '../wire/parsed-query.ts'

/** No zone of the set holds the name. */
export const NOT_IN_SET = -1

const NO_SLOTS = new Int32Array(0)

export class ZoneSet {
  readonly size: number
  readonly #texts: readonly string[]
  /** Made for the first look-up: of thousands of blocks' sets few are ever asked. */
  #isBuilt = false
  #zones: readonly Uint8Array[] = []
  #slots = NO_SLOTS
  #mask = 0
  #depthMax = 0
  #depthMin = Number.POSITIVE_INFINITY
  #root = NOT_IN_SET

  /** `zones`: absolute names in presentation format; of two equal ones the first counts. */
  constructor(zones: readonly string[]) {
    this.size = zones.length
    this.#texts = zones
  }

  #build(): void {
    this.#isBuilt = true
    this.#zones = this.#texts.map((zone) => textToName(zone.toLowerCase()))
    let slots = 8
    while (slots < this.#zones.length * 4) slots *= 2
    this.#slots = new Int32Array(slots).fill(NOT_IN_SET)
    this.#mask = slots - 1
    for (const [index, zone] of this.#zones.entries()) {
      const starts = labelStarts(zone)
      if (starts.length === 0) {
        if (this.#root === NOT_IN_SET) this.#root = index
        continue
      }
      this.#depthMax = Math.max(this.#depthMax, starts.length)
      this.#depthMin = Math.min(this.#depthMin, starts.length)
      let hash = 0
      for (const at of starts.reverse()) hash = hashLabel(hash, zone, at)
      let slot = spread(hash) & this.#mask
      while (this.#slots[slot] !== NOT_IN_SET) slot = (slot + 1) & this.#mask
      this.#slots[slot] = index
    }
  }

  /** Index of the longest zone at or above the qname, or NOT_IN_SET. */
  longest(query: ParsedQuery): number {
    return this.longestOf(query.name, query.labels, query.labelCount, query.nameLength)
  }

  /** The same for a lower-case name in wire form with its label starts (as ParsedQuery holds them). */
  longestOf(name: Uint8Array, labels: Uint8Array, labelCount: number, nameLength: number): number {
    if (!this.#isBuilt) this.#build()
    let found = this.#root
    let hash = 0
    const depthMax = Math.min(labelCount, this.#depthMax)
    for (let depth = 1; depth <= depthMax; depth++) {
      const from = labels[labelCount - depth]!
      hash = hashLabel(hash, name, from)
      if (depth < this.#depthMin) continue
      const index = this.#probe(spread(hash), name, from, nameLength - from)
      if (index !== NOT_IN_SET) found = index
    }
    return found
  }

  holds(query: ParsedQuery): boolean {
    return this.longest(query) !== NOT_IN_SET
  }

  #probe(hash: number, name: Uint8Array, from: number, length: number): number {
    let slot = hash & this.#mask
    for (;;) {
      const index = this.#slots[slot]!
      if (index === NOT_IN_SET) return NOT_IN_SET
      const zone = this.#zones[index]!
      if (zone.length === length) {
        let i = 0
        while (i < length && zone[i] === name[from + i]) i++
        if (i === length) return index
      }
      slot = (slot + 1) & this.#mask
    }
  }
}

function labelStarts(wire: Uint8Array): number[] {
  const starts: number[] = []
  for (let at = 0; wire[at] !== 0; at += wire[at]! + 1) starts.push(at)
  return starts
}

function hashLabel(hash: number, name: Uint8Array, from: number): number {
  for (let at = from, end = from + name[from]! + 1; at < end; at++) hash = Math.imul(hash ^ name[at]!, 0x01000193)
  return hash
}

function spread(hash: number): number {
  hash ^= hash >>> 15
  hash = Math.imul(hash, 0x2c1b3c6d)
  return hash ^ (hash >>> 13)
}
