/** Serves /health in the primary, asks itself once a second, and holds the end of the process back (lameduck). */

import type { PrimaryContext, PrimaryPart } from '../../chain/plugin.ts'
import { printGoDuration } from '../../corefile/go-duration.ts'
import { builtins } from '../../node-builtins.ts'
import { type Endpoint, openEndpoint } from '../../observe/http-endpoint.ts'
import { printListenAddress } from '../../observe/listen-address.ts'
import type { Counter, Histogram } from '../../observe/prom-client.ts'
import { SLIM_TIME_BOUNDS, sharedCounter, sharedHistogram } from '../../observe/shared-metric.ts'
import type { HealthOptions } from './index.ts'

const POLL_INTERVAL_MS = 1000
/** A poll that takes longer has failed. */
const POLL_PATIENCE_MS = 3000
/** A poll that takes longer is worth a warning. */
const POLL_SLOW_MS = 1000

export class HealthEndpoint implements PrimaryPart {
  readonly #options: HealthOptions
  readonly #log: PrimaryContext['log']
  readonly #duration: Histogram
  readonly #failures: Counter
  #endpoint: Endpoint | undefined
  #poll: NodeJS.Timeout | undefined
  #polling = false

  constructor(options: HealthOptions, context: Pick<PrimaryContext, 'log' | 'registry'>) {
    this.#options = options
    this.#log = context.log
    this.#duration = sharedHistogram(
      context.registry,
      'coredns_health_request_duration_seconds',
      'Histogram of the time (in seconds) each request took.',
      SLIM_TIME_BOUNDS,
    )
    this.#failures = sharedCounter(
      context.registry,
      'coredns_health_request_failures_total',
      'The number of times the health check failed.',
    )
  }

  /** Rejects when the address can't be opened, which ends the start or the reload, as in CoreDNS. */
  async start(): Promise<void> {
    this.#endpoint = await openEndpoint(this.#options.address, '/health', () => ({ status: 200, body: 'OK' }))
    this.#poll = setInterval(() => void this.#pollOnce(), POLL_INTERVAL_MS)
    this.#poll.unref()
  }

  async drain(): Promise<void> {
    const { lameduckMs } = this.#options
    if (lameduckMs === 0) return
    this.#log.info(`Going into lameduck mode for ${printGoDuration(lameduckMs)}`)
    await new Promise((resolve) => setTimeout(resolve, lameduckMs))
  }

  async stop(): Promise<void> {
    clearInterval(this.#poll)
    await this.#endpoint?.close()
    this.#endpoint = undefined
  }

  get address() {
    return this.#endpoint?.address
  }

  async #pollOnce(): Promise<void> {
    if (this.#polling || this.#endpoint === undefined) return
    this.#polling = true
    const { host, port } = this.#endpoint.address
    // Of all addresses one has to be picked.
    const url = `http://${printListenAddress({ host: host === '' ? 'localhost' : host, port })}/health`
    const startedAt = performance.now()
    try {
      await request(url)
      const elapsedMs = performance.now() - startedAt
      this.#duration.observe(elapsedMs / 1000)
      if (elapsedMs > POLL_SLOW_MS) {
        this.#log.warning(
          `Local health request to ${JSON.stringify(url)} took more than 1s: ${printGoDuration(elapsedMs)}`,
        )
      }
    } catch (error) {
      if (this.#endpoint !== undefined) {
        this.#duration.observe((performance.now() - startedAt) / 1000)
        this.#failures.inc()
        this.#log.warning(`Local health request to ${JSON.stringify(url)} failed: ${(error as Error).message}`)
      }
    } finally {
      this.#polling = false
    }
  }
}

function request(url: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const outgoing = builtins.http.get(url, { timeout: POLL_PATIENCE_MS, agent: false }, (response) => {
      response.on('error', reject)
      response.on('end', () => resolve())
      response.resume()
    })
    outgoing.on('timeout', () => outgoing.destroy(new Error(`no answer within ${POLL_PATIENCE_MS} ms`)))
    outgoing.on('error', reject)
  })
}
