/** The event loop's end of the channel to its pool threads: figures, and messages between a plugin's primary part and its handlers. */
import { BroadcastChannel } from 'node:worker_threads'
import { FigureLedger, type Figures } from '../messages/figures.ts'
import type { ChannelMessage } from '../pool/pool-data.ts'

/** Milliseconds a thread may take to give its figures; of one that is stuck the last ones count. */
const SCRAPE_MS_MAX = 500

export class PoolChannel {
  readonly #channel: BroadcastChannel & { unref(): void }
  readonly #ledger = new FigureLedger<number>()
  /** By thread, the instance that gave figures last. */
  readonly #instances: number[] = []
  readonly #told = new Map<number, unknown>()
  readonly #scrapes = new Map<number, () => void>()
  #scrapeCount = 0

  constructor(name: string, onReport: (sourceId: number, data: unknown) => void) {
    this.#channel = new BroadcastChannel(name) as BroadcastChannel & { unref(): void }
    this.#channel.onmessage = (event: unknown) => {
      const { data: message } = event as { readonly data: ChannelMessage }
      if (message.kind === 'report') onReport(message.sourceId, message.data)
      else if (message.kind === 'hello') {
        for (const [sourceId, data] of this.#told) this.#post({ kind: 'told', sourceId, data, to: message.instance })
      } else if (message.kind === 'metrics') {
        this.#instances[message.thread] = message.instance
        this.#ledger.note(message.instance, [message.figures])
        this.#scrapes.get(message.scrape)?.()
      }
    }
    this.#channel.unref()
  }

  /** prom-client figures of all threads, dead ones' counters included. */
  async figures(threads: number): Promise<readonly Figures[]> {
    const scrape = ++this.#scrapeCount
    await new Promise<void>((resolve) => {
      let missing = threads
      const timer = setTimeout(resolve, SCRAPE_MS_MAX)
      this.#scrapes.set(scrape, () => {
        if (--missing > 0) return
        clearTimeout(timer)
        resolve()
      })
      this.#post({ kind: 'scrape', scrape })
    })
    this.#scrapes.delete(scrape)
    return this.#ledger.all()
  }

  /** The thread is dead; another instance takes its number. */
  threadDied(thread: number): void {
    const instance = this.#instances[thread]
    if (instance !== undefined) void this.#ledger.retire(instance)
  }

  /** To the handlers of one plugin instance, in every thread; those that start later hear the last of it. */
  tell(sourceId: number, data: unknown): void {
    this.#told.set(sourceId, data)
    this.#post({ kind: 'told', sourceId, data })
  }

  /** What the threads sent before they ended is delivered first. */
  async close(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve))
    this.#channel.close()
  }

  #post(message: ChannelMessage): void {
    this.#channel.postMessage(message)
  }
}
