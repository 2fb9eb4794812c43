/**
 * The `mmsg` transport: one UDP socket, read and written in batches through node:ffi, on Node's own event loop.
 *
 *   readable ─► recvmmsg: up to BATCH queries ─► handler, one by one ─► replies, packed ─► sendmmsg ─► again, up to the budget
 *                                                   └ REPLY_LATER: the pool ─► sendLater … flushLater ─► sendmmsg
 *
 * Two arenas for replies: `#now` borrows the clients' addresses from the batch just received, and is empty again before the next
 * batch is read; `#later` has its own addresses, and is sent once for all the replies that came in one turn of the event loop.
 *
 * When the kernel takes no more (EAGAIN), the socket stops reading until it does: queries then wait, and are dropped and counted,
 * in the kernel's receive buffer, which is what it is for. Errors of one destination cost that one reply.
 *
 * A turn reads `packetsPerTurn` queries at most, then timers, TCP and the pool's answers have theirs; the rest is still in the
 * kernel's buffer and libuv calls again at once.
 */
import { isMainThread } from 'node:worker_threads'
import type { Client } from '../../chain/plugin.ts'
import { BATCH, REPLY_SIZE_MAX, ReceiveArena, SendArena } from '../../mmsg/arena.ts'
import {
  AF_INET,
  AF_INET6,
  CMSG_DATA,
  CMSG_LEVEL,
  CMSG_TYPE,
  CONTROL4_SIZE,
  EAGAIN,
  ECONNREFUSED,
  EHOSTUNREACH,
  EINTR,
  ENETUNREACH,
  IP_PKTINFO,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPV6_PKTINFO,
  MMSGHDR_SIZE,
  MSG_CTRUNC,
  MSG_DONTWAIT,
  MSG_FLAGS,
  MSG_LEN,
  MSG_NAMELEN,
  MSG_TRUNC,
  PKTINFO6_SIZE,
  SOCKADDR_IN_ADDRESS,
  SOCKADDR_IN6_ADDRESS,
  SOCKADDR_PORT,
  UV_READABLE,
  UV_WRITABLE,
} from '../../mmsg/layout.ts'
import { type Libc, loadLibc, MmsgUnavailable } from '../../mmsg/libc.ts'
import type { QueryHandler } from '../query-handler.ts'
import type { UdpFigures, UdpSocket, UdpSocketOptions, UdpTransport } from '../udp-transport.ts'
import { drainTicks } from './drain-ticks.ts'
import { type BoundSocket, openSocket } from './open-socket.ts'
import { Poll } from './poll.ts'

/** Queries of one turn of the event loop, unless the options say otherwise: 2 ms of work at 4 µs each. */
export const PACKETS_PER_TURN_DEFAULT = 512
/** Replies from the pool that one sendmmsg call takes. */
const LATER_BATCH = 256
/** What the arenas are sized for; single replies may be as large as UDP allows. */
const REPLY_SIZE_TYPICAL = 512
/** Errors of the socket, not of a packet, in a row within one turn after which the turn ends. */
const SOCKET_ERRORS_MAX = 16

/** A return path: sockaddr, its size, size of the control message, its data. */
const PATH_NAME_SIZE = 28
const PATH_CONTROL_SIZE = 29
const PATH_CONTROL = 32

export interface MmsgOptions extends UdpSocketOptions {
  readonly receiveBufferSize?: number
  readonly sendBufferSize?: number
  readonly packetsPerTurn?: number
  /** The handler threw, which it must not do: the query got no reply. Called on the event loop; throws from there unless given. */
  readonly onError?: (error: unknown) => void
}

/** What the socket did so far; only ever grows. */
export interface MmsgFigures extends UdpFigures {
  /** recvmmsg calls that gave something: `received / receiveBatches` is the mean size of a batch. */
  receiveBatches: number
  sendBatches: number
  /** Queries longer than RECEIVE_SIZE_MAX, dropped. */
  truncated: number
  /** Times that reading stopped because the send buffer was full. */
  stalls: number
}

/** The transport, for a process in which `selfTest` (self-test.ts) found nothing. `reason`: why this one, for the operator. */
export function mmsgTransport(reason: string): UdpTransport {
  return { name: 'mmsg', reason, open: openMmsgSocket }
}

/**
 * Opens and binds the socket, and reads from it from the next turn of the event loop on. Rejects with MmsgUnavailable or SocketError.
 */
