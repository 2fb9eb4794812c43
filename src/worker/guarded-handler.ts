/**
 * The last line of defence: an engine must not throw, whatever a client sends; one that does it nevertheless must not take
 * the process and all other clients' queries with it. The query gets no reply, the fault is counted and logged.
 */
import type { Client } from '../chain/plugin.ts'
import type { Logger } from '../observe/logger.ts'
import { NO_REPLY, type QueryHandler, type ReplyPort } from './query-handler.ts'

/** At most one log line per this time; the counter counts them all. */
const LOG_INTERVAL_MS = 1000

/** Counts and logs the faults of all engines of a process. */
export class FaultLog {
  count = 0
  readonly #log: Logger
  #loggedAt = Number.NEGATIVE_INFINITY

  constructor(log: Logger) {
    this.#log = log
  }

  add(error: unknown, during: string): void {
    this.count++
    const now = performance.now()
    if (now - this.#loggedAt < LOG_INTERVAL_MS) return
    this.#loggedAt = now
    const what = error instanceof Error ? (error.stack ?? error.message) : String(error)
    this.#log.error(`the event loop met an exception at ${during}: ${what}`)
  }
}

export class GuardedHandler implements QueryHandler {
  readonly #inner: QueryHandler
  readonly #faults: FaultLog

  constructor(inner: QueryHandler, faults: FaultLog) {
    this.#inner = inner
    this.#faults = faults
  }

  handle(
    bytes: Uint8Array,
    start: number,
    length: number,
    client: Client,
    port: ReplyPort,
    out: Uint8Array,
    outStart: number,
    outMax: number,
  ): number {
    try {
      return this.#inner.handle(bytes, start, length, client, port, out, outStart, outMax)
    } catch (error) {
      this.#faults.add(error, `query ${Buffer.from(bytes.subarray(start, start + length)).toString('hex')}`)
      return NO_REPLY
    }
  }

  flush(): void {
    try {
      this.#inner.flush()
    } catch (error) {
      this.#faults.add(error, 'the hand-off')
    }
  }
}
