/**
 * A process of its own that sends queries for random names as fast as it can, or at a rate, for a time:
 * `node flood.ts PORT ZONE SECONDS PER_SECOND`. It reads no reply. Prints how many it sent.
 */
import dgram from 'node:dgram'
import { composeTestQuery } from './dns-client.ts'

const [port, zone, seconds, perSecond] = [
  Number(process.argv[2]),
  process.argv[3]!,
  Number(process.argv[4]),
  Number(process.argv[5]),
]
const SOCKETS = 64
/** Datagrams per turn: the event loop frees what was sent in between. */
const BURST = 64
const sockets = await Promise.all(
  Array.from(
    { length: SOCKETS },
    () =>
      new Promise<dgram.Socket>((resolve) => {
        const socket = dgram.createSocket({ type: 'udp4', recvBufferSize: 4096 })
        socket.on('error', () => {})
        socket.connect(port, '127.0.0.1', () => resolve(socket))
      }),
  ),
)
const template = composeTestQuery(`xxxxxxxxxxxx.${zone}`, 1)
const startedAt = performance.now()
let sent = 0

function burst(): void {
  const elapsed = (performance.now() - startedAt) / 1000
  if (elapsed > seconds) {
    for (const socket of sockets) socket.close()
    console.log(sent)
    return
  }
  for (let i = 0; i < BURST && sent < elapsed * perSecond; i++) {
    const query = Buffer.from(template)
    query.writeUInt16BE(sent & 0xffff, 0)
    query.write(Math.random().toString(36).padEnd(14, 'a').slice(2, 14), 13, 'latin1')
    sockets[sent++ % SOCKETS]!.send(query)
  }
  setImmediate(burst)
}
burst()
