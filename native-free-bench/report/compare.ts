/** This run beside an earlier one: ratios, and what got worse by more than the runs themselves vary. */
import {
  cpuPerAnswer,
  median,
  qps,
  ratio,
  type ServerResult,
  type SuiteResult,
  spread,
  spreadOf,
  type WorkloadResult,
} from './result.ts'

/** A difference below this is not shown as one, however steady the rounds were. */
const NOISE_MIN = 0.03
const FIGURE_NOISE_MIN = 0.2

export interface Comparison {
  readonly lines: readonly string[]
  readonly worse: number
}

/**
 * Only a machine's own runs can be compared as they are. So that runs of two machines, or of a busy hour, say something too, each server is
 * also seen beside the reference server of its own run.
 */
export function compare(now: SuiteResult, before: SuiteResult): Comparison {
  const lines: string[] = []
  let worse = 0
  for (const workload of now.workloads) {
    const old = before.workloads.find(({ name }) => name === workload.name)
    if (old === undefined) continue
    lines.push(workload.title)
    for (const server of workload.servers) {
      const oldServer = old.servers.find((other) => other.server === server.server)
      if (oldServer === undefined || oldServer.failed !== undefined) continue
      if (server.failed !== undefined) {
        worse++
        lines.push(`  ${server.server.padEnd(12)} WORSE: failed now: ${server.failed.split('\n')[0]}`)
        continue
      }
      const [line, isWorse] = compareServer(server, oldServer, workload, old)
      lines.push(line)
      if (isWorse) worse++
    }
  }
  for (const measure of now.measures) {
    const old = before.measures.find(({ name }) => name === measure.name)
    if (old === undefined) continue
    lines.push(measure.title)
    for (const { figures, server } of measure.servers) {
      const oldFigures = old.servers.find((other) => other.server === server)?.figures ?? {}
      for (const [name, values] of Object.entries(figures)) {
        const [line, isWorse] = compareFigure(values, oldFigures[name] ?? [])
        if (line !== undefined) lines.push(`  ${server.padEnd(12)} ${name}: ${line}`)
        if (isWorse) worse++
      }
    }
  }
  return { lines, worse }
}

function compareServer(
  now: ServerResult,
  before: ServerResult,
  workload: WorkloadResult,
  old: WorkloadResult,
): [string, boolean] {
  const reference = referenceOf(workload)
  const oldReference = referenceOf(old)
  const plain = qps(now) / qps(before)
  const relative =
    reference === undefined || oldReference === undefined || now.server === reference.server
      ? plain
      : ratio(now, reference, 'qps') / ratio(before, oldReference, 'qps')
  const noise = Math.max(NOISE_MIN, spread(now), spread(before))
  const isWorse = now.server !== reference?.server && relative < 1 - noise
  const cpu = cpuPerAnswer(now) / cpuPerAnswer(before)
  const text = `QPS ${plain.toFixed(2)}, beside the reference ${relative.toFixed(2)}, CPU ${cpu.toFixed(2)}, noise ±${(noise * 100).toFixed(0)} %`
  return [`  ${now.server.padEnd(12)} ${isWorse ? 'WORSE: ' : ''}${text}`, isWorse]
}

/** Times of single runs vary more than rates of many answers: twice the noise, and never less than a fifth. */
function compareFigure(now: readonly number[], before: readonly number[]): [string | undefined, boolean] {
  const old = median(before)
  if (!(old > 0) || now.length === 0) return [undefined, false]
  const noise = Math.max(FIGURE_NOISE_MIN, 2 * spreadOf(now), 2 * spreadOf(before))
  const change = median(now) / old
  const isWorse = change > 1 + noise
  return [`${isWorse ? 'WORSE: ' : ''}${change.toFixed(2)}, noise ±${(noise * 100).toFixed(0)} %`, isWorse]
}

function referenceOf({ servers }: WorkloadResult): ServerResult | undefined {
  const running = servers.filter(({ failed }) => failed === undefined)
  return running.find(({ server }) => server === 'nsd') ?? running.find(({ server }) => server === 'echo')
}
