/**
 * The plugin contract. A plugin is one module that exports `plugin: Plugin`; built-in and npm plugins are the same.
 * Its parts run in different places, so a plugin is split by where it runs, and a part that a process does not need is
 * imported there only when asked for (`handle: async (o, c) => (await import('./handler.ts')).openForward(o, c)`).
 *
 *   parse     primary           options from the Corefile; pure, throws CorefileError
 *   primary   primary           sources of records, HTTP endpoints, watchers: whatever is once per machine
 *   handle    pool thread       answers one query, or passes it on
 *   front     worker, event loop  gate, observe and finish run for every query, hits and misses alike
 */

import type { Directive } from '../corefile/directive.ts'
import type { CheckContext, ParseContext, Problem } from '../corefile/parse-context.ts'
import type { BlockConfig, ListenerConfig } from '../corefile/server-config.ts'
import type { Logger } from '../observe/logger.ts'
import type { Registry } from '../observe/prom-client.ts'
import type { ParsedQuery } from '../wire/parsed-query.ts'
import type { ZonePublisher } from '../zone/zone-change.ts'
import type { ZoneStore } from '../zone/zone-store.ts'
import type { Query } from './query.ts'
import type { Reply } from './reply.ts'

export type { CheckContext, ParseContext, Problem }

export interface Plugin<O = unknown> {
  readonly name: string
  /**
   * Turns all uses of this plugin in one block, in the order written, into options: plain data (structured clone).
   * No side effects besides reading files that the options name. Throws CorefileError. Blocks that say the same may share
   * what was made of it, if `parse` has asked `context` for nothing.
   */
  parse(directives: readonly Directive[], context: ParseContext): O
  /**
   * Completes the options with what has to be asked for (host names of upstreams). Primary, at start and at reload, before
   * anything is opened; `shoal check` leaves it out. Plain data again. Rejects with a CorefileError.
   */
  prepare?(options: O): Promise<O>
  /**
   * What `shoal check` says beyond `parse`: looks at all that the options name (zone files) and tells every problem, not
   * only the first. Only reads. May yield as it goes, for files that take long.
   */
  check?(options: O, context: CheckContext): AsyncIterable<Problem> | Promise<readonly Problem[]>
  /** Undefined where these options leave nothing to do. */
  primary?(options: O, context: PrimaryContext): PrimaryPart | undefined | Promise<PrimaryPart | undefined>
  handle?(options: O, context: HandlerContext): Handler | Promise<Handler>
  front?(options: O, context: FrontContext): FrontPart | Promise<FrontPart>
  /**
   * Opening `handle` and `front` with these options is nothing that anybody but a query could notice: it starts nothing,
   * hears of nothing that is told, can't fail, and once it was done for one block it takes no promise for another. For blocks of such plugins
   * alone it may be put off until a first query comes. Absent: no.
   */
  opensLate?(options: O): boolean
}

export interface PrimaryContext {
  readonly sourceId: number
  readonly block: BlockConfig
  readonly log: Logger
  /** prom-client registry of the primary; metrics of a part that stops are kept, so that counters never go back. */
  readonly registry: Registry
  /** Publishes records to every worker: `publisher.zone('example.org.').replace(...)`. */
  readonly publisher: ZonePublisher
  /** What the whole server offers to plugins that serve or steer it. */
  readonly server: ServerControl
  /**
   * Tells this plugin's handlers in all pool threads something (plain data). Threads that start later are told the last
   * thing that was told.
   */
  tell(data: unknown): void
}

export interface ReloadResult {
  readonly outcome: 'reloaded' | 'unchanged' | 'failed'
  /** Of a failure: what could not be done, reading the Corefile, understanding it, or starting what it says. */
  readonly stage?: 'read' | 'parse' | 'start'
  readonly error?: string
  /** SHA-512 of the content that was looked at. */
  readonly hash: string
}

/** Acts on the whole server, for plugins like health, ready, prometheus, reload and loop. */
export interface ServerControl {
  /** Clients are answered. Until then a part may let the thread wait, for a disk say, a few milliseconds at a time; afterwards queries would wait too. */
  readonly isServing: boolean
  readonly listeners: readonly ListenerConfig[]
  readonly hash: string
  /**
   * Reads the Corefile again and swaps it in if it changed in meaning. Resolves with what happened; never rejects.
   * Content whose hash is `exceptHash` (it failed before) is not tried: `unchanged`.
   */
  reload(reason: string, exceptHash?: string): Promise<ReloadResult>
  /** Names of plugins that are not ready, sorted; empty when all are. */
  notReady(): string[]
  /** Metrics of the whole server: workers, pool threads and primary summed. */
  metrics(): Promise<Registry>
  /** Ends the process with exit code 1 after the log line `[FATAL] text`. */
  fatal(text: string): void
}

/**
 * The part of a plugin that runs once per machine. Over a reload a part whose options and block are unchanged goes on
 * as it is; the others are started before the swap and the old ones stopped after it.
 */
