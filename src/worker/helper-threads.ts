/**
 * V8's own threads compile and collect garbage for all of a process's isolates, the pool threads' too. Where threads share cores
 * they take turns with the event loop, milliseconds at a time, and a query that only needs a look into memory waits for each.
 * They are put behind it, as the pool threads put themselves (`pool/serve.ts`).
 */
import { readdirSync, readFileSync } from 'node:fs'
import { constants, getPriority, setPriority } from 'node:os'

/** A ninth of the event loop's share when both want a core: docs/decisions/0017. */
export const HELPER_NICENESS = 10
const TASKS = '/proc/self/task'
/** As Node names them. */
const HELPER = 'node-V8Worker'

/** On Linux, where a thread has a niceness of its own. Once per process; pool threads share the helpers. */
export function yieldToEventLoop(): void {
  if (process.platform !== 'linux') return
  try {
    const niceness = Math.min(getPriority() + HELPER_NICENESS, constants.priority.PRIORITY_LOW)
    for (const id of readdirSync(TASKS)) {
      if (readFileSync(`${TASKS}/${id}/comm`, 'latin1').trimEnd() === HELPER) setPriority(Number(id), niceness)
    }
  } catch {
    // No /proc, or not allowed here: all threads are equal.
  }
}
