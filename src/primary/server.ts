/**
 * The server as a whole: the configuration that is served, reloads, readiness, metrics and the end.
 *
 *   reload:  read ─► parse ─► prepare ─► start new parts ─► swap workers ─► stop old parts ─► remove old records
 *                │        │          │                  │             │
 *                └────────┴──────────┴──────────────────┴─────────────┴─► failed: the old configuration goes on
 */
import type { Plugin, ReloadResult, ServerControl } from '../chain/plugin.ts'
import type { ListenerConfig, ServerConfig } from '../corefile/server-config.ts'
import type { SourceIds } from '../corefile/source-ids.ts'
import { figuresOf, sumFigures } from '../messages/figures.ts'
import { createLogger, logFatal } from '../observe/log.ts'
import type { Registry } from '../observe/prom-client.ts'
import type { LoadCorefileOptions, LoadedCorefile } from '../plugins/load-corefile.ts'
import type { ZonePublishing } from '../zone/zone-publisher.ts'
import { PluginParts, prepareOptions } from './plugin-parts.ts'
import type { ServerMetrics } from './server-metrics.ts'
import type { Current, Supervisor } from './supervisor.ts'
import { retired, swapWorkers } from './swap.ts'
import type { ZoneLine } from './zone-line.ts'

/** What queries in flight are given at the end. CoreDNS: 5 s. */
const GRACE_MS = 5000

export interface ServerOptions {
  /** The configuration to begin with, its options prepared. */
  readonly config: ServerConfig
  readonly sources: SourceIds
  /** The Corefile was found, not the default served. */
  readonly hasCorefile: boolean
  readonly loadCorefile: (options: LoadCorefileOptions) => Promise<LoadedCorefile>
  readonly loadPlugin: (name: string, module?: string) => Promise<Plugin>
  readonly supervisor: Supervisor
  readonly line: ZoneLine | undefined
  readonly publishing: ZonePublishing
  readonly metrics: ServerMetrics
  /** Ends the process. */
  readonly exit: (code: number) => void
}

/** Exit codes of CoreDNS (caddy). */
export const EXIT_OK = 0
export const EXIT_ERROR = 1
export const EXIT_FORCED = 2
export const EXIT_STOP_FAILED = 3
export const EXIT_CALLBACK_FAILED = 4

/** A step of a reload that did not work. */
class ReloadError extends Error {
  readonly stage: 'read' | 'parse' | 'start'
  readonly hash: string

  constructor(stage: 'read' | 'parse' | 'start', text: string, hash: string) {
    super(text)
    this.stage = stage
    this.hash = hash
  }
}

export class Server implements ServerControl {
  readonly #options: ServerOptions
  readonly #parts: PluginParts
  readonly #log = createLogger()
  #config: ServerConfig
  #sources: SourceIds
  #hasCorefile: boolean
  #reloading: Promise<unknown> = Promise.resolve()
  #queued: Promise<ReloadResult> | undefined
  #isServing = false
  #isStopping = false

