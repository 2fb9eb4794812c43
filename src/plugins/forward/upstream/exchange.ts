/**
 * One message on its way to an upstream and back. Who asks extends Exchange; sockets and connections call it.
 *
 *   upstream.send(exchange) ──► onReply | onFailure     exactly one of them, unless `cancel` comes first
 */
import { Timed } from './timing-wheel.ts'

/** Why there is no reply. */
export type FailureKind =
  /** No answer within the time. */
  | 'timeout'
  /** The connection or socket failed, or could not be opened. */
  | 'broken'
  /** A kept connection that the upstream had closed meanwhile: says nothing about the upstream, ask again at once. */
  | 'stale'
  /** A limit of ours: too many queries wait for this upstream. */
  | 'overload'

/** Octets in front of a message for its length. RFC 1035 section 4.2.2. */
export const FRAME_SIZE = 2

/** What a reply is for this exchange; see `Exchange.judge`. */
export type Verdict = 'accept' | 'ignore'

export abstract class Exchange extends Timed {
  /** Frame: two octets of length, then the message. The ID is written by whoever sends it. */
  frame: Uint8Array
  /** As sent last. */
  id = -1
  /** Nobody waits longer than to this point of `performance.now()`, however long an upstream may take. */
  deadlineMs = Number.POSITIVE_INFINITY
  /** Who has it now; undefined when nobody does. Set by senders, so that a time-out reaches the right one. */
  carrier: Carrier | undefined

  constructor(frame: Uint8Array) {
    super()
    this.frame = frame
  }

  /**
   * Whether `message`, which came from the upstream with the right ID, answers this exchange. What is ignored is counted,
   * and the wait goes on. Must neither throw nor trust any length in the message.
   */
  abstract judge(message: Uint8Array): Verdict
  /** The message is the exchange's own from here on. */
  abstract onReply(message: Uint8Array): void
  abstract onFailure(kind: FailureKind, reason: string): void

  override onTimeout(): void {
    const { carrier } = this
    this.carrier = undefined
    if (carrier !== undefined) carrier.onExchangeTimeout(this)
  }
}

/** A socket or connection that an exchange waits on. */
export interface Carrier {
  /** The time is up: the carrier forgets the exchange and reports the failure. */
  onExchangeTimeout(exchange: Exchange): void
  /** Nobody wants the reply any more. */
  release(exchange: Exchange): void
}

/** How long to wait for an upstream: the read time-out, or less when the deadline comes first. */
export function patienceMs(exchange: Exchange, nowMs: number, readTimeoutMs: number): number {
  return Math.max(0, Math.min(readTimeoutMs, exchange.deadlineMs - nowMs))
}

/** The same frame in new memory, for another attempt: the old one may still wait in a socket's queue. */
export function copyFrame(frame: Uint8Array): Uint8Array {
  const copy = Buffer.allocUnsafe(frame.length)
  copy.set(frame)
  return copy
}
