/**
 * TCP or TLS to one upstream: connections that are kept, many queries under way on each (RFC 7766 section 6.2.1), replies
 * in any order (section 7).
 *
 *     send ──► the connection with the fewest waiting ──► upstream        a further one is opened when all are busy
 *
 * A connection that the upstream closed while it was kept says nothing about the upstream: its queries go out again on a
 * new one, once. Connections that end without ever answering slow down the opening of further ones.
 */
import net from 'node:net'
import type tls from 'node:tls'
import { builtins } from '../../../node-builtins.ts'
import { type Carrier, type Exchange, FRAME_SIZE, patienceMs } from './exchange.ts'
import {
  CONNECT_TIMEOUT_MS_MAX,
  CONNECT_TIMEOUT_MS_MIN,
  RECONNECT_DELAYS_MS,
  STREAM_PIPELINE_TARGET,
  STREAM_QUEUED_BYTES_MAX,
  STREAM_WAITING_MAX,
  STREAMS_MAX,
} from './limits.ts'
import { randomId } from './random-ids.ts'
import { systemErrorText } from './system-errors.ts'
import type { TimingWheel } from './timing-wheel.ts'
import { tlsIdentity } from './tls-identity.ts'
import { addressAndPort, type UpstreamOptions } from './upstream-address.ts'
import type { UpstreamEvents } from './upstream-events.ts'

export class StreamConnections {
  readonly options: UpstreamOptions
  readonly wheel: TimingWheel
  readonly events: UpstreamEvents
  readonly isTls: boolean
  readonly secureContext: tls.SecureContext | undefined
  /** Kept for the next handshake; a new one comes with each. RFC 8446 section 4.6.1. */
  session: Buffer | undefined
  waiting = 0
  readonly #connections: StreamConnection[] = []
  #connectAverageMs = CONNECT_TIMEOUT_MS_MAX / 2
  #failuresInARow = 0
  #lastFailure = ''
  #connectNotBeforeMs = 0
  #sweep: NodeJS.Timeout | undefined

  constructor(options: UpstreamOptions, wheel: TimingWheel, events: UpstreamEvents) {
    this.options = options
    this.wheel = wheel
    this.events = events
    this.isTls = options.address.protocol === 'tls'
    this.secureContext = this.isTls
      ? builtins.tls.createSecureContext({ ...options.tls, minVersion: 'TLSv1.2' })
      : undefined
  }

