import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import type { Client } from '../../../src/chain/plugin.ts'
import { HEADER_SIZE } from '../../../src/wire/parsed-query.ts'
import { NO_REPLY, type QueryHandler, REPLY_LATER, type ReplyPort } from '../../../src/worker/query-handler.ts'
import { type ConnectionOwner, TcpConnection } from '../../../src/worker/tcp-connection.ts'
import { TCP_LIMITS } from '../../../src/worker/tcp-limits.ts'
import { TcpTable } from '../../../src/worker/tcp-table.ts'
import { joined } from '../mutate.ts'
import { type FuzzTarget, ofHex, toHex } from '../target.ts'

/** What a connection asks of its socket, without one. */
class FakeSocket extends EventEmitter {
  readonly remoteAddress = '192.0.2.1'
  readonly remotePort = 40112
  readonly writableLength = 0
  readonly readableLength = 0
  written: Buffer[] = []
  ended = false
  write(octets: Buffer): boolean {
    this.written.push(octets)
    return true
  }
  end(): void {
    this.ended = true
  }
  cork(): void {}
  uncork(): void {}
  pause(): void {}
  resume(): void {}
  destroy(): void {
    this.ended = true
  }
}

/** Octets of control: how many pieces the stream comes in, and where it is cut. */
const CONTROL = 8
/** The seventh is the time when every reply comes at once, by its lowest bit; else every other one comes later. */
const LATER_AT = 7

/** The frames that a stream holds, up to one that is too short for a message. */
function framesOf(stream: Uint8Array): string[] {
  const frames: string[] = []
  for (let at = 0; at + 2 <= stream.length; ) {
    const length = (stream[at]! << 8) | stream[at + 1]!
    if (at + 2 + length > stream.length || length < HEADER_SIZE) break
    frames.push(toHex(stream.subarray(at + 2, at + 2 + length)))
    at += 2 + length
  }
  return frames
}

const QUERY = ofHex('001d 1234 0100 0001 0000 0000 0000 03777777076578616d706c6500 0001 0001').subarray(0)
const frame = (size: number): Uint8Array => joined(Uint8Array.of(size >>> 8, size), new Uint8Array(size).fill(size))

export const tcpFraming: FuzzTarget = {
  name: 'tcp-framing',
  invariant:
    'however a stream is cut, the handler gets its frames in order and whole, each once, and the client gets a frame for every answer',
  corpus: [
    joined(ofHex('00 0000000000 00 00'), QUERY, QUERY),
    joined(ofHex('03 010203 2010 00 01'), QUERY, frame(12), frame(300)),
    joined(ofHex('06 01040901ff 10 00'), frame(600), QUERY, frame(1500)),
    joined(ofHex('06 0101010101 01 01'), QUERY.subarray(0, 20)),
  ],
  words: [frame(12), frame(11), frame(0), QUERY, ofHex('ffff'), ofHex('000c')],
  sizeMax: 8192,
  run(input) {
    if (input.length < CONTROL) return false
    const stream = input.subarray(CONTROL)
    const isLater = (input[LATER_AT]! & 1) !== 0
    const got: string[] = []
    const later: (() => void)[] = []
    const handler: QueryHandler = {
      handle(bytes, start, length, _client: Client, port: ReplyPort, out, outStart, sizeMax) {
        const message = Uint8Array.from(bytes.subarray(start, start + length))
        got.push(toHex(message))
        assert.ok(length <= sizeMax && outStart + length <= out.length)
        if (isLater && got.length % 2 === 0) {
          later.push(() => port.sendLater(new Uint8Array(64), 0, message, 0, message.length))
          return REPLY_LATER
        }
        if (got.length % 5 === 0) return NO_REPLY
        out.set(message, outStart)
        return length
      },
    } as QueryHandler
    const again: TcpConnection[] = []
    const owner: ConnectionOwner = {
      table: new TcpTable({ ...TCP_LIMITS, framesPerTurn: 3, queriesInFlightMax: 4 }),
      handler,
      listenerId: 1,
      held: false,
      holdBack: () => {},
      mark: () => {},
      later: (connection) => void again.push(connection),
      dirty: () => {},
      flushLater: () => {},
      closed: () => {},
    }
    const socket = new FakeSocket()
    const connection = new TcpConnection(socket as unknown as Socket, owner)
    assert.ok(owner.table.admit(connection))
    connection.start()
    /** As the event loop would: answers that wait, then connections that have frames left. */
    const settle = (): void => {
      for (let turns = 0; later.length > 0 || again.length > 0; turns++) {
        assert.ok(turns < 10_000, 'the connection never settles')
        for (const send of later.splice(0)) send()
        connection.flush()
        for (const each of again.splice(0)) each.work()
      }
    }
    let at = 0
    for (let piece = 0; piece < input[0]! % CONTROL && at < stream.length; piece++) {
      const size = 1 + input[1 + (piece % (CONTROL - 2))]!
      // Node gives each chunk memory of its own.
      socket.emit('data', Buffer.from(stream.subarray(at, at + size)))
      at += size
      settle()
    }
    if (at < stream.length) socket.emit('data', Buffer.from(stream.subarray(at)))
    settle()
    const want = framesOf(stream)
    assert.deepEqual(got, want)
    const replies = framesOf(Buffer.concat(socket.written))
    const answered = want.filter((_, i) => (isLater && (i + 1) % 2 === 0) || (i + 1) % 5 !== 0)
    assert.deepEqual([...replies].sort(), [...answered].sort())
    socket.emit('end')
    settle()
    assert.ok(socket.ended, 'our end stays open')
    socket.emit('close')
    assert.equal(owner.table.size, 0)
    assert.equal(owner.table.bufferedSize, 0)
    return want.length > 0 || stream.length < 22
  },
}
