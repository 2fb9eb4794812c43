/** What a run of the suite found: the JSON that `--compare` reads. */
import type { Latency } from '../load/loops.ts'
import type { Machine } from '../machine/about.ts'
import type { Target } from '../workloads/workload.ts'

export const RESULT_VERSION = 1
/** A generator that fell behind its schedule by more measured itself: the core it runs on is not its own. */
export const LAG_MS_MAX = 20

export interface SuiteResult {
  readonly version: typeof RESULT_VERSION
  readonly date: string
  readonly command: string
  readonly machine: Machine
  /** Cores of server and load generator, as taskset lists; absent when nothing was pinned. */
  readonly serverCores?: string
  readonly loadCores?: string
  /** What each server said about itself. */
  readonly servers: Readonly<Record<string, string>>
  readonly workloads: readonly WorkloadResult[]
  readonly measures: readonly MeasureResult[]
}

/** Lower is better. */
export interface MeasureResult {
  readonly name: string
  readonly title: string
  readonly shows: string
  readonly unit: string
  readonly servers: readonly {
    readonly server: string
    /** One value for each time that it was measured. */
    readonly figures: Readonly<Record<string, readonly number[]>>
    readonly failed?: string
  }[]
}

export interface WorkloadResult {
  readonly name: string
  readonly title: string
  readonly shows: string
  readonly targets: readonly Target[]
  readonly servers: readonly ServerResult[]
}

export interface ServerResult {
  readonly server: string
  /** Closed loop, interleaved with the other servers' rounds. */
  readonly rounds: readonly Round[]
  /** Open loop at half of the closed loop's rate. */
  readonly atHalf?: { readonly rate: number; readonly latency: Latency; readonly lagMs: number }
  /** The highest rate with a loss of at most 0.1 % and p99 of at most 5 ms. */
  readonly highest?: { readonly rate: number; readonly latency: Latency; readonly generatorBound: boolean }
  /** Octets after the rounds. */
  readonly memory: number
  readonly startSeconds: number
  /** The server did not start, or gave wrong answers. */
  readonly failed?: string
}

export interface Round {
  readonly qps: number
  /** Microseconds of CPU time per answer. */
  readonly user: number
  readonly system: number
  readonly lost: number
  readonly wrong: number
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  if (sorted.length === 0) return Number.NaN
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

export function qps({ rounds }: ServerResult): number {
  return median(rounds.map((round) => round.qps))
}

export function cpuPerAnswer({ rounds }: ServerResult): number {
  return median(rounds.map((round) => round.user + round.system))
}

/** Median of the rounds' ratios: what disturbs the machine for a while disturbs both sides of a round. */
export function ratio(of: ServerResult, beside: ServerResult, measure: 'qps' | 'cpu'): number {
  const value = (round: Round) => (measure === 'qps' ? round.qps : round.user + round.system)
  const count = Math.min(of.rounds.length, beside.rounds.length)
  return median(Array.from({ length: count }, (_, i) => value(of.rounds[i]!) / value(beside.rounds[i]!)))
}

/** How far the rounds lie apart, as a share of their median: what a difference must exceed to mean something. */
export function spread({ rounds }: ServerResult): number {
  return spreadOf(rounds.map((round) => round.qps))
}

export function spreadOf(values: readonly number[]): number {
  return values.length < 2 ? 0 : (Math.max(...values) - Math.min(...values)) / median(values)
}
