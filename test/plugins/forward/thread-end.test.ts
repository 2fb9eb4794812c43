import assert from 'node:assert/strict'
import { once } from 'node:events'
import test from 'node:test'
import { Worker } from 'node:worker_threads'
import { fakeReply, openFakeUpstream } from '../../support/fake-upstream.ts'
import { closeAll } from '../../support/handler.ts'

test('a thread that ends with upstream sockets open, some waiting, some kept, does no harm to the process', async (t) => {
  const upstream = await openFakeUpstream(({ message, send }) => {
    // Names with an odd number get no answer.
    if (
      message
        .subarray(13, 13 + message[12]!)
        .toString()
        .charCodeAt(1) %
        2 ===
      0
    )
      send(fakeReply(message))
  })
  t.after(() => closeAll(upstream))
  const url = (path: string) => new URL(path, import.meta.url).href
  const program = `
    const { parentPort } = require('node:worker_threads')
    ;(async () => {
      const { openDatagrams } = await import('${url('../../../src/plugins/forward/upstream/datagrams.ts')}')
      const { plugin } = await import('${url('../../../src/plugins/forward/index.ts')}')
      const { aChainQuery, openHandler } = await import('${url('../../support/handler.ts')}')
      await openDatagrams()
      const forward = await openHandler(plugin, 'forward . ${upstream.address}')
      for (let round = 0; round < 5; round++) {
        for (let i = 0; i < 100; i++) void forward.ask(aChainQuery('n' + (2 * i % 10) + i + '.example.org.'))
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
      for (let i = 0; i < 100; i++) void forward.ask(aChainQuery('n1' + i + '.example.org.'))
      setTimeout(() => parentPort.postMessage('busy'), 20)
    })()`
  for (const way of ['terminate', 'throw']) {
    const ending =
      way === 'throw' ? "\nsetTimeout(() => { parentPort.on('message', () => { throw new Error('end') }) }, 0)" : ''
    const worker = new Worker(program + ending, { eval: true })
    const ended = new Promise((resolve) => worker.once('exit', resolve))
    const [message] = await once(worker, 'message')
    assert.equal(message, 'busy')
    worker.on('error', () => {})
    if (way === 'throw') worker.postMessage('end')
    else void worker.terminate()
    await ended
  }
})
