/** What a pool thread is started with. Plain data and shared memory; survives a structured clone. */
import type { CacheSetHandle } from '../cache/cache-set.ts'
import type { ServerConfig } from '../corefile/server-config.ts'
import type { Figures } from '../messages/figures.ts'

export interface PoolData {
  readonly config: ServerConfig
  /** `messages/slots.ts` */
  readonly slots: SharedArrayBuffer
  /** `zone/zone-store.ts` */
  readonly store: SharedArrayBuffer
  /** For internal look-ups. */
  readonly caches: CacheSetHandle
  /** This configuration's first number among those that threads have in the caches; the thread's own is added. */
  readonly cacheThreadBase: number
  readonly hashSeed: number
  /** Name of the BroadcastChannel between the event loop and its pool threads (`ChannelMessage`). */
  readonly channel: string
  readonly debug: boolean
}

/** The task of one thread: it runs until the pool closes. */
export interface ServeTask {
  readonly thread: number
}

/**
 * What goes over the channel, either way. `thread` is the task's number, `instance` another one for each thread that
 * ever had it.
 */
export type ChannelMessage =
  /** Thread: it serves; it wants to hear what the primary parts told last. */
  | { readonly kind: 'hello'; readonly instance: number }
  /** Event loop: every thread answers with its metrics. */
  | { readonly kind: 'scrape'; readonly scrape: number }
  | {
      readonly kind: 'metrics'
      readonly scrape: number
      readonly thread: number
      readonly instance: number
      readonly figures: Figures
    }
  /** Event loop: a primary part told its handlers something (`PrimaryContext.tell`). `to`: one instance only. */
  | { readonly kind: 'told'; readonly sourceId: number; readonly data: unknown; readonly to?: number }
  /** Thread: a handler reports to its primary part (`HandlerContext.report`). */
  | { readonly kind: 'report'; readonly sourceId: number; readonly data: unknown }
