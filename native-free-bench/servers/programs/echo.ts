/**
 * Turns each query into an answer with one A record, and does nothing else: what the transport alone can carry.
 *
 *   bin/node native-free-bench/servers/programs/echo.ts mmsg|dgram ADDRESS PORT
 */
import { createSocket } from 'node:dgram'
import { openMmsgSocket } from '../../../src/worker/mmsg/mmsg-socket.ts'

/** Owner by pointer to the question, type A, class IN, TTL 300, 192.0.2.1. */
const ANSWER = Uint8Array.of(0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 44, 0, 4, 192, 0, 2, 1)

const [, , transport, address = '127.0.0.1', portText = '5300'] = process.argv
const port = Number(portText)

if (transport === 'mmsg') {
  const handler = {
    handle: (
      bytes: Uint8Array,
      start: number,
      length: number,
      _client: unknown,
      _port: unknown,
      out: Uint8Array,
      at: number,
    ) => answer(bytes, start, length, out, at),
    flush() {},
  }
  await openMmsgSocket({ address, port, reusePort: true, listenerId: 0, handler })
} else {
  const socket = createSocket({ type: 'udp4', reusePort: true, recvBufferSize: 4 << 20, sendBufferSize: 4 << 20 })
  socket.on('message', (query, client) => {
    const reply = Buffer.allocUnsafe(512)
    const length = answer(query, 0, query.length, reply, 0)
    if (length > 0) socket.send(reply, 0, length, client.port, client.address)
  })
  socket.bind(port, address)
}

/** Writes the answer to the query at `bytes[start]`; returns its length, 0 for what is no query. */
function answer(bytes: Uint8Array, start: number, length: number, out: Uint8Array, at: number): number {
  let end = start + 12
  while (end < start + length && bytes[end] !== 0) end += bytes[end]! + 1
  const question = end + 5 - start
  if (question > length || question > 300) return 0
  for (let i = 0; i < question; i++) out[at + i] = bytes[start + i]!
  out[at + 2] = 0x84 | (bytes[start + 2]! & 1)
  out[at + 3] = 0
  out[at + 7] = 1
  for (let i = 8; i < 12; i++) out[at + i] = 0
  for (let i = 0; i < ANSWER.length; i++) out[at + question + i] = ANSWER[i]!
  return question + ANSWER.length
}
