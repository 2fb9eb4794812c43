/** UDP flows over node:dgram, where there is no node:ffi: slower, so the generator may be the limit before the server is. */
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { type Flows, type OnReply, QUERY_SIZE_MAX } from './flows.ts'

export async function openDgramFlows(address: string, port: number, count: number): Promise<Flows> {
  const sockets: Socket[] = []
  for (let i = 0; i < count; i++) {
    const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4')
    socket.connect(port, address)
    await once(socket, 'connect')
    sockets.push(socket)
  }
  return new DgramFlows(sockets)
}

class DgramFlows implements Flows {
  readonly name = 'dgram'
  readonly count: number
  readonly bytes = new Uint8Array(QUERY_SIZE_MAX)
  readonly #sockets: readonly Socket[]
  #onReply: OnReply = () => {}
  #wake: () => void = () => {}

  constructor(sockets: readonly Socket[]) {
    this.#sockets = sockets
    this.count = sockets.length
    for (const [flow, socket] of sockets.entries()) {
      socket.on('message', (reply) => {
        this.#onReply(flow, reply, 0, reply.length)
        this.#wake()
      })
      // A refused query counts as lost when no reply comes.
      socket.on('error', () => {})
    }
  }

  room(): number {
    return 0
  }

  put(flow: number, length: number): void {
    // A copy: node:dgram may keep the octets beyond this call.
    this.#sockets[flow]!.send(Buffer.from(this.bytes.subarray(0, length)))
  }

  flush(): void {}

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
    for (const socket of this.#sockets) socket.close()
  }
}
