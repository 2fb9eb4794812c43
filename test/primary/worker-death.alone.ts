/** How soon a worker that was killed is replaced; alone, because it measures times. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { steadyQueries } from '../support/steady-queries.ts'
import { answering, isAlive, startStub } from '../support/stub-server.ts'
import { until } from '../support/until.ts'

test('SIGKILL of workers under load: at most 3 lost per kill, replaced within 500 ms, counters stay', async () => {
  const corefile = '.:PORT {\n  whoami\n  prometheus 127.0.0.1:PORT1\n}\n'
  const server = await startStub({ processes: 2 }, corefile)
  const scrape = async (): Promise<string> => (await fetch(`http://127.0.0.1:${server.ports[1]}/metrics`)).text()
  await using steady = steadyQueries({ port: server.port, perSecond: 200 })
  const KILLS = 5
  const times: number[] = []
  let counted = 0
  for (let i = 0; i < KILLS; i++) {
    const before = await answering(server.port, 2)
    const text = await scrape()
    const count = Number(/^stub_queries_total (\d+)$/m.exec(text)?.[1])
    assert.ok(count >= counted, `${count} after ${counted}`)
    counted = count
    const victim = [...before][i % 2]!
    const startedAt = performance.now()
    process.kill(victim, 'SIGKILL')
    await until('two serve again', async () => /^shoal_workers 2$/m.test(await scrape()) && !isAlive(victim), 5000)
    times.push(performance.now() - startedAt)
  }
  const { lost } = await steady.stop()
  assert.ok(lost <= 3 * KILLS, `${lost} lost in ${KILLS} kills`)
  const median = times.toSorted((a, b) => a - b)[KILLS >> 1]!
  assert.ok(median < 500, `full strength after ${times.map(Math.round)} ms`)
  assert.match(await scrape(), new RegExp(`^shoal_worker_restarts_total ${KILLS}$`, 'm'))
  assert.match(server.lines.join('\n'), /\[WARNING\] worker process \d+ ended \(signal SIGKILL\) and is replaced/)
})