  constructor(options: ServerOptions) {
    this.#options = options
    this.#config = options.config
    this.#sources = options.sources
    this.#hasCorefile = options.hasCorefile
    const { loadPlugin, publishing, metrics, supervisor } = options
    this.#parts = new PluginParts({
      loadPlugin,
      publishing,
      registry: metrics.registry,
      server: this,
      tell: (sourceId, data) => supervisor.tell(sourceId, data),
    })
  }

  get listeners(): readonly ListenerConfig[] {
    return this.#config.listeners
  }

  get hash(): string {
    return this.#config.hash
  }

  /** What workers that start now are given. */
  get current(): Current {
    return { config: this.#config, told: this.#parts.told }
  }

  /** Starts the plugins' parts, then lets the workers open their sockets. Resolves when the server serves. */
  start(): Promise<{ readonly transport: string; readonly reason: string }> {
    const started = this.#start()
    this.#reloading = started.catch(() => {})
    return started
  }

  async #start(): Promise<{ readonly transport: string; readonly reason: string }> {
    const { supervisor } = this.#options
    const failure = supervisor.startFailure()
    // It may come after the start has failed for another reason.
    failure.catch(() => {})
    supervisor.start()
    const change = await Promise.race([this.#parts.change(this.#config), failure])
    const transport = await Promise.race([supervisor.open(), failure])
    change.commit(false)
    this.#isServing = true
    return transport
  }

  onReport(sourceId: number, data: unknown): void {
    this.#parts.report(sourceId, data)
  }

  /** One reload at a time. Of those by signal, one that waits is enough for all that asked since. */
  reload(reason: string, exceptHash?: string): Promise<ReloadResult> {
    if (reason === SIGNAL && this.#queued !== undefined) return this.#queued
    const result = this.#reloading.then(() => {
      if (this.#queued === result) this.#queued = undefined
      return this.#reloadOnce(reason, exceptHash)
    })
    if (reason === SIGNAL) this.#queued = result
    this.#reloading = result
    return result
  }

  notReady(): string[] {
    if (!this.#isServing) return ['startup']
    if (this.#isStopping) return ['shutdown']
    const names = this.#parts.notReady()
    return this.#options.supervisor.isCrashLooping ? [...names, 'workers'].sort() : names
  }

  async metrics(): Promise<Registry> {
    const { metrics, supervisor } = this.#options
    const workers = await supervisor.scrape()
    return sumFigures([await figuresOf(metrics.registry), ...workers])
  }

  fatal(text: string): void {
    logFatal(text)
    this.#options.exit(EXIT_ERROR)
  }

  /** SIGTERM: not ready, lameduck, answer what is in flight, close, exit. Never rejects. */
  async shutDown(): Promise<void> {
    if (this.#isStopping) return
    this.#isStopping = true
    const drained = await this.#parts.drain()
    const answered = await this.#options.supervisor.drain(GRACE_MS)
    const stopped = await this.#parts.stop()
    this.#options.exit(!drained ? EXIT_CALLBACK_FAILED : answered && stopped ? EXIT_OK : EXIT_STOP_FAILED)
  }

  /** SIGINT: the plugins' shutdown without waiting for queries in flight. */
  async quit(): Promise<void> {
    if (this.#isStopping) return
    this.#isStopping = true
    const drained = await this.#parts.drain()
    const stopped = await this.#parts.stop()
    this.#options.exit(drained && stopped ? EXIT_OK : EXIT_CALLBACK_FAILED)
  }

  get isServing(): boolean {
    return this.#isServing
  }

  get isStopping(): boolean {
    return this.#isStopping
  }

  /** After a failed start: stops what had started. */
  async abandon(): Promise<void> {
    this.#isStopping = true
    this.#options.supervisor.stop()
    await this.#parts.stop()
  }

  async #reloadOnce(reason: string, exceptHash: string | undefined): Promise<ReloadResult> {
    if (this.#isStopping) return { outcome: 'unchanged', hash: this.hash }
    const isSignal = reason === SIGNAL
    if (isSignal) this.#log.info('Reloading')
    try {
      const loaded = await this.#load()
      const { hash } = loaded.config
      if (!isSignal && (hash === this.hash || hash === exceptHash)) return { outcome: 'unchanged', hash }
      if (!isSignal) this.#log.info('Reloading')
      await this.#swapIn(loaded)
      this.#log.info('Reloading complete')
      this.#options.metrics.reloads.inc({ outcome: 'reloaded' })
      return { outcome: 'reloaded', hash }
    } catch (error) {
      const { stage, hash, message } =
        error instanceof ReloadError ? error : new ReloadError('start', textOf(error), this.hash)
      // The plugin says itself what it could not read or understand: it looks at the file again and again.
      if (isSignal || stage === 'start') {
        this.#options.metrics.reloads.inc({ outcome: 'failed' })
        this.#log.error(`Restart failed: ${message}`)
      }
      if (isSignal) this.#log.error(`SIGUSR1: ${message}`)
      return { outcome: 'failed', stage, error: message, hash }
    }
  }

  async #load(): Promise<LoadedCorefile & { readonly config: ServerConfig }> {
    const { generation } = this.#config
    const loaded = await this.#options.loadCorefile({ previousSources: this.#sources, generation: generation + 1 })
    const { config, errors, warnings, text, file } = loaded
    if (errors.length > 0 || config === undefined) {
      const all = errors.map(({ message }) => message).join('; ')
      throw new ReloadError(text === undefined ? 'read' : 'parse', all, this.hash)
    }
    // A file that vanished or is empty is one that is being written; nobody asks for the default that way.
    if (this.#hasCorefile && text === undefined) throw new ReloadError('read', `${file} is gone`, this.hash)
    if (this.#hasCorefile && isBlank(text ?? ''))
      throw new ReloadError('parse', `${file} has no server block`, this.hash)
    if (config.hash !== this.hash) {
      for (const { at, problem } of warnings) this.#log.warning(`${at.file}:${at.line} - ${problem}`)
    }
    return { ...loaded, config }
  }

  async #swapIn(loaded: LoadedCorefile & { readonly config: ServerConfig }): Promise<void> {
    const { loadPlugin, line, supervisor } = this.#options
    const { hash, generation } = loaded.config
    // An id that was tried is never given to another part: what its part still publishes would be taken for the other's.
    this.#sources = { ...this.#sources, next: loaded.sources.next }
    const failed = (error: unknown): never => {
      throw new ReloadError('start', textOf(error), hash)
    }
    const config = await prepareOptions(loaded.config, loadPlugin).catch(failed)
    const change = await this.#parts.change(config).catch(failed)
    let old: Promise<void> = Promise.resolve()
    try {
      if (this.#isStopping) throw new Error('the server is shutting down')
      await supervisor.swap(async (workers) => {
        old = retired(workers, generation)
        await swapWorkers(workers, line, config, this.#parts.told)
        this.#config = config
      })
    } catch (error) {
      await change.abandon()
      failed(error)
    }
    this.#sources = loaded.sources
    this.#hasCorefile = loaded.text !== undefined
    const stopping = change.commit(true)
    await stopping.stop()
    // Old engines still answer what they had taken; their records go when they have.
    void old.then(() => stopping.removeRecords())
  }
}

/** Reason of a reload that is done even if nothing changed: sources read their files again. */
export const SIGNAL = 'SIGUSR1'

function isBlank(text: string): boolean {
  return text.replaceAll(/#.*$/gm, '').trim() === ''
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
