/** Message IDs and other random numbers that an attacker must not foresee: drawn from the system's generator in bulk. */
import { randomFillSync } from 'node:crypto'

const POOL_SIZE = 4096
const pool = new Uint16Array(POOL_SIZE)
let used = POOL_SIZE

/** 0 to 65535. */
export function randomId(): number {
  if (used === POOL_SIZE) {
    randomFillSync(pool)
    used = 0
  }
  return pool[used++]!
}

/** 0 to `count` - 1, for counts far below 65,536 (the bias of the remainder is then of no use to anyone). */
export function randomIndex(count: number): number {
  return count === 1 ? 0 : randomId() % count
}
