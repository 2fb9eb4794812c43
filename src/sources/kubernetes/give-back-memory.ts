/**
 * Gives the system back what reading a large cluster leaves behind: dead objects in pages of the heap that are half empty, and free
 * memory that the C library keeps for later. Together a fifth of the process's memory with 10,000 services (test/kube/memory.ts).
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

type Collect = (options: { type: 'major'; execution: 'sync'; flavor: 'last-resort' }) => void

/** Stops the thread for about 10 ms per 2 MiB that live: for the start, when nobody is answered yet. */
export function compactHeap(): void {
  setFlagsFromString('--expose-gc')
  try {
    const collect = runInNewContext('gc') as Collect
    collect({ type: 'major', execution: 'sync', flavor: 'last-resort' })
  } catch {
    // Another V8: it collects when it wants to.
  } finally {
    setFlagsFromString('--no-expose-gc')
  }
}

interface Trimmer {
  readonly functions: { malloc_trim(pad: bigint): number }
}

interface Ffi {
  dlopen(path: null, signatures: object): Trimmer
}

let trimmer: Trimmer | undefined
let isTrimmerSought = false

/** Takes a few milliseconds. Does nothing where there is no node:ffi, or another C library than glibc. */
export function trimFreeLists(): void {
  if (!isTrimmerSought) {
    isTrimmerSought = true
    try {
      const ffi = process.getBuiltinModule('node:ffi') as unknown as Ffi | undefined
      trimmer = ffi?.dlopen(null, { malloc_trim: { arguments: ['u64'], return: 'i32' } })
    } catch {
      // As said.
    }
  }
  trimmer?.functions.malloc_trim(0n)
}
