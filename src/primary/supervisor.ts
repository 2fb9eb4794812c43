/**
 * Keeps N workers serving: starts them, watches their heartbeat, replaces those that die, and holds back when they die
 * again and again.
 *
 *   slot ──► incarnation ──► incarnation ──► …      a WorkerHandle each
 *
 * A worker that dies is replaced at once. One that dies before it served, or soon after, was not killed from outside but
 * can't live: from the third such death in a row on, its slot waits before it starts another, longer each time, and the
 * server says that it isn't ready.
 */
import type { ServerConfig } from '../corefile/server-config.ts'
import { FigureLedger, type Figures } from '../messages/figures.ts'
import type { FromWorker, Told, WorkerSettings } from '../messages/protocol.ts'
import type { Logger } from '../observe/logger.ts'
import { within } from './within.ts'
import type { StartWorker } from './worker-entries.ts'
import { WorkerHandle } from './worker-handle.ts'
import type { ZoneLine } from './zone-line.ts'

export interface SupervisorLimits {
  readonly heartbeatMs: number
  /** Heartbeats without an answer after which a worker that serves is killed: its share of the clients is without service. */
  readonly silentTicksMax: number
  /** From one message of a process that starts to the next: a large configuration on a busy machine takes its time. */
  readonly startSilenceMsMax: number
  /** A worker that ends sooner than this after it began to serve counts as one that can't live, unless it was killed. */
  readonly quickDeathMs: number
  /** Deaths of that kind in a row that are taken for accidents. */
  readonly quickDeathsMax: number
  readonly backoffMs: number
  readonly backoffMsMax: number
  /** For figures; a worker that takes longer keeps its last ones. */
  readonly scrapeMsMax: number
}

export const SUPERVISOR_LIMITS: SupervisorLimits = {
  heartbeatMs: 500,
  silentTicksMax: 6,
  startSilenceMsMax: 30_000,
  quickDeathMs: 1000,
  quickDeathsMax: 2,
  backoffMs: 100,
  backoffMsMax: 5000,
  scrapeMsMax: 2000,
}

/** What new workers are given. */
export interface Current {
  readonly config: ServerConfig
  readonly told: Told
}

export interface SupervisorOptions {
  readonly settings: WorkerSettings
  readonly startWorker: StartWorker
  /** Undefined in one-process mode: the worker has the primary's store. */
  readonly line: ZoneLine | undefined
  readonly current: () => Current
  readonly onReport: (sourceId: number, data: unknown) => void
  readonly log: Logger
  readonly limits?: Partial<SupervisorLimits>
}

interface Slot {
  worker: WorkerHandle | undefined
  quickDeaths: number
  /** It was started again after a death; undefined: it has never served. */
  hasServed: boolean
}

/** How long a swap waits for workers that are just starting. */
const SETTLE_MS_MAX = 5000
/** What the worker needs beyond its grace time to say that it has drained. */
const DRAIN_MS_EXTRA = 1000

export class Supervisor {
  restarts = 0
  watchdogKills = 0
  readonly ledger = new FigureLedger<WorkerHandle>()
  readonly #options: SupervisorOptions
  readonly #limits: SupervisorLimits
  readonly #slots: Slot[] = []
  #timer: NodeJS.Timeout | undefined
  #scrapes = 0
  /** Sockets may be opened: the sources have loaded. */
  #isOpen = false
  #isStopping = false
  /** Workers that come meanwhile are configured when it settles. */
  #swap: Promise<unknown> = Promise.resolve()
  #onProgress: (() => void)[] = []
  #onStartFailure: ((error: Error) => void) | undefined
  #transport: { readonly transport: string; readonly reason: string } | undefined

  constructor(options: SupervisorOptions) {
    this.#options = options
    this.#limits = { ...SUPERVISOR_LIMITS, ...options.limits }
  }

  /** Starts the processes; they get ready to serve, but open no socket yet. */
  start(): void {
    for (let slot = 0; slot < this.#options.settings.processes; slot++) {
      this.#slots.push({ worker: undefined, quickDeaths: 0, hasServed: false })
      this.#startIn(slot)
    }
    this.#timer = setInterval(() => this.#tick(), this.#limits.heartbeatMs)
    this.#timer.unref()
  }

