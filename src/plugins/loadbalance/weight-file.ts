/**
 * Weights of addresses, from text like
 *
 *   www.example.org
 *     192.0.2.1 3        # an address of the name before it, and its weight from 1 to 255
 *     2001:db8::1 5
 *
 * An address that isn't listed has weight 1.
 */
import { parseAddress } from '../../wire/address.ts'
import { lowerCased, textToName } from '../../wire/name.ts'

export interface Weight {
  /** 4 or 16 octets. */
  readonly octets: Uint8Array
  readonly weight: number
}

export const WEIGHT_DEFAULT = 1
const WEIGHT_MAX = 255

/** The weights by name. Throws Error with the file's name for a line that can't be read. */
export function parseWeights(text: string, file: string): WeightTable {
  const byName = new Map<string, { name: Uint8Array; weights: Weight[] }>()
  let current: Weight[] | undefined
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.trim()
    if (line === '' || line.startsWith('#')) continue
    const fail = (problem: string): never => {
      throw new Error(`${file}:${index + 1}: ${problem}`)
    }
    const [first = '', second, surplus] = line.split(/\s+/)
    if (surplus !== undefined) return fail(`could not parse weight line:"${line}" in weight file ${file}`)
    const octets = new Uint8Array(16)
    const family = parseAddress(first, octets)
    if (second === undefined) {
      if (family !== 0) {
        return fail(`wrong domain name:"${first}" in weight file ${file}. (Maybe a missing weight value?)`)
      }
      const name = lowerCased(nameOf(first, fail))
      const key = name.join()
      if (!byName.has(key)) byName.set(key, { name, weights: [] })
      current = byName.get(key)!.weights
      continue
    }
    if (family === 0) return fail(`wrong IP address:"${first}" in weight file ${file}`)
    const weight = /^[0-9]{1,3}$/.test(second) ? Number(second) : 0
    if (weight < 1 || weight > WEIGHT_MAX) return fail(`wrong weight value:"${second}" in weight file ${file}`)
    if (current === undefined) return fail(`missing domain name in weight file ${file}`)
    current.push({ octets: octets.slice(0, family === 4 ? 4 : 16), weight })
  }
  return new WeightTable([...byName.values()])
}

function nameOf(text: string, fail: (problem: string) => never): Uint8Array {
  try {
    return textToName(text)
  } catch (error) {
    return fail((error as Error).message)
  }
}

const NOT_LISTED = -1

/** Weights by name in wire form; look-ups don't allocate. */
export class WeightTable {
  readonly #entries: readonly { readonly name: Uint8Array; readonly weights: readonly Weight[] }[]
  readonly #slots: Int32Array

  constructor(entries: readonly { readonly name: Uint8Array; readonly weights: readonly Weight[] }[]) {
    this.#entries = entries
    let size = 8
    while (size < entries.length * 3) size *= 2
    this.#slots = new Int32Array(size).fill(NOT_LISTED)
    for (const [index, { name }] of entries.entries()) {
      let slot = hashName(name, name.length) & (size - 1)
      while (this.#slots[slot] !== NOT_LISTED) slot = (slot + 1) & (size - 1)
      this.#slots[slot] = index
    }
  }

  get isEmpty(): boolean {
    return this.#entries.length === 0
  }

  /** Number of the lower-case name `name[0 .. size)` for `weightOf`, or a negative number. */
  find(name: Uint8Array, size: number): number {
    const mask = this.#slots.length - 1
    for (let slot = hashName(name, size) & mask; ; slot = (slot + 1) & mask) {
      const index = this.#slots[slot]!
      if (index === NOT_LISTED) return NOT_LISTED
      const known = this.#entries[index]!.name
      if (known.length !== size) continue
      let i = 0
      while (i < size && known[i] === name[i]) i++
      if (i === size) return index
    }
  }

  /** Weight of the address `message[at .. at+size)` of a name. */
  weightOf(index: number, message: Uint8Array, at: number, size: number): number {
    const { weights } = this.#entries[index]!
    for (let i = 0; i < weights.length; i++) {
      const { octets, weight } = weights[i]!
      if (octets.length !== size) continue
      let k = 0
      while (k < size && octets[k] === message[at + k]) k++
      if (k === size) return weight
    }
    return WEIGHT_DEFAULT
  }
}

function hashName(name: Uint8Array, size: number): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < size; i++) hash = Math.imul(hash ^ name[i]!, 0x01000193)
  return hash ^ (hash >>> 15)
}