export async function openMmsgSocket(options: MmsgOptions): Promise<MmsgSocket> {
  const libc = await loadLibc()
  // A thread that ends with a uv_poll_t open takes the process with it: Node closes only the handles that it knows.
  if (!isMainThread) throw new MmsgUnavailable("it runs in a process's main thread only")
  return new MmsgSocket(libc, openSocket(libc, options), options)
}

export class MmsgSocket implements UdpSocket {
  readonly port: number
  readonly #figures: MmsgFigures = {
    received: 0,
    sent: 0,
    unanswerable: 0,
    refused: 0,
    congested: 0,
    receiveErrors: 0,
    heldDropped: 0,
    kernelDrops: 0,
    receiveBatches: 0,
    sendBatches: 0,
    truncated: 0,
    stalls: 0,
  }
  readonly #libc: Libc
  readonly #socket: BoundSocket
  readonly #fd: number
  readonly #poll: Poll
  #handler: QueryHandler
  readonly #onError: (error: unknown) => void
  readonly #roundsMax: number
  readonly #in: ReceiveArena
  readonly #now: SendArena
  readonly #later: SendArena
  readonly #client: Client
  /** The datagram being handled, for `saveReturnPath`; -1 outside `handle`. */
  #current = -1
  #currentControl = 0
  /** Waiting for the kernel to take replies; reading is suspended. */
  #stalled = false
  #flushScheduled = false
  /** Nothing is read until it is over. */
  #held = false
  #stopping = false
  #closed = false

  /** Use `openMmsgSocket`. */
  constructor(libc: Libc, socket: BoundSocket, options: MmsgOptions) {
    this.#libc = libc
    this.#socket = socket
    this.#fd = socket.fd
    this.port = socket.port
    this.#handler = options.handler
    this.#onError =
      options.onError ??
      ((error) =>
        setImmediate(() => {
          throw error
        }))
    this.#roundsMax = Math.max(1, Math.round((options.packetsPerTurn ?? PACKETS_PER_TURN_DEFAULT) / BATCH))
    this.#in = new ReceiveArena(libc, socket.packetInfo)
    this.#now = new SendArena(libc, BATCH, REPLY_SIZE_TYPICAL, this.#in)
    this.#later = new SendArena(libc, LATER_BATCH, REPLY_SIZE_TYPICAL)
    this.#client = { family: 4, address: new Uint8Array(16), port: 0, listenerId: options.listenerId, tcp: false }
    // The Poll holds this object, and with it the arenas, until libuv let go of the descriptor.
    this.#poll = new Poll(libc, socket.fd, (events, status) => this.#onReady(events, status))
    this.#poll.watch(UV_READABLE)
  }

  /** Costs a system call. */
  figures(): MmsgFigures {
    if (!this.#closed) this.#figures.kernelDrops = this.#socket.kernelDrops()
    return this.#figures
  }

  serve(handler: QueryHandler, listenerId: number): void {
    this.#handler = handler
    this.#client.listenerId = listenerId
  }

  /** What comes meanwhile waits in the kernel's receive buffer. */
  hold(): void {
    this.#held = true
    this.#watch()
  }

  release(): void {
    this.#held = false
    this.#watch()
  }

  /** Octets that the kernel granted for waiting queries; it may be less than was asked for. */
  get receiveBufferSize(): number {
    return this.#socket.receiveBufferSize
  }

  /** Whether the socket keeps the process running; it does at first. */
  ref(keep: boolean): void {
    this.#poll.ref(keep)
  }

  saveReturnPath(out: Uint8Array, at: number): void {
    const { bytes, words } = this.#in
    const i = this.#current
    const name = this.#in.nameOf(i)
    for (let k = 0; k < PATH_NAME_SIZE; k++) out[at + k] = bytes[name + k]!
    out[at + PATH_NAME_SIZE] = words[(i * MMSGHDR_SIZE + MSG_NAMELEN) >> 2]!
    out[at + PATH_CONTROL_SIZE] = this.#currentControl
    if (this.#currentControl === 0) return
    const control = this.#in.controlOf(i) + CMSG_DATA
    for (let k = 0; k < PKTINFO6_SIZE; k++) out[at + PATH_CONTROL + k] = bytes[control + k]!
  }

  sendLater(path: Uint8Array, at: number, bytes: Uint8Array, start: number, length: number): void {
    if (this.#closed || length === 0 || length > REPLY_SIZE_MAX) return
    const arena = this.#later
    if (arena.isFull) {
      this.#send(arena)
      if (arena.isFull) {
        this.#figures.congested++
        return
      }
    }
    const { end, count } = arena
    const out = arena.bytes
    if (length <= REPLY_SIZE_TYPICAL) for (let k = 0; k < length; k++) out[end + k] = bytes[start + k]!
    else out.set(bytes.subarray(start, start + length), end)
    const name = arena.nameOf(count)
    for (let k = 0; k < PATH_NAME_SIZE; k++) out[name + k] = path[at + k]!
    const controlSize = path[at + PATH_CONTROL_SIZE]!
    if (controlSize !== 0) {
      const control = arena.controlOf(count)
      const { words } = arena
      const ipv4 = controlSize === CONTROL4_SIZE
      words[control >> 2] = CMSG_DATA + (ipv4 ? 12 : PKTINFO6_SIZE)
      words[(control + 4) >> 2] = 0
      words[(control + CMSG_LEVEL) >> 2] = ipv4 ? IPPROTO_IP : IPPROTO_IPV6
      words[(control + CMSG_TYPE) >> 2] = ipv4 ? IP_PKTINFO : IPV6_PKTINFO
      for (let k = 0; k < PKTINFO6_SIZE; k++) out[control + CMSG_DATA + k] = path[at + PATH_CONTROL + k]!
    }
    arena.put(length, path[at + PATH_NAME_SIZE]!, controlSize)
    if (!this.#flushScheduled) {
      this.#flushScheduled = true
      setImmediate(this.#flushSoon)
    }
  }

  /** A reply that will never come needs nothing undone. */
  forget(_path: Uint8Array, _at: number): void {}

  flushLater(): void {
    if (!this.#closed && !this.#stalled) this.#send(this.#later)
  }

  /**
   * Answers what is in the receive buffer by now; further queries go to the other sockets of the address, if there are any. Replies
   * can still be sent. Takes as many turns of the event loop as there are queries for.
   */
  async stop(): Promise<void> {
    if (this.#stopping || this.#closed) return
    this.#stopping = true
    this.#socket.detach()
    while (!this.#closed && (this.#stalled || this.#receive() === BATCH)) {
      await new Promise((resolve) => setImmediate(resolve))
    }
    this.#held = true
    this.#watch()
  }

  /** Sends what waits, closes the descriptor, and resolves when libuv let go of it. Nothing is handled or sent any more. */
  close(): Promise<void> {
    if (!this.#closed) {
      this.#send(this.#now)
      this.#send(this.#later)
      this.figures()
      this.#closed = true
    }
    return this.#poll.close()
  }

  #flushSoon = (): void => {
    this.#flushScheduled = false
    this.flushLater()
  }

  #onReady(events: number, status: number): void {
    if (status < 0) this.#clearError()
    try {
      if (this.#stalled) this.#resume()
      else if (!this.#held) this.#receive()
    } catch (error) {
      this.#onError(error)
    }
    if (status < 0 || events === 0) this.#watch()
    drainTicks(this.#onError)
  }

  #watch(): void {
    if (!this.#closed) this.#poll.watch(this.#stalled ? UV_WRITABLE : this.#held ? 0 : UV_READABLE)
  }

  /** Reads one turn's queries at most. Returns BATCH when there may be more, else less. */
  #receive(): number {
    for (let round = 1; round < this.#roundsMax; round++) {
      const count = this.#receiveBatch()
      if (count < BATCH) return count
    }
    return this.#receiveBatch()
  }

  /** One batch from kernel to kernel. Returns how many queries it had: BATCH means that there may be more. */
  #receiveBatch(): number {
    if (this.#closed || this.#stalled) return 0
    const arena = this.#in
    const count = this.#receiveSome()
    if (count <= 0) return 0
    this.#figures.received += count
    this.#figures.receiveBatches++
    for (let i = 0; i < count; i++) {
      const header = (i * MMSGHDR_SIZE) >> 2
      this.#handleOne(i, arena.words[header + (MSG_LEN >> 2)]!, arena.words[header + (MSG_FLAGS >> 2)]!)
      arena.reset(i)
    }
    this.#current = -1
    this.#handler.flush()
    this.#send(this.#now)
    return count
  }

  #receiveSome(): number {
    for (let errors = 0; errors < SOCKET_ERRORS_MAX; errors++) {
      const count = this.#libc.recvmmsg(this.#fd, this.#in.headersAt, BATCH, MSG_DONTWAIT, 0n)
      if (count >= 0) return count
      const errno = this.#libc.errno()
      if (errno === EAGAIN) return 0
      // An ICMP error that some reply caused is reported, once, in place of a datagram.
      if (errno !== EINTR) this.#figures.receiveErrors++
    }
    return 0
  }

  #handleOne(i: number, length: number, flags: number): void {
    const { bytes, words } = this.#in
    const client = this.#client
    const name = this.#in.nameOf(i)
    if ((flags & MSG_TRUNC) !== 0) {
      this.#figures.truncated++
      return
    }
    const port = (bytes[name + SOCKADDR_PORT]! << 8) | bytes[name + SOCKADDR_PORT + 1]!
    const family = words[name >> 2]! & 0xffff
    if (port === 0 || (family !== AF_INET && family !== AF_INET6)) {
      this.#figures.unanswerable++
      return
    }
    client.port = port
    fillClient(client, bytes, words, name, family)
    const controlSize = (flags & MSG_CTRUNC) === 0 ? this.#in.returnControl(i) : 0
    this.#current = i
    this.#currentControl = controlSize
    const out = this.#now
    if (out.isFull) this.#send(out)
    if (out.isFull) {
      this.#figures.congested++
      return
    }
    const start = out.end
    const data = this.#in.dataOf(i)
    const replyLength = this.#reply(data, length, start)
    if (replyLength > 0) {
      out.putBorrowed(i, replyLength, words[(i * MMSGHDR_SIZE + MSG_NAMELEN) >> 2]!, controlSize)
    }
  }

  #reply(data: number, length: number, start: number): number {
    try {
      return this.#handler.handle(
        this.#in.bytes,
        data,
        length,
        this.#client,
        this,
        this.#now.bytes,
        start,
        REPLY_SIZE_MAX,
      )
    } catch (error) {
      // The others of the batch must not suffer, and libuv's C code above us must not see it.
      this.#onError(error)
      return 0
    }
  }

  /** Sends what the arena has; what the kernel doesn't take now stays there, and reading is suspended. */
  #send(arena: SendArena): void {
    if (this.#closed) return
    let retried = false
    while (arena.first < arena.count) {
      const sent = this.#libc.sendmmsg(this.#fd, arena.headerAt[arena.first]!, arena.count - arena.first, MSG_DONTWAIT)
      if (sent > 0) {
        this.#figures.sent += sent
        this.#figures.sendBatches++
        arena.first += sent
        retried = false
        continue
      }
      const errno = this.#libc.errno()
      if (errno === EINTR) continue
      if (errno === EAGAIN) {
        this.#stall()
        return
      }
      if (!retried && (errno === ECONNREFUSED || errno === EHOSTUNREACH || errno === ENETUNREACH)) {
        // Perhaps not about this reply: an earlier one's ICMP error is reported to whichever call comes next.
        this.#figures.receiveErrors++
        retried = true
        continue
      }
      this.#figures.refused++
      arena.first++
      retried = false
    }
    arena.clear()
  }

  #stall(): void {
    if (this.#stalled) return
    this.#stalled = true
    this.#figures.stalls++
    this.#watch()
  }

  #resume(): void {
    this.#stalled = false
    this.#send(this.#now)
    if (!this.#stalled) this.#send(this.#later)
    this.#watch()
  }

  #clearError(): void {
    this.#figures.receiveErrors++
    this.#socket.takeError()
  }
}

/** A client of an IPv6 socket that came over IPv4 (::ffff:192.0.2.1) is an IPv4 client. */
function fillClient(client: Client, bytes: Uint8Array, words: Int32Array, name: number, family: number): void {
  const { address } = client
  let from = name + SOCKADDR_IN_ADDRESS
  let size = 4
  if (family === AF_INET6) {
    const word = (name + SOCKADDR_IN6_ADDRESS) >> 2
    const mapped = words[word] === 0 && words[word + 1] === 0 && words[word + 2] === MAPPED_PREFIX
    from = name + SOCKADDR_IN6_ADDRESS + (mapped ? 12 : 0)
    size = mapped ? 4 : 16
  }
  client.family = size === 4 ? 4 : 6
  for (let k = 0; k < size; k++) address[k] = bytes[from + k]!
}

/** 0000:ffff in network order, read as a little-endian word. */
const MAPPED_PREFIX = 0xffff0000 | 0
