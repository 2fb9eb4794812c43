/**
 * Datagrams to and from upstreams in batches, through node:ffi: connected sockets opened, written and read with the system's own
 * calls. node:dgram only says when one of them can be read: it knows the descriptor, closes it, and takes the first datagram.
 *
 *   query ─► SendArena of the upstream ─► sendmmsg, once per turn and socket
 *   readable ─► node:dgram: the first reply ─► recvmmsg: those behind it
 *
 * Why, with figures: docs/decisions/0012-forward-datagrams.md.
 */
import { ReceiveArena, SendArena } from '../../../mmsg/arena.ts'
import {
  AF_INET,
  AF_INET6,
  EAGAIN,
  EINTR,
  EINVAL,
  MMSGHDR_SIZE,
  MSG_DONTWAIT,
  MSG_LEN,
  SO_RCVBUF,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOCKADDR_IN_SIZE,
  SOCKADDR_PORT,
  SOL_SOCKET,
} from '../../../mmsg/layout.ts'
import { type Libc, loadLibc, SocketError } from '../../../mmsg/libc.ts'
import { parseSocketAddress, writeSocketAddress } from '../../../mmsg/socket-address.ts'
import { copyOctets } from '../../../wire/copy-octets.ts'

/** Datagrams of one recvmmsg call: as many as a socket has queries, and some forged ones. */
const RECEIVE_BATCH = 32
/** The most that UDP carries, up to a multiple of 64: an upstream may be told of any size. */
const RECEIVE_SIZE = 65536
const SEND_BATCH = 64
/** What is read only to be thrown away: how many at a time, of how many octets each, how often. */
const WASTE_BATCH = 32
const WASTE_SIZE = 64
const WASTE_CALLS_MAX = 64
/** What a query has on average; single ones may be longer. */
const QUERY_SIZE = 128

/** Where a socket is connected or bound to, as the kernel reads it. */
export interface SocketName {
  /** `192.0.2.53:53`. */
  readonly text: string
  readonly family: 4 | 6
  readonly at: bigint
  readonly size: number
  /** Keeps the memory at `at`. */
  readonly memory: ArrayBuffer
}

let opening: Promise<Datagrams | undefined> | undefined
let opened: Datagrams | undefined

/**
 * This thread's; undefined where node:ffi is not there or doesn't do what it should, and until that is known: the first call begins
 * to find out, which takes some milliseconds that no start should wait for.
 */
export function threadDatagrams(): Datagrams | undefined {
  if (opening === undefined) void openDatagrams()
  return opened
}

/** Resolves when it is known. */
export function openDatagrams(): Promise<Datagrams | undefined> {
  opening ??= open()
  return opening
}

async function open(): Promise<Datagrams | undefined> {
  try {
    const datagrams = new Datagrams(await loadLibc())
    if (await datagrams.works()) opened = datagrams
    return opened
  } catch {
    // No node:ffi, no loopback, no sockets: node:dgram says what is wrong, if anything is.
    return undefined
  }
}

export class Datagrams {
  /** Whether `disconnect` takes a socket's port from it. */
  canDisconnect = false
  readonly #libc: Libc
  readonly #in: ReceiveArena
  readonly #waste: ReceiveArena
  /** A sockaddr of no family: a socket that connects to it is connected no more. */
  readonly #nobody = new ArrayBuffer(SOCKADDR_IN_SIZE)
  readonly #nobodyAt: bigint
  readonly #scratch = new ArrayBuffer(64)
  readonly #scratchView = new DataView(this.#scratch)
  readonly #scratchAt: bigint

  constructor(libc: Libc) {
    this.#libc = libc
    this.#in = new ReceiveArena(libc, false, RECEIVE_BATCH, RECEIVE_SIZE)
    this.#waste = new ReceiveArena(libc, false, WASTE_BATCH, WASTE_SIZE)
    this.#scratchAt = libc.addressOf(this.#scratch)
    this.#nobodyAt = libc.addressOf(this.#nobody)
  }

