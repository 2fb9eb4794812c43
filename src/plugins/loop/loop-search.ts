/**
 * The search for a loop: the primary asks its own first listener for a name that nobody can know, and counts how often
 * the handlers see it come by.
 *
 *   start ─► probe ──answered──► 2 s more ─► off
 *    ▲         │ no answer: again, for 30 s
 *    │         ▼ seen more than twice
 *    │       confirm: another name     one name alone could be replayed by whoever saw it
 *    │         ▼ seen more than twice
 *    │       loop: exit, or degrade: forwarding off, and a probe now and then
 *    └───────────────┘ a probe that came by once: the loop is gone
 */
import { randomBytes } from 'node:crypto'
import dgram from 'node:dgram'
import type { PrimaryContext, PrimaryPart } from '../../chain/plugin.ts'
import { zonesOfBlock } from '../../corefile/served-zones.ts'
import type { Logger } from '../../observe/logger.ts'
import { sharedGauge } from '../../observe/shared-metric.ts'
import { textToName } from '../../wire/name.ts'
import { addressAndPort } from '../forward/upstream/upstream-address.ts'
import type { LoopOptions } from './index.ts'
import type { LoopState, ProbeSeen } from './messages.ts'

/** A probe that comes by more often than this goes round in a circle. CoreDNS's number. */
const SEEN_MAX = 2
/** Time that all pool threads get to learn a probe's name before it is asked for. */
const TELL_MS = 50
const ANSWER_TIMEOUT_MS = 2000
const RETRY_MS = 1000
/** The server may take this long to answer its first query. */
const SEARCH_MS = 30_000
/** A probe's name stays watched after its answer: slower ways round exist. */
const LINGER_MS = 2000
/** While forwarding is off, the loop is looked for this often. */
const RECHECK_MS = 10_000
const TYPE_HINFO = 13

export class LoopSearch implements PrimaryPart {
  readonly #options: LoopOptions
  readonly #log: Logger
  readonly #tell: (state: LoopState) => void
  readonly #fatal: (text: string) => void
  /** `:53`: as log lines show it. Undefined: nothing to ask over plain DNS. */
  readonly #listener: { readonly shown: string; readonly host: string; readonly port: number } | undefined
  readonly #setGauge: (looped: boolean) => void
  #probe: string | undefined
  #seen = 0
  #confirming = false
  #looped = false
  #stopped = false
  #run = 0
  #timer: NodeJS.Timeout | undefined
  #wake: (() => void) | undefined
  #socket: dgram.Socket | undefined

  constructor(options: LoopOptions, context: PrimaryContext) {
    this.#options = options
    this.#log = context.log
    this.#tell = (state) => context.tell(state)
    this.#fatal = (text) => context.server.fatal(text)
    const served = zonesOfBlock(context.server.listeners, context.block.id)
    const listener = served.find(({ listener: { transport } }) => transport === 'dns')?.listener
    this.#listener =
      listener === undefined
        ? undefined
        : {
            shown: addressAndPort({ host: listener.address, port: listener.port }),
            host: reachable(listener.address),
            port: listener.port,
          }
    const gauge = sharedGauge(
      context.registry,
      'shoal_loop_detected',
      'Whether queries of the zone are forwarded back to this server.',
      ['zone'],
    )
    this.#setGauge = (looped) => gauge.set({ zone: options.zone }, looped ? 1 : 0)
  }

  async start(): Promise<void> {
    this.#setGauge(false)
    void this.#search()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#run++
    this.#cancel()
  }

