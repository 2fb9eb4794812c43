/** A DNS client for tests: raw messages over UDP and TCP, many in flight over one socket, matched by ID. */
import dgram from 'node:dgram'
import net from 'node:net'

/** `text` in presentation format without escapes besides `\DDD` and `\X`; absolute or not, it is taken as absolute. */
export function nameToWire(text: string): Uint8Array {
  const out: number[] = []
  let label: number[] = []
  for (let i = 0; i < text.length; i++) {
    const char = text[i]!
    if (char === '.') {
      if (label.length > 0) out.push(label.length, ...label)
      label = []
    } else if (char === '\\') {
      const digits = text.slice(i + 1, i + 4)
      if (/^\d{3}$/.test(digits)) {
        label.push(Number(digits))
        i += 3
      } else label.push(text.charCodeAt(++i))
    } else label.push(text.charCodeAt(i))
  }
  if (label.length > 0) out.push(label.length, ...label)
  out.push(0)
  return Uint8Array.from(out)
}

export interface QueryOptions {
  readonly id?: number
  readonly qclass?: number
  /** Header flags; RD alone by default. */
  readonly flags?: number
  /** Adds an OPT with this payload size. */
  readonly udpSize?: number
  readonly dnssecOk?: boolean
  /** EDNS options in wire form. */
  readonly options?: Uint8Array
}

export function composeTestQuery(qname: string, qtype: number, options: QueryOptions = {}): Uint8Array {
  const name = nameToWire(qname)
  const withOpt = options.udpSize !== undefined || options.dnssecOk === true || options.options !== undefined
  const extra = options.options?.length ?? 0
  const message = new Uint8Array(12 + name.length + 4 + (withOpt ? 11 + extra : 0))
  const view = new DataView(message.buffer)
  view.setUint16(0, options.id ?? 0)
  view.setUint16(2, options.flags ?? 0x0100)
  view.setUint16(4, 1)
  view.setUint16(10, withOpt ? 1 : 0)
  message.set(name, 12)
  let at = 12 + name.length
  view.setUint16(at, qtype)
  view.setUint16(at + 2, options.qclass ?? 1)
  at += 4
  if (withOpt) {
    view.setUint16(at + 1, 41)
    view.setUint16(at + 3, options.udpSize ?? 1232)
    view.setUint16(at + 7, options.dnssecOk === true ? 0x8000 : 0)
    view.setUint16(at + 9, extra)
    if (options.options !== undefined) message.set(options.options, at + 11)
  }
  return message
}

export interface TestClient {
  /** Sends the query under an ID of its own and resolves with the reply, its ID set back to the query's; undefined: none within the time. */
  ask(query: Uint8Array, milliseconds?: number): Promise<Uint8Array | undefined>
  close(): void
}

class Pending {
  readonly #waiting = new Map<number, (reply: Uint8Array | undefined) => void>()
  #nextId = Math.floor(Math.random() * 0x10000)

  open(milliseconds: number): { readonly id: number; readonly reply: Promise<Uint8Array | undefined> } {
    do this.#nextId = (this.#nextId + 1) & 0xffff
    while (this.#waiting.has(this.#nextId))
    const id = this.#nextId
    const reply = new Promise<Uint8Array | undefined>((resolve) => {
      const timer = setTimeout(() => this.settle(id, undefined), milliseconds)
      this.#waiting.set(id, (message) => {
        clearTimeout(timer)
        resolve(message)
      })
    })
    return { id, reply }
  }

  settle(id: number, reply: Uint8Array | undefined): void {
    const waiting = this.#waiting.get(id)
    this.#waiting.delete(id)
    waiting?.(reply)
  }

  settleAll(): void {
    for (const id of [...this.#waiting.keys()]) this.settle(id, undefined)
  }
}

function withId(message: Uint8Array, id: number): Uint8Array {
  const copy = Uint8Array.from(message)
  copy[0] = id >>> 8
  copy[1] = id & 255
  return copy
}

export function openUdpClient(port: number, host = '127.0.0.1'): TestClient {
  const socket = dgram.createSocket(host.includes(':') ? 'udp6' : 'udp4')
  const pending = new Pending()
  socket.on('message', (message) => pending.settle(message.readUInt16BE(0), message))
  socket.on('error', () => {})
  return {
    async ask(query, milliseconds = 3000) {
      const { id, reply } = pending.open(milliseconds)
      socket.send(withId(query, id), port, host)
      const message = await reply
      return message === undefined ? undefined : withId(message, (query[0]! << 8) | query[1]!)
    },
    close() {
      pending.settleAll()
      socket.close()
    },
  }
}

/** One connection, opened at once and again when the server closed it. */
export function openTcpClient(port: number, host = '127.0.0.1'): TestClient {
  const pending = new Pending()
  let socket: net.Socket | undefined
  let buffer: Buffer = Buffer.alloc(0)
  const connect = (): net.Socket => {
    const opened = net.connect({ port, host, noDelay: true })
    buffer = Buffer.alloc(0)
    opened.on('data', (chunk: Buffer) => {
      buffer = buffer.length === 0 ? chunk : Buffer.concat([buffer, chunk])
      while (buffer.length >= 2 && buffer.length >= 2 + buffer.readUInt16BE(0)) {
        const message = buffer.subarray(2, 2 + buffer.readUInt16BE(0))
        buffer = buffer.subarray(2 + message.length)
        if (message.length >= 2) pending.settle(message.readUInt16BE(0), Uint8Array.from(message))
      }
    })
    opened.on('error', () => {})
    opened.on('close', () => {
      if (socket === opened) socket = undefined
    })
    return opened
  }
  return {
    async ask(query, milliseconds = 3000) {
      socket ??= connect()
      const { id, reply } = pending.open(milliseconds)
      const frame = new Uint8Array(query.length + 2)
      frame[0] = query.length >>> 8
      frame[1] = query.length & 255
      frame.set(withId(query, id), 2)
      socket.write(frame)
      const message = await reply
      return message === undefined ? undefined : withId(message, (query[0]! << 8) | query[1]!)
    },
    close() {
      pending.settleAll()
      socket?.destroy()
    },
  }
}

/**
 * A port that was free for UDP and TCP a moment ago: below those that the kernel gives to clients' sockets (32768 and
 * up), since one of these would have it before the server under test opens it.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 10_000 + Math.floor(Math.random() * 22_000)
    const server = net.createServer()
    const isFreeForTcp = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false))
      server.listen(port, '0.0.0.0', () => resolve(true))
    })
    await new Promise((resolve) => server.close(resolve))
    if (!isFreeForTcp) continue
    const socket = dgram.createSocket('udp4')
    const isFree = await new Promise<boolean>((resolve) => {
      socket.once('error', () => resolve(false))
      socket.bind(port, '0.0.0.0', () => resolve(true))
    })
    socket.close()
    if (isFree) return port
  }
}