  sendArena(): SendArena {
    return new SendArena(this.#libc, SEND_BATCH, QUERY_SIZE)
  }

  /** `host`: an IP address, with its interface where it is link-local. Throws SocketError when it is none. */
  socketName(host: string, port: number): SocketName {
    const text = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
    const address = parseSocketAddress(host, port, (name) => this.#libc.if_nametoindex(name))
    if (address === undefined) throw new SocketError('connect', EINVAL, text)
    const memory = new ArrayBuffer(32)
    const size = writeSocketAddress(new DataView(memory), 0, address)
    return { text, family: address.family, at: this.#libc.addressOf(memory), size, memory }
  }

  /** A socket that gets datagrams from `peer` alone, at a port that the kernel draws. Returns its descriptor. Throws SocketError. */
  connect(peer: SocketName, source: SocketName | undefined, receiveBufferSize: number): number {
    const libc = this.#libc
    const fd = this.#socket(peer.family)
    this.#scratchView.setInt32(0, receiveBufferSize, true)
    libc.setsockopt(fd, SOL_SOCKET, SO_RCVBUF, this.#scratchAt, 4)
    if (source !== undefined && libc.bind(fd, source.at, source.size) !== 0) throw this.#failed('bind', fd, source.text)
    if (libc.connect(fd, peer.at, peer.size) !== 0) throw this.#failed('connect', fd, peer.text)
    return fd
  }

  /** The socket loses peer and port; nothing reaches it any more. Returns whether the kernel did it. */
  disconnect(fd: number): boolean {
    return this.canDisconnect && this.#libc.connect(fd, this.#nobodyAt, SOCKADDR_IN_SIZE) === 0
  }

  /** After `disconnect`: throws away what had come to the old port, and connects at a new one. Returns whether the kernel did it. */
  reconnect(fd: number, peer: SocketName): boolean {
    const libc = this.#libc
    for (let calls = 0; calls < WASTE_CALLS_MAX; calls++) {
      const count = libc.recvmmsg(fd, this.#waste.headersAt, WASTE_BATCH, MSG_DONTWAIT, 0n)
      for (let i = 0; i < count; i++) this.#waste.reset(i)
      // Another error was pending, and is forgotten with this call.
      if (count < 0 && libc.errno() === EAGAIN) return libc.connect(fd, peer.at, peer.size) === 0
    }
    return false
  }

  /** Sends what the arena has from `first` on: 0 when all is sent, else the errno; `first` is then at the datagram that failed. */
  send(fd: number, arena: SendArena): number {
    while (arena.first < arena.count) {
      const sent = this.#libc.sendmmsg(fd, arena.headerAt[arena.first]!, arena.count - arena.first, MSG_DONTWAIT)
      if (sent >= 0) arena.first += sent
      else {
        const errno = this.#libc.errno()
        if (errno !== EINTR) return errno
      }
    }
    return 0
  }

  /** Reads what waits, RECEIVE_BATCH datagrams at most: how many (`take` has them until the next call), or the errno, negative. */
  receive(fd: number): number {
    const count = this.#libc.recvmmsg(fd, this.#in.headersAt, RECEIVE_BATCH, MSG_DONTWAIT, 0n)
    return count < 0 ? -this.#libc.errno() : count
  }

  isFull(count: number): boolean {
    return count === RECEIVE_BATCH
  }

  /** A copy of the i-th datagram that `receive` has read. */
  take(i: number): Buffer {
    const { words, bytes } = this.#in
    const length = words[(i * MMSGHDR_SIZE + MSG_LEN) >> 2]!
    this.#in.reset(i)
    const message = Buffer.allocUnsafe(length)
    copyOctets(bytes, this.#in.dataOf(i), message, 0, length)
    return message
  }

  close(fd: number): void {
    this.#libc.close(fd)
  }

  /** A wrong offset in a struct is silent: some datagrams go through the loopback first. Leaves nothing behind. */
  async works(): Promise<boolean> {
    const receiver = this.#socket(4)
    try {
      const any = this.socketName('127.0.0.1', 0)
      if (this.#libc.bind(receiver, any.at, any.size) !== 0) return false
      const peer = this.socketName('127.0.0.1', this.#portOf(receiver))
      const sender = this.connect(peer, undefined, 65536)
      try {
        if (!(await this.#exchange(sender, receiver))) return false
        this.canDisconnect = true
        this.canDisconnect = this.disconnect(sender) && this.#portOf(sender) === 0 && this.reconnect(sender, peer)
        return true
      } finally {
        this.#libc.close(sender)
      }
    } finally {
      this.#libc.close(receiver)
    }
  }

  async #exchange(sender: number, receiver: number): Promise<boolean> {
    const arena = this.sendArena()
    const lengths = [1, 12, 300]
    for (const length of lengths) {
      arena.bytes.fill(length, arena.end, arena.end + length)
      arena.put(length, 0, 0)
    }
    if (this.send(sender, arena) !== 0) return false
    for (let seen = 0, tries = 0; seen < lengths.length; tries++) {
      const count = this.receive(receiver)
      for (let i = 0; i < count; i++) {
        const length = lengths[seen++]!
        const datagram = this.take(i)
        if (datagram.length !== length || datagram.some((octet) => octet !== (length & 255))) return false
      }
      // On loopback they are there at once, or nearly so.
      if (tries > 50) return false
      if (count <= 0) await new Promise((resolve) => setTimeout(resolve, 1))
    }
    return true
  }

  #portOf(fd: number): number {
    this.#scratchView.setUint32(0, SOCKADDR_IN_SIZE, true)
    const status = this.#libc.getsockname(fd, this.#scratchAt + 16n, this.#scratchAt)
    return status === 0 ? this.#scratchView.getUint16(16 + SOCKADDR_PORT, false) : -1
  }

  #socket(family: 4 | 6): number {
    const fd = this.#libc.socket(family === 4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
    if (fd < 0) throw new SocketError('socket', this.#libc.errno(), `IPv${family}`)
    return fd
  }

  #failed(syscall: string, fd: number, about: string): SocketError {
    const error = new SocketError(syscall, this.#libc.errno(), about)
    this.#libc.close(fd)
    return error
  }
}
