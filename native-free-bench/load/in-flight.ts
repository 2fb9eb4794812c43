/**
 * The queries that wait for their reply, by flow and ID: which one it was and when it was due. What a reply is checked against, and what
 * its latency is counted from. Memory is fixed; a query that waits so long that its place is needed again counts as lost.
 */
import type { Histogram } from 'hdr-histogram-js'
import type { Flows } from './flows.ts'
import { type QuerySet, RIGHT, WRONG_RCODE } from './query-set.ts'

/** Queries in flight on one flow: a power of two. */
const PLACES = 1024
const FREE = -1

/** What became of the queries. */
export interface Tally {
  sent: number
  right: number
  wrong: number
  /** Of `wrong`: another RCODE than expected. */
  wrongRcode: number
  /** No reply within the time-out. */
  lost: number
  /** Replies to nothing that was asked, or that came too late. */
  unexpected: number
}

export class InFlight {
  readonly tally: Tally = { sent: 0, right: 0, wrong: 0, wrongRcode: 0, lost: 0, unexpected: 0 }
  /** Queries that wait now. */
  waiting = 0
  readonly #flows: Flows
  readonly #queries: QuerySet
  readonly #histogram: Histogram
  readonly #nextId: Uint16Array
  readonly #serials: Float64Array
  readonly #due: Float64Array
  #serial: number

  /** `firstSerial`: where this run's queries begin, so that runs after each other don't repeat unique ones. Latencies are recorded in microseconds. */
  constructor(flows: Flows, queries: QuerySet, histogram: Histogram, firstSerial: number) {
    this.#flows = flows
    this.#queries = queries
    this.#histogram = histogram
    this.#serial = firstSerial
    this.#nextId = new Uint16Array(flows.count)
    this.#serials = new Float64Array(flows.count * PLACES).fill(FREE)
    this.#due = new Float64Array(flows.count * PLACES)
  }

  /** Puts the next query to the flow; `due`: when it should be sent, in milliseconds of `performance.now`. `flush` must follow. */
  ask(flow: number, due: number): void {
    const id = this.#nextId[flow]!++
    const place = flow * PLACES + (id & (PLACES - 1))
    if (this.#serials[place] !== FREE) this.#lose(place)
    const serial = this.#serial++
    this.#serials[place] = serial
    this.#due[place] = due
    this.waiting++
    this.tally.sent++
    const { bytes } = this.#flows
    const at = this.#flows.room(flow)
    const length = this.#queries.compose(serial, bytes, at)
    bytes[at] = id >>> 8
    bytes[at + 1] = id & 255
    this.#flows.put(flow, length)
  }

  /** Takes a reply that came at `now`. Whether it was one to a query in flight. */
  take(flow: number, bytes: Uint8Array, start: number, length: number, now: number): boolean {
    if (length < 12) {
      this.tally.unexpected++
      return false
    }
    const id = (bytes[start]! << 8) | bytes[start + 1]!
    const place = flow * PLACES + (id & (PLACES - 1))
    const serial = this.#serials[place]!
    // IDs of a place differ by its multiples: an old reply must not pass for a new one.
    const distance = (this.#nextId[flow]! - id) & 0xffff
    if (serial === FREE || distance === 0 || distance > PLACES) {
      this.tally.unexpected++
      return false
    }
    this.#serials[place] = FREE
    this.waiting--
    const verdict = this.#queries.check(serial, bytes, start, length)
    if (verdict === RIGHT) this.tally.right++
    else {
      this.tally.wrong++
      if (verdict === WRONG_RCODE) this.tally.wrongRcode++
    }
    this.#histogram.recordValue(Math.max(1, Math.round((now - this.#due[place]!) * 1000)))
    return true
  }

  /** Gives up on the queries that were due before `before`: calls `onLost(flow)` for each. */
  expire(before: number, onLost: (flow: number) => void): void {
    if (this.waiting === 0) return
    for (let place = 0; place < this.#serials.length; place++) {
      if (this.#serials[place] === FREE || this.#due[place]! >= before) continue
      this.#lose(place)
      onLost(Math.trunc(place / PLACES))
    }
  }

  #lose(place: number): void {
    this.#serials[place] = FREE
    this.waiting--
    this.tally.lost++
  }
}
