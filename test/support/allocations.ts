/** What a function that should not allocate allocates. */
import { getHeapStatistics } from 'node:v8'

/** Below this many octets per call nothing is allocated: the smallest object has 16, and the figure comes in large steps. */
export const OCTETS_PER_CALL_NONE = 6

/**
 * Octets of JavaScript heap that one call takes, after warming up: the least of several runs, since compilation and
 * timers allocate too.
 */
export function octetsPerCall(call: () => void, calls = 200_000): number {
  for (let i = 0; i < 30_000; i++) call()
  let least = Number.POSITIVE_INFINITY
  for (let run = 0; run < 10 && least >= OCTETS_PER_CALL_NONE; run++) {
    const before = allocatedOctets()
    for (let i = 0; i < calls; i++) call()
    least = Math.min(least, (allocatedOctets() - before) / calls)
  }
  return least
}

function allocatedOctets(): number {
  // The types of this Node version don't list it yet.
  return (getHeapStatistics() as unknown as { total_allocated_bytes: number }).total_allocated_bytes
}
