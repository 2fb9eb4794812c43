/**
 * Asks the server now and then to look at its Corefile. The watch is one per server: of several blocks with `reload`
 * the one started last sets the interval, and when it stops the one before it goes on.
 */

import type { PrimaryContext, PrimaryPart, ServerControl } from '../../chain/plugin.ts'
import type { Counter, Gauge } from '../../observe/prom-client.ts'
import { sharedCounter, sharedGauge } from '../../observe/shared-metric.ts'
import { every } from '../every.ts'
import type { ReloadOptions } from './index.ts'

/** The watches of a server in the order they were started; the last one is at work. */
const watches = new WeakMap<ServerControl, CorefileWatch[]>()
/** The hash that was announced last, per server: a reload that swapped nothing new isn't announced again. */
const announced = new WeakMap<ServerControl, string>()

export class CorefileWatch implements PrimaryPart {
  readonly #intervalMs: number
  readonly #context: Pick<PrimaryContext, 'log' | 'registry' | 'server'>
  readonly #failed: Counter
  readonly #version: Gauge<'hash' | 'value'>
  #endWork: (() => void) | undefined
  #asking = false
  /** Content that could not be put in use: it isn't tried again until the file changes. */
  #failedHash: string | undefined

  /** `random`: from 0 up to 1, for the jitter. */
  constructor(
    { intervalMs, jitterMs }: ReloadOptions,
    context: Pick<PrimaryContext, 'log' | 'registry' | 'server'>,
    random: number = Math.random(),
  ) {
    this.#intervalMs = intervalMs + jitterMs * (random - 0.5)
    this.#context = context
    this.#failed = sharedCounter(
      context.registry,
      'coredns_reload_failed_total',
      'Counter of the number of failed reload attempts.',
    )
    this.#version = sharedGauge(
      context.registry,
      'coredns_reload_version_info',
      "A metric with a constant '1' value labeled by hash, and value which type of hash generated.",
      ['hash', 'value'],
      'first',
    )
  }

  async start(): Promise<void> {
    const { server } = this.#context
    const all = watches.get(server) ?? []
    const before = all.at(-1)
    if (before !== undefined) before.#rest()
    all.push(this)
    watches.set(server, all)
    this.#work()
    if (all.length === 1) this.#announce()
  }

  async stop(): Promise<void> {
    this.#rest()
    const all = watches.get(this.#context.server) ?? []
    const index = all.indexOf(this)
    if (index < 0) return
    all.splice(index, 1)
    const heir = all.at(-1)
    if (index === all.length && heir !== undefined) heir.#work()
  }

  reloaded(): void {
    this.#failedHash = undefined
    this.#announce()
  }

  #announce(): void {
    const { server, log } = this.#context
    if (announced.get(server) === server.hash) return
    announced.set(server, server.hash)
    log.info(`Running configuration SHA512 = ${server.hash}`)
  }

  #work(): void {
    this.#endWork ??= every(this.#intervalMs, () => void this.ask())
  }

  #rest(): void {
    this.#endWork?.()
    this.#endWork = undefined
  }

  /** One look at the Corefile, as the timer makes it. Never rejects. */
  async ask(): Promise<void> {
    if (this.#asking) return
    this.#asking = true
    const { server, log } = this.#context
    const before = server.hash
    const result = await server.reload('plugin/reload', this.#failedHash)
    this.#asking = false
    // A file that can't be read may be in the middle of being replaced: the next look will tell.
    if (result.outcome === 'unchanged' || result.stage === 'read') return
    if (result.stage === 'parse') {
      log.warning(`Corefile parse failed: ${result.error}`)
      return
    }
    this.#version.remove({ hash: 'sha512', value: before })
    if (this.#failedHash !== undefined) this.#version.remove({ hash: 'sha512', value: this.#failedHash })
    this.#version.set({ hash: 'sha512', value: result.hash }, 1)
    if (result.outcome === 'failed') {
      this.#failedHash = result.hash
      this.#failed.inc()
      log.error(`Corefile changed but reload failed: ${result.error}`)
    }
  }
}
