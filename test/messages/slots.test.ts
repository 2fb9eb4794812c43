import assert from 'node:assert/strict'
import test from 'node:test'
import { Worker } from 'node:worker_threads'
import { LARGE_COUNT, SLOT_QUERY_LENGTH, SLOT_REPLY_LENGTH, Slots } from '../../src/messages/slots.ts'

test('every slot handed to a thread comes back with what the thread wrote, whatever the interleaving', async () => {
  const slots = Slots.create(2, 64)
  const echo = `
    const { workerData } = require('node:worker_threads')
    import(workerData.module).then(async ({ Slots, SLOT_QUERY_LENGTH, SLOT_REPLY_LENGTH }) => {
      const slots = Slots.attach(workerData.region)
      // Atomics.waitAsync alone keeps no thread alive.
      const alive = setInterval(() => {}, 1000)
      slots.announceThread()
      for (;;) {
        let slot
        let any = false
        while ((slot = slots.popRequest(workerData.thread)) >= 0) {
          const header = slots.header(slot)
          slots.words[header + SLOT_REPLY_LENGTH] = slots.words[header + SLOT_QUERY_LENGTH] * 2 + workerData.thread
          slots.pushReply(workerData.thread, slot)
          any = true
        }
        if (any) slots.wakeReplies()
        if (slots.isClosing()) break
        const wait = slots.waitRequests(workerData.thread)
        if (wait !== undefined) await wait
      }
      clearInterval(alive)
    })`
  const module = new URL('../../src/messages/slots.ts', import.meta.url).href
  const workers = [0, 1].map(
    (thread) => new Worker(echo, { eval: true, workerData: { module, region: slots.region, thread } }),
  )
  const exits = workers.map((worker) => new Promise((resolve) => worker.once('exit', resolve)))
  while (slots.announced < 2) await (slots.waitReplies() ?? new Promise(setImmediate))
  const free = Array.from({ length: 64 }, (_, i) => i)
  const sent = new Map<number, [number, number]>()
  let asked = 0
  let answered = 0
  const total = 20_000
  while (answered < total) {
    while (free.length > 0 && asked < total) {
      const slot = free.pop()!
      const thread = asked % 2
      sent.set(slot, [asked, thread])
      slots.words[slots.header(slot) + SLOT_QUERY_LENGTH] = asked++
      slots.pushRequest(thread, slot)
    }
    slots.wakeRequests(0)
    slots.wakeRequests(1)
    for (const thread of [0, 1]) {
      for (let slot = slots.popReply(thread); slot >= 0; slot = slots.popReply(thread)) {
        const [number, by] = sent.get(slot)!
        assert.equal(slots.words[slots.header(slot) + SLOT_REPLY_LENGTH], number * 2 + by)
        assert.equal(by, thread)
        sent.delete(slot)
        free.push(slot)
        answered++
      }
    }
    if (sent.size > 0) {
      const wait = slots.waitReplies()
      if (wait !== undefined) await wait
    }
  }
  slots.close()
  await Promise.all(exits)
  assert.equal(sent.size, 0)
})

test('large buffers: each index once, then none, then the freed ones again', () => {
  const slots = Slots.create(1, 8)
  const claimed = new Set(Array.from({ length: LARGE_COUNT }, () => slots.claimLarge()))
  assert.equal(claimed.size, LARGE_COUNT)
  assert.ok(!claimed.has(-1))
  assert.equal(slots.claimLarge(), -1)
  slots.freeLarge(77)
  slots.freeLarge(31)
  assert.deepEqual(new Set([slots.claimLarge(), slots.claimLarge()]), new Set([77, 31]))
  assert.equal(slots.claimLarge(), -1)
})
