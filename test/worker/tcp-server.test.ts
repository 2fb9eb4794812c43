import assert from 'node:assert/strict'
import net from 'node:net'
import { after, test } from 'node:test'
import { TCP_LIMITS, type TcpLimits } from '../../src/worker/tcp-limits.ts'
import { TcpServer } from '../../src/worker/tcp-server.ts'
import { TcpTable } from '../../src/worker/tcp-table.ts'
import { composeTestQuery, openTcpClient } from '../support/dns-client.ts'
import { BIG_REPLY_SIZE, StubHandler } from '../support/stub-handler.ts'
import { until } from '../support/until.ts'

const open: { close(): unknown }[] = []
after(() => Promise.all(open.map((each) => each.close())))

async function openServer(limits: Partial<TcpLimits> = {}, address = '127.0.0.1') {
  const handler = new StubHandler()
  const table = new TcpTable({ ...TCP_LIMITS, ...limits })
  const server = await TcpServer.open({ listenerId: 3, address, port: 0, reusePort: true, handler, table })
  open.push(server)
  return { server, handler, table }
}

/** A raw connection: what the server sent, as frames, and whether it closed. */
class Peer {
  readonly socket: net.Socket
  received: Buffer = Buffer.alloc(0)
  closed = false
  ended = false

  constructor(port: number, host = '127.0.0.1') {
    this.socket = net.connect({ port, host, noDelay: true, allowHalfOpen: true })
    this.socket.on('data', (chunk: Buffer) => {
      this.received = Buffer.concat([this.received, chunk])
    })
    this.socket.on('error', () => {})
    this.socket.on('end', () => {
      this.ended = true
    })
    this.socket.on('close', () => {
      this.closed = true
    })
    open.push({ close: () => this.socket.destroy() })
  }

  get frames(): Buffer[] {
    const frames: Buffer[] = []
    for (let at = 0; at + 2 <= this.received.length; ) {
      const length = this.received.readUInt16BE(at)
      if (at + 2 + length > this.received.length) break
      frames.push(this.received.subarray(at + 2, at + 2 + length))
      at += 2 + length
    }
    return frames
  }

  /** IDs of the replies, in the order they came. */
  get ids(): number[] {
    return this.frames.map((frame) => frame.readUInt16BE(0))
  }

  async replies(count: number, milliseconds?: number): Promise<void> {
    await until(`${count} replies`, () => this.frames.length >= count, milliseconds)
  }

  async isClosed(milliseconds?: number): Promise<void> {
    await until('the server closed', () => this.ended || this.closed, milliseconds)
  }
}

function frame(name: string, id: number): Buffer {
  const message = composeTestQuery(name, 1, { id })
  return Buffer.concat([Buffer.from([message.length >>> 8, message.length & 255]), message])
}

/** Frames numbered from 0. */
function frames(count: number, name = 'now.example'): Buffer {
  return Buffer.concat(Array.from({ length: count }, (_, id) => frame(name, id & 0xffff)))
}

function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i)
}

for (const { bind, host, seen } of [
  { bind: '127.0.0.1', host: '127.0.0.1', seen: '4 127.0.0.1 true 3 true' },
  { bind: '', host: '127.0.0.1', seen: '4 127.0.0.1 true 3 true' },
  { bind: '', host: '::1', seen: '6 0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1 true 3 true' },
]) {
  test(`bound to "${bind}", asked from ${host}: answers and knows the client`, async () => {
    const { server, handler } = await openServer({}, bind)
    const peer = new Peer(server.port, host)
    peer.socket.write(frame('now.example', 5))
    await peer.replies(1)
    assert.deepEqual(handler.clients, [seen])
  })
}

test('RFC 7766 6.2.1.1: pipelined queries in one segment are all answered', async () => {
  const { server, handler, table } = await openServer()
  const peer = new Peer(server.port)
  peer.socket.write(frames(1000))
  await peer.replies(1000)
  assert.deepEqual(peer.ids, upTo(1000))
  assert.ok(handler.flushes < 100)
  assert.equal(table.figures.received, 1000)
  assert.equal(table.figures.sent, 1000)
})

test('RFC 7766 7: answers leave in the order in which they are ready', async () => {
  const { server, handler } = await openServer()
  const peer = new Peer(server.port)
  peer.socket.write(Buffer.concat([frame('late.example', 1), frame('now.example', 2), frame('late.example', 3)]))
  await peer.replies(1)
  assert.deepEqual(peer.ids, [2])
  handler.answerLate()
  await peer.replies(3)
  assert.deepEqual(peer.ids, [2, 3, 1])
})

