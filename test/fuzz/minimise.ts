/** Makes an input that is a finding smaller, as long as it stays one. */
import { joined } from './mutate.ts'
import type { FuzzTarget } from './target.ts'
import { tryInput } from './try-input.ts'

/** How many smaller inputs are tried. */
const TRIES_MAX = 600

/** The smallest input found that still breaks the target's word. Takes blocks out, halves of them ever shorter. */
export async function minimise(target: FuzzTarget, input: Uint8Array): Promise<Uint8Array> {
  let best = input
  let tries = 0
  for (let size = Math.max(1, best.length >>> 1); ; ) {
    let shrunk = false
    for (let at = 0; at < best.length && tries < TRIES_MAX; ) {
      const smaller = joined(best.subarray(0, at), best.subarray(at + size))
      tries++
      if ((await tryInput(target, smaller)).problem !== undefined) {
        best = smaller
        shrunk = true
      } else at += size
    }
    if (tries >= TRIES_MAX || (size === 1 && !shrunk)) return best
    if (!shrunk) size = Math.max(1, size >>> 1)
  }
}
