/**
 * What a fuzz target is: a parser, octets it should be able to bear, and what must hold for any others.
 *
 *   corpus ─┐
 *           ├─► input (mutate.ts) ─► run ─► returns, or throws: a finding
 *   words  ─┘
 *
 * An input says everything: sizes, types and places to cut at, where a parser takes such, are its first octets. So a
 * finding can be repeated from its octets alone, and from target, seed and iteration.
 */
import assert from 'node:assert/strict'
import type { SeededRandom } from '../support/seeded-random.ts'

export interface FuzzTarget {
  readonly name: string
  /** What `run` checks, in one sentence: shown with a finding. */
  readonly invariant: string
  /** Inputs that the parser takes. At least one. */
  readonly corpus: readonly Uint8Array[]
  /** Words that mean something to the parser; put in at random places. */
  readonly words?: readonly Uint8Array[]
  /** An input made from nothing, for what no mutation would find. */
  readonly generate?: (random: SeededRandom) => Uint8Array
  /** Octets of one input; 4096 by default. */
  readonly sizeMax?: number
  /** Milliseconds of CPU that one input may take; MS_MAX by default. A reason stands beside it. */
  readonly msMax?: number
  /** How many inputs fuzz.test.ts tries with each seed, besides the corpus; INPUTS_IN_TEST by default, fewer where each writes files. */
  readonly inputsInTest?: number
  /** Returns true when the parser took the input; throws where it broke its word. */
  readonly run: (input: Uint8Array) => boolean | Promise<boolean>
}

/** Milliseconds of CPU that one input may take; what takes longer is not linear. */
export const MS_MAX = 50

export const INPUTS_IN_TEST = 600

/** Octets of a text. */
export function octets(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, 'utf8'))
}

export function ofHex(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex.replace(/\s+/g, ''), 'hex'))
}

export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')
}

/** The text that the octets are in UTF-8, wrong ones replaced: what reading a file gives. */
export function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8')
}

/** What `work` gives; undefined where it throws one of the parser's own errors. Any other throw is the finding. */
export function unlessRefused<T>(
  work: () => T,
  ...declared: readonly (abstract new (
    ...args: never[]
  ) => Error)[]
): T | undefined {
  try {
    return work()
  } catch (error) {
    if (declared.some((type) => error instanceof type)) return undefined
    throw error
  }
}

const CANARY = 0xa5
const MARGIN = 64

/** `inner` octets with others around them that nobody may write to, or be swayed by. */
export class Guarded {
  readonly bytes: Uint8Array
  /** Where the inner octets start. */
  readonly at = MARGIN
  readonly end: number

  /** A size, or the octets to stand inside. */
  constructor(inner: Uint8Array | number) {
    const size = typeof inner === 'number' ? inner : inner.length
    this.end = MARGIN + size
    this.bytes = new Uint8Array(this.end + MARGIN).fill(CANARY)
    if (typeof inner !== 'number') this.bytes.set(inner, MARGIN)
  }

  get inner(): Uint8Array {
    return this.bytes.subarray(this.at, this.end)
  }

  /** Changes what stands around: results may not depend on it. */
  surround(octet: number): void {
    this.bytes.fill(octet, 0, this.at).fill(octet, this.end)
  }

  /** Throws when octets around the inner ones were written. */
  check(octet = CANARY): void {
    for (let i = 0; i < MARGIN; i++) {
      assert.equal(this.bytes[i], octet, `wrote ${MARGIN - i} octets before its place`)
      assert.equal(this.bytes[this.end + i], octet, `wrote ${i} octets past its end`)
    }
  }
}
