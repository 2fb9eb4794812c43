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
 *
 * The queries of one turn of the event loop go to one socket for as long as it takes some, so that they leave, and their replies
 * are read, in batches (`datagrams.ts`). A socket that has nothing to do any more is kept, without a port, for the next one that is
 * opened: that costs two system calls then. Without node:ffi each query is a packet of node:dgram, and sockets are closed.
 */
import dgram from 'node:dgram'
import type { SendArena } from '../../../mmsg/arena.ts'
import { EAGAIN, EINTR, ENOBUFS } from '../../../mmsg/layout.ts'
import { SocketError } from '../../../mmsg/libc.ts'
import { copyOctets } from '../../../wire/copy-octets.ts'
import { type Datagrams, type SocketName, threadDatagrams } from './datagrams.ts'
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
/** Sockets without a port that are kept. */
const UDP_SOCKETS_SPARE_MAX = 64
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
  readonly #ffi: boolean
  /** `192.0.2.53:53`. */
  readonly upstream: string
  readonly #active: UdpSocket[] = []
  readonly #draining = new Set<UdpSocket>()
  readonly #spare: UdpSocket[] = []
  #sweep: NodeJS.Timeout | undefined
  #closed = false
  /** The one that the queries of this turn go to. */
  #current: UdpSocket | undefined
  #isTurn = false
  #peer: SocketName | undefined
  #source: SocketName | undefined
  /** Queries of `#outSocket` that wait for the turn's end, and whose they are. */
  #out: SendArena | undefined
  #outSocket: UdpSocket | undefined
  readonly #outExchanges: Exchange[] = []
  readonly #endTurn = (): void => {
    this.#isTurn = false
    this.#current = undefined
    this.#flush()
  }

  constructor(options: UpstreamOptions, wheel: TimingWheel, events: UpstreamEvents, ffi: boolean) {
    this.options = options
    this.wheel = wheel
    this.events = events
    this.#ffi = ffi
    this.upstream = addressAndPort(options.address)
  }

  send(exchange: Exchange, nowMs: number): void {
    const socket = this.#chooseForTurn(nowMs)
    this.wheel.add(exchange, patienceMs(exchange, nowMs, this.options.readTimeoutMs))
    socket.put(exchange)
  }

  /** Throws SocketError where the address names an interface that isn't there. */
  peer(datagrams: Datagrams): SocketName {
    const { host, port } = this.options.address
    this.#peer ??= datagrams.socketName(host, port)
    return this.#peer
  }

  source(datagrams: Datagrams): SocketName | undefined {
    const { sourceAddress } = this.options
    if (sourceAddress !== undefined) this.#source ??= datagrams.socketName(sourceAddress, 0)
    return this.#source
  }

  /** Sends the exchange's frame through a socket of `Datagrams`, at the end of the turn. */
  queue(socket: UdpSocket, datagrams: Datagrams, exchange: Exchange): void {
    const { frame } = exchange
    const length = frame.length - FRAME_SIZE
    this.#out ??= datagrams.sendArena()
    if (this.#outSocket !== socket || this.#out.isFull) this.#flush()
    const out = this.#out
    this.#outSocket = socket
    copyOctets(frame, FRAME_SIZE, out.bytes, out.end, length)
    out.put(length, 0, 0)
    this.#outExchanges.push(exchange)
  }

  /** The exchange goes on through another socket, with a new port and ID; its time runs on. */
  move(exchange: Exchange, from: UdpSocket): void {
    exchange.frame = copyFrame(exchange.frame)
    this.retire(from)
    this.#chooseForTurn(performance.now()).put(exchange)
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

  /** Takes a socket without a port for later use. Returns whether there is room. */
  keep(socket: UdpSocket): boolean {
    if (this.#closed || this.#spare.length >= UDP_SOCKETS_SPARE_MAX) return false
    this.#spare.push(socket)
    if (this.#outSocket === socket) this.#dropOut()
    return true
  }

  /** A spare socket has failed. */
  unkeep(socket: UdpSocket): void {
    const index = this.#spare.indexOf(socket)
    if (index >= 0) this.#spare.splice(index, 1)
  }

  #flush(): void {
    const out = this.#out
    const socket = this.#outSocket
    if (out === undefined || socket === undefined) return
    const errno = socket.fd < 0 ? 0 : socket.datagrams!.send(socket.fd, out)
    const exchanges = errno === 0 ? [] : this.#outExchanges.slice(out.first)
    this.#dropOut()
    // From here on queries may come that are sent again.
    if (errno !== 0) socket.onSendFailure(errno, exchanges)
  }

  #dropOut(): void {
    this.#outSocket = undefined
    this.#out!.clear()
    this.#outExchanges.length = 0
  }

  close(): void {
    this.#closed = true
    clearInterval(this.#sweep)
    for (const socket of [...this.#active, ...this.#draining, ...this.#spare]) socket.fail('upstream is being closed')
  }

  #chooseForTurn(nowMs: number): UdpSocket {
    if (!this.#isTurn) {
      this.#isTurn = true
      process.nextTick(this.#endTurn)
    }
    const current = this.#current
    if (current !== undefined && !current.retired && !current.isFull()) {
      if (!current.isWorn(nowMs) || this.open >= UDP_SOCKETS_OPEN_MAX) {
        this.events.reused('udp')
        return current
      }
    }
    this.#current = this.#choose(nowMs)
    return this.#current
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
    const socket = this.#openSocket(nowMs)
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

  #openSocket(nowMs: number): UdpSocket {
    for (;;) {
      const spare = this.#spare.pop()
      if (spare === undefined) return new UdpSocket(this, nowMs, this.#ffi ? threadDatagrams() : undefined)
      if (spare.renew(nowMs)) return spare
    }
  }

  #startSweep(): void {
    if (this.#sweep !== undefined || this.#closed) return
    const period = Math.min(Math.max(this.options.expireMs, 1000), UDP_SOCKET_AGE_MS_MAX)
    this.#sweep = setInterval(() => {
      const nowMs = performance.now()
      for (const socket of [...this.#spare]) socket.fail('nobody needs it')
      for (const socket of [...this.#active]) if (socket.isWorn(nowMs)) this.retire(socket)
      if (this.#active.length === 0 && this.#draining.size === 0 && this.#spare.length === 0) {
        clearInterval(this.#sweep)
        this.#sweep = undefined
      }
    }, period)
    this.#sweep.unref()
  }
}

class UdpSocket implements Carrier {
  retired = false
  readonly datagrams: Datagrams | undefined
  /** With `datagrams`, the socket's descriptor; -1 without, and when the socket is closed. */
  fd = -1
  lastUsedMs: number
  readonly #owner: UdpSockets
  readonly #socket: dgram.Socket
  #waiting = new Map<number, Exchange>()
  #openedMs: number
  readonly #onSent = (error: Error | null): void => {
    if (error !== null) this.fail(this.#describe('write', error))
  }
  /** Where from and where to, with the port that it has now. Made when the first query times out. */
  #routeText: string | undefined
  #queries = 0
  #forged = 0
  #ready = false
  #closed = false
  /** Without a port, kept for later. */
  #isSpare = false
  /** Exchanges put while the socket is being connected. */
  #early: Exchange[] = []
  /** A bit per ID whose exchange timed out: a late reply is no forgery. Made when the first one does. */
  #lateIds: Uint8Array | undefined

  constructor(owner: UdpSockets, nowMs: number, datagrams: Datagrams | undefined) {
    this.#owner = owner
    this.datagrams = datagrams
    this.#openedMs = nowMs
    this.lastUsedMs = nowMs
    const { host, port } = owner.options.address
    const family = host.includes(':') ? 6 : 4
    this.#socket = dgram.createSocket({
      type: family === 6 ? 'udp6' : 'udp4',
      ...(datagrams === undefined ? { recvBufferSize: RECEIVE_BUFFER_BYTES } : {}),
      // The host is an address already: no trip through the resolver's threads.
      lookup: (address, _options, callback) => callback(null, address, family),
    })
    this.#socket.on('error', (error) => this.fail(this.#describe('read', error)))
    if (datagrams !== undefined) {
      this.#socket.on('message', (message) => {
        this.#onMessage(message)
        this.#receiveRest()
      })
      this.#openConnected(datagrams)
      return
    }
    this.#socket.on('message', (message) => this.#onMessage(message))
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
    if (this.#ready) this.#transmit(exchange)
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
    if (!this.retired || this.#waiting.size > 0 || this.#isSpare || this.#closed) return
    if (this.fd >= 0 && this.datagrams!.disconnect(this.fd) && this.#owner.keep(this)) {
      this.#isSpare = true
      this.#owner.gone(this)
    } else this.#close()
  }

  /** A spare socket begins anew, at another port. Returns whether it can; if not, it is closed. */
  renew(nowMs: number): boolean {
    const datagrams = this.datagrams!
    if (!datagrams.reconnect(this.fd, this.#owner.peer(datagrams))) {
      this.#close()
      return false
    }
    this.#isSpare = false
    this.retired = false
    this.lastUsedMs = nowMs
    this.#openedMs = nowMs
    this.#routeText = undefined
    this.#queries = 0
    this.#forged = 0
    this.#lateIds = undefined
    // One that lives long is moved to V8's old generation, and what it had keeps young objects from dying there.
    this.#waiting = new Map()
    return true
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
    for (const exchange of early) if (exchange.carrier === this) this.#transmit(exchange)
  }

  #openConnected(datagrams: Datagrams): void {
    let fd = -1
    try {
      fd = datagrams.connect(this.#owner.peer(datagrams), this.#owner.source(datagrams), RECEIVE_BUFFER_BYTES)
      this.#socket.bind({ fd, exclusive: true })
      this.fd = fd
      this.#ready = true
    } catch (error) {
      if (fd >= 0) datagrams.close(fd)
      // What is put until then fails with it.
      process.nextTick(() => this.fail(this.#describe('dial', error as Error, 'connect')))
    }
  }

  #transmit(exchange: Exchange): void {
    if (this.#closed) return
    const { frame } = exchange
    if (this.fd >= 0) this.#owner.queue(this, this.datagrams!, exchange)
    else this.#socket.send(frame, FRAME_SIZE, frame.length - FRAME_SIZE, this.#onSent)
  }

  /** The kernel didn't take these exchanges' queries. */
  onSendFailure(errno: number, exchanges: readonly Exchange[]): void {
    if (errno !== EAGAIN && errno !== ENOBUFS) {
      this.fail(this.#describe('write', new SocketError('sendmmsg', errno, this.#owner.upstream)))
      return
    }
    for (const exchange of exchanges) {
      if (exchange.carrier !== this) continue
      this.release(exchange)
      exchange.onFailure('overload', `the system takes no more queries for ${this.#owner.upstream}`)
    }
  }

  /** node:dgram has read one datagram; the others that are there cost less this way. */
  #receiveRest(): void {
    const datagrams = this.datagrams!
    while (this.fd >= 0 && this.#waiting.size > 0) {
      const count = datagrams.receive(this.fd)
      for (let i = 0; i < count; i++) this.#onMessage(datagrams.take(i))
      if (count >= 0 && datagrams.isFull(count)) continue
      if (count < 0 && count !== -EAGAIN && count !== -EINTR) {
        this.fail(this.#describe('read', new SocketError('recvmmsg', -count, this.#owner.upstream)))
      }
      return
    }
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
    this.fd = -1
    if (this.#isSpare) this.#owner.unkeep(this)
    else this.#owner.gone(this)
    this.#socket.close()
  }

  #describe(operation: 'dial' | 'read' | 'write', error: Error, call: string = operation): string {
    return `${operation} udp ${this.#route()}: ${systemErrorText(call, error)}`
  }

  /** `127.0.0.1:40053->192.0.2.53:53`. */
  #route(): string {
    if (this.#routeText !== undefined) return this.#routeText
    const { upstream } = this.#owner
    try {
      const { address, port } = this.#socket.address()
      this.#routeText = `${addressAndPort({ host: address, port })}->${upstream}`
      return this.#routeText
    } catch {
      // Not bound yet, or closed.
      return upstream
    }
  }
}
