/** One query's way through a stanza's upstreams, until one of them answers or there is no point in asking on. */
import type { Query } from '../../chain/query.ts'
import { Reply, type ReplyOption, SERVFAIL } from '../../chain/reply.ts'
import type { OpenStanza, Peer } from './handler.ts'
import { QUERY_TIMEOUT_MS } from './options.ts'
import { composeUpstream, forwardsOptions } from './upstream/compose-upstream.ts'
import { copyFrame, Exchange, type FailureKind, type Verdict } from './upstream/exchange.ts'
import { randomIndex } from './upstream/random-ids.ts'
import { checkReply, found, REPLY_CUT, REPLY_OK } from './upstream/reply-check.ts'
import { takeReply, takeTruncated } from './upstream/take-reply.ts'
import type { Carriage } from './upstream/upstream.ts'

/** Before an attempt beyond the first round: failures that come at once must not become a busy loop. */
const RETRY_PAUSE_MS = 20
/** Kept connections that turn out closed, for one query: each is asked again on another connection without counting as a failure. */
const STALE_MAX = 2
const UDP_SIZE_MIN = 512

const OPTION_EDE = 15
/** RFC 8914 section 4: Network Error, and No Reachable Authority. */
const EDE_NETWORK_ERROR = 23
const EDE_NO_REACHABLE_AUTHORITY = 22

export class Forwarding extends Exchange {
  readonly #stanza: OpenStanza
  readonly #query: Query
  readonly #resolve: (reply: Reply | Promise<Reply>) => void
  /** Runs the next stanza; undefined in the last one. */
  readonly #handOver: (() => Reply | Promise<Reply>) | undefined
  readonly #order: readonly number[]
  #position = 0
  /** Upstreams that were down in this round of the list. */
  #down = 0
  #failovers = 0
  /** Attempts that failed. */
  #attempts = 0
  #stale = 0
  #peer: Peer
  #carriage: Carriage
  #startedMs: number
  #lastFailure: string | undefined
  #timedOut = false
  /** The reply that was just judged ends inside a record. */
  #isCut = false
  /** The pause before another attempt, not an upstream, is what the wheel holds. */
  #pausing = false
  /** Set while `#attempt` is on the stack: a failure that comes at once must not nest. */
  #sending = false
  #sendAgain = false
  #done = false

