/** Bounds what is asked of the API server: so many requests a second with bursts, so many at once. */
import { setTimeout as delay } from 'node:timers/promises'

export interface RateLimits {
  /** Requests a second; 0 for no limit. */
  readonly qps: number
  /** Requests that may go out at once after a rest; 0 for `qps` rounded up. */
  readonly burst: number
  /** Requests that wait for their response at once; 0 for no limit. A watch counts until it began. */
  readonly inflightMax: number
}

export const NO_LIMITS: RateLimits = { qps: 0, burst: 0, inflightMax: 0 }

export class RateLimit {
  readonly #limits: RateLimits
  readonly #burst: number
  #tokens: number
  #filledAt = performance.now()
  #inflight = 0
  readonly #waiting: (() => void)[] = []

  constructor(limits: RateLimits) {
    this.#limits = limits
    this.#burst = limits.burst > 0 ? limits.burst : Math.max(1, Math.ceil(limits.qps))
    this.#tokens = this.#burst
  }

  /** Resolves when a request may go out; call what it resolves with when its response has begun or failed. */
  async take(signal: AbortSignal): Promise<() => void> {
    const { qps, inflightMax } = this.#limits
    if (qps > 0) {
      const now = performance.now()
      this.#tokens = Math.min(this.#burst, this.#tokens + ((now - this.#filledAt) / 1000) * qps)
      this.#filledAt = now
      // Below zero it stands for those who wait already.
      this.#tokens--
      if (this.#tokens < 0) await delay((-this.#tokens / qps) * 1000, undefined, { signal })
    }
    if (inflightMax > 0 && this.#inflight >= inflightMax) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    } else this.#inflight++
    let isOver = false
    return () => {
      if (isOver) return
      isOver = true
      const next = this.#waiting.shift()
      if (next === undefined) this.#inflight--
      else next()
    }
  }
}
