import assert from 'node:assert/strict'
import test from 'node:test'
import { Registry } from 'prom-client'
import { CorefileWatch } from '../../src/plugins/reload/corefile-watch.ts'
import { plugin } from '../../src/plugins/reload/index.ts'
import { parseWith } from '../support/directives.ts'
import { aLog } from '../support/front.ts'
import { aServer } from '../support/server-control.ts'

test('syntax', () => {
  const cases: readonly [string, unknown][] = [
    ['reload', { intervalMs: 30_000, jitterMs: 15_000 }],
    ['reload 10s', { intervalMs: 10_000, jitterMs: 5000 }],
    ['reload 10s 2s', { intervalMs: 10_000, jitterMs: 2000 }],
    ['reload 10s 0s', { intervalMs: 10_000, jitterMs: 0 }],
    ['reload 2s 1m', { intervalMs: 2000, jitterMs: 1000 }],
    ['reload 2s\nreload 3s', { intervalMs: 2000, jitterMs: 1000 }],
  ]
  for (const [source, want] of cases) assert.deepEqual(parseWith(plugin, source), want, source)
  const errors: readonly [string, RegExp][] = [
    ['reload 1s', /interval value must be greater or equal to 2s/],
    ['reload -1s', /interval value must be greater or equal to 2s/],
    ['reload 10s 500ms', /jitter value must be 0 or greater or equal to 1s/],
    ['reload 10', /invalid duration "10"/],
    ['reload 10s 5', /invalid duration "5"/],
    ['reload 1s 2s 3s', /Wrong argument count/],
  ]
  for (const [source, message] of errors) assert.throws(() => parseWith(plugin, source), { message }, source)
})

function open(
  options = { intervalMs: 10_000, jitterMs: 4000 },
  random = 0.5,
  server = aServer(),
  registry = new Registry(),
) {
  const log = aLog()
  const part = new CorefileWatch(options, { log, registry, server }, random)
  return { server, registry, log, part }
}

test('the Corefile is looked at once per interval, off by half of the jitter at most', async (context) => {
  for (const [random, intervalMs] of [
    [0, 8000],
    [0.5, 10_000],
    [0.999999, 12_000],
  ] as const) {
    context.mock.timers.enable({ apis: ['setInterval'] })
    const { server, part } = open(undefined, random)
    await part.start()
    context.mock.timers.tick(intervalMs - 10)
    assert.equal(server.reloads.length, 0)
    context.mock.timers.tick(20)
    assert.deepEqual(server.reloads, [{ reason: 'plugin/reload', exceptHash: undefined }])
    await part.stop()
    context.mock.timers.tick(60_000)
    assert.equal(server.reloads.length, 1)
    context.mock.timers.reset()
  }
})

test('what a look found is told and counted', async () => {
  const { server, registry, log, part } = open()
  await part.start()
  assert.deepEqual(log.lines, ['INFO Running configuration SHA512 = h0'])
  const info = async () => (await registry.getSingleMetricAsString('coredns_reload_version_info')).split('\n').slice(2)
  const failed = async () => (await registry.getSingleMetricAsString('coredns_reload_failed_total')).split('\n').at(-1)
  await part.ask()
  server.results.push({ outcome: 'failed', stage: 'read', error: 'no file', hash: '' })
  await part.ask()
  assert.deepEqual([await info(), log.lines.length], [[], 1], 'a file that can not be read is tried again in silence')
  server.results.push({ outcome: 'failed', stage: 'parse', error: 'Corefile:1 - x', hash: 'h1' })
  await part.ask()
  assert.equal(log.lines.at(-1), 'WARNING Corefile parse failed: Corefile:1 - x')
  assert.equal(await failed(), 'coredns_reload_failed_total 0')
  server.results.push({ outcome: 'failed', stage: 'start', error: 'port taken', hash: 'h2' })
  await part.ask()
  assert.equal(log.lines.at(-1), 'ERROR Corefile changed but reload failed: port taken')
  assert.equal(await failed(), 'coredns_reload_failed_total 1')
  assert.deepEqual(await info(), ['coredns_reload_version_info{hash="sha512",value="h2"} 1'])
  server.results.push({ outcome: 'reloaded', hash: 'h3' })
  await part.ask()
  assert.deepEqual(
    server.reloads.at(-1),
    { reason: 'plugin/reload', exceptHash: 'h2' },
    'content that failed is not tried again',
  )
  part.reloaded()
  assert.equal(log.lines.at(-1), 'INFO Running configuration SHA512 = h3')
  assert.deepEqual(await info(), ['coredns_reload_version_info{hash="sha512",value="h3"} 1'])
  await part.ask()
  assert.equal(server.reloads.at(-1)!.exceptHash, undefined)
  await part.stop()
})

test('one watch per server: the last one started works, the one before it goes on when it stops', async (context) => {
  context.mock.timers.enable({ apis: ['setInterval'] })
  const server = aServer()
  const registry = new Registry()
  const slow = open({ intervalMs: 60_000, jitterMs: 0 }, 0.5, server, registry)
  const fast = open({ intervalMs: 10_000, jitterMs: 0 }, 0.5, server, registry)
  await slow.part.start()
  await fast.part.start()
  assert.deepEqual([slow.log.lines.length, fast.log.lines.length], [1, 0])
  context.mock.timers.tick(30_000)
  await Promise.resolve()
  const whileFast = server.reloads.length
  assert.ok(whileFast >= 1)
  await fast.part.stop()
  context.mock.timers.tick(59_000)
  assert.equal(server.reloads.length, whileFast)
  context.mock.timers.tick(1000)
  assert.equal(server.reloads.length, whileFast + 1)
  await slow.part.stop()
})

test('looks do not overlap', async () => {
  const { server, part } = open()
  let finish: (() => void) | undefined
  server.reload = () => {
    server.reloads.push({ reason: '', exceptHash: undefined })
    return new Promise((resolve) => {
      finish = () => resolve({ outcome: 'unchanged', hash: 'h0' })
    })
  }
  const first = part.ask()
  await part.ask()
  assert.equal(server.reloads.length, 1)
  finish!()
  await first
})