test('RFC 7766 8: frames split at every octet', async () => {
  const { server } = await openServer()
  const bytes = frames(3)
  for (let cut = 1; cut < bytes.length; cut += 7) {
    const peer = new Peer(server.port)
    peer.socket.write(bytes.subarray(0, cut))
    await new Promise((resolve) => setImmediate(resolve))
    peer.socket.write(bytes.subarray(cut))
    await peer.replies(3)
    assert.deepEqual(peer.ids, [0, 1, 2])
    peer.socket.destroy()
  }
})

test('frames that come octet by octet', async () => {
  const { server } = await openServer()
  const peer = new Peer(server.port)
  for (const octet of frames(2)) {
    peer.socket.write(Buffer.from([octet]))
    await new Promise((resolve) => setImmediate(resolve))
  }
  await peer.replies(2)
  assert.deepEqual(peer.ids, [0, 1])
})

test('a message of 65,535 octets, in pieces', async () => {
  const { server } = await openServer()
  const peer = new Peer(server.port)
  const message = Buffer.alloc(65535, 7)
  message.set(composeTestQuery('now.example', 1, { id: 9 }))
  peer.socket.write(Buffer.concat([Buffer.from([0xff, 0xff]), message, frame('now.example', 10)]))
  await peer.replies(2)
  assert.deepEqual(peer.ids, [9, 10])
  assert.equal(peer.frames[0]!.length, 65535)
  assert.equal(peer.frames[0]!.compare(message, 3, undefined, 3), 0)
})

test('large answers, pipelined, to a client that reads', async () => {
  const { server } = await openServer()
  const peer = new Peer(server.port)
  peer.socket.write(frames(40, 'big.example'))
  await peer.replies(40)
  assert.deepEqual(peer.ids, upTo(40))
  assert.ok(peer.frames.every((reply) => reply.length === BIG_REPLY_SIZE))
})

test('no more queries in flight than the limit; the rest is handled as answers leave', async () => {
  const { server, handler } = await openServer({ queriesInFlightMax: 4 })
  const peer = new Peer(server.port)
  peer.socket.write(frames(10, 'late.example'))
  await until('four are in flight', () => handler.late.length === 4)
  assert.equal(handler.handled, 4)
  handler.answerLate()
  await until('the next four', () => handler.handled === 8)
  handler.answerLate()
  await until('the last two', () => handler.handled === 10)
  handler.answerLate()
  await peer.replies(10)
})

test('a query that gets no reply does not count as in flight', async () => {
  const { server, handler } = await openServer({ queriesInFlightMax: 2 })
  handler.autoAnswer = true
  const peer = new Peer(server.port)
  peer.socket.write(Buffer.concat([frames(20, 'drop.example'), frames(20, 'lost.example'), frame('now.example', 77)]))
  await peer.replies(1)
  assert.deepEqual(peer.ids, [77])
})

test('a slow answer of one connection keeps no other waiting', async () => {
  const { server, handler } = await openServer()
  const slow = new Peer(server.port)
  slow.socket.write(frame('late.example', 1))
  await until('it is in flight', () => handler.late.length === 1)
  const quick = openTcpClient(server.port)
  open.push(quick)
  assert.ok(await quick.ask(composeTestQuery('now.example', 1)))
})

test('RFC 7766 6.2.4: a client that closed its end still gets its answers', async () => {
  const { server, handler } = await openServer()
  const peer = new Peer(server.port)
  peer.socket.end(Buffer.concat([frame('now.example', 1), frame('late.example', 2)]))
  await until('one is in flight', () => handler.late.length === 1)
  assert.equal(peer.ended, false)
  handler.answerLate()
  await peer.replies(2)
  await peer.isClosed()
})

const malformed = [
  { title: 'length 0', bytes: [0, 0] },
  { title: 'length 5', bytes: [0, 5, 1, 2, 3, 4, 5] },
  { title: 'length 11', bytes: [0, 11, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11] },
]
for (const { title, bytes } of malformed) {
  test(`a message shorter than a header closes the connection: ${title}`, async () => {
    const { server, table } = await openServer()
    const peer = new Peer(server.port)
    peer.socket.write(Buffer.concat([frame('now.example', 1), Buffer.from(bytes), frame('now.example', 2)]))
    await peer.isClosed()
    assert.deepEqual(peer.ids, [1])
    assert.equal(table.figures.malformed, 1)
  })
}

