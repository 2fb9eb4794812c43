/**
 * What the primary and a worker say to each other. Plain data: it crosses a process border by structured clone, and in
 * one-process mode it is passed as it is.
 *
 *   primary                                   worker
 *                          ◄─────────  hello                   the process runs
 *     configure            ─────────►                          build the engine
 *     zone …               ─────────►  applied                 a dump of the record store, then every change
 *     open                 ─────────►  serving                 all listeners are open
 *
 *   reload:    prepare     ─────────►  prepared                new engine and new listeners beside the old
 *              hold        ─────────►  held                    nothing is answered until …
 *              commit      ─────────►  committed … retired     the new ones serve; the old engine is drained and gone
 *              rollback    ─────────►                          or the new ones are closed
 *
 *   changes:   zone        ─────────►  applied                 records, as they come
 *              hold        ─────────►  held
 *              zone        ─────────►  applied                 commits: all workers show a change at once (below)
 *
 *   always:    ping        ─────────►  pong                    the event loop turns
 *              scrape      ─────────►  figures
 *              tell        ─────────►                          a plugin's primary part to its handlers
 *                          ◄─────────  report                  and back
 *   the end:   drain       ─────────►  drained
 *
 * Why `hold`: a client that saw the new serial from one worker must not see the old one from another. So every worker
 * stops answering first, says so, and goes on when it has applied the change. That takes one exchange of messages;
 * packets wait meanwhile.
 */
import type { ServerConfig } from '../corefile/server-config.ts'
import type { ZoneChange } from '../zone/zone-change.ts'
import type { Figures } from './figures.ts'

/** Which UDP transport was asked for on the command line. */
export type UdpChoice = 'auto' | 'mmsg' | 'dgram'

/** What holds for a worker's whole life. */
export interface WorkerSettings {
  /** Worker processes of the server, this one included. */
  readonly processes: number
  /** Pool threads of this process. */
  readonly threads: number
  /** They start when the sockets are open: there is one processor, and the event loop answers first. */
  readonly threadsLast: boolean
  readonly udp: UdpChoice
}

/** The last thing each plugin's primary part told its handlers. */
export type Told = readonly (readonly [sourceId: number, data: unknown])[]

export type ToWorker =
  | {
      readonly kind: 'configure'
      readonly settings: WorkerSettings
      readonly config: ServerConfig
      readonly told: Told
    }
  /** `early`: nobody serves yet, so what needs no pool thread is answered before they are there. */
  | { readonly kind: 'open'; readonly early: boolean }
  /** `sequence` counts the zone messages to this worker; `applied` answers with it. `round` ends that hold. */
  | {
      readonly kind: 'zone'
      readonly sequence: number
      readonly changes: readonly ZoneChange[]
      readonly round?: number
    }
  | { readonly kind: 'hold'; readonly round: number }
  /** Ends a hold that comes to nothing. */
  | { readonly kind: 'release'; readonly round: number }
  | { readonly kind: 'prepare'; readonly config: ServerConfig; readonly told: Told }
  | { readonly kind: 'commit'; readonly generation: number; readonly round: number }
  | { readonly kind: 'rollback'; readonly generation: number }
  | { readonly kind: 'tell'; readonly sourceId: number; readonly data: unknown }
  | { readonly kind: 'ping' }
  | { readonly kind: 'scrape'; readonly scrape: number }
  /** Read no new queries, answer those in flight within the grace time, close, end. */
  | { readonly kind: 'drain'; readonly graceMs: number }

export type FromWorker =
  | { readonly kind: 'hello' }
  /** All listeners are open; which UDP transport is in use, and why. */
  | { readonly kind: 'serving'; readonly transport: string; readonly reason: string }
  /** The worker can't do what it was asked to: text for the operator. After `configure` and `open` it ends by itself. */
  | { readonly kind: 'failed'; readonly during: 'configure' | 'open'; readonly text: string }
  | { readonly kind: 'applied'; readonly sequence: number }
  | { readonly kind: 'held'; readonly round: number }
  | { readonly kind: 'prepared'; readonly generation: number; readonly error?: string }
  | { readonly kind: 'committed'; readonly generation: number }
  /** The engine before this generation is gone: nothing looks at the zones of its plugins any more. */
  | { readonly kind: 'retired'; readonly generation: number }
  | { readonly kind: 'report'; readonly sourceId: number; readonly data: unknown }
  | { readonly kind: 'pong' }
  | { readonly kind: 'figures'; readonly scrape: number; readonly figures: readonly Figures[] }
  | { readonly kind: 'drained' }

/**
 * How long a worker stays silent when the commit that follows a hold does not come (the primary is busy, or gone).
 * It then answers from what it has: a stale answer is better than none.
 */
export const HOLD_MS_MAX = 250
