/**
 * How transports (UDP, TCP) and the engine meet, on the event loop. A transport hands over one query at a time and says
 * where a reply may be written at once; a reply that takes the pool's way comes back through the transport's ReplyPort.
 */
import type { Client } from '../chain/plugin.ts'

/** `handle`: nothing will be sent for this query. */
export const NO_REPLY = 0
/** `handle`: the reply comes later through the ReplyPort, or never. */
export const REPLY_LATER = -1

/** Octets of a return path: family, port, address, and for a wildcard bind the address that was asked. */
export const RETURN_PATH_SIZE = 64

/** The way back for replies that come later. One object per socket (UDP) or connection (TCP). */
export interface ReplyPort {
  /** Writes where the reply to the query being handled must go: RETURN_PATH_SIZE octets at `out[at]`. Doesn't allocate. */
  saveReturnPath(out: Uint8Array, at: number): void
  /**
   * Queues `bytes[start .. start+length)` for the path saved at `path[at]`; the bytes are copied or sent before it
   * returns. A reply for a connection or socket that is gone is dropped in silence.
   */
  sendLater(path: Uint8Array, at: number, bytes: Uint8Array, start: number, length: number): void
  /** The query that `saveReturnPath` was called for will get no reply: TCP counts it as done. UDP has nothing to do. */
  forget(path: Uint8Array, at: number): void
  /** Sends what `sendLater` queued. The engine calls it once for many replies. */
  flushLater(): void
}

export interface QueryHandler {
  /**
   * Answers the query in `bytes[start .. start+length)`. A reply that is ready is written at `out[outStart]` (the
   * transport guarantees `outMax` octets there) and its length returned; else NO_REPLY or REPLY_LATER. Doesn't allocate for hits,
   * never throws. `client` and `bytes` may be reused as soon as it returns.
   */
  handle(
    bytes: Uint8Array,
    start: number,
    length: number,
    client: Client,
    port: ReplyPort,
    out: Uint8Array,
    outStart: number,
    outMax: number,
  ): number
  /** The transport's batch is over: queries collected for the pool are handed off now. */
  flush(): void
}
