/**
 * The `dgram` transport: node:dgram, one packet at a time. For Node without node:ffi and for other systems than Linux.
 *
 *   message event ─► handler ─► reply in the arena ─► send
 *                      └ REPLY_LATER: the pool ─► sendLater ─► arena ─► send
 *
 * A send that the kernel takes at once is over when `send` returns, but its callback comes a tick later; one that it
 * doesn't take waits in libuv and needs its bytes. So the arena starts afresh only when every callback has come, and when
 * it is full before that, another one takes its place.
 */
import dgram from 'node:dgram'
import type { Client } from '../chain/plugin.ts'
import { addressText } from '../wire/address.ts'
import { putAddress } from './client-address.ts'
import { NO_REPLY, type QueryHandler, REPLY_LATER } from './query-handler.ts'
import { TurnEnd } from './turn-end.ts'
import type { UdpFigures, UdpSocket, UdpSocketOptions, UdpTransport } from './udp-transport.ts'

/** Asked of the kernel, which grants at most net.core.rmem_max and wmem_max. */
const RECEIVE_BUFFER_SIZE = 4 << 20
const SEND_BUFFER_SIZE = 4 << 20
/** The largest payload of a UDP datagram over IPv4. */
export const UDP_REPLY_SIZE_MAX = 65507
const ARENA_SIZE = 256 * 1024
/** Octets of replies that wait for the kernel; beyond it replies are dropped: the clients ask again. */
export const PENDING_SIZE_MAX = 4 << 20
/** Packets that wait while the socket is held. */
export const HELD_PACKETS_MAX = 8192

/** A return path: how to write the address as text again. */
const PATH_KIND = 0
const PATH_ZONE_LENGTH = 1
const PATH_PORT = 2
const PATH_ADDRESS = 4
const PATH_ZONE = 20
/** Interface names have at most 15 octets; numbers fewer. */
const ZONE_LENGTH_MAX = 40
const KIND_IPV4 = 4
const KIND_IPV6 = 6
/** An IPv4 client of a socket for both families. */
const KIND_MAPPED = 46

/** Addresses in, addresses out: nothing is ever looked up. */
const lookup = ((address: string, options: unknown, callback?: unknown): void => {
  const done = (callback ?? options) as (error: null, address: string, family: number) => void
  done(null, address, address.includes(':') ? 6 : 4)
}) as NonNullable<dgram.SocketOptions['lookup']>

/** `reason`: why not `mmsg`. */
export function dgramTransport(reason: string): UdpTransport {
  return { name: 'dgram', reason, open: openDgramSocket }
}

async function openDgramSocket(options: UdpSocketOptions): Promise<UdpSocket> {
  if (options.address !== '') return bindSocket(options, options.address)
  try {
    return await bindSocket(options, '::')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    // A kernel without IPv6, or with IPv6 turned off.
    if (code !== 'EAFNOSUPPORT' && code !== 'EADDRNOTAVAIL' && code !== 'EINVAL') throw error
    return bindSocket(options, '0.0.0.0')
  }
}

function bindSocket(options: UdpSocketOptions, address: string): Promise<UdpSocket> {
  const socket = dgram.createSocket({
    type: address.includes(':') ? 'udp6' : 'udp4',
    reusePort: options.reusePort,
    recvBufferSize: RECEIVE_BUFFER_SIZE,
    sendBufferSize: SEND_BUFFER_SIZE,
    lookup,
  })
  return new Promise((resolve, reject) => {
    socket.once('error', (error) => {
      socket.close()
      reject(error)
    })
    socket.bind({ port: options.port, address, exclusive: options.reusePort }, () => {
      socket.removeAllListeners('error')
      resolve(new DgramSocket(socket, options))
    })
  })
}

interface HeldPacket {
  readonly message: Buffer
  readonly from: dgram.RemoteInfo
}