  /** `patient`: a health probe, which may open a connection whatever happened before. */
  send(exchange: Exchange, nowMs: number, patient = false): void {
    const kind = this.isTls ? 'tcp-tls' : 'tcp'
    let connection = this.#best(nowMs)
    const busy = connection === undefined || connection.waitingCount >= STREAM_PIPELINE_TARGET
    if (busy && this.#connections.length < STREAMS_MAX && (patient || nowMs >= this.#connectNotBeforeMs)) {
      this.events.opened(kind)
      connection = new StreamConnection(this, nowMs)
      this.#connections.push(connection)
      this.#startSweep()
    } else if (connection !== undefined) this.events.reused(kind)
    if (connection === undefined) {
      const full = this.#connections.length >= STREAMS_MAX
      if (full) exchange.onFailure('overload', `too many queries wait for ${addressAndPort(this.options.address)}`)
      else exchange.onFailure('broken', this.#lastFailure)
      return
    }
    connection.put(exchange, nowMs)
  }

  get connectTimeoutMs(): number {
    if (this.#connectAverageMs < CONNECT_TIMEOUT_MS_MIN) return CONNECT_TIMEOUT_MS_MIN
    return Math.min(2 * this.#connectAverageMs, CONNECT_TIMEOUT_MS_MAX)
  }

  onConnected(tookMs: number): void {
    this.#connectAverageMs += (tookMs - this.#connectAverageMs) / 4
  }

  onAnswered(): void {
    this.#failuresInARow = 0
    this.#connectNotBeforeMs = 0
  }

  /** `answered`: whether the connection ever brought a reply. */
  gone(connection: StreamConnection, reason: string, answered: boolean): void {
    const index = this.#connections.indexOf(connection)
    if (index >= 0) this.#connections.splice(index, 1)
    if (answered) return
    const delayMs = RECONNECT_DELAYS_MS[Math.min(this.#failuresInARow++, RECONNECT_DELAYS_MS.length - 1)]!
    this.#lastFailure = reason
    this.#connectNotBeforeMs = performance.now() + delayMs
  }

  /** A connection has nothing to do any more; above `max_idle_conns` it is closed. */
  onIdle(connection: StreamConnection): void {
    const { maxIdleConnections, expireMs } = this.options
    const idle = this.#connections.filter((each) => each.waitingCount === 0).length
    if (expireMs === 0 || (maxIdleConnections > 0 && idle > maxIdleConnections)) connection.end()
  }

  close(): void {
    clearInterval(this.#sweep)
    for (const connection of [...this.#connections]) connection.fail('upstream is being closed')
  }

  #best(nowMs: number): StreamConnection | undefined {
    let best: StreamConnection | undefined
    for (const connection of [...this.#connections]) {
      if (connection.isWorn(nowMs)) connection.retire()
      else if (connection.takesMore() && (best === undefined || connection.waitingCount < best.waitingCount)) {
        best = connection
      }
    }
    return best
  }

  #startSweep(): void {
    if (this.#sweep !== undefined) return
    this.#sweep = setInterval(
      () => {
        const nowMs = performance.now()
        for (const connection of [...this.#connections]) if (connection.isWorn(nowMs)) connection.retire()
        if (this.#connections.length === 0) {
          clearInterval(this.#sweep)
          this.#sweep = undefined
        }
      },
      Math.min(Math.max(this.options.expireMs, 1000), 10_000),
    )
    this.#sweep.unref()
  }
}

class StreamConnection implements Carrier {
  readonly #owner: StreamConnections
  readonly #socket: net.Socket
  readonly #waiting = new Map<number, Exchange>()
  readonly #openedMs: number
  #lastUsedMs: number
  #connected = false
  #answered = false
  #retired = false
  #gone = false
  #corked = false
  /** The connection was kept from an earlier query when the exchange came: only then its end may be `stale`. */
  readonly #reusers = new Set<Exchange>()
  /** Exchanges put while connecting; their read time-out starts with the connection. */
  #early: Exchange[] = []
  /** Octets of a frame that has not come whole. */
  #partial: Buffer | undefined
  readonly #uncork = (): void => {
    this.#corked = false
    this.#socket.uncork()
  }

  constructor(owner: StreamConnections, nowMs: number) {
    this.#owner = owner
    this.#openedMs = nowMs
    this.#lastUsedMs = nowMs
    const { address, sourceAddress } = owner.options
    const { host, port, serverName } = address
    const where = sourceAddress === undefined ? { host, port } : { host, port, localAddress: sourceAddress }
    if (owner.isTls) {
      const socket = builtins.tls.connect({
        ...where,
        ...tlsIdentity(serverName),
        secureContext: owner.secureContext!,
        ...(owner.session === undefined ? {} : { session: owner.session }),
      })
      socket.on('session', (session) => {
        owner.session = session
      })
      socket.once('secureConnect', () => this.#onConnected())
      this.#socket = socket
    } else {
      this.#socket = net.connect(where)
      this.#socket.once('connect', () => this.#onConnected())
    }
    this.#socket.setNoDelay(true)
    this.#socket.on('data', (chunk: Buffer) => this.#onData(chunk))
    this.#socket.on('error', (error) => this.fail(this.#describe(error)))
    this.#socket.on('end', () => this.fail('EOF'))
    this.#socket.on('close', () => this.fail('EOF'))
  }

  get waitingCount(): number {
    return this.#waiting.size
  }

  isWorn(nowMs: number): boolean {
    const { expireMs, maxAgeMs } = this.#owner.options
    return (
      this.#retired ||
      (this.#waiting.size === 0 && nowMs - this.#lastUsedMs > expireMs) ||
      (maxAgeMs > 0 && nowMs - this.#openedMs > maxAgeMs)
    )
  }

  takesMore(): boolean {
    return (
      !this.#retired && this.#waiting.size < STREAM_WAITING_MAX && this.#socket.writableLength < STREAM_QUEUED_BYTES_MAX
    )
  }

  /** No new queries; ends with its last exchange. */
  retire(): void {
    this.#retired = true
    if (this.#waiting.size === 0) this.end()
  }

  put(exchange: Exchange, nowMs: number): void {
    let id = randomId()
    while (this.#waiting.has(id)) id = randomId()
    if (this.#answered) this.#reusers.add(exchange)
    this.#waiting.set(id, exchange)
    this.#owner.waiting++
    this.#lastUsedMs = nowMs
    exchange.id = id
    exchange.carrier = this
    exchange.frame[FRAME_SIZE] = id >>> 8
    exchange.frame[FRAME_SIZE + 1] = id
    const { wheel, options, connectTimeoutMs } = this.#owner
    wheel.add(exchange, patienceMs(exchange, nowMs, this.#connected ? options.readTimeoutMs : connectTimeoutMs))
    if (this.#connected) this.#transmit(exchange.frame)
    else this.#early.push(exchange)
  }

  onExchangeTimeout(exchange: Exchange): void {
    this.#forget(exchange)
    const upstream = addressAndPort(this.#owner.options.address)
    if (this.#connected) {
      exchange.onFailure('timeout', `read tcp ${this.#route()}: i/o timeout`)
      // Answers may still come for the others; with nothing else waiting the connection is not trusted any more.
      if (this.#waiting.size === 0) this.end()
      return
    }
    const reason = `dial tcp ${upstream}: i/o timeout`
    exchange.onFailure('timeout', reason)
    if (this.#waiting.size === 0) this.fail(reason)
  }

  release(exchange: Exchange): void {
    this.#owner.wheel.remove(exchange)
    exchange.carrier = undefined
    this.#forget(exchange)
  }

  /** Closes an idle connection. */
  end(): void {
    if (this.#gone) return
    this.#gone = true
    this.#owner.gone(this, 'closed', true)
    this.#socket.destroy()
  }

  /** The connection is of no use: everything that waits on it fails, or goes out again if it had been kept too long. */
  fail(reason: string): void {
    if (this.#gone) return
    this.#gone = true
    this.#owner.gone(this, reason, this.#answered)
    this.#socket.destroy()
    const waiting = [...this.#waiting.values()]
    this.#waiting.clear()
    this.#owner.waiting -= waiting.length
    for (const exchange of waiting) {
      this.#owner.wheel.remove(exchange)
      exchange.carrier = undefined
    }
    for (const exchange of waiting) exchange.onFailure(this.#reusers.has(exchange) ? 'stale' : 'broken', reason)
  }

  #onConnected(): void {
    const nowMs = performance.now()
    this.#connected = true
    this.#owner.onConnected(nowMs - this.#openedMs)
    const early = this.#early
    this.#early = []
    const { wheel, options } = this.#owner
    for (const exchange of early) {
      if (exchange.carrier !== this) continue
      wheel.remove(exchange)
      wheel.add(exchange, patienceMs(exchange, nowMs, options.readTimeoutMs))
      this.#transmit(exchange.frame)
    }
  }

  #transmit(frame: Uint8Array): void {
    if (!this.#corked) {
      // Queries of one turn leave in one packet.
      this.#corked = true
      this.#socket.cork()
      process.nextTick(this.#uncork)
    }
    this.#socket.write(frame)
  }

  #onData(chunk: Buffer): void {
    const bytes = this.#partial === undefined ? chunk : Buffer.concat([this.#partial, chunk])
    this.#partial = undefined
    let at = 0
    while (at + FRAME_SIZE <= bytes.length) {
      const end = at + FRAME_SIZE + bytes.readUInt16BE(at)
      if (end > bytes.length) break
      this.#onMessage(Uint8Array.prototype.slice.call(bytes, at + FRAME_SIZE, end))
      if (this.#gone) return
      at = end
    }
    // A copy: the chunk is part of a larger buffer that should not live as long as a slow frame.
    if (at < bytes.length) this.#partial = Buffer.from(bytes.subarray(at))
  }

  #onMessage(message: Uint8Array): void {
    const exchange = message.length < 2 ? undefined : this.#waiting.get((message[0]! << 8) | message[1]!)
    if (exchange === undefined || exchange.judge(message) === 'ignore') {
      this.#owner.events.ignored()
      return
    }
    this.#answered = true
    this.#owner.onAnswered()
    this.#owner.wheel.remove(exchange)
    exchange.carrier = undefined
    this.#forget(exchange)
    exchange.onReply(message)
    if (this.#waiting.size > 0 || this.#gone) return
    if (this.#retired) this.end()
    else this.#owner.onIdle(this)
  }

  #forget(exchange: Exchange): void {
    if (this.#waiting.delete(exchange.id)) this.#owner.waiting--
    this.#reusers.delete(exchange)
  }

  #describe(error: Error): string {
    const upstream = addressAndPort(this.#owner.options.address)
    if (this.#connected) return `read tcp ${this.#route()}: ${systemErrorText('read', error)}`
    return `dial tcp ${upstream}: ${systemErrorText('connect', error)}`
  }

  #route(): string {
    const { localAddress: host, localPort: port } = this.#socket
    const upstream = addressAndPort(this.#owner.options.address)
    return host === undefined || port === undefined ? upstream : `${addressAndPort({ host, port })}->${upstream}`
  }
}
