/**
 * A worker: the data plane of one process. It does what the primary tells it (`messages/protocol.ts`), and answers
 * queries in between.
 *
 *   Link ─► Worker ─► Listeners ─► UdpSocket, TcpServer ─► GuardedHandler ─► Engine
 *              └────► ZoneInbox ─► ZoneStore ────────────────────────────────┘
 *
 * The sockets open last, when the records are there and the pool serves: from the moment they are bound, the kernel gives
 * them their share of the clients. Only where nobody serves yet they don't wait for the pool.
 */

import { flushCompileCache } from 'node:module'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { ServerConfig } from '../corefile/server-config.ts'
import { FigureLedger, type Figures, figuresOf } from '../messages/figures.ts'
import type { Link } from '../messages/link.ts'
import { type FromWorker, HOLD_MS_MAX, type Told, type ToWorker, type WorkerSettings } from '../messages/protocol.ts'
import { createLogger, setDebug } from '../observe/log.ts'
import { Registry } from '../observe/prom-client.ts'
import type { ZoneStore } from '../zone/zone-store.ts'
import type { CreateEngine, Engine } from './engine.ts'
import { FaultLog, GuardedHandler } from './guarded-handler.ts'
import { putHelpersBehind } from './helper-threads.ts'
import { type ListenerChange, Listeners } from './listeners.ts'
import { chooseUdpTransport } from './udp-choice.ts'
import type { UdpTransport } from './udp-transport.ts'
import { registerWorkerMetrics } from './worker-metrics.ts'
import { ZoneInbox } from './zone-inbox.ts'

/** Systems whose kernel spreads load over sockets of one address. Elsewhere the processes share node:cluster's handles. */
export const REUSE_PORT = ['linux', 'freebsd', 'dragonfly', 'sunos', 'aix'].includes(process.platform)
/** How long an engine that was replaced may take to answer what it had taken. CoreDNS: 5 s. */
const OLD_ENGINE_MS_MAX = 5000
/** Figures of an engine that doesn't give them are those of the last scrape. */
const FIGURES_MS_MAX = 2000

export interface WorkerParts {
  readonly link: Link<FromWorker, ToWorker>
  readonly createEngine: CreateEngine
  readonly store: ZoneStore
  /** The worker is done: code 0 after a drain, 1 when it could not start. */
  readonly onEnd: (code: number) => void
}

/** Starts to listen to the primary. What happens then is the primary's doing. */
export function startWorker(parts: WorkerParts): void {
  putHelpersBehind()
  new Worker(parts)
}

interface Serving {
  readonly engine: Engine
  readonly guard: GuardedHandler
}

interface Prepared extends Serving {
  readonly config: ServerConfig
  readonly change: ListenerChange
}

class Worker {
  readonly #parts: WorkerParts
  readonly #link: Link<FromWorker, ToWorker>
  readonly #inbox: ZoneInbox
  readonly #ledger = new FigureLedger<Engine>()
  readonly #faults = new FaultLog(createLogger())
  #settings: WorkerSettings | undefined
  #config: ServerConfig | undefined
  #transport: UdpTransport | undefined
  #listeners: Listeners | undefined
  #registry: Registry | undefined
  #serving: Serving | undefined
  #configured: Promise<boolean> | undefined
  #prepared: Prepared | undefined
  #preparing: { readonly generation: number; abandoned: boolean } | undefined
  #heldRound = 0
  #holdTimer: NodeJS.Timeout | undefined
  #draining = false

  constructor(parts: WorkerParts) {
    this.#parts = parts
    this.#link = parts.link
    this.#inbox = new ZoneInbox(parts.store)
    this.#link.onMessage((message) => this.#onMessage(message))
    this.#link.send({ kind: 'hello' })
  }

