/**
 * The thread that a target runs in: an input that never ends keeps only this thread, and the main one can tell which
 * input it was from the shared memory.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { minimise } from './minimise.ts'
import { type Finding, runSession, type SessionResult } from './session.ts'
import { findTarget } from './targets.ts'

/** Shared memory: two 32-bit cells, then the input's octets. */
export const CELL_ITERATION = 0
export const CELL_LENGTH = 1
export const CELLS_SIZE = 8
export const INPUT_SIZE_MAX = 256 * 1024

export interface ThreadTask {
  readonly target: string
  readonly seed: number
  readonly seconds: number
  readonly shared: SharedArrayBuffer
}

export type ThreadReport =
  | { readonly kind: 'finding'; readonly finding: Finding }
  | { readonly kind: 'end'; readonly result: SessionResult; readonly smallest: Uint8Array | undefined }

async function work({ target: name, seed, seconds, shared }: ThreadTask): Promise<void> {
  const target = findTarget(name)
  const cells = new Int32Array(shared, 0, 2)
  const current = new Uint8Array(shared, CELLS_SIZE)
  const report = (message: ThreadReport) => parentPort!.postMessage(message)
  const result = await runSession(target, {
    seed,
    untilMs: performance.now() + seconds * 1000,
    onInput: (iteration, input) => {
      current.set(input)
      Atomics.store(cells, CELL_LENGTH, input.length)
      Atomics.store(cells, CELL_ITERATION, iteration)
    },
  })
  if (result.finding !== undefined) report({ kind: 'finding', finding: result.finding })
  const smallest = result.finding === undefined ? undefined : await minimise(target, result.finding.input)
  report({ kind: 'end', result, smallest })
}

if (parentPort !== null) await work(workerData as ThreadTask)
