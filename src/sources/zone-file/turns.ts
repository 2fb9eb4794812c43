/**
 * Whose turn it is to read a zone file: few are read at once, by all plugins of the process together.
 *
 *   take(work) ── room for another? ──► work, at once; what it gives is given
 *              └─ no: it waits in line ─► work, when one before it is read
 */

/** Files looked at and read at once: one that is read takes half a megabyte meanwhile. */
const AT_ONCE = 4
/** Zones that were read and wait until every process serves them, a few milliseconds: a small one's records are kept meanwhile. */
const BEGUN_MAX = 512
/** How long small files are read one after another before others have the thread. */
const SLICE_MS = 3

/** `onRead`: the file is done with, the next one's turn comes; called or not, it comes when the work is done. */
export type TurnWork<R> = (onRead: () => void) => R | Promise<R>

let reading = 0
let begun = 0
/** What waits, from `firstWaiting` on: to take the first out of thousands means to move all others. */
let waiting: ((() => void) | undefined)[] = []
let firstWaiting = 0
/** When this turn of the event loop did its first work; undefined when it has done none. */
let sliceFromMs: number | undefined
let isBeginning = false

/** Does the work in its turn: at once and without a promise, if it is its turn and the work needs none. */
export function takeTurn<R>(work: TurnWork<R>): R | Promise<R> {
  if (firstWaiting === waiting.length && hasRoom()) return begin(work)
  return new Promise<R>((resolve, reject) => {
    waiting.push(() => {
      try {
        resolve(begin(work))
      } catch (error) {
        reject(error)
      }
    })
  })
}

function hasRoom(): boolean {
  if (reading >= AT_ONCE || begun >= BEGUN_MAX) return false
  const now = performance.now()
  if (sliceFromMs !== undefined) return now - sliceFromMs < SLICE_MS
  sliceFromMs = now
  setImmediate(endSlice)
  return true
}

function endSlice(): void {
  sliceFromMs = undefined
  beginNext()
}

function begin<R>(work: TurnWork<R>): R | Promise<R> {
  reading++
  begun++
  let isRead = false
  const onRead = (): void => {
    if (isRead) return
    isRead = true
    reading--
    beginNext()
  }
  const end = (): void => {
    begun--
    if (isRead) beginNext()
    else onRead()
  }
  let result: R | Promise<R>
  try {
    result = work(onRead)
  } catch (error) {
    end()
    throw error
  }
  if (result instanceof Promise) return result.finally(end)
  end()
  return result
}

/** Begins what waits, as far as there is room. */
function beginNext(): void {
  if (isBeginning) return
  isBeginning = true
  while (firstWaiting < waiting.length && hasRoom()) {
    const next = waiting[firstWaiting]!
    waiting[firstWaiting++] = undefined
    next()
  }
  isBeginning = false
  if (firstWaiting < waiting.length || firstWaiting === 0) return
  waiting = []
  firstWaiting = 0
}
