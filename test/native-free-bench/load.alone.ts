import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, type Server } from 'node:net'
import { test } from 'node:test'
import { openDgramFlows } from '../../native-free-bench/load/dgram-flows.ts'
import type { Flows } from '../../native-free-bench/load/flows.ts'
import { Load } from '../../native-free-bench/load/load.ts'
import { closedLoop, openLoop } from '../../native-free-bench/load/loops.ts'
import { openMmsgFlows } from '../../native-free-bench/load/mmsg-flows.ts'
import { QuerySet } from '../../native-free-bench/load/query-set.ts'
import { holds } from '../../native-free-bench/load/search.ts'
import { openTcpFlows } from '../../native-free-bench/load/tcp-flows.ts'
import { loadLibc } from '../../src/mmsg/libc.ts'

const NXDOMAIN = 3
const queries = new QuerySet(
  [{ qname: '0000000000x.example.', qtype: 1, rcode: NXDOMAIN, answers: 0, unique: true }],
  'sequence',
)
const withoutFfi = await loadLibc().then(
  () => false,
  (error: Error) => error.message,
)

interface Answering {
  readonly port: number
  close(): void
}

/** Answers NXDOMAIN; when `faulty`, every hundredth query gets no answer, and of the others every tenth a wrong one. */
async function answerUdp(faulty: boolean): Promise<Answering> {
  const socket = createSocket('udp4')
  let count = 0
  socket.on('message', (query, { address, port }) => {
    count++
    if (faulty && count % 100 === 50) return
    query[2]! |= 0x80
    query[3] = faulty && count % 10 === 0 ? 0 : NXDOMAIN
    socket.send(query, port, address)
  })
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  return { port: socket.address().port, close: () => socket.close() }
}

