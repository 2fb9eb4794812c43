/** Lets other work of the thread go on while a long one runs: in one-process mode that is the answering of queries. */
import { setImmediate as nextTurn } from 'node:timers/promises'

const SLICE_MS = 3

export class TimeSlice {
  #until = performance.now() + SLICE_MS

  /** Resolves in the next turn when the time is up; undefined while it isn't. */
  pause(): Promise<void> | undefined {
    if (performance.now() < this.#until) return undefined
    return nextTurn().then(() => {
      this.#until = performance.now() + SLICE_MS
    })
  }
}
