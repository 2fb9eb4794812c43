/** The load generator: a process on each of its cores, which share a job. */
import { decodeFromCompressedBase64 } from 'hdr-histogram-js'
import type { Job, JobResult, Told } from './generator.ts'
import { LoadProcess } from './load-process.ts'
import { latencyOf } from './loops.ts'

/** Serial numbers that a process has for itself: hours of unique queries. */
const SERIALS = 2 ** 28

export class Load {
  readonly #processes: readonly LoadProcess[]

  constructor(cores: readonly (string | undefined)[]) {
    this.#processes = cores.map((core, i) => new LoadProcess(core, i * SERIALS))
  }

  async run(job: Job): Promise<JobResult> {
    const shares = this.#processes.map((process, i) => process.run(shareOf(job, i, this.#processes.length)))
    return sum(await Promise.all(shares))
  }

  close(): void {
    for (const process of this.#processes) process.close()
  }
}

function shareOf({ flows, rate, window, ...job }: Job, i: number, count: number): Job {
  const part = (whole: number) => Math.floor((whole * (i + 1)) / count) - Math.floor((whole * i) / count)
  return {
    ...job,
    flows: Math.max(1, part(flows)),
    ...(window === undefined ? {} : { window: Math.max(1, part(window)) }),
    ...(rate === undefined ? {} : { rate: Math.max(1, part(rate)) }),
  }
}

/** What several processes found at the same time. */
function sum(all: readonly Told[]): JobResult {
  const total = (figure: (told: Told) => number) => all.reduce((so, told) => so + figure(told), 0)
  const histogram = decodeFromCompressedBase64(all[0]!.histogram)
  for (const told of all.slice(1)) histogram.add(decodeFromCompressedBase64(told.histogram))
  return {
    sent: total(({ sent }) => sent),
    right: total(({ right }) => right),
    wrong: total(({ wrong }) => wrong),
    wrongRcode: total(({ wrongRcode }) => wrongRcode),
    lost: total(({ lost }) => lost),
    unexpected: total(({ unexpected }) => unexpected),
    seconds: Math.max(...all.map(({ seconds }) => seconds)),
    qps: total(({ qps }) => qps),
    lagMs: Math.max(...all.map(({ lagMs }) => lagMs)),
    latency: latencyOf(histogram),
    generator: all[0]!.generator,
  }
}