  constructor(
    stanza: OpenStanza,
    query: Query,
    resolve: (reply: Reply | Promise<Reply>) => void,
    handOver: (() => Reply | Promise<Reply>) | undefined,
  ) {
    super(composeUpstream(query.parsed))
    this.#stanza = stanza
    this.#query = query
    this.#resolve = resolve
    this.#handOver = handOver
    this.#order = stanza.order()
    this.#peer = stanza.peers[0]!
    this.#carriage = carriageOf(stanza, query)
    this.#startedMs = performance.now()
    this.deadlineMs = Math.min(this.#startedMs + QUERY_TIMEOUT_MS, query.deadlineMs)
    stanza.concurrent++
    query.marks.foreign()
    // What the upstream is told besides the question and the key's bits may change its answer.
    if (forwardsOptions(query.parsed)) query.options()
    if (!query.parsed.recursionDesired || query.parsed.hasExtraRecords) query.message()
  }

  start(): void {
    this.#tryNext()
  }

  override judge(message: Uint8Array): Verdict {
    const result = checkReply(message, this.#query.parsed)
    this.#isCut = result === REPLY_CUT
    return result === REPLY_OK || result === REPLY_CUT ? 'accept' : 'ignore'
  }

  override onReply(message: Uint8Array): void {
    const { options, next, failover, peers } = this.#stanza
    const query = this.#query
    const truncated = (message[2]! & 0x02) !== 0
    if (truncated && options.preferUdp && !options.forceTcp && this.#carriage === 'udp') {
      this.#carriage = 'tcp'
      this.#send()
      return
    }
    // `judge` left its findings; nothing ran in between.
    const { rcode, answers } = found
    const reply = this.#isCut || this.#overflows(message) ? takeTruncated(query, message) : takeReply(query, message)
    this.#peer.figures.answered(rcode, (performance.now() - this.#startedMs) / 1000)
    if (failover.has(rcode) && ++this.#failovers < peers.length) {
      this.#tryNext()
      return
    }
    if (this.#handOver !== undefined && (next.has(rcode) || (options.nextOnNodata && rcode === 0 && answers === 0))) {
      this.#finish(this.#handOver)
      return
    }
    const { name } = this.#peer.upstream
    query.labels?.set('forward/upstream', () => name)
    this.#finish(reply)
  }

  override onFailure(kind: FailureKind, reason: string): void {
    if (kind === 'stale' && this.#stale < STALE_MAX) {
      this.#stale++
      this.#send()
      return
    }
    this.#lastFailure = reason
    this.#timedOut = kind === 'timeout'
    if (kind !== 'overload' && this.#stanza.options.maxFails !== 0) this.#peer.health.check()
    this.#attempts++
    const { attemptsMax, peers } = this.#stanza
    if ((attemptsMax > 0 && this.#attempts >= attemptsMax) || this.#down >= peers.length) this.#giveUp()
    else if (this.#attempts >= 2 * peers.length && kind !== 'timeout') this.#pause()
    else this.#tryNext()
  }

  override onTimeout(): void {
    if (!this.#pausing) {
      super.onTimeout()
      return
    }
    this.#pausing = false
    this.#tryNext()
  }

  /** The next upstream that is not down; when all are, one by chance, in case it is the probes that fail. */
  #tryNext(): void {
    const { peers, options, figures } = this.#stanza
    const order = this.#order
    if (performance.now() >= this.deadlineMs) {
      this.#giveUp()
      return
    }
    for (;;) {
      if (this.#position >= order.length) {
        this.#position = 0
        this.#down = 0
      }
      const peer = peers[order[this.#position++]!]!
      if (!peer.health.isDown(options.maxFails)) {
        this.#peer = peer
        break
      }
      if (++this.#down < peers.length) continue
      figures.healthcheckBroken++
      if (options.failfast) {
        this.#giveUp()
        return
      }
      this.#peer = peers[randomIndex(peers.length)]!
      break
    }
    this.#carriage = carriageOf(this.#stanza, this.#query)
    this.#send()
  }

  #send(): void {
    if (this.#sending) {
      this.#sendAgain = true
      return
    }
    this.#sending = true
    do {
      this.#sendAgain = false
      // The frame that went out before may still wait in a socket's queue.
      if (this.id >= 0) this.frame = copyFrame(this.frame)
      this.#startedMs = performance.now()
      this.#peer.upstream.send(this, this.#carriage, this.#startedMs)
    } while (this.#sendAgain && !this.#done)
    this.#sending = false
  }

  #pause(): void {
    this.#pausing = true
    this.#stanza.wheel.add(this, RETRY_PAUSE_MS)
  }

  #overflows(message: Uint8Array): boolean {
    const { parsed, cameOverTcp } = this.#query
    if (this.#carriage !== 'udp' || cameOverTcp || this.#peer.upstream.options.address.protocol !== 'dns') return false
    return message.length > Math.max(UDP_SIZE_MIN, parsed.hasEdns ? parsed.udpSize : UDP_SIZE_MIN)
  }

  #giveUp(): void {
    const reply = Reply.unwritten(SERVFAIL, this.#lastFailure ?? 'no healthy proxies')
    reply.options.push(extendedError(this.#timedOut ? EDE_NO_REACHABLE_AUTHORITY : EDE_NETWORK_ERROR))
    this.#finish(reply)
  }

  #finish(result: Reply | (() => Reply | Promise<Reply>)): void {
    if (this.#done) return
    this.#done = true
    this.#stanza.concurrent--
    this.#resolve(typeof result === 'function' ? result() : result)
  }
}

function carriageOf({ options }: OpenStanza, query: Query): Carriage {
  if (options.forceTcp) return 'tcp'
  if (options.preferUdp) return 'udp'
  return query.cameOverTcp ? 'tcp' : 'udp'
}

function extendedError(code: number): ReplyOption {
  return { code: OPTION_EDE, data: Uint8Array.of(0, code) }
}
