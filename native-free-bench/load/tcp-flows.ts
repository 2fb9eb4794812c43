/** TCP flows. `pipelined`: as many queries in flight on a connection as are put. `fresh`: a new connection for each query. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { type Flows, type OnReply, QUERY_SIZE_MAX } from './flows.ts'

const FRAME_SIZE = 2
const BUFFER_SIZE = 64 * (QUERY_SIZE_MAX + FRAME_SIZE)

export async function openTcpFlows(address: string, port: number, count: number, fresh: boolean): Promise<Flows> {
  const flows = new TcpFlows(address, port, count, fresh)
  if (!fresh) await flows.connectAll()
  return flows
}

class TcpFlows implements Flows {
  readonly name: string
  readonly count: number
  readonly bytes = new Uint8Array(BUFFER_SIZE)
  readonly #address: string
  readonly #port: number
  readonly #fresh: boolean
  readonly #sockets: (Socket | undefined)[] = []
  /** Octets that came without the rest of their message, by flow. */
  readonly #rest: (Buffer | undefined)[] = []
  #end = 0
  #flow = -1
  #closed = false
  #onReply: OnReply = () => {}
  #wake: () => void = () => {}

  constructor(address: string, port: number, count: number, fresh: boolean) {
    this.name = fresh ? 'tcp, a connection for each query' : 'tcp, pipelined'
    this.#address = address
    this.#port = port
    this.count = count
    this.#fresh = fresh
  }

  async connectAll(): Promise<void> {
    for (let flow = 0; flow < this.count; flow++) await once(this.#connect(flow), 'connect')
  }

  room(flow: number): number {
    if (this.#flow !== flow || this.#end + FRAME_SIZE + QUERY_SIZE_MAX > BUFFER_SIZE) this.flush(this.#flow)
    this.#flow = flow
    return this.#end + FRAME_SIZE
  }

  put(_flow: number, length: number): void {
    this.bytes[this.#end] = length >>> 8
    this.bytes[this.#end + 1] = length & 255
    this.#end += FRAME_SIZE + length
  }

  flush(flow: number): void {
    if (flow !== this.#flow || flow < 0 || this.#end === 0) return
    const frames = Buffer.from(this.bytes.subarray(0, this.#end))
    this.#end = 0
    this.#flow = -1
    if (this.#fresh) this.#sockets[flow]?.destroy()
    const socket = this.#fresh ? this.#connect(flow) : (this.#sockets[flow] ?? this.#connect(flow))
    socket.write(frames)
  }

  async poll(waitMs: number, onReply: OnReply): Promise<void> {
    this.#onReply = onReply
    if (waitMs === 0) return new Promise((resolve) => setImmediate(resolve))
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, waitMs)
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  close(): void {
    this.#closed = true
    for (const socket of this.#sockets) socket?.destroy()
  }

  #connect(flow: number): Socket {
    const socket = connect({ port: this.#port, host: this.#address, noDelay: true })
    this.#sockets[flow] = socket
    this.#rest[flow] = undefined
    socket.on('data', (data) => {
      if (this.#sockets[flow] === socket) this.#onData(flow, socket, data as Buffer)
    })
    // Queries that a broken connection had in flight count as lost.
    socket.on('error', () => {})
    socket.on('close', () => {
      if (this.#sockets[flow] === socket && !this.#closed) this.#sockets[flow] = undefined
    })
    return socket
  }

  #onData(flow: number, socket: Socket, data: Buffer): void {
    const rest = this.#rest[flow]
    const bytes = rest === undefined ? data : Buffer.concat([rest, data])
    let at = 0
    while (at + FRAME_SIZE <= bytes.length) {
      const length = (bytes[at]! << 8) | bytes[at + 1]!
      if (at + FRAME_SIZE + length > bytes.length) break
      if (this.#fresh) socket.destroy()
      this.#onReply(flow, bytes, at + FRAME_SIZE, length)
      at += FRAME_SIZE + length
    }
    this.#rest[flow] = at === bytes.length ? undefined : bytes.subarray(at)
    this.#wake()
  }
}
