/**
 * Time-outs of many waiting things with one timer: a wheel of slots, each a list of what falls due in its tick.
 *
 *   slot   0    1    2   …  SLOTS-1        now ──► the slot that the next tick empties
 *          │    │
 *          a    c                          an entry further away than one turn stays in its slot for `rounds` turns
 *          │
 *          b
 *
 * Entries are linked through their own fields, so that adding and removing allocate nothing. The timer runs only while
 * something waits.
 */

/** Resolution. An entry falls due up to one tick late. */
export const TICK_MS = 20
const SLOTS = 256

/** What waits. The fields belong to the wheel. */
export abstract class Timed {
  wheelNext: Timed | undefined
  wheelPrevious: Timed | undefined
  /** -1: not waiting. */
  wheelSlot = -1
  wheelRounds = 0

  /** Its time has come; it is out of the wheel and may be added again. */
  abstract onTimeout(): void
}

export class TimingWheel {
  readonly #slots: (Timed | undefined)[] = new Array<Timed | undefined>(SLOTS).fill(undefined)
  #waiting = 0
  /** Slot that the last tick emptied. */
  #slot = 0
  #lastTickMs = 0
  #timer: NodeJS.Timeout | undefined

  /** Entries that wait. */
  get size(): number {
    return this.#waiting
  }

  /** `onTimeout` will be called in `delayMs` or a little later. The entry must not be waiting. */
  add(entry: Timed, delayMs: number): void {
    if (this.#timer === undefined) {
      this.#lastTickMs = performance.now()
      this.#timer = setInterval(() => this.#turn(performance.now()), TICK_MS)
      this.#timer.unref()
    }
    // One tick more: part of the current one has passed already.
    const ticks = Math.max(1, Math.ceil(delayMs / TICK_MS) + 1)
    const slot = (this.#slot + ticks) % SLOTS
    entry.wheelSlot = slot
    entry.wheelRounds = Math.floor((ticks - 1) / SLOTS)
    const first = this.#slots[slot]
    entry.wheelPrevious = undefined
    entry.wheelNext = first
    if (first !== undefined) first.wheelPrevious = entry
    this.#slots[slot] = entry
    this.#waiting++
  }

  /** Takes the entry out; no effect when it isn't waiting. */
  remove(entry: Timed): void {
    const slot = entry.wheelSlot
    if (slot < 0) return
    const { wheelNext, wheelPrevious } = entry
    if (wheelPrevious === undefined) this.#slots[slot] = wheelNext
    else wheelPrevious.wheelNext = wheelNext
    if (wheelNext !== undefined) wheelNext.wheelPrevious = wheelPrevious
    entry.wheelNext = undefined
    entry.wheelPrevious = undefined
    entry.wheelSlot = -1
    this.#waiting--
  }

  /** Forgets everything without calling anybody. */
  close(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
    this.#slots.fill(undefined)
    this.#waiting = 0
  }

  #turn(nowMs: number): void {
    // A busy event loop calls late: every slot that was passed is emptied.
    const ticks = Math.floor((nowMs - this.#lastTickMs) / TICK_MS)
    this.#lastTickMs += ticks * TICK_MS
    for (let i = 0; i < ticks; i++) {
      this.#slot = (this.#slot + 1) % SLOTS
      this.#empty(this.#slot)
    }
    if (this.#waiting === 0 && this.#timer !== undefined) {
      clearInterval(this.#timer)
      this.#timer = undefined
    }
  }

  #empty(slot: number): void {
    let entry = this.#slots[slot]
    // What is due leaves the wheel first: its time-out may add or remove others, in this slot too.
    let due: Timed | undefined
    while (entry !== undefined) {
      const next: Timed | undefined = entry.wheelNext
      if (entry.wheelRounds > 0) entry.wheelRounds--
      else {
        this.remove(entry)
        entry.wheelNext = due
        due = entry
      }
      entry = next
    }
    while (due !== undefined) {
      const next: Timed | undefined = due.wheelNext
      due.wheelNext = undefined
      due.onTimeout()
      due = next
    }
  }
}
