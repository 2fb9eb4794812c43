/** Inputs for one target, one after another, until enough of them or a finding. */
import { inputOf } from './mutate.ts'
import type { FuzzTarget } from './target.ts'
import { tryInput } from './try-input.ts'

export interface Finding {
  readonly target: string
  readonly seed: number
  readonly iteration: number
  readonly input: Uint8Array
  readonly problem: string
}

export interface SessionOptions {
  readonly seed: number
  readonly inputsMax?: number
  /** On the clock of performance.now(). */
  readonly untilMs?: number
  /** Told of every input before it is tried. */
  readonly onInput?: (iteration: number, input: Uint8Array) => void
}

export interface SessionResult {
  readonly inputs: number
  /** How many the parser took: none would mean that only its first line is tried. */
  readonly accepted: number
  readonly finding: Finding | undefined
}

/** Stops at the first finding. Rejects only where the target itself is at fault. */
export async function runSession(target: FuzzTarget, options: SessionOptions): Promise<SessionResult> {
  const { seed, inputsMax = Number.POSITIVE_INFINITY, untilMs = Number.POSITIVE_INFINITY, onInput } = options
  let accepted = 0
  for (let iteration = 0; iteration < inputsMax; iteration++) {
    if (performance.now() >= untilMs) return { inputs: iteration, accepted, finding: undefined }
    const input = inputOf(target, seed, iteration)
    onInput?.(iteration, input)
    const outcome = await tryInput(target, input)
    if (outcome.accepted) accepted++
    const problem = outcome.problem ?? refusal(target, iteration, outcome.accepted)
    if (problem !== undefined) {
      return {
        inputs: iteration + 1,
        accepted,
        finding: { target: target.name, seed, iteration, input, problem },
      }
    }
  }
  return { inputs: inputsMax, accepted, finding: undefined }
}

/** The corpus comes first and is valid. */
function refusal(target: FuzzTarget, iteration: number, accepted: boolean): string | undefined {
  return iteration < target.corpus.length && !accepted ? `refused number ${iteration} of its own corpus` : undefined
}