export interface PrimaryPart {
  /** Resolves when the part does its work (a zone is loaded, a listener is open). A rejection fails the start or the reload. */
  start(): void | Promise<void>
  /** After a swap, and at the end of the process. */
  stop(): Promise<void>
  /** Runs at SIGTERM while DNS is still served (health's lameduck). All parts' drains run side by side. */
  drain?(): Promise<void>
  /** Asked by `ready`. */
  ready?(): boolean
  /** Called after every successful swap, also when this part itself went on unchanged. */
  reloaded?(): void
  /** A handler of this plugin reported something (`HandlerContext.report`). Must not throw. */
  onReport?(data: unknown): void
}

export interface HandlerContext {
  readonly sourceId: number
  readonly block: BlockConfig
  readonly log: Logger
  /** prom-client registry of this thread; the server sums all threads' series. */
  readonly registry: Registry
  /** The records of this process, for look-ups by `sourceId`. */
  readonly store: ZoneStore
  /**
   * Asks the whole server (block choice, then that block's chain), as CoreDNS's upstream look-up does. The answer's
   * marks are merged into `query`'s. Bounded depth: SERVFAIL beyond it.
   */
  lookup(query: Query, qname: string, qtype: number): Promise<Reply>
  /** All listeners of the server; `query.listenerId` is an index. */
  readonly listeners: readonly ListenerConfig[]
  /** Whether calls through node:ffi are wanted, where Node has it; `-udp dgram` says no. */
  readonly ffi: boolean
  /** Sends plain data to this plugin's primary part (`onReport`). For rare events: the caller bounds how many. */
  report(data: unknown): void
  /** Called with what the primary part told (`PrimaryContext.tell`). */
  onTold(listener: (data: unknown) => void): void
  /** Called when the thread's configuration is replaced: close sockets here. */
  onClose(close: () => void): void
}

/** Answers the query, or passes it on with `next`. Throwing gives SERVFAIL with EDE and a log line naming the plugin. */
export type Handler = (query: Query, next: Next) => Reply | Promise<Reply>
/** Runs the rest of the chain, with the same query or with another (a rewritten one: `query.with(...)`). */
export type Next = (query: Query) => Reply | Promise<Reply>

export interface FrontContext {
  readonly sourceId: number
  readonly block: BlockConfig
  readonly listeners: readonly ListenerConfig[]
  readonly log: Logger
  readonly registry: Registry
  readonly store: ZoneStore
  onClose(close: () => void): void
}

/** What `gate` returns. A REFUSED, NXDOMAIN or other RCODE from 0 up answers at once with that RCODE and no records. */
export const GATE_PASS = -1
export const GATE_DROP = -2

/**
 * What a plugin does on the event loop. None of these may allocate, wait or throw on ordinary input.
 *
 * A plugin with a `handle` keeps every query of its block from the record store in the front, unless it says through
 * `concerns` which queries it wants to see (`any`: qtype ANY only; `cache`, `errors`: none, they have no work there).
 */
export interface FrontPart {
  /**
   * Whether this plugin's `handle` must see the query. Absent: it must if the plugin has a `handle`. It depends on nothing but the query and
   * the record store: what is said once counts for equal queries until the store changes.
   */
  concerns?(query: ParsedQuery): boolean
  /** Judges the client before any look-up: GATE_PASS, GATE_DROP, or an RCODE to answer with. */
  gate?(query: ParsedQuery, client: Client): number
  /** Told of every query that was answered or dropped, after the reply was composed. */
  observe?(query: ParsedQuery, client: Client, outcome: Outcome): void
  /** Changes a composed reply in place: `reply[start .. start+length)`; the new length is returned. */
  finish?(query: ParsedQuery, client: Client, reply: Uint8Array, start: number, length: number): number
  /** The plugin's data is in the record store under its sourceId, and the front may answer from there. */
  readonly data?: DataPart
}

export interface DataPart {
  /**
   * Whether a negative answer from the store goes on to the next plugin instead. `outcome` is the store's (zone/outcomes.ts):
   * NXDOMAIN_OUTCOME, NODATA or ABSENT. Absent: never. Where it says no to ABSENT, the plugin's `handle` answers.
   */
  fallsThrough?(query: ParsedQuery, outcome: number): boolean
}

/** Who asked, as the event loop knows it. One object per socket, refilled for every packet. */
export interface Client {
  /** 4 or 6. */
  family: number
  /** Network order; 4 or 16 octets of `address` count. */
  readonly address: Uint8Array
  port: number
  /** Index of the listener the query came in on. */
  listenerId: number
  tcp: boolean
}

/** What became of a query, for observers. One object, refilled. */
export interface Outcome {
  blockId: number
  /** -1: the query was dropped. */
  rcode: number
  /** The reply as sent: `reply[start .. start+length)`; length 0 when dropped. */
  reply: Uint8Array
  start: number
  length: number
  /** From receipt to reply, in seconds; 0 for a hit where the clock was not read twice. */
  seconds: number
  fromCache: boolean
  fromStore: boolean
}
