/** Timers with the intervals that a Corefile names. */

/** Longer ones would wrap round to one millisecond. */
const TIMER_MS_MAX = 2 ** 31 - 1

/** Calls `work` every `ms` milliseconds until the returned function is called. Doesn't keep the process alive. */
export function every(ms: number, work: () => void): () => void {
  const timer = setInterval(work, Math.min(Math.max(1, ms), TIMER_MS_MAX))
  timer.unref()
  return () => clearInterval(timer)
}
