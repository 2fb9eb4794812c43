import assert from 'node:assert/strict'
import test from 'node:test'
import { TICK_MS, Timed, TimingWheel } from '../../../src/plugins/forward/upstream/timing-wheel.ts'

class Entry extends Timed {
  readonly #done: (entry: Entry) => void
  dueMs = 0

  constructor(done: (entry: Entry) => void) {
    super()
    this.#done = done
  }

  onTimeout(): void {
    this.#done(this)
  }
}

const until = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5))
}

test('each entry falls due after its delay, never before, and the timer stops with the last one', async () => {
  const wheel = new TimingWheel()
  const early: number[] = []
  let fired = 0
  for (let i = 0; i < 300; i++) {
    const delayMs = (i * 7) % 200
    const entry = new Entry(({ dueMs }) => {
      fired++
      if (performance.now() < dueMs) early.push(dueMs)
    })
    entry.dueMs = performance.now() + delayMs
    wheel.add(entry, delayMs)
  }
  assert.equal(wheel.size, 300)
  await until(() => fired === 300)
  assert.deepEqual(early, [])
  assert.equal(wheel.size, 0)
})

test('what was removed stays silent; one time-out may remove and add others', async () => {
  const wheel = new TimingWheel()
  const fired: string[] = []
  const removed = new Entry(() => fired.push('removed'))
  const again: Entry = new Entry(() => {
    fired.push('again')
    if (fired.length < 3) wheel.add(again, 0)
  })
  const killer = new Entry(() => {
    fired.push('killer')
    wheel.remove(victim)
  })
  const victim = new Entry(() => fired.push('victim'))
  wheel.add(victim, 4 * TICK_MS)
  wheel.add(removed, 0)
  wheel.add(again, 0)
  wheel.add(killer, TICK_MS)
  wheel.remove(removed)
  wheel.remove(removed)
  assert.equal(wheel.size, 3)
  await until(() => fired.length >= 3 && wheel.size === 0)
  assert.deepEqual(
    fired.filter((each) => each !== 'again'),
    ['killer'],
  )
})

test('delays beyond one turn of the wheel', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  let nowMs = 1000
  t.mock.method(performance, 'now', () => nowMs)
  const wheel = new TimingWheel()
  let fired = 0
  wheel.add(new Entry(() => fired++), 256 * TICK_MS * 3)
  const pass = (ms: number): void => {
    for (let passed = 0; passed < ms; passed += TICK_MS) {
      nowMs += TICK_MS
      t.mock.timers.tick(TICK_MS)
    }
  }
  pass(256 * TICK_MS * 3 - TICK_MS)
  assert.equal(fired, 0)
  pass(3 * TICK_MS)
  assert.equal(fired, 1)
  // An event loop that was busy for long catches up at once.
  wheel.add(new Entry(() => fired++), 500)
  nowMs += 5000
  t.mock.timers.tick(TICK_MS)
  assert.equal(fired, 2)
  wheel.close()
})
