/**
 * Lets V8's old generations grow by a quarter before they are collected again, instead of doubling (docs/decisions/0009). It
 * counts for all heaps of the process from then on. On the command line the flag would keep V8 from the compiled code that
 * Node brings for its own modules (docs/decisions/0013), so it is set when a start has loaded them.
 */
import { flushCompileCache } from 'node:module'
import { setFlagsFromString } from 'node:v8'

export const START_MS = 1000

export function keepHeapsSmall(): void {
  setTimeout(() => {
    // What is written after this was made with another flag, and the next start could not use it.
    flushCompileCache()
    setFlagsFromString('--heap-growing-percent=25')
  }, START_MS).unref()
}
