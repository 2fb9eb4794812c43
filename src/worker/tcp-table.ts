/**
 * All TCP connections of a process, of all its listeners: admits them, sweeps over their deadlines, makes room.
 * In order of their last activity, so that the one to give up is the first.
 */
import { SWEEP_MS, type TcpLimits } from './tcp-limits.ts'

/** What the table asks of a connection. */
export interface TableEntry {
  /** Identity of the client for the limit per client. */
  readonly clientKey: string
  /** Neither a query nor an answer waits: it can be closed for another's sake. */
  readonly isIdle: boolean
  /** Closes itself if one of its deadlines has passed. */
  sweep(nowMs: number): void
  /** Closes at once. */
  evict(): void
}

export interface TcpFigures {
  accepted: number
  /** Refused at accept: no idle connection could make room. */
  refused: number
  /** Closed while idle, to make room for a new one. */
  evicted: number
  /** Closed because a deadline passed, or the client closed in the middle of a message. */
  timedOut: number
  /** Cut because answers or queries piled up. */
  cut: number
  /** Closed because of a message shorter than a header. */
  malformed: number
  /** Errors of sockets (reset by the client, mostly) and of accepting. */
  errors: number
  received: number
  sent: number
}

/** Connections looked at when room must be made: the oldest ones, which are idle if any are. */
const EVICTION_LOOKS_MAX = 64

export class TcpTable {
  readonly limits: TcpLimits
  readonly figures: TcpFigures = {
    accepted: 0,
    refused: 0,
    evicted: 0,
    timedOut: 0,
    cut: 0,
    malformed: 0,
    errors: 0,
    received: 0,
    sent: 0,
  }
  /** Octets that wait in connections that are not read from. */
  bufferedSize = 0
  /** A Set keeps the order of insertion: deleted and added again is the newest. */
  readonly #entries = new Set<TableEntry>()
  readonly #perClient = new Map<string, Set<TableEntry>>()
  #timer: NodeJS.Timeout | undefined

  constructor(limits: TcpLimits) {
    this.limits = limits
  }

  get size(): number {
    return this.#entries.size
  }

  /** Takes the connection in, at an idle one's expense if need be; false: there is no room. */
  admit(entry: TableEntry): boolean {
    let same = this.#perClient.get(entry.clientKey)
    if (same !== undefined && same.size >= this.limits.connectionsPerClientMax && !this.#makeRoom(same)) return false
    if (this.#entries.size >= this.limits.connectionsMax && !this.#makeRoom(this.#entries)) return false
    same = this.#perClient.get(entry.clientKey)
    if (same === undefined) {
      same = new Set()
      this.#perClient.set(entry.clientKey, same)
    }
    same.add(entry)
    this.#entries.add(entry)
    this.#timer ??= setInterval(() => this.#sweep(), SWEEP_MS).unref()
    return true
  }

  /** The connection did something: it is the newest. Once per batch of queries, not once per query. */
  touch(entry: TableEntry): void {
    moveToEnd(this.#entries, entry)
    const same = this.#perClient.get(entry.clientKey)
    if (same !== undefined) moveToEnd(same, entry)
  }

  remove(entry: TableEntry): void {
    this.#entries.delete(entry)
    const same = this.#perClient.get(entry.clientKey)
    same?.delete(entry)
    if (same?.size === 0) this.#perClient.delete(entry.clientKey)
    if (this.#entries.size === 0) {
      clearInterval(this.#timer)
      this.#timer = undefined
    }
  }

  #makeRoom(among: ReadonlySet<TableEntry>): boolean {
    let looks = 0
    for (const entry of among) {
      if (entry.isIdle) {
        this.figures.evicted++
        this.remove(entry)
        entry.evict()
        return true
      }
      if (++looks === EVICTION_LOOKS_MAX) break
    }
    return false
  }

  #sweep(): void {
    const now = performance.now()
    for (const entry of this.#entries) entry.sweep(now)
  }
}

function moveToEnd(entries: Set<TableEntry>, entry: TableEntry): void {
  if (entries.delete(entry)) entries.add(entry)
}
