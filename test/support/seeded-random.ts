/** Random numbers that a printed seed brings back: `SEED=42 npm test`. */

/** The seed of this run, printed so that a failure can be repeated. */
export function printedSeed(): number {
  const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
  console.log(`SEED=${seed}`)
  return seed
}

export interface SeededRandom {
  /** From 0 up to, without, `limit`. */
  below(limit: number): number
  pick<T>(choices: readonly T[]): T
  /** True once in `times` on average. */
  oneIn(times: number): boolean
}

/** mulberry32: 32 bits of state, good enough for tests. */
export function seededRandom(seed: number): SeededRandom {
  let state = seed | 0
  const below = (limit: number): number => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * limit)
  }
  return {
    below,
    pick: (choices) => choices[below(choices.length)]!,
    oneIn: (times) => below(times) === 0,
  }
}
