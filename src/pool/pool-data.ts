/** What a pool thread works with. Plain data and shared memory; survives a structured clone. */
import type { MessagePort } from 'node:worker_threads'
import type { AnswerCacheHandle } from '../cache/answer-cache.ts'
import type { BlockConfig, ServerConfig } from '../corefile/server-config.ts'
import type { Figures } from '../messages/figures.ts'

/** The configuration as a thread has it. */
export interface PoolConfig extends Omit<ServerConfig, 'blocks'> {
  /** By ID. Blocks that open late (`plugins/late-blocks.ts`) come when their first query does: `wantBlock`. */
  readonly blocks: (BlockConfig | undefined)[]
}

export interface PoolData {
  readonly config: PoolConfig
  /** `messages/slots.ts` */
  readonly slots: SharedArrayBuffer
  /** `zone/zone-store.ts` */
  readonly store: SharedArrayBuffer
  /** This configuration's first number among those that threads have in the caches; the thread's own is added. */
  readonly cacheThreadBase: number
  readonly hashSeed: number
  /** Whether handlers may use node:ffi. */
  readonly ffi: boolean
  readonly debug: boolean
}

/** The task of one thread: it runs until the pool closes. */
export interface ServeTask {
  readonly thread: number
  readonly data: PoolData
  /** To the event loop, for `ChannelMessage`s. */
  readonly channel: MessagePort
}

/** What goes over the channel between the event loop and one thread, either way. */
export type ChannelMessage =
  /** Thread: it serves; it wants to hear what the primary parts told last. */
  | { readonly kind: 'hello' }
  /** Event loop: the thread answers with its metrics. */
  | { readonly kind: 'scrape'; readonly scrape: number }
  | { readonly kind: 'metrics'; readonly scrape: number; readonly figures: Figures }
  /** Event loop: a primary part told its handlers something (`PrimaryContext.tell`). */
  | { readonly kind: 'told'; readonly sourceId: number; readonly data: unknown }
  /** Thread: a query is for a block that it hasn't got. */
  | { readonly kind: 'wantBlock'; readonly blockId: number }
  | { readonly kind: 'block'; readonly block: BlockConfig }
  /** Thread: an internal look-up needs the block's cache, which the event loop makes. */
  | { readonly kind: 'wantCache'; readonly blockId: number }
  | { readonly kind: 'cache'; readonly blockId: number; readonly handle: AnswerCacheHandle }
  /** Thread: a handler reports to its primary part (`HandlerContext.report`). */
  | { readonly kind: 'report'; readonly sourceId: number; readonly data: unknown }
