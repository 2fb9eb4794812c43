/**
 * Sends queries through mmsg sockets while the collector is forced and sockets come and go; every reply is compared, and memory must
 * not grow. Anything whose address the kernel holds and the collector took shows as a changed reply or a crash.
 *
 *   bin/node --expose-gc test/worker/mmsg/soak.ts [seconds]
 */
import assert from 'node:assert/strict'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { type MmsgSocket, openMmsgSocket } from '../../../src/worker/mmsg/mmsg-socket.ts'
import { type QueryHandler, REPLY_LATER, RETURN_PATH_SIZE } from '../../../src/worker/query-handler.ts'

const seconds = Number(process.argv[2] ?? 10)
const CLIENTS = 16
const IN_FLIGHT = 20
const GROWTH_BYTES_MAX = 24 << 20
const gc = (globalThis as { gc?: () => void }).gc
assert(gc, 'run with --expose-gc')

/** Half of the replies at once, half later; all with the query's octets inverted. */
function inverter(): QueryHandler {
  return {
    handle(bytes, start, length, _client, port, out, outStart) {
      for (let i = 0; i < length; i++) out[outStart + i] = ~bytes[start + i]!
      if ((bytes[start]! & 1) === 0) return length
      const path = new Uint8Array(RETURN_PATH_SIZE)
      port.saveReturnPath(path, 0)
      const reply = out.slice(outStart, outStart + length)
      setImmediate(() => port.sendLater(path, 0, reply, 0, length))
      return REPLY_LATER
    },
    flush() {},
  }
}

let checked = 0
let wrong = 0
let stopping = false

async function startClient(port: number, address: string): Promise<Socket> {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4')
  socket.connect(port, address)
  await once(socket, 'connect')
  let next = 0
  const waiting = new Set<number>()
  const lengthOf = (number: number) => 4 + ((number * 7919) % 1200)
  const ask = () => {
    if (stopping) return
    next = (next + 1) & 0xffff
    const query = Buffer.alloc(lengthOf(next), next & 0xff)
    query.writeUInt16BE(next, 0)
    waiting.add(next)
    socket.send(query)
  }
  socket.on('message', (reply) => {
    const number = ~reply.readUInt16BE(0) & 0xffff
    const filler = ~number & 0xff
    checked++
    if (reply.length !== lengthOf(number) || reply.subarray(2).some((octet) => octet !== filler)) wrong++
    if (waiting.delete(number)) ask()
  })
  for (let i = 0; i < IN_FLIGHT; i++) ask()
  // What was in flight to a socket that was closed is asked again.
  const timer = setInterval(() => {
    if (waiting.size < IN_FLIGHT / 2) return
    waiting.clear()
    for (let i = 0; i < IN_FLIGHT; i++) ask()
  }, 250)
  socket.once('close', () => clearInterval(timer))
  return socket
}

const options = { address: '', reusePort: true, listenerId: 0, handler: inverter() }
let sockets: MmsgSocket[] = [await openMmsgSocket({ ...options, port: 0 })]
const { port } = sockets[0]!
sockets.push(await openMmsgSocket({ ...options, port }))
const clients = await Promise.all(
  Array.from({ length: CLIENTS }, (_, i) => startClient(port, i % 2 === 0 ? '127.0.0.1' : '127.0.0.2')),
)
const collect = setInterval(gc, 10)
const replace = setInterval(async () => {
  const [first, ...others] = sockets
  sockets = [...others, await openMmsgSocket({ ...options, port })]
  await first!.stop()
  await first!.close()
}, 50)
const warmUp = Math.min(2, seconds / 3)
await new Promise((resolve) => setTimeout(resolve, warmUp * 1000))
gc()
const before = process.memoryUsage().rss
await new Promise((resolve) => setTimeout(resolve, (seconds - warmUp) * 1000))
gc()
const growth = process.memoryUsage().rss - before
clearInterval(collect)
clearInterval(replace)
stopping = true
await new Promise((resolve) => setTimeout(resolve, 100))
for (const client of clients) client.close()
await Promise.all(sockets.map((socket) => socket.close()))
console.log(`${checked} replies checked, ${wrong} wrong, resident memory grew by ${(growth / 2 ** 20).toFixed(1)} MiB`)
assert.equal(wrong, 0)
assert(checked > 1000)
assert(growth < GROWTH_BYTES_MAX)
