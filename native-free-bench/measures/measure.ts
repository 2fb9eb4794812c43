/**
 * What is not a number of answers per second: times, loss, latency beside something else. Each has a file in this folder, which exports one
 * as its default; the suite finds it there. Lower is better in all of them.
 */
import { readdirSync } from 'node:fs'
import type { Job, JobResult } from '../load/generator.ts'
import type { RunningServer } from '../machine/running-server.ts'
import type { Workload } from '../workloads/workload.ts'

/** Queries in flight of a closed loop: for the highest rate, and to warm a server. */
export const WINDOW = 1000

/** A server that has just started and been warmed, and the means to load it. */
export interface Running {
  readonly server: RunningServer
  readonly address: string
  readonly port: number
  readonly adminPort: number
  /** Loads it with a workload of workloads/, and waits until that is over. */
  load(workload: string, how: Partial<Job>): Promise<JobResult>
  /** The same from a second generator on the same core, for what happens beside. */
  loadBeside(workload: string, how: Partial<Job>): Promise<JobResult>
}

export interface Measure {
  readonly title: string
  /** One sentence for the report. */
  readonly shows: string
  readonly unit: string
  /** Servers that it makes sense for. */
  readonly servers: readonly string[]
  /** What the server is started with; its first query is what "started" means. */
  readonly workload: Workload
  /** Estimate for one server, once. */
  readonly seconds: number
  /** How often the server is started and measured anew. */
  readonly repeats: number
  readonly quick?: boolean
  /** Figures by name, in `unit`. */
  take(running: Running): Promise<Readonly<Record<string, number>>>
}

export function measureNames(): string[] {
  const files = readdirSync(new URL('.', import.meta.url))
  return files
    .filter((file) => file.endsWith('.ts') && file !== 'measure.ts' && !file.endsWith('.d.ts'))
    .map((file) => file.slice(0, -3))
}

export async function readMeasure(name: string): Promise<Measure> {
  return ((await import(`./${name}.ts`)) as { default: Measure }).default
}
