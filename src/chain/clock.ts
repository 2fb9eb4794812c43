/** One monotonic clock for all threads of a process: `performance.now()` counts from each thread's own start. */
const base = Number(process.hrtime.bigint()) / 1e9 - performance.now() / 1000

/** Seconds since some moment, with fractions; the same in every thread to within microseconds. */
export function monotonicSeconds(): number {
  return base + performance.now() / 1000
}