/** The same over TCP, in pieces of seven octets. */
async function answerTcp(): Promise<Answering> {
  const server: Server = createServer((socket) => {
    let rest = Buffer.alloc(0)
    socket.setNoDelay(true)
    socket.on('error', () => {})
    socket.on('data', (data) => {
      rest = Buffer.concat([rest, data as Buffer])
      while (rest.length >= 2 && rest.length >= 2 + rest.readUInt16BE(0)) {
        const frame = Buffer.from(rest.subarray(0, 2 + rest.readUInt16BE(0)))
        rest = rest.subarray(frame.length)
        frame[4]! |= 0x80
        frame[5] = NXDOMAIN
        for (let at = 0; at < frame.length; at += 7) socket.write(frame.subarray(at, at + 7))
      }
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { port: (server.address() as { port: number }).port, close: () => server.close() }
}

const kinds: {
  name: string
  skip: string | false
  open(port: number): Promise<Flows>
  answer(): Promise<Answering>
}[] = [
  // mmsg's poll waits in the kernel: the server must be another process, see below.
  { name: 'dgram', skip: false, open: (port) => openDgramFlows('127.0.0.1', port, 8), answer: () => answerUdp(false) },
  { name: 'tcp', skip: false, open: (port) => openTcpFlows('127.0.0.1', port, 4, false), answer: answerTcp },
  { name: 'tcp-fresh', skip: false, open: (port) => openTcpFlows('127.0.0.1', port, 4, true), answer: answerTcp },
]
for (const { name, skip, open, answer } of kinds) {
  test(`${name}: closed and open loop get every answer, right`, { skip }, async (t) => {
    const server = await answer()
    t.after(() => server.close())
    const flows = await open(server.port)
    t.after(() => flows.close())
    const window = name === 'tcp-fresh' ? 4 : 32
    const closed = await closedLoop(flows, queries, { seconds: 0.2, window, firstSerial: 0 })
    assert.equal(closed.wrong + closed.lost + closed.unexpected, 0)
    assert(closed.right > 50 && closed.sent - closed.right <= window)
    assert(
      closed.latency.p50 > 0 && closed.latency.p50 <= closed.latency.p99 && closed.latency.p99 <= closed.latency.max,
    )
    const rate = name === 'tcp-fresh' ? 50 : 1000
    // What the closed loop left in flight may still come.
    await new Promise((resolve) => setTimeout(resolve, 20))
    const fixed = await openLoop(flows, queries, { seconds: 0.2, rate, firstSerial: closed.sent })
    assert.equal(fixed.sent, rate * 0.2)
    assert.equal(fixed.wrong + fixed.lost, 0)
    assert.equal(fixed.right, fixed.sent)
  })
}

test('wrong and missing answers are counted as such', async (t) => {
  const server = await answerUdp(true)
  t.after(() => server.close())
  const flows = await openDgramFlows('127.0.0.1', server.port, 4)
  t.after(() => flows.close())
  const { sent, lost, right, wrong, wrongRcode } = await openLoop(flows, queries, {
    seconds: 0.2,
    rate: 2000,
    firstSerial: 0,
  })
  assert.deepEqual(
    { sent, lost, wrong, wrongRcode, right },
    { sent: 400, lost: 4, wrong: 36, wrongRcode: 36, right: 360 },
  )
})

test('latency counts from when a query was due: a stall is seen by all that it delayed', async (t) => {
  const socket = createSocket('udp4')
  t.after(() => socket.close())
  const waiting: (() => void)[] = []
  let stalled = true
  setTimeout(() => {
    stalled = false
    for (const answer of waiting) answer()
  }, 150)
  socket.on('message', (query, { address, port }) => {
    query[2]! |= 0x80
    query[3] = NXDOMAIN
    const answer = () => socket.send(query, port, address)
    if (stalled) waiting.push(answer)
    else answer()
  })
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  const flows = await openDgramFlows('127.0.0.1', socket.address().port, 4)
  t.after(() => flows.close())
  const { latency } = await openLoop(flows, queries, { seconds: 0.3, rate: 1000, firstSerial: 0 })
  // Half of the queries were due during the stall, at even distances.
  assert(latency.max > 120_000, `${latency.max}`)
  assert(latency.p90 > 90_000, `${latency.p90}`)
  assert(latency.p50 < 60_000, `${latency.p50}`)
})

test('mmsg: closed and open loop against a server in another process', { skip: withoutFfi }, async (t) => {
  const { spawn } = await import('node:child_process')
  const program = `
    const socket = require('node:dgram').createSocket('udp4')
    socket.on('message', (query, { address, port }) => {
      query[2] |= 0x80
      query[3] = 3
      socket.send(query, port, address)
    })
    socket.bind(0, '127.0.0.1', () => console.log(socket.address().port))`
  const child = spawn(process.execPath, ['--eval', program], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.after(() => child.kill())
  const [text] = await once(child.stdout, 'data')
  const flows = await openMmsgFlows('127.0.0.1', Number(text), 16)
  t.after(() => flows.close())
  const closed = await closedLoop(flows, queries, { seconds: 0.3, window: 64, firstSerial: 0 })
  assert.equal(closed.wrong + closed.lost + closed.unexpected, 0)
  assert(closed.right > 500)
  const fixed = await openLoop(flows, queries, { seconds: 0.2, rate: 2000, firstSerial: closed.sent })
  assert.equal(fixed.right, 400)
})

test('a rate is held with a loss of 0.1 % and a p99 of 5 ms, and not beyond', () => {
  const latency = { p99: 5000 } as Parameters<typeof holds>[0]['latency']
  assert(holds({ sent: 10_000, lost: 10, wrong: 0, latency }))
  assert(!holds({ sent: 10_000, lost: 10, wrong: 1, latency }))
  assert(!holds({ sent: 10_000, lost: 0, wrong: 0, latency: { ...latency, p99: 5001 } }))
})

test('two processes share a job: no name twice, figures and latencies of both', { timeout: 30_000 }, async (t) => {
  const socket = createSocket('udp4')
  t.after(() => socket.close())
  const names = new Set<string>()
  socket.on('message', (query, { address, port }) => {
    names.add(query.toString('latin1', 12))
    query[2]! |= 0x80
    query[3] = NXDOMAIN
    socket.send(query, port, address)
  })
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  const load = new Load([undefined, undefined])
  t.after(() => load.close())
  const job = {
    workload: 'nxdomain',
    address: '127.0.0.1',
    port: socket.address().port,
    transport: 'udp',
    flows: 9,
  } as const
  const fixed = await load.run({ ...job, seconds: 1, rate: 401 })
  assert.equal(fixed.sent, 401)
  assert.equal(names.size, 401)
  assert.deepEqual({ right: fixed.right, wrong: fixed.wrong, lost: fixed.lost }, { right: 401, wrong: 0, lost: 0 })
  assert(fixed.latency.p50 > 0 && fixed.latency.p50 <= fixed.latency.max)
  const closed = await load.run({ ...job, seconds: 0.3, window: 16 })
  assert(closed.sent - closed.right <= 16)
  assert.equal(names.size, 401 + closed.sent)
})
