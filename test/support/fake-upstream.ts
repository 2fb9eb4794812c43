/** DNS servers on the loopback that behave as a test wants: UDP and TCP (or TLS) on one port. */
import dgram from 'node:dgram'
import { once } from 'node:events'
import net, { type AddressInfo } from 'node:net'
import { after } from 'node:test'
import tls from 'node:tls'

/** One query that came, and ways to answer it. */
export interface Asked {
  readonly message: Buffer
  readonly over: 'udp' | 'tcp'
  readonly clientPort: number
  readonly clientAddress: string
  /** Over TCP framed, over UDP as it is. */
  send(message: Uint8Array): void
  /** TCP: ends the connection. */
  end(): void
}

export interface FakeUpstream {
  readonly port: number
  readonly address: string
  /** Every query, in the order they came. */
  readonly asked: Asked[]
  /** TCP or TLS connections that were accepted. */
  connections(): number
  /** Runs until the condition holds. */
  until(condition: () => boolean): Promise<void>
  close(): Promise<void>
}

const opened: FakeUpstream[] = []
after(async () => {
  for (const upstream of opened) await upstream.close()
})

export interface FakeSetting {
  readonly tls?: { readonly key: string; readonly cert: string; readonly ca?: string; readonly requestCert?: boolean }
  /** Without UDP: TCP only (or the reverse). */
  readonly only?: 'udp' | 'tcp'
  readonly host?: string
  readonly port?: number
}

export async function openFakeUpstream(
  answer: (asked: Asked) => void,
  setting: FakeSetting = {},
): Promise<FakeUpstream> {
  const host = setting.host ?? '127.0.0.1'
  const asked: Asked[] = []
  const waiters = new Set<() => void>()
  const take = (query: Asked): void => {
    asked.push(query)
    answer(query)
    for (const waiter of [...waiters]) waiter()
  }
  const sockets = new Set<net.Socket>()
  let connections = 0
  const onConnection = (socket: net.Socket): void => {
    connections++
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => {})
    let bytes = Buffer.alloc(0)
    socket.on('data', (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk])
      while (bytes.length >= 2 && bytes.length >= 2 + bytes.readUInt16BE(0)) {
        const end = 2 + bytes.readUInt16BE(0)
        const message = Buffer.from(bytes.subarray(2, end))
        bytes = bytes.subarray(end)
        take({
          message,
          over: 'tcp',
          clientPort: socket.remotePort!,
          clientAddress: socket.remoteAddress!,
          send: (reply) => {
            const frame = Buffer.alloc(2 + reply.length)
            frame.writeUInt16BE(reply.length)
            frame.set(reply, 2)
            socket.write(frame)
          },
          end: () => socket.end(),
        })
      }
    })
  }
  const server =
    setting.tls === undefined
      ? net.createServer(onConnection)
      : tls.createServer({ ...setting.tls, rejectUnauthorized: setting.tls.requestCert === true }, onConnection)
  server.on('tlsClientError', () => {})
  const udp = dgram.createSocket(host.includes(':') ? 'udp6' : 'udp4')
  let port = setting.port ?? 0
  for (;;) {
    server.listen(port, host)
    await once(server, 'listening')
    port = (server.address() as AddressInfo).port
    if (setting.only === 'tcp' || setting.tls !== undefined) break
    try {
      await new Promise<void>((resolve, reject) => {
        udp.once('error', reject)
        udp.bind(port, host, resolve)
      })
      break
    } catch {
      // The port is taken for UDP: another one.
      server.close()
      port = 0
    }
  }
  if (setting.only === 'udp') await new Promise((resolve) => server.close(resolve))
  udp.on('message', (message, { port: clientPort, address }) => {
    take({
      message,
      over: 'udp',
      clientPort,
      clientAddress: address,
      send: (reply) => udp.send(reply, clientPort, address),
      end: () => {},
    })
  })
  const upstream: FakeUpstream = {
    port,
    address: `${host.includes(':') ? `[${host}]` : host}:${port}`,
    asked,
    connections: () => connections,
    until: (condition) =>
      new Promise((resolve) => {
        const check = (): void => {
          if (!condition()) return
          waiters.delete(check)
          clearInterval(poll)
          resolve()
        }
        const poll = setInterval(check, 10)
        waiters.add(check)
        check()
      }),
    close: async () => {
      for (const socket of sockets) socket.destroy()
      if (server.listening) await new Promise((resolve) => server.close(resolve))
      try {
        udp.close()
      } catch {
        // Never bound, or closed before.
      }
    },
  }
  opened.push(upstream)
  return upstream
}

export interface FakeReply {
  readonly rcode?: number
  readonly flags?: number
  /** Addresses of A records at the qname. */
  readonly addresses?: readonly string[]
  /** An OPT with these options in wire form, in front of nothing. */
  readonly options?: Uint8Array
}

/** A reply to `query` with its question as received. */
export function fakeReply(
  query: Uint8Array,
  { rcode = 0, flags = 0x8180, addresses = [], options }: FakeReply = {},
): Buffer {
  let end = 12
  while (query[end] !== 0) end += query[end]! + 1
  end += 5
  const records = addresses.map((address) => [
    0xc0,
    12,
    0,
    1,
    0,
    1,
    0,
    0,
    0,
    60,
    0,
    4,
    ...address.split('.').map(Number),
  ])
  const head = Buffer.from(query.subarray(0, end))
  head.writeUInt16BE((flags & 0xfff0) | (rcode & 15), 2)
  head.writeUInt16BE(1, 4)
  head.writeUInt16BE(records.length, 6)
  head.writeUInt16BE(0, 8)
  head.writeUInt16BE(options === undefined ? 0 : 1, 10)
  const opt =
    options === undefined
      ? []
      : [0, 0, 41, 4, 208, rcode >>> 4, 0, 0, 0, options.length >>> 8, options.length & 255, ...options]
  return Buffer.concat([head, ...records.map((record) => Buffer.from(record)), Buffer.from(opt)])
}

/** Every A record's address in the answer section of a reply whose owners are compressed or equal to the qname. */
export function addressesOf(message: Uint8Array | undefined): string[] {
  if (message === undefined) return []
  let at = 12
  while (message[at] !== 0) at += message[at]! + 1
  at += 5
  const found: string[] = []
  for (let i = (message[6]! << 8) | message[7]!; i > 0; i--) {
    while (message[at]! < 0xc0 && message[at] !== 0) at += message[at]! + 1
    at += message[at]! >= 0xc0 ? 2 : 1
    const size = (message[at + 8]! << 8) | message[at + 9]!
    if (size === 4) found.push(message.subarray(at + 10, at + 14).join('.'))
    at += 10 + size
  }
  return found
}