class DgramSocket implements UdpSocket {
  readonly port: number
  readonly #socket: dgram.Socket
  readonly #figures: UdpFigures = {
    received: 0,
    sent: 0,
    unanswerable: 0,
    refused: 0,
    congested: 0,
    receiveErrors: 0,
    heldDropped: 0,
    kernelDrops: 0,
  }
  readonly #client: Client
  readonly #turnEnd: TurnEnd
  #handler: QueryHandler
  #arena: Buffer = Buffer.allocUnsafeSlow(ARENA_SIZE)
  #arenaEnd = 0
  /** Sends whose callback has not come, and the octets sent since there was none. */
  #pending = 0
  #pendingSize = 0
  /** The packet being handled. */
  #from: dgram.RemoteInfo | undefined
  #held: HeldPacket[] | undefined
  #stopped = false
  #closing: Promise<void> | undefined
  readonly #onSent = (error: Error | null): void => {
    if (--this.#pending === 0) this.#pendingSize = 0
    if (error === null) this.#figures.sent++
    else if (isCongestion(error)) this.#figures.congested++
    else this.#figures.refused++
  }

  constructor(socket: dgram.Socket, options: UdpSocketOptions) {
    this.#socket = socket
    this.port = socket.address().port
    this.#handler = options.handler
    this.#turnEnd = new TurnEnd(options.handler)
    this.#client = { family: 4, address: new Uint8Array(16), port: 0, listenerId: options.listenerId, tcp: false }
    socket.on('message', (message, from) => this.#onMessage(message, from))
    socket.on('error', () => {
      this.#figures.receiveErrors++
    })
  }

  serve(handler: QueryHandler, listenerId: number): void {
    this.#turnEnd.flush()
    this.#turnEnd.handler = handler
    this.#handler = handler
    this.#client.listenerId = listenerId
  }

  hold(): void {
    this.#held ??= []
  }

  release(): void {
    const held = this.#held
    this.#held = undefined
    for (const { message, from } of held ?? []) this.#handle(message, from)
  }

  async stop(): Promise<void> {
    // libuv takes up to 32 packets per turn: two turns empty what a busy socket had waiting at the time.
    for (let turn = 0; turn < 2; turn++) await new Promise((resolve) => setImmediate(resolve))
    this.#stopped = true
  }

  close(): Promise<void> {
    this.#stopped = true
    this.#held = undefined
    this.#closing ??= new Promise((resolve) => this.#socket.close(() => resolve()))
    return this.#closing
  }

  figures(): UdpFigures {
    return this.#figures
  }

  saveReturnPath(out: Uint8Array, at: number): void {
    const { address, port } = this.#from!
    const client = this.#client
    const isText6 = address.includes(':')
    out[at + PATH_KIND] = !isText6 ? KIND_IPV4 : client.family === 4 ? KIND_MAPPED : KIND_IPV6
    out[at + PATH_PORT] = port >>> 8
    out[at + PATH_PORT + 1] = port & 255
    for (let i = 0; i < 16; i++) out[at + PATH_ADDRESS + i] = client.address[i]!
    let zoneLength = 0
    const percent = isText6 ? address.indexOf('%') : -1
    if (percent >= 0) {
      for (let i = percent + 1; i < address.length && zoneLength < ZONE_LENGTH_MAX; i++) {
        out[at + PATH_ZONE + zoneLength++] = address.charCodeAt(i)
      }
    }
    out[at + PATH_ZONE_LENGTH] = zoneLength
  }

  sendLater(path: Uint8Array, at: number, bytes: Uint8Array, start: number, length: number): void {
    if (this.#closing !== undefined || length === 0 || length > UDP_REPLY_SIZE_MAX) return
    const arenaAt = this.#reserve()
    const arena = this.#arena
    for (let i = 0; i < length; i++) arena[arenaAt + i] = bytes[start + i]!
    this.#send(arenaAt, length, (path[at + PATH_PORT]! << 8) | path[at + PATH_PORT + 1]!, pathAddress(path, at))
  }

  forget(): void {}

  /** node:dgram sends one by one: nothing waits here. */
  flushLater(): void {}

  #onMessage(message: Buffer, from: dgram.RemoteInfo): void {
    if (this.#stopped) return
    this.#figures.received++
    if (this.#held === undefined) this.#handle(message, from)
    else if (this.#held.length < HELD_PACKETS_MAX) this.#held.push({ message, from })
    else this.#figures.heldDropped++
  }

  #handle(message: Buffer, from: dgram.RemoteInfo): void {
    const client = this.#client
    const family = putAddress(from.address, client.address)
    // Node's send throws on port 0, and no client has it: it is forged.
    if (family === 0 || from.port === 0) {
      this.#figures.unanswerable++
      return
    }
    client.family = family
    client.port = from.port
    this.#from = from
    const at = this.#reserve()
    const length = this.#handler.handle(message, 0, message.length, client, this, this.#arena, at, UDP_REPLY_SIZE_MAX)
    this.#turnEnd.mark()
    if (length !== NO_REPLY && length !== REPLY_LATER) this.#send(at, length, from.port, from.address)
  }

  /** Where in the arena the next reply goes: UDP_REPLY_SIZE_MAX octets are free there. */
  #reserve(): number {
    if (this.#pending === 0) this.#arenaEnd = 0
    else if (this.#arenaEnd + UDP_REPLY_SIZE_MAX > ARENA_SIZE) {
      this.#arena = Buffer.allocUnsafeSlow(ARENA_SIZE)
      this.#arenaEnd = 0
    }
    return this.#arenaEnd
  }

  #send(at: number, length: number, port: number, address: string): void {
    if (this.#pendingSize + length > PENDING_SIZE_MAX) {
      this.#figures.congested++
      return
    }
    this.#pending++
    this.#pendingSize += length
    this.#arenaEnd = at + length
    this.#socket.send(this.#arena, at, length, port, address, this.#onSent)
  }
}

function pathAddress(path: Uint8Array, at: number): string {
  const kind = path[at + PATH_KIND]!
  const from = at + PATH_ADDRESS
  const text = addressText(path.slice(from, from + (kind === KIND_IPV6 ? 16 : 4)))
  if (kind === KIND_IPV4) return text
  if (kind === KIND_MAPPED) return `::ffff:${text}`
  const zoneLength = path[at + PATH_ZONE_LENGTH]!
  if (zoneLength === 0) return text
  return `${text}%${String.fromCharCode(...path.subarray(at + PATH_ZONE, at + PATH_ZONE + zoneLength))}`
}

function isCongestion(error: Error): boolean {
  const { code } = error as NodeJS.ErrnoException
  return code === 'EAGAIN' || code === 'ENOBUFS' || code === 'ENOMEM'
}
