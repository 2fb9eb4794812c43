/**
 * V8's own threads compile and collect garbage for all of a process's isolates, the pool threads' too. Where threads share cores
 * they take turns with the event loop, milliseconds at a time, and a query that only needs a look into memory waits for each.
 * They are put behind it, as the pool threads put themselves (`pool/serve.ts`).
 */
import { readdirSync, readFileSync } from 'node:fs'
import { standBehind } from '../niceness.ts'

const TASKS = '/proc/self/task'
/** As Node names them. */
const HELPER = 'node-V8Worker'

/** By the event loop, once per process; pool threads share the helpers. */
export function putHelpersBehind(): void {
  if (process.platform !== 'linux') return
  try {
    for (const id of readdirSync(TASKS)) {
      if (readFileSync(`${TASKS}/${id}/comm`, 'latin1').trimEnd() === HELPER) standBehind(Number(id))
    }
  } catch {
    // No /proc, or not allowed here: all threads are equal.
  }
}
