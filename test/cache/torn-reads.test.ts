import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { aCache } from './a-cache.ts'
import { auditCache } from './audit-cache.ts'
import { type HammerResult, type HammerTask, hammer } from './hammer-thread.ts'

/** Long enough for some hundred thousand operations on each of two cores. */
const MILLISECONDS = 1200
const THREADS = 3

test('threads that store and look up the same names never get a body of two entries', async () => {
  const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
  console.log(`SEED=${seed}`)
  const cache = aCache()
  // More names than fit, so that entries move, and units change from head to tail and back.
  const task: Omit<HammerTask, 'thread' | 'seed'> = {
    handle: cache.handle,
    names: 1500,
    milliseconds: MILLISECONDS,
    stores: 40,
  }
  const results = await Promise.all([
    ...Array.from({ length: THREADS }, (_, i) => inThread({ ...task, thread: i + 1, seed: seed + i })),
    new Promise<HammerResult>((resolve) =>
      setTimeout(() => resolve(hammer({ ...task, thread: 0, seed: seed - 1 })), 100),
    ),
  ])
  for (const { wrong } of results) assert.equal(wrong, undefined)
  const { torn, locked, evictionsSuccess, evictionsDenial } = cache.figures()
  const sum = (key: 'hits' | 'stored') => results.reduce((total, result) => total + result[key], 0)
  console.log(`${sum('hits')} hits, ${sum('stored')} stored, ${locked} found locked, ${torn} changed while read`)
  assert.ok(sum('hits') > 1000 && sum('stored') > 1000 && evictionsSuccess > 100 && evictionsDenial > 100)
  auditCache(cache)
})

function inThread(task: HammerTask): Promise<HammerResult> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('hammer-thread.ts', import.meta.url), { workerData: task })
    worker.once('message', resolve)
    worker.once('error', reject)
  })
}
