import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import test from 'node:test'
import { Registry } from 'prom-client'
import { HealthEndpoint } from '../../src/plugins/health/health-endpoint.ts'
import { plugin } from '../../src/plugins/health/index.ts'
import { parseWith } from '../support/directives.ts'
import { aLog } from '../support/front.ts'

const LOCAL = { host: '127.0.0.1', port: 0 }

test('syntax', () => {
  const cases: readonly [string, unknown][] = [
    ['health', { address: { host: '', port: 8080 }, lameduckMs: 0 }],
    ['health localhost:1234', { address: { host: 'localhost', port: 1234 }, lameduckMs: 0 }],
    ['health [::1]:1', { address: { host: '::1', port: 1 }, lameduckMs: 0 }],
    ['health {\nlameduck 5s\n}', { address: { host: '', port: 8080 }, lameduckMs: 5000 }],
    ['health bla:a {\nlameduck 0\n}'.replace('bla:a', ':1'), { address: { host: '', port: 1 }, lameduckMs: 0 }],
    ['health :1\nhealth {\nlameduck 1m\n}', { address: { host: '', port: 1 }, lameduckMs: 60_000 }],
  ]
  for (const [source, want] of cases) assert.deepEqual(parseWith(plugin, source), want, source)
  const errors: readonly [string, RegExp][] = [
    ['health localhost', /address localhost: missing port in address/],
    ['health bla bla', /Wrong argument count/],
    ['health {\nlameduck a\n}', /Corefile:2 .*unable to parse lameduck duration value: 'a'/],
    ['health {\nlameduck\n}', /Wrong argument count/],
    ['health {\nlameduck 1s 2s\n}', /Wrong argument count/],
    ['health {\nlameduck 5\n}', /unable to parse lameduck duration value: '5'/],
    ['health {\nunknown\n}', /unknown property 'unknown'/],
  ]
  for (const [source, message] of errors) assert.throws(() => parseWith(plugin, source), { message }, source)
})

test('answers, asks itself, and counts what it finds', async () => {
  const registry = new Registry()
  const log = aLog()
  const part = new HealthEndpoint({ address: LOCAL, lameduckMs: 0 }, { log, registry })
  await part.start()
  const response = await fetch(`http://127.0.0.1:${part.address!.port}/health`)
  assert.deepEqual([response.status, await response.text()], [200, 'OK'])
  const count = async () =>
    /_count (\d+)/.exec(await registry.getSingleMetricAsString('coredns_health_request_duration_seconds'))![1]
  while ((await count()) === '0') await new Promise((resolve) => setTimeout(resolve, 20))
  const text = await registry.metrics()
  for (const bound of ['0.00025', '0.0025', '0.025', '0.25', '2.5', '+Inf']) {
    assert.match(
      text,
      new RegExp(`coredns_health_request_duration_seconds_bucket\\{le="${bound.replace('+', '\\+')}"\\} \\d`),
    )
  }
  assert.match(text, /coredns_health_request_failures_total 0/)
  await part.drain()
  await part.stop()
  await assert.rejects(fetch(`http://127.0.0.1:${response.url.split(':')[2]!.split('/')[0]}/health`))
  assert.deepEqual(log.lines, [])
})

test('lameduck holds the end of the process back while health is still served', async () => {
  const log = aLog()
  const part = new HealthEndpoint({ address: LOCAL, lameduckMs: 120 }, { log, registry: new Registry() })
  await part.start()
  const startedAt = performance.now()
  const drained = part.drain()
  assert.equal((await fetch(`http://127.0.0.1:${part.address!.port}/health`)).status, 200)
  await drained
  assert.ok(performance.now() - startedAt >= 118)
  assert.deepEqual(log.lines, ['INFO Going into lameduck mode for 120ms'])
  await part.stop()
})

test('a port that is taken fails the start', async () => {
  const blocker = createServer().listen(0, '127.0.0.1')
  await once(blocker, 'listening')
  const { port } = blocker.address() as { port: number }
  const part = new HealthEndpoint(
    { address: { host: '127.0.0.1', port }, lameduckMs: 0 },
    { log: aLog(), registry: new Registry() },
  )
  await assert.rejects(part.start(), { message: `listen tcp 127.0.0.1:${port}: bind: address already in use` })
  await part.stop()
  blocker.close()
})
