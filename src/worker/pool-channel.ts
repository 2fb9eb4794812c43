/** The event loop's end of the channels to its pool threads: figures, caches and blocks that threads ask for, and messages between a plugin's primary part and its handlers. */
import { MessageChannel, type MessagePort } from 'node:worker_threads'
import type { AnswerCacheHandle } from '../cache/answer-cache.ts'
import type { BlockConfig } from '../corefile/server-config.ts'
import { FigureLedger, type Figures } from '../messages/figures.ts'
import type { ChannelMessage } from '../pool/pool-data.ts'

/** Milliseconds a thread may take to give its figures; of one that is stuck the last ones count. */
const SCRAPE_MS_MAX = 500

export class PoolChannel {
  readonly #onReport: (sourceId: number, data: unknown) => void
  readonly #cacheOf: (blockId: number) => AnswerCacheHandle
  readonly #blockOf: (blockId: number) => BlockConfig
  /** Each thread that serves has one of its own, which dies with it. */
  readonly #ports = new Map<number, MessagePort>()
  readonly #ledger = new FigureLedger<MessagePort>()
  readonly #told = new Map<number, unknown>()
  readonly #scrapes = new Map<number, () => void>()
  #scrapeCount = 0

  /** `cacheOf`, `blockOf`: what a thread that asks for a block's cache, or for a block, is given. */
  constructor(
    onReport: (sourceId: number, data: unknown) => void,
    cacheOf: (blockId: number) => AnswerCacheHandle,
    blockOf: (blockId: number) => BlockConfig,
  ) {
    this.#onReport = onReport
    this.#cacheOf = cacheOf
    this.#blockOf = blockOf
  }

  /** The other end, for a thread that starts. */
  open(thread: number): MessagePort {
    const { port1, port2 } = new MessageChannel()
    this.#ports.set(thread, port1)
    port1.on('message', (message: ChannelMessage) => {
      if (message.kind === 'report') this.#onReport(message.sourceId, message.data)
      else if (message.kind === 'wantCache') {
        const { blockId } = message
        post(port1, { kind: 'cache', blockId, handle: this.#cacheOf(blockId) })
      } else if (message.kind === 'wantBlock') {
        post(port1, { kind: 'block', block: this.#blockOf(message.blockId) })
      } else if (message.kind === 'hello') {
        for (const [sourceId, data] of this.#told) post(port1, { kind: 'told', sourceId, data })
      } else if (message.kind === 'metrics') {
        this.#ledger.note(port1, [message.figures])
        this.#scrapes.get(message.scrape)?.()
      }
    })
    port1.unref()
    return port2
  }

  /** prom-client figures of all threads, dead ones' counters included. */
  async figures(): Promise<readonly Figures[]> {
    // Before the threads start there is nobody to ask.
    if (this.#ports.size === 0) return this.#ledger.all()
    const scrape = ++this.#scrapeCount
    await new Promise<void>((resolve) => {
      let missing = this.#ports.size
      const timer = setTimeout(resolve, SCRAPE_MS_MAX)
      this.#scrapes.set(scrape, () => {
        if (--missing > 0) return
        clearTimeout(timer)
        resolve()
      })
      for (const port of this.#ports.values()) post(port, { kind: 'scrape', scrape })
    })
    this.#scrapes.delete(scrape)
    return this.#ledger.all()
  }

  /** The thread is dead; another one takes its number. */
  threadDied(thread: number): void {
    const port = this.#ports.get(thread)
    if (port === undefined) return
    void this.#ledger.retire(port)
    port.close()
    this.#ports.delete(thread)
  }

  /** To the handlers of one plugin instance, in every thread; those that start later hear the last of it. */
  tell(sourceId: number, data: unknown): void {
    this.#told.set(sourceId, data)
    for (const port of this.#ports.values()) post(port, { kind: 'told', sourceId, data })
  }

  /** What the threads sent before they ended is delivered first. */
  async close(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve))
    for (const port of this.#ports.values()) port.close()
    this.#ports.clear()
  }
}

function post(port: MessagePort, message: ChannelMessage): void {
  port.postMessage(message)
}
