/** What is in a reply already, by its offset in the store: a set that is emptied in no time and never allocates. */
const PROBES_MAX = 32

export class OffsetSet {
  readonly #offsets: Int32Array
  readonly #stamps: Int32Array
  readonly #mask: number
  #stamp = 1

  /** `slots`: a power of two. */
  constructor(slots: number) {
    this.#offsets = new Int32Array(slots)
    this.#stamps = new Int32Array(slots)
    this.#mask = slots - 1
  }

  clear(): void {
    this.#stamp = (this.#stamp + 1) | 0
  }

  /** True when it is new, or when the set is too full to tell. */
  add(offset: number): boolean {
    let slot = (Math.imul(offset, 0x9e3779b1) >>> 15) & this.#mask
    for (let probe = 0; probe < PROBES_MAX; probe++) {
      if (this.#stamps[slot] !== this.#stamp) {
        this.#stamps[slot] = this.#stamp
        this.#offsets[slot] = offset
        return true
      }
      if (this.#offsets[slot] === offset) return false
      slot = (slot + 1) & this.#mask
    }
    return true
  }
}
