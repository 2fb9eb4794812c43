/** UDP flows over recvmmsg and sendmmsg: connected sockets, so that the kernel drops what does not come from the server. */
import { BATCH, ReceiveArena, SendArena } from '../../src/mmsg/arena.ts'
import { MMSGHDR_SIZE, MSG_DONTWAIT, MSG_LEN } from '../../src/mmsg/layout.ts'
import { type Libc, loadLibc, SocketError } from '../../src/mmsg/libc.ts'
import { parseSocketAddress, writeSocketAddress } from '../../src/mmsg/socket-address.ts'
import { openSocket } from '../../src/worker/mmsg/open-socket.ts'
import { Epoll } from './epoll.ts'
import { type Flows, type OnReply, QUERY_SIZE_MAX } from './flows.ts'

export async function openMmsgFlows(address: string, port: number, count: number): Promise<Flows> {
  const libc = await loadLibc()
  return new MmsgFlows(libc, await Epoll.open(), address, port, count)
}

class MmsgFlows implements Flows {
  readonly name = 'mmsg'
  readonly count: number
  readonly bytes: Uint8Array
  readonly #libc: Libc
  readonly #epoll: Epoll
  readonly #fds: Int32Array
  readonly #in: ReceiveArena
  /** Holds one flow's queries between `room` and `flush`. */
  readonly #out: SendArena
  #flow = -1

  constructor(libc: Libc, epoll: Epoll, address: string, port: number, count: number) {
    this.#libc = libc
    this.#epoll = epoll
    this.count = count
    this.#fds = new Int32Array(count)
    this.#in = new ReceiveArena(libc, false)
    this.#out = new SendArena(libc, BATCH, QUERY_SIZE_MAX)
    this.bytes = this.#out.bytes
    for (let flow = 0; flow < count; flow++) {
      const fd = connectedSocket(libc, address, port)
      this.#fds[flow] = fd
      epoll.add(fd, flow)
    }
  }

  room(flow: number): number {
    if (this.#flow !== flow || this.#out.isFull) this.flush(this.#flow)
    this.#flow = flow
    return this.#out.end
  }

  put(_flow: number, length: number): void {
    this.#out.put(length, 0, 0)
  }

  flush(flow: number): void {
    if (flow !== this.#flow || flow < 0) return
    const out = this.#out
    while (out.first < out.count) {
      const sent = this.#libc.sendmmsg(this.#fds[flow]!, out.headerAt[out.first]!, out.count - out.first, MSG_DONTWAIT)
      // What cannot be sent counts as lost when no reply comes.
      out.first += Math.max(1, sent)
    }
    out.clear()
    this.#flow = -1
  }

  poll(waitMs: number, onReply: OnReply): void {
    const ready = this.#epoll.wait(waitMs)
    for (let k = 0; k < ready; k++) this.#receive(this.#epoll.ready(k), onReply)
  }

  #receive(flow: number, onReply: OnReply): void {
    const { words, bytes, headersAt } = this.#in
    const count = this.#libc.recvmmsg(this.#fds[flow]!, headersAt, BATCH, MSG_DONTWAIT, 0n)
    for (let i = 0; i < count; i++) {
      onReply(flow, bytes, this.#in.dataOf(i), words[(i * MMSGHDR_SIZE + MSG_LEN) >> 2]!)
      this.#in.reset(i)
    }
  }

  close(): void {
    for (const fd of this.#fds) this.#libc.close(fd)
    this.#epoll.close()
  }
}

function connectedSocket(libc: Libc, address: string, port: number): number {
  const local = address.includes(':') ? '::' : '0.0.0.0'
  const { fd } = openSocket(libc, { address: local, port: 0, reusePort: false })
  const memory = new ArrayBuffer(32)
  const peer = parseSocketAddress(address, port, (name) => libc.if_nametoindex(name))
  if (peer === undefined) throw new Error(`${address} is no IP address`)
  const size = writeSocketAddress(new DataView(memory), 0, peer)
  if (libc.connect(fd, libc.addressOf(memory), size) !== 0)
    throw new SocketError('connect', libc.errno(), `${address}:${port}`)
  return fd
}
