/**
 * What it costs to wake another thread's event loop, as the event loop and a pool thread wake each other (docs/decisions/0001): a thread
 * asks with Atomics.notify, the other answers with Atomics.notify or by writing to an event descriptor. User and system time of both, per
 * round trip. On one core, where what is woken takes it from who wakes:
 *
 *   taskset -c 0 bin/node native-free-bench/wake-up.ts
 */
import { setPriority } from 'node:os'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { loadLibc } from '../src/mmsg/libc.ts'
import { openReplyEvent } from '../src/worker/reply-event.ts'

const WARM = 10_000
const ROUND_TRIPS = 30_000
const ROUNDS = 3
/** Words, a cache line apart. */
const QUESTIONS = 0
const ANSWERS = 16
const EVENT = 32
/** As pool threads have it. */
const NICENESS = 3

if (isMainThread) await askAll()
else await answer(new Int32Array(workerData as SharedArrayBuffer))

async function askAll(): Promise<void> {
  const words = new Int32Array(new SharedArrayBuffer(256))
  const worker = new Worker(new URL(import.meta.url), { workerData: words.buffer })
  await new Promise((resolve) => worker.once('message', resolve))
  const ask = () => {
    Atomics.add(words, QUESTIONS, 1)
    Atomics.notify(words, QUESTIONS)
  }
  let onAnswer = () => {}
  const event = await openReplyEvent(() => onAnswer())
  if (event === undefined) throw new Error('node:ffi is not to be had here')
  for (let round = 0; round < ROUNDS; round++) {
    for (const way of ['Atomics.notify', 'event descriptor']) {
      Atomics.store(words, EVENT, way === 'Atomics.notify' ? -1 : event.fd)
      let count = 0
      let before = process.cpuUsage()
      const done = new Promise<void>((resolve) => {
        onAnswer = () => {
          count++
          if (count === WARM) before = process.cpuUsage()
          if (count === WARM + ROUND_TRIPS) resolve()
          else ask()
        }
      })
      ask()
      if (way === 'Atomics.notify') {
        for (let seen = Atomics.load(words, ANSWERS); count < WARM + ROUND_TRIPS; ) {
          const wait = Atomics.waitAsync(words, ANSWERS, seen)
          if (wait.async) await wait.value
          seen = Atomics.load(words, ANSWERS)
          onAnswer()
        }
      }
      await done
      const { user, system } = process.cpuUsage(before)
      console.log(`${way.padEnd(18)} ${((user + system) / ROUND_TRIPS).toFixed(1)} µs`)
    }
  }
  process.exit(0)
}

async function answer(words: Int32Array): Promise<void> {
  setPriority(NICENESS)
  const libc = await loadLibc()
  // Atomics.waitAsync keeps no thread alive.
  setInterval(() => {}, 1000)
  let seen = Atomics.load(words, QUESTIONS)
  parentPort!.postMessage('ready')
  for (;;) {
    const wait = Atomics.waitAsync(words, QUESTIONS, seen)
    if (wait.async) await wait.value
    seen = Atomics.load(words, QUESTIONS)
    const event = Atomics.load(words, EVENT)
    Atomics.add(words, ANSWERS, 1)
    if (event >= 0) libc.eventfd_write(event, 1n)
    else Atomics.notify(words, ANSWERS)
  }
}
