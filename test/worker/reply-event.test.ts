import assert from 'node:assert/strict'
import test from 'node:test'
import { Worker } from 'node:worker_threads'
import { Slots } from '../../src/messages/slots.ts'
import { loadLibc } from '../../src/mmsg/libc.ts'
import { openReplyEvent } from '../../src/worker/reply-event.ts'

const unavailable = await loadLibc().then(
  () => false,
  (error: Error) => error.message,
)

test('a thread that writes to the event is heard each time, without Atomics', { skip: unavailable }, async () => {
  const slots = Slots.create(1, 64)
  const source = `
    const { workerData } = require('node:worker_threads')
    const alive = setInterval(() => {}, 1000)
    Promise.all([import(workerData.slots), import(workerData.libc)]).then(async ([{ Slots }, { loadLibc }]) => {
      const libc = await loadLibc()
      const slots = Slots.attach(workerData.region)
      slots.signal = (event) => libc.eventfd_write(event, 1n)
      slots.announceThread()
      while (!slots.isClosing()) {
        let any = false
        for (let slot = slots.popRequest(0); slot >= 0; slot = slots.popRequest(0)) {
          slots.pushReply(0, slot)
          any = true
        }
        if (any) slots.wakeReplies()
        const wait = slots.waitRequests(0)
        if (wait !== undefined) await wait
      }
      clearInterval(alive)
    })`
  const module = (path: string): string => new URL(path, import.meta.url).href
  const workerData = {
    slots: module('../../src/messages/slots.ts'),
    libc: module('../../src/mmsg/libc.ts'),
    region: slots.region,
  }
  const worker = new Worker(source, { eval: true, workerData })
  const ended = new Promise((resolve) => worker.once('exit', resolve))
  await slots.waitAnnounced(1)

  const total = 5000
  let answered = 0
  let events = 0
  let end = (): void => {}
  const done = new Promise<void>((resolve) => {
    end = resolve
  })
  const ask = (): void => {
    slots.pushRequest(0, answered % 64)
    slots.wakeRequests(0)
  }
  // The next query leaves from a promise: those have to run after the event's callback too.
  const event = await openReplyEvent(() => {
    events++
    do {
      for (let slot = slots.popReply(0); slot >= 0; slot = slots.popReply(0)) {
        assert.equal(slot, answered % 64)
        answered++
        if (answered < total) void Promise.resolve().then(ask)
        else end()
      }
    } while (!slots.expectReplies())
  })
  assert.ok(event)
  slots.useEvent(event.fd)
  assert.ok(slots.expectReplies())
  ask()
  const alive = setInterval(() => {}, 1000)
  await done
  assert.equal(answered, total)
  assert.ok(events > 0 && events <= total, `${events} events`)
  slots.close()
  await ended
  await event.close()
  clearInterval(alive)
})

test("an exception in the event's callback is an uncaught one, and the event goes on", {
  skip: unavailable,
}, async (t) => {
  const libc = await loadLibc()
  let calls = 0
  let heard = (): void => {}
  const event = await openReplyEvent(() => {
    calls++
    heard()
    if (calls === 1) throw new Error('of the callback')
  })
  assert.ok(event)
  t.after(() => event.close())
  const alive = setInterval(() => {}, 1000)
  t.after(() => clearInterval(alive))
  const uncaught = new Promise<unknown>((resolve) => process.setUncaughtExceptionCaptureCallback(resolve))
  libc.eventfd_write(event.fd, 1n)
  assert.match(String(await uncaught), /of the callback/)
  process.setUncaughtExceptionCaptureCallback(null)
  const again = new Promise<void>((resolve) => {
    heard = resolve
  })
  libc.eventfd_write(event.fd, 1n)
  await again
  assert.equal(calls, 2)
})
