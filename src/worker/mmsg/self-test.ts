/**
 * node:ffi is experimental, and a wrong offset in a struct is silent: before the transport is used, real datagrams go through it and back,
 * over IPv4 and, where the machine has it, IPv6, to several addresses of a wildcard socket. The clients are connected sockets of node:dgram,
 * which take a reply from the address they asked and from no other.
 */
import { createSocket, type Socket } from 'node:dgram'
import { networkInterfaces } from 'node:os'
import { MmsgUnavailable } from '../../mmsg/libc.ts'
import { type QueryHandler, REPLY_LATER, RETURN_PATH_SIZE, type ReplyPort } from '../query-handler.ts'
import { type MmsgSocket, openMmsgSocket } from './mmsg-socket.ts'

/** On loopback this takes a few milliseconds, with a tenth of a processor a second; longer means that it doesn't work. */
const TIME_LIMIT_MS = 5000
/** From the first client more than one batch, so that partial batches and full ones occur; from the others a few. */
const DATAGRAMS_FIRST = 72
const DATAGRAMS_OTHER = 6
const LENGTH_MAX = 1232
/** First octet of a datagram: whether the reply is to come at once or by way of `sendLater`. */
const NOW = 1
const LATER = 2

/**
 * Why the transport cannot be used here, undefined when it can. Takes milliseconds, a second at worst. Neither rejects nor leaves anything behind.
 */
export async function selfTest(): Promise<string | undefined> {
  let socket: MmsgSocket
  const echo = new Echo()
  try {
    socket = await openMmsgSocket({
      address: '',
      port: 0,
      reusePort: false,
      listenerId: 0,
      handler: echo,
      onError: (error) => echo.errors.push(`${error}`),
    })
  } catch (error) {
    return error instanceof MmsgUnavailable ? error.message : `no socket: ${(error as Error).message}`
  }
  try {
    const addresses = ['127.0.0.1', '127.0.0.2', ...(hasIPv6Loopback() ? ['::1'] : [])]
    const reasons = await Promise.all(
      addresses.map((address, i) => exchange(address, socket.port, i === 0 ? DATAGRAMS_FIRST : DATAGRAMS_OTHER)),
    )
    return reasons.find((reason) => reason !== undefined) ?? echo.errors[0]
  } catch (error) {
    return `${(error as Error).message}`
  } finally {
    await socket.close()
  }
}

/** Sends every datagram back with its octets inverted. */
class Echo implements QueryHandler {
  readonly errors: string[] = []

  handle(...[bytes, start, length, client, port, out, outStart]: Parameters<QueryHandler['handle']>): number {
    if (client.port === 0 || (client.family !== 4 && client.family !== 6)) this.errors.push('a client without address')
    for (let i = 0; i < length; i++) out[outStart + i] = ~bytes[start + i]!
    if (bytes[start] === NOW) return length
    const path = new Uint8Array(RETURN_PATH_SIZE)
    port.saveReturnPath(path, 0)
    const reply = out.slice(outStart, outStart + length)
    setImmediate(() => this.#sendLater(port, path, reply))
    return REPLY_LATER
  }

  flush(): void {}

  #sendLater(port: ReplyPort, path: Uint8Array, reply: Uint8Array): void {
    port.sendLater(path, 0, reply, 0, reply.length)
    port.flushLater()
  }
}

/** Sends datagrams to the address and waits until all came back, right, from it; the reason when they don't. */
async function exchange(address: string, port: number, datagrams: number): Promise<string | undefined> {
  const family = address.includes(':') ? 6 : 4
  // The system's look-up compiles a regular expression to see that this is an IPv6 address: 12 ms.
  const socket = createSocket({
    type: family === 6 ? 'udp6' : 'udp4',
    lookup: (host, _options, done) => done(null, host, family),
  })
  try {
    await connect(socket, port, address)
    return await echoed(socket, address, datagrams)
  } catch (error) {
    return `${address}: ${(error as Error).message}`
  } finally {
    socket.close()
  }
}

function connect(socket: Socket, port: number, address: string): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('error', reject)
    socket.connect(port, address, resolve)
  })
}

function echoed(socket: Socket, address: string, datagrams: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    /** Each datagram's octets inverted, by its number. */
    const awaited = new Map<number, Buffer>()
    const timer = setTimeout(
      () => resolve(`${address}: ${awaited.size} of ${datagrams} replies missing`),
      TIME_LIMIT_MS,
    )
    const end = (reason: string | undefined) => {
      clearTimeout(timer)
      resolve(reason)
    }
    socket.on('error', (error) => end(`${address}: ${error.message}`))
    socket.on('message', (reply) => {
      const number = ~reply[1]! & 0xff
      if (awaited.get(number)?.equals(reply) !== true) return end(`${address}: a reply came back changed`)
      awaited.delete(number)
      if (awaited.size === 0) end(undefined)
    })
    for (let number = 0; number < datagrams; number++) {
      const datagram = Buffer.alloc(2 + ((number * 97) % (LENGTH_MAX - 1)), number)
      datagram[0] = number % 2 === 0 ? NOW : LATER
      datagram[1] = number
      const inverted = Buffer.alloc(datagram.length, ~number)
      inverted[0] = ~datagram[0]!
      awaited.set(number, inverted)
      socket.send(datagram)
    }
  })
}

function hasIPv6Loopback(): boolean {
  return Object.values(networkInterfaces()).some((list) => list?.some(({ address }) => address === '::1'))
}
