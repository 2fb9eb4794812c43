/** How long to wait before trying again: longer after each failure, never the same for two servers, and what the server asks for. */

export interface BackOffLimits {
  /** Before the second try, milliseconds. */
  readonly firstMs: number
  readonly msMax: number
}

/** The API server's word counts up to here: a wrong clock must not put us to sleep. */
const RETRY_AFTER_MS_MAX = 120_000

export class BackOff {
  readonly #limits: BackOffLimits
  readonly #random: () => number
  #failures = 0

  /** `random`: from 0 to 1. */
  constructor(limits: BackOffLimits, random: () => number = Math.random) {
    this.#limits = limits
    this.#random = random
  }

  /** Milliseconds to wait after one more failure. `retryAfterMs`: what the server asked for. */
  failed(retryAfterMs?: number): number {
    const { firstMs, msMax } = this.#limits
    const step = Math.min(msMax, firstMs * 2 ** Math.min(this.#failures++, 30))
    // Half of the step is chance: servers that lost the API together come back one by one.
    const wait = step * (0.5 + this.#random() / 2)
    if (retryAfterMs === undefined) return wait
    return Math.min(RETRY_AFTER_MS_MAX, retryAfterMs) + wait / 4
  }

  succeeded(): void {
    this.#failures = 0
  }
}
