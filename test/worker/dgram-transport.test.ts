import assert from 'node:assert/strict'
import dgram from 'node:dgram'
import { once } from 'node:events'
import { after, test } from 'node:test'
import { dgramTransport } from '../../src/worker/dgram-transport.ts'
import type { UdpSocket } from '../../src/worker/udp-transport.ts'
import { composeTestQuery, openUdpClient } from '../support/dns-client.ts'
import { BIG_REPLY_SIZE, StubHandler } from '../support/stub-handler.ts'
import { until } from '../support/until.ts'

const transport = dgramTransport('a test')
const open: { close(): unknown }[] = []
after(() => Promise.all(open.map((each) => each.close())))

async function openSocket(address = '127.0.0.1', handler = new StubHandler()): Promise<[UdpSocket, StubHandler]> {
  const socket = await transport.open({ listenerId: 7, address, port: 0, reusePort: true, handler })
  open.push(socket)
  return [socket, handler]
}

function client(port: number, host?: string) {
  const opened = openUdpClient(port, host)
  open.push(opened)
  return opened
}

const QUERY = composeTestQuery('now.example', 1)
const LATE = composeTestQuery('late.example', 1)

for (const { bind, host, seen } of [
  { bind: '127.0.0.1', host: '127.0.0.1', seen: '4 127.0.0.1 true 7 false' },
  { bind: '::1', host: '::1', seen: '6 0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1 true 7 false' },
  { bind: '', host: '127.0.0.1', seen: '4 127.0.0.1 true 7 false' },
  { bind: '', host: '::1', seen: '6 0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1 true 7 false' },
]) {
  test(`bound to "${bind}", asked from ${host}: answers at once and later, and knows the client`, async () => {
    const [socket, handler] = await openSocket(bind)
    handler.autoAnswer = true
    const udp = client(socket.port, host)
    const [now, late] = await Promise.all([udp.ask(QUERY), udp.ask(LATE)])
    assert.ok(now !== undefined && late !== undefined)
    assert.deepEqual([now[2]! & 0x80, late[2]! & 0x80], [0x80, 0x80])
    assert.deepEqual(handler.clients, [seen, seen])
    assert.ok(handler.flushes >= 1)
    await until('all sends are counted', () => socket.figures().sent === 2)
  })
}

test('many in flight are all answered, each with its own bytes', async () => {
  const [socket, handler] = await openSocket()
  handler.autoAnswer = true
  const udp = client(socket.port)
  const names = Array.from({ length: 200 }, (_, i) => `${i % 2 === 0 ? 'late' : 'now'}${i}.example`)
  const replies = await Promise.all(names.map((name) => udp.ask(composeTestQuery(name, 1))))
  for (const [i, name] of names.entries()) {
    assert.deepEqual(replies[i]!.subarray(12), composeTestQuery(name, 1).subarray(12), name)
  }
})

test('a reply nearly as large as UDP allows', async () => {
  const [socket] = await openSocket()
  const reply = await client(socket.port).ask(composeTestQuery('big.example', 1))
  assert.equal(reply?.length, BIG_REPLY_SIZE)
})

test('what comes during a hold waits for the release', async () => {
  const [socket, handler] = await openSocket()
  const udp = client(socket.port)
  socket.hold()
  const held = udp.ask(QUERY)
  await until('the query arrived', () => socket.figures().received === 1)
  assert.equal(handler.handled, 0)
  socket.release()
  assert.ok(await held)
})

test('another engine answers from the next query on', async () => {
  const [socket, first] = await openSocket()
  const udp = client(socket.port)
  await udp.ask(QUERY)
  const second = new StubHandler()
  socket.serve(second, 9)
  await udp.ask(QUERY)
  assert.deepEqual([first.handled, second.handled], [1, 1])
  assert.deepEqual(second.clients, ['4 127.0.0.1 true 9 false'])
})

test('after stop nothing is read, but a late reply still leaves', async () => {
  const [socket, handler] = await openSocket()
  const udp = client(socket.port)
  const late = udp.ask(LATE)
  await until('the query is in flight', () => handler.late.length === 1)
  await socket.stop()
  assert.equal(await udp.ask(QUERY, 100), undefined)
  handler.answerLate()
  assert.ok(await late)
})

test('a late reply for a closed socket is dropped in silence', async () => {
  const [socket, handler] = await openSocket()
  void client(socket.port).ask(LATE, 50)
  await until('the query is in flight', () => handler.late.length === 1)
  await socket.close()
  handler.answerLate()
})

test('clients that are gone (ICMP port unreachable) and empty datagrams do no harm', async () => {
  const [socket, handler] = await openSocket()
  for (let i = 0; i < 20; i++) {
    const short = dgram.createSocket('udp4')
    short.send(QUERY, socket.port, '127.0.0.1')
    short.send(new Uint8Array(0), socket.port, '127.0.0.1')
    short.send(QUERY, socket.port, '127.0.0.1', () => short.close())
    await once(short, 'close')
  }
  await until('all arrived', () => handler.handled === 60)
  assert.ok(await client(socket.port).ask(QUERY))
})

test('an address that is taken without SO_REUSEPORT is refused by name', async () => {
  const taken = dgram.createSocket('udp4')
  await new Promise<void>((resolve) => taken.bind(0, '127.0.0.1', resolve))
  const { port } = taken.address()
  await assert.rejects(
    transport.open({ listenerId: 0, address: '127.0.0.1', port, reusePort: true, handler: new StubHandler() }),
    { code: 'EADDRINUSE' },
  )
  taken.close()
})

test('two sockets share an address', async () => {
  const [first] = await openSocket()
  const second = await transport.open({
    listenerId: 1,
    address: '127.0.0.1',
    port: first.port,
    reusePort: true,
    handler: new StubHandler(),
  })
  open.push(second)
  assert.equal(second.port, first.port)
})
