/**
 * Whether an upstream is up. Nothing is probed while all goes well: a failed query starts the probing, which goes on
 * until any DNS header comes back.
 *
 *   ok ──a query failed──► probing ──probe answered──► ok (fails = 0)
 *                            │  ▲
 *                            └──┘ probe failed: fails + 1, pause
 */
import { composeProbe } from './compose-upstream.ts'
import { copyFrame, Exchange, type FailureKind, type Verdict } from './exchange.ts'
import type { Carriage, Upstream } from './upstream.ts'

/** What a probe may take. */
export const PROBE_TIMEOUT_MS = 1000
/** `health_check 0` still leaves the upstream, and us, this much rest. */
const PROBE_PAUSE_MS_MIN = 50
const HEADER_SIZE = 12

export interface HealthOptions {
  readonly intervalMs: number
  /** Wire form. */
  readonly domain: Uint8Array
  readonly recursionDesired: boolean
  readonly carriage: Carriage
}

export class Health {
  /** Probes that failed since one was answered. */
  fails = 0
  readonly #upstream: Upstream
  readonly #options: HealthOptions
  readonly #frame: Uint8Array
  readonly #onProbeFailure: () => void
  #probing = false
  #pause: NodeJS.Timeout | undefined
  #stopped = false

  constructor(upstream: Upstream, options: HealthOptions, onProbeFailure: () => void) {
    this.#upstream = upstream
    this.#options = options
    this.#frame = composeProbe(options.domain, options.recursionDesired)
    this.#onProbeFailure = onProbeFailure
  }

  /** `failsMax` 0: never. */
  isDown(failsMax: number): boolean {
    return failsMax !== 0 && this.fails > failsMax
  }

  /** A query failed: starts probing, unless that is going on. */
  check(): void {
    if (this.#probing || this.#stopped) return
    this.#probing = true
    this.#probe()
  }

  stop(): void {
    this.#stopped = true
    clearTimeout(this.#pause)
  }

  #probe(): void {
    const probe = new Probe(copyFrame(this.#frame), (outcome) => {
      if (this.#stopped) return
      if (outcome === 'up') {
        this.fails = 0
        this.#probing = false
        return
      }
      if (outcome === 'stale') {
        // A kept connection had ended: a new one says more.
        this.#probe()
        return
      }
      this.fails++
      this.#onProbeFailure()
      const pauseMs = Math.min(Math.max(this.#options.intervalMs, PROBE_PAUSE_MS_MIN), 0x7fffffff)
      this.#pause = setTimeout(() => this.#probe(), pauseMs)
      this.#pause.unref()
    })
    const nowMs = performance.now()
    probe.deadlineMs = nowMs + PROBE_TIMEOUT_MS
    this.#upstream.send(probe, this.#options.carriage, nowMs, true)
  }
}

type Outcome = 'up' | 'down' | 'stale'

class Probe extends Exchange {
  readonly #done: (outcome: Outcome) => void

  constructor(frame: Uint8Array, done: (outcome: Outcome) => void) {
    super(frame)
    this.#done = done
  }

  /** Whatever the upstream says, it is there. */
  judge(message: Uint8Array): Verdict {
    return message.length >= HEADER_SIZE && (message[2]! & 0x80) !== 0 ? 'accept' : 'ignore'
  }

  onReply(): void {
    this.#done('up')
  }

  onFailure(kind: FailureKind): void {
    this.#done(kind === 'stale' ? 'stale' : 'down')
  }
}
