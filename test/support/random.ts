/** Random numbers from a seed that is printed, so that a failure can be repeated: `SEED=42 npm test`. */

export const SEED: number =
  process.env['SEED'] === undefined ? (Date.now() ^ (process.pid << 8)) >>> 0 : Number(process.env['SEED']) >>> 0

export class Random {
  #state: number

  constructor(seed: number = SEED) {
    this.#state = seed | 0
  }

  /** 32 bits. */
  next(): number {
    this.#state = (this.#state + 0x9e3779b9) | 0
    let z = this.#state
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad)
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97)
    return (z ^ (z >>> 15)) >>> 0
  }

  /** A whole number from 0 to `below` - 1. */
  below(below: number): number {
    return Math.floor((this.next() / 2 ** 32) * below)
  }

  /** One of the things. */
  of<T>(things: readonly T[]): T {
    return things[this.below(things.length)]!
  }

  bytes(size: number): Uint8Array {
    return Uint8Array.from({ length: size }, () => this.below(256))
  }
}
