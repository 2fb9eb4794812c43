/** Holds back the reuse of memory while a long reader goes through a zone: see the protocol in region.ts. */
import { AT_PIN_SECONDS, AT_PINS, AT_RECLAIM_COUNT, PIN_COUNT } from './region.ts'

export interface Pin {
  readonly index: number
  /** The reclaim count that is pinned. */
  readonly count: number
}

/** Takes a pin, or undefined when as many readers as there are pins go through zones at this moment. */
export function takePin(words: Int32Array, nowSeconds: number): Pin | undefined {
  for (let index = 0; index < PIN_COUNT; index++) {
    for (;;) {
      const count = Atomics.load(words, AT_RECLAIM_COUNT)
      if (count === 0 || Atomics.compareExchange(words, AT_PINS + index, 0, count) !== 0) break
      Atomics.store(words, AT_PIN_SECONDS + index, nowSeconds)
      // Set after the writer had looked for pins? Then it has moved the count, and this one starts again.
      if (Atomics.load(words, AT_RECLAIM_COUNT) === count) return { index, count }
      Atomics.store(words, AT_PINS + index, 0)
    }
  }
  return undefined
}

/** Whether the pin still holds: the writer takes away pins of readers that take too long. */
export function isPinned(words: Int32Array, pin: Pin): boolean {
  return Atomics.load(words, AT_PINS + pin.index) === pin.count
}

export function releasePin(words: Int32Array, pin: Pin): void {
  Atomics.compareExchange(words, AT_PINS + pin.index, pin.count, 0)
}
