/** Finds a word among a few dozen, straight from octets and in any case: for mnemonics in large files. */
import { LOWER } from '../../wire/name.ts'

const NONE = -1

export class Mnemonics {
  readonly #slots: Int16Array
  readonly #words: Uint8Array[] = []
  readonly #numbers: number[] = []
  readonly #mask: number

  constructor(entries: Iterable<readonly [number, string]>) {
    const all = [...entries]
    let size = 64
    while (size < all.length * 4) size *= 2
    this.#mask = size - 1
    this.#slots = new Int16Array(size).fill(NONE)
    for (const [number, word] of all) {
      const octets = Buffer.from(word.toLowerCase(), 'latin1')
      let slot = hash(octets, 0, octets.length) & this.#mask
      while (this.#slots[slot] !== NONE) slot = (slot + 1) & this.#mask
      this.#slots[slot] = this.#words.length
      this.#words.push(octets)
      this.#numbers.push(number)
    }
  }

  /** The number of the word `source[start .. end)`, or -1. Neither allocates nor throws. */
  find(source: Uint8Array, start: number, end: number): number {
    let slot = hash(source, start, end) & this.#mask
    for (;;) {
      const index = this.#slots[slot]!
      if (index === NONE) return -1
      const word = this.#words[index]!
      if (word.length === end - start) {
        let i = 0
        while (i < word.length && word[i] === LOWER[source[start + i]!]) i++
        if (i === word.length) return this.#numbers[index]!
      }
      slot = (slot + 1) & this.#mask
    }
  }
}

function hash(source: Uint8Array, start: number, end: number): number {
  let value = 0x811c9dc5 | 0
  for (let i = start; i < end; i++) value = Math.imul(value ^ LOWER[source[i]!]!, 0x01000193)
  return value ^ (value >>> 15)
}
