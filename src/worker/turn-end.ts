/**
 * Tells the engine that a batch is over, where the transport can't see batches: what came in during one turn of the
 * event loop is one batch. setImmediate runs right after the loop has read from its sockets.
 */
import type { QueryHandler } from './query-handler.ts'

export class TurnEnd {
  handler: QueryHandler
  #scheduled = false
  readonly #run = (): void => {
    this.#scheduled = false
    this.handler.flush()
  }

  constructor(handler: QueryHandler) {
    this.handler = handler
  }

  /** A query was handled in this turn. */
  mark(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(this.#run)
  }

  /** Ends the batch now, for the engine that is about to be replaced. */
  flush(): void {
    if (this.#scheduled) this.handler.flush()
  }
}
