/** How the load generator reaches a server: so many flows (source ports, or TCP connections), each with queries in flight. */
export interface Flows {
  readonly count: number
  /** What stands behind it, for the report: `mmsg`, `dgram`, `tcp`. */
  readonly name: string
  /** Where the next query for the flow is written: `bytes[at]`, 512 octets of room. `put` takes it. */
  room(flow: number): number
  readonly bytes: Uint8Array
  put(flow: number, length: number): void
  /** Sends what was put to the flow. */
  flush(flow: number): void
  /**
   * Hands over the replies that are here, and waits for some when there are none: `waitMs` at most, 0 for not at all. May return a
   * promise, where replies come only through Node's event loop.
   */
  poll(waitMs: number, onReply: OnReply): void | Promise<void>
  close(): void
}

/** `bytes[start .. start+length)` is the reply, without TCP's length; valid until the call returns. */
export type OnReply = (flow: number, bytes: Uint8Array, start: number, length: number) => void

/** Octets that a query may have. */
export const QUERY_SIZE_MAX = 512