  #onMessage(message: ToWorker): void {
    switch (message.kind) {
      case 'configure':
        this.#configured = this.#configure(message.settings, message.config, message.told)
        break
      case 'open':
        this.#inbox.after(() => void this.#openListeners(message.early))
        break
      case 'zone': {
        const { sequence, changes, round } = message
        this.#inbox.put(changes, round !== undefined, () => {
          if (round !== undefined) this.#release(round)
          this.#link.send({ kind: 'applied', sequence })
        })
        break
      }
      case 'hold':
        this.#inbox.after(() => this.#hold(message.round))
        break
      case 'release':
        this.#inbox.after(() => this.#release(message.round))
        break
      case 'prepare':
        void this.#prepare(message.config, message.told)
        break
      case 'commit':
        this.#inbox.after(() => this.#commit(message.generation, message.round))
        break
      case 'rollback':
        void this.#rollback(message.generation)
        break
      case 'tell':
        this.#serving?.engine.tell(message.sourceId, message.data)
        this.#prepared?.engine.tell(message.sourceId, message.data)
        break
      case 'ping':
        this.#link.send({ kind: 'pong' })
        break
      case 'scrape':
        void this.#scrape(message.scrape)
        break
      case 'drain':
        void this.#drain(message.graceMs)
        break
    }
  }

  async #configure(settings: WorkerSettings, config: ServerConfig, told: Told): Promise<boolean> {
    this.#settings = settings
    this.#config = config
    try {
      // Process-wide, for what the process says about itself must outlive every engine.
      const registry = new Registry()
      this.#registry = registry
      const [transport, serving] = await Promise.all([
        chooseUdpTransport(settings.udp),
        this.#createEngine(config, told, undefined),
      ])
      this.#transport = transport
      this.#serving = serving
      const { processes, threadsLast } = settings
      if (!threadsLast) serving.engine.open().catch(() => {})
      this.#listeners = new Listeners({ transport, reusePort: REUSE_PORT, processes })
      registerWorkerMetrics(registry, { listeners: this.#listeners, transport, faults: this.#faults })
      applyDebug(config)
      return true
    } catch (error) {
      this.#fail('configure', error)
      return false
    }
  }

  async #openListeners(early: boolean): Promise<void> {
    if (!(await this.#configured)) return
    try {
      const { engine, guard } = this.#serving!
      if (!early) await engine.open()
      const change = await this.#listeners!.prepare(this.#config!, guard)
      change.commit()
      // Who has waited for the sockets is answered before threads take the time.
      await nextTurn()
      await engine.open()
      const { name: transport, reason } = this.#transport!
      this.#link.send({ kind: 'serving', transport, reason })
      // A process that is killed leaves it to the next one too, which starts 150 ms sooner with it.
      flushCompileCache()
    } catch (error) {
      this.#fail('open', error)
    }
  }

  async #createEngine(config: ServerConfig, told: Told, previous: Engine | undefined): Promise<Serving> {
    const engine = await this.#parts.createEngine({
      config,
      store: this.#parts.store,
      registry: this.#registry!,
      threads: this.#settings!.threads,
      ffi: this.#settings!.udp !== 'dgram',
      onReport: (sourceId, data) => this.#link.send({ kind: 'report', sourceId, data }),
      previous,
    })
    for (const [sourceId, data] of told) engine.tell(sourceId, data)
    return { engine, guard: new GuardedHandler(engine, this.#faults) }
  }

  async #prepare(config: ServerConfig, told: Told): Promise<void> {
    const { generation } = config
    const preparing = { generation, abandoned: false }
    this.#preparing = preparing
    let serving: Serving | undefined
    try {
      serving = await this.#createEngine(config, told, this.#serving!.engine)
      await serving.engine.open()
      const change = await this.#listeners!.prepare(config, serving.guard)
      const prepared: Prepared = { ...serving, config, change }
      if (preparing.abandoned) await discard(prepared)
      else {
        this.#prepared = prepared
        this.#link.send({ kind: 'prepared', generation })
      }
    } catch (error) {
      await serving?.engine.close(0)
      this.#link.send({ kind: 'prepared', generation, error: textOf(error) })
    }
  }

  async #rollback(generation: number): Promise<void> {
    if (this.#preparing?.generation === generation) this.#preparing.abandoned = true
    const prepared = this.#prepared
    if (prepared?.config.generation !== generation) return
    this.#prepared = undefined
    await discard(prepared)
  }

  #commit(generation: number, round: number): void {
    const prepared = this.#prepared
    if (prepared === undefined || prepared.config.generation !== generation) return
    this.#prepared = undefined
    this.#preparing = undefined
    const old = this.#serving!
    this.#serving = { engine: prepared.engine, guard: prepared.guard }
    this.#config = prepared.config
    prepared.change.commit()
    applyDebug(prepared.config)
    this.#release(round)
    // What the old engine's pool answered during the hold may leave now too.
    old.engine.release()
    this.#link.send({ kind: 'committed', generation })
    void this.#retire(old.engine, prepared.change, generation)
  }

  async #retire(engine: Engine, change: ListenerChange, generation: number): Promise<void> {
    this.#ledger.note(engine, await figuresWithin(engine))
    await engine.close(OLD_ENGINE_MS_MAX)
    await this.#ledger.retire(engine)
    await change.finish()
    this.#link.send({ kind: 'retired', generation })
  }

  #hold(round: number): void {
    this.#heldRound = round
    this.#listeners?.hold()
    this.#serving?.engine.hold()
    clearTimeout(this.#holdTimer)
    this.#holdTimer = setTimeout(() => this.#release(round), HOLD_MS_MAX)
    this.#link.send({ kind: 'held', round })
  }

  #release(round: number): void {
    if (this.#heldRound !== round || round === 0) return
    this.#heldRound = 0
    clearTimeout(this.#holdTimer)
    this.#serving?.engine.release()
    this.#listeners?.release()
  }

  async #scrape(scrape: number): Promise<void> {
    const engine = this.#serving?.engine
    if (engine !== undefined) {
      const figures = await figuresWithin(engine)
      // Meanwhile it may have been replaced: `#retire` has newer ones.
      if (figures.length > 0 && this.#serving?.engine === engine) this.#ledger.note(engine, figures)
    }
    const own = this.#registry === undefined ? [] : [await figuresOf(this.#registry)]
    this.#link.send({ kind: 'figures', scrape, figures: [...own, ...(await this.#ledger.all())] })
  }

  async #drain(graceMs: number): Promise<void> {
    if (this.#draining) return
    this.#draining = true
    await this.#listeners?.stop()
    await this.#serving?.engine.close(graceMs)
    await this.#listeners?.close()
    this.#link.send({ kind: 'drained' })
    this.#parts.onEnd(0)
  }

  #fail(during: 'configure' | 'open', error: unknown): void {
    this.#link.send({ kind: 'failed', during, text: textOf(error) })
    this.#parts.onEnd(1)
  }
}

async function discard({ engine, change }: Prepared): Promise<void> {
  await change.abandon()
  await engine.close(0)
}

/** `[DEBUG]` lines are written while some block has the `debug` plugin. */
function applyDebug(config: ServerConfig): void {
  setDebug(config.blocks.some(({ debug }) => debug))
}

async function figuresWithin(engine: Engine): Promise<readonly Figures[]> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<readonly Figures[]>((resolve) => {
    timer = setTimeout(() => resolve([]), FIGURES_MS_MAX)
  })
  try {
    return await Promise.race([engine.figures(), late])
  } catch {
    return []
  } finally {
    clearTimeout(timer)
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
