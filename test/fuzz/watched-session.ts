/** A session in a thread of its own, watched: an input that doesn't come to an end is a finding too. */
import { Worker } from 'node:worker_threads'
import { temporaryFolder } from '../support/temporary-folder.ts'
import {
  CELL_ITERATION,
  CELL_LENGTH,
  CELLS_SIZE,
  INPUT_SIZE_MAX,
  type ThreadReport,
  type ThreadTask,
} from './fuzz-thread.ts'
import type { Finding, SessionResult } from './session.ts'

const WATCH_MS = 250
/** How long a finding may be made smaller. */
const MINIMISE_MS_MAX = 20_000

export interface WatchedOptions {
  readonly target: string
  readonly seed: number
  readonly seconds: number
  /** An input that is worked on for longer never ends: what is only slow shows in its CPU time long before. */
  readonly hangMs: number
  /** Told a few times a second how many inputs were tried. */
  readonly onProgress?: (inputs: number) => void
}

export interface WatchedResult extends SessionResult {
  /** The finding's input made smaller. */
  readonly smallest: Uint8Array | undefined
}

export async function runWatched(options: WatchedOptions): Promise<WatchedResult> {
  const { target, seed, seconds, hangMs, onProgress } = options
  const shared = new SharedArrayBuffer(CELLS_SIZE + INPUT_SIZE_MAX)
  const cells = new Int32Array(shared, 0, 2)
  Atomics.store(cells, CELL_ITERATION, -1)
  const task: ThreadTask = { target, seed, seconds, shared }
  // A thread that is ended removes no folder of its own: they are in one of this process.
  const env = { ...process.env, TMPDIR: temporaryFolder() }
  const thread = new Worker(new URL('./fuzz-thread.ts', import.meta.url), { workerData: task, env })
  let found: Finding | undefined
  let iterationSeen = -2
  let seenAt = performance.now()
  let timer: NodeJS.Timeout | undefined
  try {
    return await new Promise<WatchedResult>((resolve, reject) => {
      thread.on('error', reject)
      thread.on('exit', (code) => reject(new Error(`the thread of ${target} ended with ${code}`)))
      thread.on('message', (report: ThreadReport) => {
        if (report.kind === 'end') resolve({ ...report.result, smallest: report.smallest })
        else {
          found = report.finding
          seenAt = performance.now()
        }
      })
      timer = setInterval(() => {
        const iteration = Atomics.load(cells, CELL_ITERATION)
        const now = performance.now()
        if (found !== undefined) {
          if (now - seenAt < MINIMISE_MS_MAX) return
          resolve({ inputs: found.iteration + 1, accepted: 0, finding: found, smallest: undefined })
        } else if (iteration !== iterationSeen) {
          iterationSeen = iteration
          seenAt = now
          onProgress?.(iteration + 1)
        } else if (now - seenAt > hangMs) {
          const length = Atomics.load(cells, CELL_LENGTH)
          const input = new Uint8Array(shared, CELLS_SIZE, length).slice()
          const problem = `${length} octets kept the thread for more than ${Math.round(hangMs / 1000)} s`
          const finding = { target, seed, iteration, input, problem }
          resolve({ inputs: iteration + 1, accepted: 0, finding, smallest: undefined })
        }
      }, WATCH_MS)
    })
  } finally {
    clearInterval(timer)
    thread.removeAllListeners('exit')
    await thread.terminate()
  }
}
