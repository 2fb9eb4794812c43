/** Inputs for a target: from its corpus, changed in the ways that break parsers, or made from nothing. */
import { type SeededRandom, seededRandom } from '../support/seeded-random.ts'
import type { FuzzTarget } from './target.ts'

const SIZE_MAX_DEFAULT = 4096
/** Changes of one input. */
const CHANGES_MAX = 6
/** Octets of a random insertion or block. */
const BLOCK_MAX = 64
const REPEATS_MAX = 40

/** Lengths, counts, types and pointers at the edges of what is allowed. */
const OCTETS = [0, 1, 2, 4, 12, 16, 0x20, 0x2e, 0x3f, 0x40, 0x41, 0x5c, 0x7f, 0x80, 0xbf, 0xc0, 0xc1, 0xfe, 0xff]
const WORDS16 = [0, 1, 2, 0x0c, 0x29, 0xff, 0x100, 0x1ff, 0x200, 0x3fff, 0x7fff, 0x8000, 0xc000, 0xc00c, 0xfffe, 0xffff]

/** The input of one iteration: the same for the same target, seed and iteration. */
export function inputOf(target: FuzzTarget, seed: number, iteration: number): Uint8Array {
  const random = seededRandom(mixed(seed, iteration))
  const sizeMax = target.sizeMax ?? SIZE_MAX_DEFAULT
  // The corpus goes first, as it is: what the parser should take has to be taken.
  if (iteration < target.corpus.length) return target.corpus[iteration]!.slice(0, sizeMax)
  if (random.oneIn(40)) return randomOctets(random, random.below(BLOCK_MAX * 4))
  let input = target.generate !== undefined && random.oneIn(4) ? target.generate(random) : random.pick(target.corpus)
  if (target.generate !== undefined && random.oneIn(8)) return input.slice(0, sizeMax)
  for (let changes = 1 + random.below(CHANGES_MAX); changes > 0; changes--) input = changed(target, input, random)
  return input.slice(0, sizeMax)
}

/** Murmur3's finalizer: neighbouring iterations get numbers that have nothing in common. */
function mixed(seed: number, iteration: number): number {
  let hash = Math.imul(seed ^ Math.imul(iteration + 1, 0x9e3779b1), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return hash ^ (hash >>> 16)
}

function changed(target: FuzzTarget, input: Uint8Array, random: SeededRandom): Uint8Array {
  const { length } = input
  const at = random.below(length + 1)
  const { words = [] } = target
  switch (random.below(words.length > 0 ? 13 : 11)) {
    case 0:
    case 1:
      return withOctet(input, random, (octet) => octet ^ (1 << random.below(8)))
    case 2:
      return withOctet(input, random, () => random.below(256))
    case 3:
      return withOctet(input, random, () => random.pick(OCTETS))
    case 4:
      return withOctet(input, random, (octet) => octet + (random.oneIn(2) ? 1 : -1))
    case 5:
      return withWord(input, random)
    case 6:
      return input.slice(0, at)
    case 7: {
      // A block taken out.
      const size = random.below(BLOCK_MAX)
      return joined(input.subarray(0, at), input.subarray(Math.min(length, at + size)))
    }
    case 8: {
      // A block again and again.
      const block = input.subarray(at, at + 1 + random.below(BLOCK_MAX))
      const times = 1 + random.below(random.oneIn(4) ? REPEATS_MAX : 3)
      return joined(input.subarray(0, at), ...new Array<Uint8Array>(times).fill(block), input.subarray(at))
    }
    case 9: {
      // The start of this one, the end of another.
      const other = random.pick(target.corpus)
      return joined(input.subarray(0, at), other.subarray(random.below(other.length + 1)))
    }
    case 10:
      return joined(input.subarray(0, at), randomOctets(random, 1 + random.below(8)), input.subarray(at))
    case 11:
      return joined(input.subarray(0, at), random.pick(words), input.subarray(at))
    default: {
      const word = random.pick(words)
      return joined(input.subarray(0, at), word, input.subarray(at + word.length))
    }
  }
}

function withOctet(input: Uint8Array, random: SeededRandom, change: (octet: number) => number): Uint8Array {
  if (input.length === 0) return input
  const copy = Uint8Array.from(input)
  const at = random.below(copy.length)
  copy[at] = change(copy[at]!)
  return copy
}

/** A length, count or pointer field set to an edge, or to around what is left behind it. */
function withWord(input: Uint8Array, random: SeededRandom): Uint8Array {
  if (input.length < 2) return input
  const copy = Uint8Array.from(input)
  const at = random.below(copy.length - 1)
  const left = copy.length - at - 2
  const value = random.oneIn(2) ? random.pick(WORDS16) : left + random.below(5) - 2
  copy[at] = value >>> 8
  copy[at + 1] = value
  return copy
}

export function randomOctets(random: SeededRandom, size: number): Uint8Array {
  return Uint8Array.from({ length: size }, () => random.below(256))
}

export function joined(...parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((size, part) => size + part.length, 0))
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}