const timeouts = [
  { title: 'nothing is sent', bytes: Buffer.alloc(0), limits: { firstReadMs: 100 } },
  { title: 'half a length', bytes: Buffer.from([0]), limits: { messageMs: 100 } },
  { title: 'length 65535 and nothing more', bytes: Buffer.from([255, 255]), limits: { messageMs: 100 } },
  { title: 'half a message', bytes: frame('now.example', 1).subarray(0, 20), limits: { messageMs: 100 } },
  { title: 'idle after an answer', bytes: frame('now.example', 1), limits: { idleMs: 100 } },
]
for (const { title, bytes, limits } of timeouts) {
  test(`closed in time: ${title}`, async () => {
    const { server, table } = await openServer(limits)
    const peer = new Peer(server.port)
    peer.socket.write(bytes)
    await peer.isClosed(2000)
    assert.equal(table.figures.timedOut, 1)
    peer.socket.destroy()
    await until('the table is empty', () => table.size === 0)
  })
}

test('a message that dribbles in is closed at its own time-out, however often an octet comes', async () => {
  const { server, table } = await openServer({ messageMs: 200 })
  const peer = new Peer(server.port)
  const dribble = setInterval(() => peer.socket.write(Buffer.from([0])), 20)
  peer.socket.write(Buffer.from([1, 0]))
  await peer.isClosed(2000)
  clearInterval(dribble)
  assert.equal(table.figures.timedOut, 1)
})

test('a connection whose query is in flight is not idle', async () => {
  const { server, handler } = await openServer({ idleMs: 100, firstReadMs: 100 })
  const peer = new Peer(server.port)
  peer.socket.write(frame('late.example', 1))
  await new Promise((resolve) => setTimeout(resolve, 700))
  assert.equal(peer.ended, false)
  handler.answerLate()
  await peer.replies(1)
  await peer.isClosed(2000)
})

test('a client that never reads is not read from, then cut', async () => {
  const { server, table, handler } = await openServer({ writeMs: 300 })
  const peer = new Peer(server.port)
  peer.socket.pause()
  peer.socket.write(frames(2000, 'big.example'))
  await until('it is stuck', () => table.bufferedSize > 0)
  await until('it is cut', () => table.figures.cut === 1 && table.size === 0)
  assert.ok(handler.handled < 400, `${handler.handled} answers were made for nobody`)
  assert.equal(table.bufferedSize, 0)
})

test('late answers that pile up cut the connection at once', async () => {
  const { server, table, handler } = await openServer({ queriesInFlightMax: 5000, queuedSizeMax: 150_000 })
  const peer = new Peer(server.port)
  peer.socket.pause()
  const label = 'late'.padEnd(60, 'x')
  peer.socket.write(frames(2000, `${label}.example`))
  await until('all are in flight', () => handler.late.length === 2000)
  peer.socket.write(frames(500, 'big.example'))
  await until('it is stuck', () => table.bufferedSize > 0)
  assert.equal(table.figures.cut, 0)
  handler.answerLate()
  assert.deepEqual([table.figures.cut, table.size], [1, 0])
})

test('stalled connections share a budget of memory', async () => {
  const { server, table } = await openServer({ bufferedSizeMax: 1 << 20 })
  const peers = upTo(60).map(() => new Peer(server.port))
  for (const peer of peers) {
    peer.socket.pause()
    peer.socket.write(frames(1000, 'big.example'))
  }
  await until('some are cut', () => table.figures.cut > 0)
  await until('the others hold no more than the budget', () => table.bufferedSize <= 1 << 20 && table.size > 0)
  const quick = openTcpClient(server.port)
  open.push(quick)
  assert.ok(await quick.ask(composeTestQuery('now.example', 1)))
  for (const { socket } of peers) socket.destroy()
})

test('at the limit the longest idle connection makes room', async () => {
  const { server, table } = await openServer({ connectionsMax: 3 })
  const peers = [new Peer(server.port), new Peer(server.port), new Peer(server.port)]
  await until('three are open', () => table.size === 3)
  peers[0]!.socket.write(frame('now.example', 1))
  await peers[0]!.replies(1)
  const fourth = new Peer(server.port)
  fourth.socket.write(frame('now.example', 1))
  await fourth.replies(1)
  await peers[1]!.isClosed()
  assert.equal(peers[0]!.ended || peers[2]!.ended, false)
  assert.deepEqual([table.size, table.figures.evicted], [3, 1])
})

