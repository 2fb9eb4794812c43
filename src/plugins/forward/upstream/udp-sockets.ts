/**
 * Datagrams to one upstream: a few connected sockets (the kernel then drops what comes from any other address), each
 * with a random source port and a table of the IDs that wait on it.
 *
 *     send ──► one of ≤ UDP_SOCKETS_MAX sockets, by chance ──► upstream
 *                ID ► exchange
 *                ID ► exchange                             reply: socket, then ID, then question have to fit
 *
 * A socket gives way to one with another port after some queries or seconds, and closes when nothing waits on it. What
 * fits nothing is counted and otherwise ignored; a socket that gets much of it is left for another port at once.
 */
import dgram from 'node:dgram'
import { type Carrier, copyFrame, type Exchange, FRAME_SIZE, patienceMs } from './exchange.ts'
import {
  UDP_SOCKET_AGE_MS_MAX,
  UDP_SOCKET_FORGED_MAX,
  UDP_SOCKET_QUERIES_MAX,
  UDP_SOCKET_WAITING_MAX,
  UDP_SOCKETS_MAX,
} from './limits.ts'
import { randomId, randomIndex } from './random-ids.ts'
import { systemErrorText } from './system-errors.ts'
import type { TimingWheel } from './timing-wheel.ts'
import { addressAndPort, type UpstreamOptions } from './upstream-address.ts'
import type { UpstreamEvents } from './upstream-events.ts'

/** Sockets open at once, those that only wait for their last replies included. */
const UDP_SOCKETS_OPEN_MAX = 512
/** Receive buffer asked of the kernel: replies come in bursts. */
const RECEIVE_BUFFER_BYTES = 1024 * 1024
const IDS = 65536

export class UdpSockets {
  readonly options: UpstreamOptions
  readonly wheel: TimingWheel
  readonly events: UpstreamEvents
  /** Exchanges that wait on any of the sockets. */
  waiting = 0
  /** Sockets open, draining ones included. */
  open = 0
  readonly #active: UdpSocket[] = []
  readonly #draining = new Set<UdpSocket>()
  #sweep: NodeJS.Timeout | undefined
  #closed = false

  constructor(options: UpstreamOptions, wheel: TimingWheel, events: UpstreamEvents) {
    this.options = options
    this.wheel = wheel
    this.events = events
  }

  send(exchange: Exchange, nowMs: number): void {
    const socket = this.#choose(nowMs)
    this.wheel.add(exchange, patienceMs(exchange, nowMs, this.options.readTimeoutMs))
    socket.put(exchange)
  }

  /** The exchange goes on through another socket, with a new port and ID; its time runs on. */
  move(exchange: Exchange, from: UdpSocket): void {
    exchange.frame = copyFrame(exchange.frame)
    this.retire(from)
    this.#choose(performance.now()).put(exchange)
  }

  /** No new queries for this socket; it closes with its last exchange. */
  retire(socket: UdpSocket): void {
    const index = this.#active.indexOf(socket)
    if (index >= 0) {
      this.#active.splice(index, 1)
      this.#draining.add(socket)
    }
    socket.retired = true
    socket.closeWhenIdle()
  }

  gone(socket: UdpSocket): void {
    const index = this.#active.indexOf(socket)
    if (index >= 0) this.#active.splice(index, 1)
    this.#draining.delete(socket)
    this.open--
  }

  close(): void {
    this.#closed = true
    clearInterval(this.#sweep)
    for (const socket of [...this.#active, ...this.#draining]) socket.fail('upstream is being closed')
  }

  #choose(nowMs: number): UdpSocket {
    const active = this.#active
    while (active.length > 0) {
      const crowded = active.length >= UDP_SOCKETS_MAX || this.open >= UDP_SOCKETS_OPEN_MAX
      if (!crowded) break
      const socket = active[randomIndex(active.length)]!
      if (this.open < UDP_SOCKETS_OPEN_MAX) {
        if (socket.isWorn(nowMs)) {
          this.retire(socket)
          continue
        }
        if (socket.isFull()) break
      }
      this.events.reused('udp')
      socket.lastUsedMs = nowMs
      return socket
    }
    this.events.opened('udp')
    const socket = new UdpSocket(this, nowMs)
    this.open++
    active.push(socket)
    this.#startSweep()
    if (this.options.expireMs === 0) {
      // Never used twice: it takes the query it is opened for and drains.
      active.pop()
      this.#draining.add(socket)
      socket.retired = true
    }
    return socket
  }

  #startSweep(): void {
    if (this.#sweep !== undefined || this.#closed) return
    const period = Math.min(Math.max(this.options.expireMs, 1000), UDP_SOCKET_AGE_MS_MAX)
    this.#sweep = setInterval(() => {
      const nowMs = performance.now()
      for (const socket of [...this.#active]) if (socket.isWorn(nowMs)) this.retire(socket)
      if (this.#active.length === 0 && this.#draining.size === 0) {
        clearInterval(this.#sweep)
        this.#sweep = undefined
      }
    }, period)
    this.#sweep.unref()
  }
}

class UdpSocket implements Carrier {
  retired = false
  lastUsedMs: number
  readonly #owner: UdpSockets
  readonly #socket: dgram.Socket
  readonly #waiting = new Map<number, Exchange>()
  readonly #openedMs: number
  readonly #onSent = (error: Error | null): void => {
    if (error !== null) this.fail(this.#describe('write', error))
  }
  #queries = 0
  #forged = 0
  #ready = false
  #closed = false
  /** Exchanges put while the socket is being connected. */
  #early: Exchange[] = []
  /** A bit per ID whose exchange timed out: a late reply is no forgery. Made when the first one does. */
  #lateIds: Uint8Array | undefined

  constructor(owner: UdpSockets, nowMs: number) {
    this.#owner = owner
    this.#openedMs = nowMs
    this.lastUsedMs = nowMs
    const { host, port } = owner.options.address
    const family = host.includes(':') ? 6 : 4
    this.#socket = dgram.createSocket({
      type: family === 6 ? 'udp6' : 'udp4',
      recvBufferSize: RECEIVE_BUFFER_BYTES,
      // The host is an address already: no trip through the resolver's threads.
      lookup: (address, _options, callback) => callback(null, address, family),
    })
    this.#socket.on('message', (message) => this.#onMessage(message))
    this.#socket.on('error', (error) => this.fail(this.#describe('read', error)))
    const address = owner.options.sourceAddress ?? (family === 6 ? '::' : '0.0.0.0')
    this.#socket.bind({ port: 0, address, exclusive: true }, () => {
      if (!this.#closed) this.#socket.connect(port, host, () => this.#onReady())
    })
  }