  /**
   * Rejects when a worker ends or can't serve before all serve for the first time; never resolves. To be raced against
   * what the start waits for.
   */
  startFailure(): Promise<never> {
    return new Promise((_, reject) => {
      this.#onStartFailure = reject
    })
  }

  /** Lets all workers open their sockets. Resolves with the UDP transport in use when all serve. */
  async open(): Promise<{ readonly transport: string; readonly reason: string }> {
    this.#isOpen = true
    for (const { worker } of this.#slots) if (worker !== undefined && this.#isFed.has(worker)) this.#letOpen(worker)
    await this.#until(() => this.#slots.every(({ worker }) => worker?.phase === 'serving'))
    this.#onStartFailure = undefined
    return this.#transport!
  }

  /** Workers that serve now. */
  serving(): WorkerHandle[] {
    return this.#slots.flatMap(({ worker }) => (worker?.phase === 'serving' ? [worker] : []))
  }

  get isCrashLooping(): boolean {
    return this.#slots.some(({ quickDeaths }) => quickDeaths > this.#limits.quickDeathsMax)
  }

  /**
   * Runs a swap of the configuration over all workers that serve. Workers that start meanwhile wait for its end, and then
   * get what `current` gives.
   */
  async swap(run: (workers: readonly WorkerHandle[]) => Promise<void>): Promise<void> {
    await within(
      SETTLE_MS_MAX,
      this.#until(() => this.#slots.every(({ worker }) => worker?.phase !== 'starting')),
    )
    const running = run(this.serving())
    this.#swap = running.catch(() => {})
    await running
    const { generation } = this.#options.current().config
    for (const { worker } of this.#slots) {
      // It was configured before the swap and came too late for it.
      if (worker !== undefined && worker.phase === 'starting' && worker.generation !== generation) worker.kill()
    }
  }

  /** A plugin's primary part has something for its handlers. */
  tell(sourceId: number, data: unknown): void {
    for (const { worker } of this.#slots) worker?.send({ kind: 'tell', sourceId, data })
  }

  /** The newest figures of all workers, those that are gone included. */
  async scrape(): Promise<readonly Figures[]> {
    const scrape = ++this.#scrapes
    const answering = this.#slots.flatMap(({ worker }) => {
      const isAnswering = worker?.phase === 'serving' || (worker?.phase === 'starting' && worker.opensEarly)
      return isAnswering ? [worker] : []
    })
    const asked = answering.map(async (worker) => {
      const answer = worker.expect(`figures ${scrape}`)
      worker.send({ kind: 'scrape', scrape })
      const message = await answer
      if (message?.kind === 'figures' && worker.phase !== 'gone') this.ledger.note(worker, message.figures)
    })
    await within(this.#limits.scrapeMsMax, Promise.all(asked))
    return this.ledger.all()
  }

  /** The workers read no more, answer what is in flight within the grace time, and end. False when one did not say so. */
  async drain(graceMs: number): Promise<boolean> {
    this.#isStopping = true
    const drained = this.#slots.map(async ({ worker }) => {
      if (worker === undefined || worker.phase !== 'serving') return
      const answer = worker.expect('drained')
      worker.send({ kind: 'drain', graceMs })
      await answer
      worker.close()
    })
    return within(graceMs + DRAIN_MS_EXTRA, Promise.all(drained))
  }

  /** No worker is replaced any more. */
  stop(): void {
    this.#isStopping = true
    clearInterval(this.#timer)
  }

  /** Workers that have been given their records, or are on the way to them. */
  readonly #isFed = new WeakSet<WorkerHandle>()

  #startIn(slot: number): void {
    const started = this.#options.startWorker(slot)
    const worker = new WorkerHandle(slot, started.pid, started.link, () => started.kill())
    this.#slots[slot]!.worker = worker
    started.link.onMessage((message) => this.#onMessage(worker, message))
    started.onEnd((why) => this.#onEnd(worker, why))
  }

  #onMessage(worker: WorkerHandle, message: FromWorker): void {
    if (worker.phase === 'gone') return
    worker.silentTicks = 0
    switch (message.kind) {
      case 'hello':
        worker.phase = 'starting'
        void this.#configure(worker)
        break
      case 'serving':
        worker.phase = 'serving'
        worker.servingAtMs = performance.now()
        this.#slots[worker.slot]!.hasServed = true
        this.#transport = message
        this.#progress()
        break
      case 'failed':
        this.#failed(worker, message.text)
        break
      case 'report':
        this.#options.onReport(message.sourceId, message.data)
        break
      default:
        worker.settle(message)
    }
  }

  async #configure(worker: WorkerHandle): Promise<void> {
    await this.#swap
    const { settings, line, current } = this.#options
    const { config, told } = current()
    worker.generation = config.generation
    worker.send({ kind: 'configure', settings, config, told })
    try {
      await line?.attach(worker)
    } catch (error) {
      this.#options.log.error(`worker process ${worker.pid} could not be given the records: ${error}`)
      worker.kill()
      return
    }
    this.#isFed.add(worker)
    if (this.#isOpen) this.#letOpen(worker)
  }

  #letOpen(worker: WorkerHandle): void {
    // A worker that takes another one's place takes clients only when it can answer them all.
    worker.opensEarly = this.#onStartFailure !== undefined
    worker.send({ kind: 'open', early: worker.opensEarly })
  }

  #failed(worker: WorkerHandle, text: string): void {
    if (this.#onStartFailure !== undefined) {
      this.#onStartFailure(new Error(text))
      return
    }
    this.#options.log.error(`worker process ${worker.pid} can't serve: ${text}`)
    worker.close()
  }

  #onEnd(worker: WorkerHandle, why: string): void {
    if (worker.phase === 'gone') return
    const servedMs = performance.now() - worker.servingAtMs
    worker.bury()
    this.#options.line?.detach(worker)
    void this.ledger.retire(worker)
    const slot = this.#slots[worker.slot]!
    slot.worker = undefined
    this.#progress()
    if (this.#isStopping) return
    if (this.#onStartFailure !== undefined) {
      this.#onStartFailure(new Error(`worker process ${worker.pid} ended before it served: ${why}`))
      return
    }
    // Who was killed did not die of itself; but who was killed before it served may have been so by the watchdog.
    const isQuick = !(servedMs >= 0) || (servedMs < this.#limits.quickDeathMs && why !== 'signal SIGKILL')
    slot.quickDeaths = isQuick ? slot.quickDeaths + 1 : 0
    this.restarts++
    const delayMs = this.#backoff(slot.quickDeaths)
    const when = delayMs === 0 ? 'and is replaced' : `again soon after its start, the next one starts in ${delayMs} ms`
    this.#options.log.warning(`worker process ${worker.pid} ended (${why}) ${when}`)
    if (delayMs === 0) this.#startIn(worker.slot)
    else setTimeout(() => this.#startAfterBackoff(worker.slot), delayMs)
  }

  #startAfterBackoff(slot: number): void {
    if (!this.#isStopping) this.#startIn(slot)
  }

  #backoff(quickDeaths: number): number {
    const { quickDeathsMax, backoffMs, backoffMsMax } = this.#limits
    if (quickDeaths <= quickDeathsMax) return 0
    return Math.min(backoffMsMax, backoffMs * 2 ** Math.min(20, quickDeaths - quickDeathsMax - 1))
  }

  #tick(): void {
    const now = performance.now()
    const { heartbeatMs, silentTicksMax, startSilenceMsMax, quickDeathMs } = this.#limits
    for (const slot of this.#slots) {
      const { worker } = slot
      if (worker === undefined || worker.pid === undefined) continue
      if (now - worker.servingAtMs > quickDeathMs) slot.quickDeaths = 0
      if (worker.phase === 'booting') {
        if (now - worker.startedAtMs > startSilenceMsMax)
          this.#killSilent(worker, `said nothing for ${startSilenceMsMax} ms`)
        continue
      }
      // Ticks are counted, not time: after a pause of the whole machine, or of this process, nobody is late.
      const ticksMax = worker.phase === 'serving' ? silentTicksMax : Math.ceil(startSilenceMsMax / heartbeatMs)
      if (worker.silentTicks >= ticksMax) {
        this.#killSilent(worker, `missed ${ticksMax} heartbeats`)
        continue
      }
      worker.silentTicks++
      worker.send({ kind: 'ping' })
    }
  }

  #killSilent(worker: WorkerHandle, why: string): void {
    this.watchdogKills++
    this.#options.log.error(`worker process ${worker.pid} ${why} and is killed`)
    worker.kill()
  }

  async #until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#onProgress.push(resolve))
  }

  #progress(): void {
    for (const resolve of this.#onProgress.splice(0)) resolve()
  }
}