  /** A new configuration may forward somewhere else. */
  reloaded(): void {
    if (this.#looped) void this.#recheck()
    else void this.#search()
  }

  onReport(data: unknown): void {
    const { probe, client } = data as ProbeSeen
    if (probe !== this.#probe || this.#stopped || ++this.#seen <= SEEN_MAX) return
    if (!this.#confirming) {
      this.#confirming = true
      void this.#search()
      return
    }
    this.#onLoop(client, probe)
  }

  #onLoop(client: string, probe: string): void {
    const { zone, onLoop } = this.#options
    const text =
      `Loop (${client} -> ${this.#listener?.shown}) detected for zone "${zone}", ` +
      `see https://coredns.io/plugins/loop#troubleshooting. Query: "HINFO ${probe}"`
    this.#setGauge(true)
    if (onLoop === 'exit') {
      this.#stopped = true
      this.#cancel()
      this.#fatal(`plugin/loop: ${text}`)
      return
    }
    if (!this.#looped) this.#log.error(`${text}. Forwarding is off until it is gone`)
    this.#looped = true
    this.#confirming = false
    void this.#recheck()
  }

  /** Asks until there is an answer; what the handlers see meanwhile comes through `onReport`. */
  async #search(): Promise<void> {
    const run = this.#begin()
    const untilMs = performance.now() + SEARCH_MS
    while (this.#isCurrent(run) && performance.now() < untilMs) {
      if (await this.#ask(run)) {
        await this.#sleep(LINGER_MS)
        break
      }
      await this.#sleep(RETRY_MS)
    }
    if (!this.#isCurrent(run)) return
    this.#confirming = false
    this.#setProbe(undefined)
  }

  /** While forwarding is off: a probe that is answered without coming by again and again ends that. */
  async #recheck(): Promise<void> {
    const run = this.#begin()
    for (;;) {
      this.#setProbe(undefined)
      await this.#sleep(RECHECK_MS)
      if (!this.#isCurrent(run)) return
      const answered = await this.#ask(run)
      if (!this.#isCurrent(run)) return
      if (!answered) continue
      await this.#sleep(LINGER_MS)
      if (!this.#isCurrent(run) || this.#seen > SEEN_MAX) continue
      this.#looped = false
      this.#setGauge(false)
      this.#setProbe(undefined)
      this.#log.info(`Loop for zone "${this.#options.zone}" is gone, forwarding is on again`)
      return
    }
  }

  #begin(): number {
    this.#cancel()
    return ++this.#run
  }

  #isCurrent(run: number): boolean {
    return run === this.#run && !this.#stopped
  }

  #setProbe(probe: string | undefined): void {
    this.#probe = probe
    this.#seen = 0
    this.#tell({ probe, looped: this.#looped })
  }

  /** Whether a probe with a new name was answered in time. */
  async #ask(run: number): Promise<boolean> {
    if (this.#listener === undefined) return true
    const { host, port } = this.#listener
    const labels = `${randomLabel()}.${randomLabel()}.`
    this.#setProbe(this.#options.zone === '.' ? labels : labels + this.#options.zone)
    await this.#sleep(TELL_MS)
    if (!this.#isCurrent(run)) return false
    const query = composeProbe(this.#probe!)
    return new Promise<boolean>((resolve) => {
      const socket = dgram.createSocket(host.includes(':') ? 'udp6' : 'udp4')
      this.#socket = socket
      const end = (answered: boolean): void => {
        clearTimeout(timer)
        if (this.#socket === socket) {
          this.#socket = undefined
          socket.close()
        }
        this.#wake = undefined
        resolve(answered)
      }
      const timer = setTimeout(() => end(false), ANSWER_TIMEOUT_MS)
      this.#wake = () => end(false)
      socket.on('error', () => end(false))
      socket.on('message', (reply) => {
        if (reply.length >= 12 && reply[0] === query[0] && reply[1] === query[1]) end(true)
      })
      socket.connect(port, host, () => socket.send(query))
    })
  }

  async #sleep(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve
      this.#timer = setTimeout(resolve, ms)
      this.#timer.unref()
    })
    this.#wake = undefined
  }

  #cancel(): void {
    clearTimeout(this.#timer)
    this.#wake?.()
    this.#wake = undefined
  }
}

/** 62 bits in decimal, as CoreDNS makes them. */
function randomLabel(): string {
  return (randomBytes(8).readBigUInt64BE() >> 2n).toString()
}

function composeProbe(probe: string): Uint8Array {
  const name = textToName(probe)
  const query = new Uint8Array(12 + name.length + 4)
  query.set(randomBytes(2))
  query[2] = 1
  query[5] = 1
  query.set(name, 12)
  query[query.length - 3] = TYPE_HINFO
  query[query.length - 1] = 1
  return query
}

/** An address at which a socket bound to `address` is reached from this machine. */
function reachable(address: string): string {
  if (address === '' || address === '0.0.0.0') return '127.0.0.1'
  return address === '::' ? '::1' : address
}
