/** Cheap random numbers, for spreading load only: xorshift with 32 bits of state. */
import { randomBytes } from 'node:crypto'

export class Random {
  #state: number

  /** `seed`: any number but 0. */
  constructor(seed: number = randomBytes(4).readInt32LE() | 1) {
    this.#state = seed | 0
  }

  /** From 0 up to `bound` - 1. Doesn't allocate. */
  below(bound: number): number {
    let state = this.#state
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    this.#state = state
    return (state >>> 0) % bound
  }
}
