/**
 * What answers queries, as the worker sees it: made for one configuration, swapped under the open sockets at a reload.
 * `front.ts` builds it; tests put others in its place.
 */

import type { ServerConfig } from '../corefile/server-config.ts'
import type { Figures } from '../messages/figures.ts'
import type { Registry } from '../observe/prom-client.ts'
import type { ZoneStore } from '../zone/zone-store.ts'
import type { QueryHandler } from './query-handler.ts'

export interface Engine extends QueryHandler {
  /** Sets its threads to work, once. Resolves when they serve, rejects when a plugin can't be opened there; until then queries wait that need them. */
  open(): Promise<void>
  /** A plugin's primary part told its handlers something; threads that start later hear the last of it too. */
  tell(sourceId: number, data: unknown): void
  /** Metrics of all pool threads, threads that died included. */
  figures(): Promise<readonly Figures[]>
  /** No reply leaves until `release`: what the pool answered waits, and what `handle` is given is not expected. */
  hold(): void
  /** Replies made from records that changed meanwhile are made anew. */
  release(): void
  /** Takes no more queries, answers those in flight within `graceMs`, ends its threads. Never rejects. */
  close(graceMs: number): Promise<void>
}

export interface EngineOptions {
  readonly config: ServerConfig
  readonly store: ZoneStore
  /** Of the process, whatever it is configured for: what the event loop counts goes here. */
  readonly registry: Registry
  /** Pool threads. */
  readonly threads: number
  /** Whether pool threads may use node:ffi; `-udp dgram` says no. */
  readonly ffi: boolean
  /** A plugin's handler reports to its primary part. */
  readonly onReport: (sourceId: number, data: unknown) => void
  /** The engine that serves until this one takes its place: caches of unchanged blocks can be taken over. */
  readonly previous: Engine | undefined
}

/** Resolves when the event loop could serve; rejects with what keeps it from that. */
export type CreateEngine = (options: EngineOptions) => Promise<Engine>
