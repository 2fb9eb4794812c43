/** One input for a target: whether it broke the target's word, and how. */
import { type FuzzTarget, MS_MAX } from './target.ts'

/** A slow input is tried again this often: only one that is slow each time is a finding. */
const SLOW_TRIES = 3

export interface Outcome {
  /** The parser took the input. */
  readonly accepted: boolean
  /** What went wrong, or undefined. */
  readonly problem: string | undefined
}

/** Never rejects. Time is this thread's CPU time, so that others on the machine don't count. */
export async function tryInput(target: FuzzTarget, input: Uint8Array): Promise<Outcome> {
  const msMax = target.msMax ?? MS_MAX
  let quickest = Number.POSITIVE_INFINITY
  let accepted = false
  for (let tries = 0; tries < SLOW_TRIES; tries++) {
    // A copy: what the target changes in it must not change the finding.
    const copy = Uint8Array.from(input)
    const before = process.threadCpuUsage()
    try {
      const result = target.run(copy)
      accepted = typeof result === 'boolean' ? result : await result
    } catch (error) {
      return { accepted: false, problem: problemOf(error) }
    }
    const { user, system } = process.threadCpuUsage(before)
    quickest = Math.min(quickest, (user + system) / 1000)
    if (quickest <= msMax) return { accepted, problem: undefined }
  }
  return { accepted, problem: `${input.length} octets took ${quickest.toFixed(0)} ms; at most ${msMax} are allowed` }
}

function problemOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? `${error.name}: ${error.message}`) : `threw ${String(error)}`
}
