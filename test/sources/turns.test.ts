import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { takeTurn } from '../../src/sources/zone-file/turns.ts'

/** A piece of work that is read, and ends, when told. */
function aWork() {
  let isBegun = false
  let onRead = (): void => {}
  let end!: () => void
  const ended = new Promise<void>((resolve) => {
    end = resolve
  })
  const work = (read: () => void): Promise<void> => {
    isBegun = true
    onRead = read
    return ended
  }
  return { work, end, read: () => onRead(), isBegun: () => isBegun }
}

test('work that needs no promise is done at once, and so is what it gives', async () => {
  await nextTurn()
  assert.equal(
    takeTurn(() => 7),
    7,
  )
  await nextTurn()
  assert.throws(
    () =>
      takeTurn(() => {
        throw new Error('no')
      }),
    /no/,
  )
})

test('four are read at once; the next begins when one before it is read, done or not', async () => {
  await nextTurn()
  const works = Array.from({ length: 7 }, aWork)
  const taken = works.map(({ work }) => takeTurn(work))
  const begun = () => works.filter(({ isBegun }) => isBegun()).length
  // A slice of time may end between them.
  await nextTurn()
  assert.equal(begun(), 4)
  works[0]!.read()
  await nextTurn()
  assert.equal(begun(), 5)
  works[0]!.read()
  await nextTurn()
  assert.equal(begun(), 5, 'told twice is told once')
  works[1]!.end()
  await taken[1]
  await nextTurn()
  assert.equal(begun(), 6)
  const failing = takeTurn(() => Promise.reject(new Error('no')))
  for (const { end } of works) end()
  await assert.rejects(async () => failing, /no/)
  await Promise.all(taken)
  assert.equal(begun(), 7)
  await nextTurn()
  assert.equal(
    takeTurn(() => 'free again'),
    'free again',
  )
})

test('others have the thread after a few milliseconds of work', async () => {
  await nextTurn()
  let turns = 0
  const count = (): void => {
    turns++
    timer = globalThis.setImmediate(count)
  }
  let timer = globalThis.setImmediate(count)
  const working = Array.from({ length: 20 }, () =>
    takeTurn(() => {
      for (const from = performance.now(); performance.now() - from < 1; );
    }),
  )
  assert.ok(working.some((each) => each instanceof Promise))
  await Promise.all(working)
  clearImmediate(timer)
  assert.ok(turns >= 3, `${turns} turns of the event loop meanwhile`)
})