test('with no idle connection at the limit the new one is refused', async () => {
  const { server, table, handler } = await openServer({ connectionsPerClientMax: 2 })
  const busy = [new Peer(server.port), new Peer(server.port)]
  for (const peer of busy) peer.socket.write(frame('late.example', 1))
  await until('both are busy', () => handler.late.length === 2)
  await new Peer(server.port).isClosed()
  assert.deepEqual([table.size, table.figures.refused], [2, 1])
})

test('1,500 idle connections, and a new client is served at once', async () => {
  const { server, table } = await openServer({ connectionsMax: 1000 })
  const idle = upTo(1500).map(() => new Peer(server.port))
  await until('all were accepted', () => table.figures.accepted === 1500)
  const quick = openTcpClient(server.port)
  open.push(quick)
  const startedAt = performance.now()
  assert.ok(await quick.ask(composeTestQuery('now.example', 1)))
  assert.ok(performance.now() - startedAt < 500)
  assert.equal(table.size, 1000)
  for (const { socket } of idle) socket.destroy()
})

test('a client that resets in the middle of things does no harm', async () => {
  const { server, handler, table } = await openServer()
  handler.autoAnswer = true
  for (let i = 0; i < 50; i++) {
    const peer = new Peer(server.port)
    peer.socket.write(Buffer.concat([frames(50, i % 2 === 0 ? 'late.example' : 'big.example'), Buffer.from([1, 2, 3])]))
    if (i % 3 === 0) await new Promise((resolve) => setImmediate(resolve))
    peer.socket.resetAndDestroy()
  }
  await until('all are gone', () => table.size === 0 && handler.late.length === 0)
  assert.equal(table.bufferedSize, 0)
  const quick = openTcpClient(server.port)
  open.push(quick)
  assert.ok(await quick.ask(composeTestQuery('now.example', 1)))
})

test('a flood of one connection leaves turns for another', async () => {
  const { server } = await openServer({ framesPerTurn: 16 })
  const flood = new Peer(server.port)
  flood.socket.write(frames(20_000))
  const other = new Peer(server.port)
  other.socket.write(frame('now.example', 1))
  await other.replies(1)
  assert.ok(flood.frames.length < 20_000)
  await flood.replies(20_000)
  assert.equal(flood.frames.length, 20_000)
})

test('during a hold nothing is handled, after it everything', async () => {
  const { server, handler } = await openServer()
  const peer = new Peer(server.port)
  await until('it is accepted', () => server.table.size === 1)
  server.hold()
  peer.socket.write(frames(300))
  await until('the queries arrived', () => server.table.bufferedSize > 0)
  assert.equal(handler.handled, 0)
  server.release()
  await peer.replies(300)
})

test('another engine answers from the next query on', async () => {
  const { server, handler } = await openServer()
  const peer = new Peer(server.port)
  peer.socket.write(frame('now.example', 1))
  await peer.replies(1)
  const second = new StubHandler()
  server.serve(second, 4)
  peer.socket.write(frame('now.example', 2))
  await peer.replies(2)
  assert.deepEqual([handler.handled, second.handled], [1, 1])
  assert.deepEqual(second.clients, ['4 127.0.0.1 true 4 true'])
})

test('stop: no new connection, no new query, answers in flight still leave', async () => {
  const { server, handler } = await openServer()
  const peer = new Peer(server.port)
  peer.socket.write(frame('late.example', 1))
  await until('it is in flight', () => handler.late.length === 1)
  const stopped = server.stop()
  peer.socket.write(frame('now.example', 2))
  await new Promise((resolve) => setTimeout(resolve, 20))
  handler.answerLate()
  await peer.replies(1)
  await peer.isClosed()
  assert.deepEqual(peer.ids, [1])
  peer.socket.destroy()
  await stopped
})

test('an address that is taken is refused by name', async () => {
  const taken = net.createServer()
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
  const { port } = taken.address() as net.AddressInfo
  await assert.rejects(
    TcpServer.open({
      listenerId: 0,
      address: '127.0.0.1',
      port,
      reusePort: true,
      handler: new StubHandler(),
      table: new TcpTable(TCP_LIMITS),
    }),
    { code: 'EADDRINUSE' },
  )
  taken.close()
})