  isWorn(nowMs: number): boolean {
    const { expireMs, maxAgeMs } = this.#owner.options
    const age = nowMs - this.#openedMs
    return (
      this.#queries >= UDP_SOCKET_QUERIES_MAX ||
      age > UDP_SOCKET_AGE_MS_MAX ||
      nowMs - this.lastUsedMs > expireMs ||
      (maxAgeMs > 0 && age > maxAgeMs)
    )
  }

  isFull(): boolean {
    return this.#waiting.size >= UDP_SOCKET_WAITING_MAX
  }

  put(exchange: Exchange): void {
    let id = randomId()
    while (this.#waiting.has(id)) id = randomId()
    if (this.#lateIds !== undefined) this.#lateIds[id >>> 3]! &= ~(1 << (id & 7))
    this.#waiting.set(id, exchange)
    this.#owner.waiting++
    this.#queries++
    exchange.id = id
    exchange.carrier = this
    const { frame } = exchange
    frame[FRAME_SIZE] = id >>> 8
    frame[FRAME_SIZE + 1] = id
    if (this.#ready) this.#transmit(frame)
    else this.#early.push(exchange)
  }

  onExchangeTimeout(exchange: Exchange): void {
    this.#forget(exchange)
    this.#lateIds ??= new Uint8Array(IDS >>> 3)
    this.#lateIds[exchange.id >>> 3]! |= 1 << (exchange.id & 7)
    const route = this.#route()
    this.closeWhenIdle()
    exchange.onFailure('timeout', `read udp ${route}: i/o timeout`)
  }

  release(exchange: Exchange): void {
    this.#owner.wheel.remove(exchange)
    exchange.carrier = undefined
    this.#forget(exchange)
    this.closeWhenIdle()
  }

  closeWhenIdle(): void {
    if (this.retired && this.#waiting.size === 0) this.#close()
  }

  /** The socket is of no use: everything that waits on it fails. */
  fail(reason: string): void {
    const waiting = [...this.#waiting.values()]
    this.#owner.waiting -= waiting.length
    this.#waiting.clear()
    this.#close()
    for (const exchange of waiting) {
      this.#owner.wheel.remove(exchange)
      exchange.carrier = undefined
    }
    for (const exchange of waiting) exchange.onFailure('broken', reason)
  }

  #onReady(): void {
    this.#ready = true
    const early = this.#early
    this.#early = []
    for (const exchange of early) if (exchange.carrier === this) this.#transmit(exchange.frame)
  }

  #transmit(frame: Uint8Array): void {
    if (!this.#closed) this.#socket.send(frame, FRAME_SIZE, frame.length - FRAME_SIZE, this.#onSent)
  }

  #onMessage(message: Buffer): void {
    if (message.length < 2) {
      this.#onForged()
      return
    }
    const id = (message[0]! << 8) | message[1]!
    const exchange = this.#waiting.get(id)
    if (exchange === undefined) {
      const late = this.#lateIds
      if (late !== undefined && (late[id >>> 3]! & (1 << (id & 7))) !== 0) late[id >>> 3]! &= ~(1 << (id & 7))
      else this.#onForged()
      return
    }
    if (exchange.judge(message) === 'ignore') {
      this.#onForged()
      return
    }
    this.#owner.wheel.remove(exchange)
    exchange.carrier = undefined
    this.#forget(exchange)
    this.closeWhenIdle()
    exchange.onReply(message)
  }

  #onForged(): void {
    this.#owner.events.ignored()
    if (++this.#forged !== UDP_SOCKET_FORGED_MAX) return
    const waiting = [...this.#waiting.values()]
    this.#owner.waiting -= waiting.length
    this.#waiting.clear()
    if (waiting.length === 0) this.#owner.retire(this)
    for (const exchange of waiting) this.#owner.move(exchange, this)
  }

  #forget(exchange: Exchange): void {
    if (this.#waiting.delete(exchange.id)) this.#owner.waiting--
  }

  #close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#owner.gone(this)
    this.#socket.close()
  }

  #describe(operation: 'read' | 'write', error: Error): string {
    return `${operation} udp ${this.#route()}: ${systemErrorText(operation, error)}`
  }

  #route(): string {
    const upstream = addressAndPort(this.#owner.options.address)
    try {
      const { address, port } = this.#socket.address()
      return `${addressAndPort({ host: address, port })}->${upstream}`
    } catch {
      // Never bound, or closed.
      return upstream
    }
  }
}
