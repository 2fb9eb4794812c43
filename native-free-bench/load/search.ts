/** Finds the highest rate that a server holds: loss of at most 0.1 %, no wrong answer in 1,000, p99 of at most 5 ms. By bisection. */
import { LAG_MS_MAX } from '../report/result.ts'
import type { Job, JobResult } from './generator.ts'
import type { Load } from './load.ts'

export const LOSS_MAX = 0.001
export const P99_US_MAX = 5000

export interface Highest {
  readonly rate: number
  readonly latency: JobResult['latency']
  /** The next higher rate failed because the generator could not send it. */
  readonly generatorBound: boolean
}

/** `top`: the closed loop's rate, which is near. Undefined when not even a quarter of it is held. */
export async function searchHighest(
  load: Load,
  job: Omit<Job, 'rate' | 'window'>,
  top: number,
  steps: number,
): Promise<Highest | undefined> {
  let low = 0
  let high = top * 1.1
  let best: Highest | undefined
  let generatorBound = false
  for (let step = 0; step < steps; step++) {
    const rate = Math.round(step === 0 ? top * 0.8 : (low + high) / 2)
    const result = await load.run({ ...job, rate })
    if (holds(result)) {
      low = rate
      best = { rate, latency: result.latency, generatorBound: false }
    } else {
      high = rate
      generatorBound = result.lagMs > LAG_MS_MAX
    }
  }
  return best === undefined ? undefined : { ...best, generatorBound }
}

export function holds({ sent, lost, wrong, latency }: Pick<JobResult, 'sent' | 'lost' | 'wrong' | 'latency'>): boolean {
  return (lost + wrong) / sent <= LOSS_MAX && latency.p99 <= P99_US_MAX
}
