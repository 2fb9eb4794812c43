import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import test from 'node:test'
import { plugin } from '../../src/plugins/ready/index.ts'
import { ReadyEndpoint } from '../../src/plugins/ready/ready-endpoint.ts'
import { parseWith } from '../support/directives.ts'
import { aLog } from '../support/front.ts'
import { aServer } from '../support/server-control.ts'

const LOCAL = { host: '127.0.0.1', port: 0 }

test('syntax', () => {
  const cases: readonly [string, unknown][] = [
    ['ready', { address: { host: '', port: 8181 }, continuously: false }],
    ['ready localhost:1234', { address: { host: 'localhost', port: 1234 }, continuously: false }],
    ['ready {\nmonitor until-ready\n}', { address: { host: '', port: 8181 }, continuously: false }],
    ['ready :1 {\nmonitor continuously\n}', { address: { host: '', port: 1 }, continuously: true }],
  ]
  for (const [source, want] of cases) assert.deepEqual(parseWith(plugin, source), want, source)
  const errors: readonly [string, RegExp][] = [
    ['ready localhost', /missing port in address/],
    ['ready a b', /Wrong argument count/],
    ['ready\nready', /only be used once/],
    ['ready {\nmonitor\n}', /Wrong argument count/],
    ['ready {\nmonitor sometimes\n}', /monitor type 'sometimes' not supported/],
    ['ready {\nunknown\n}', /unknown property 'unknown'/],
  ]
  for (const [source, message] of errors) assert.throws(() => parseWith(plugin, source), { message }, source)
})

async function open(continuously: boolean) {
  const server = aServer()
  const log = aLog()
  const part = new ReadyEndpoint({ address: LOCAL, continuously }, { log, server })
  await part.start()
  const ask = async () => {
    const response = await fetch(`http://127.0.0.1:${part.address!.port}/ready`)
    return `${response.status} ${await response.text()}`
  }
  return { server, log, part, ask }
}

test('503 with the plugins that are not ready; one that was ready is not asked again until a reload', async () => {
  const { server, log, part, ask } = await open(false)
  server.waiting = ['erratic', 'kubernetes']
  assert.equal(await ask(), '503 erratic,kubernetes')
  assert.deepEqual(log.lines, ['INFO Plugins not ready: "erratic,kubernetes"'])
  server.waiting = ['kubernetes']
  assert.equal(await ask(), '503 kubernetes')
  server.waiting = ['erratic', 'nomad', 'kubernetes']
  assert.equal(await ask(), '503 kubernetes', 'erratic and nomad were ready before')
  server.waiting = []
  assert.equal(await ask(), '200 OK')
  server.waiting = ['kubernetes']
  assert.equal(await ask(), '200 OK')
  part.reloaded()
  assert.equal(await ask(), '503 kubernetes', 'a plugin unready before a reload is reported after it')
  await part.stop()
})

test('continuously asks every time', async () => {
  const { server, part, ask } = await open(true)
  assert.equal(await ask(), '200 OK')
  server.waiting = ['kubernetes']
  assert.equal(await ask(), '503 kubernetes')
  server.waiting = []
  assert.equal(await ask(), '200 OK')
  await part.stop()
})

test('while the server shuts down the answer is 503', async () => {
  const { part, ask } = await open(false)
  await part.drain()
  assert.equal(await ask(), '503 Shutting down')
  await part.stop()
  await assert.rejects(ask)
})

test('a port that is taken is told once, and opened when it is free', async (context) => {
  const blocker = createServer().listen(0, '127.0.0.1')
  await once(blocker, 'listening')
  const { port } = blocker.address() as { port: number }
  const log = aLog()
  context.mock.timers.enable({ apis: ['setTimeout'] })
  const part = new ReadyEndpoint(
    { address: { host: '127.0.0.1', port }, continuously: false },
    { log, server: aServer() },
  )
  await part.start()
  assert.deepEqual(log.lines, [
    `ERROR Failed to start ready handler: listen tcp 127.0.0.1:${port}: bind: address already in use`,
  ])
  blocker.close()
  await once(blocker, 'close')
  context.mock.timers.tick(5000)
  context.mock.timers.reset()
  while (part.address === undefined) await new Promise((resolve) => setTimeout(resolve, 5))
  assert.equal((await fetch(`http://127.0.0.1:${port}/ready`)).status, 200)
  assert.equal(log.lines.length, 1)
  await part.stop()
})
