/** The run as Markdown: for RESULTS.md, and for the summary page of a CI job. */
import {
  cpuPerAnswer,
  LAG_MS_MAX,
  type MeasureResult,
  median,
  qps,
  ratio,
  type ServerResult,
  type SuiteResult,
  spread,
  type WorkloadResult,
} from './result.ts'

/** The server that ratios are shown beside. */
const REFERENCE = 'nsd'

export function markdown(suite: SuiteResult): string {
  const { machine } = suite
  const pinned =
    suite.serverCores === undefined
      ? 'nothing pinned'
      : `server on core ${suite.serverCores}, load on core ${suite.loadCores}`
  return [
    `Machine: ${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, ${machine.kernel}, Node ${machine.node}; ${pinned}.`,
    `Date: ${suite.date}. Command: \`${suite.command}\`.`,
    '',
    ...Object.entries(suite.servers).map(([name, version]) => `- ${name}: ${version}`),
    '',
    `†: the load generator fell behind its schedule by more than ${LAG_MS_MAX} ms: its core was not its own, and the latency is its own too.`,
    '',
    ...suite.workloads.flatMap(workloadLines),
    ...suite.measures.flatMap(measureLines),
  ].join('\n')
}

function workloadLines(workload: WorkloadResult): string[] {
  const reference = workload.servers.find(({ server, failed }) => server === REFERENCE && failed === undefined)
  return [
    `## ${workload.title}`,
    '',
    `Shows ${workload.shows}.`,
    '',
    `| server | QPS | beside ${REFERENCE} | CPU µs per answer (user + system) | p50 / p99 / p99.99 at half load | highest rate at p99 ≤ 5 ms | lost, wrong | memory MiB | start s | spread |`,
    '| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |',
    ...workload.servers.map((server) => serverLine(server, reference)),
    '',
    ...targetLines(workload),
  ]
}

function serverLine(server: ServerResult, reference: ServerResult | undefined): string {
  if (server.failed !== undefined) return `| ${server.server} | failed: ${oneLine(server.failed)} | | | | | | | | |`
  const user = median(server.rounds.map((round) => round.user))
  const system = median(server.rounds.map((round) => round.system))
  const latency = server.atHalf?.latency
  const { highest } = server
  const cells = [
    server.server,
    whole(qps(server)),
    reference === undefined ? '' : ratio(server, reference, 'qps').toFixed(2),
    `${cpuPerAnswer(server).toFixed(2)} (${user.toFixed(2)} + ${system.toFixed(2)})`,
    latency === undefined
      ? ''
      : [latency.p50, latency.p99, latency.p9999].map(microseconds).join(' / ') + lagMark(server),
    highest === undefined ? '' : `${whole(highest.rate)}${highest.generatorBound ? ' (generator)' : ''}`,
    `${sum(server, 'lost')}, ${sum(server, 'wrong')}`,
    whole(server.memory / 2 ** 20),
    server.startSeconds.toFixed(1),
    `${(spread(server) * 100).toFixed(0)} %`,
  ]
  return `| ${cells.join(' | ')} |`
}

function measureLines({ servers, shows, title, unit }: MeasureResult): string[] {
  const names = [...new Set(servers.flatMap(({ figures }) => Object.keys(figures)))]
  return [
    `## ${title}`,
    '',
    `Shows ${shows}. In ${unit}; the median of what was measured.`,
    '',
    `| server | ${names.join(' | ')} |`,
    `| --- |${' ---: |'.repeat(names.length)}`,
    ...servers.map(({ failed, figures, server }) => {
      if (failed !== undefined)
        return `| ${server} | failed: ${oneLine(failed)} |${' |'.repeat(Math.max(0, names.length - 1))}`
      return `| ${[server, ...names.map((name) => figure(median(figures[name] ?? [])))].join(' | ')} |`
    }),
    '',
  ]
}

function oneLine(text: string): string {
  return text.replaceAll('|', '\\|').split('\n')[0]!
}

/** Three digits that count. */
export function figure(value: number): string {
  return value >= 100 ? whole(value) : String(Number(value.toPrecision(3)))
}

function targetLines({ targets, servers }: WorkloadResult): string[] {
  const lines = targets.flatMap(({ server, beside, measure, goal }) => {
    const of = servers.find((result) => result.server === server && result.failed === undefined)
    const other = servers.find((result) => result.server === beside && result.failed === undefined)
    if (of === undefined || other === undefined) return []
    const reached = ratio(of, other, measure)
    const met = measure === 'qps' ? reached >= goal : reached <= goal
    const what = measure === 'qps' ? 'QPS' : 'CPU time per answer'
    return [
      `- ${met ? '✓' : '✗'} ${server}'s ${what} beside ${beside}: ${reached.toFixed(2)} (target ${measure === 'qps' ? '≥' : '≤'} ${goal})`,
    ]
  })
  return lines.length === 0 ? [] : [...lines, '']
}

/** A dagger where the generator itself was late. */
function lagMark({ atHalf }: ServerResult): string {
  return atHalf !== undefined && atHalf.lagMs > LAG_MS_MAX ? ` † ${Math.round(atHalf.lagMs)} ms late` : ''
}

function sum({ rounds }: ServerResult, figure: 'lost' | 'wrong'): number {
  return rounds.reduce((total, round) => total + round[figure], 0)
}

export function whole(value: number): string {
  return Math.round(value).toLocaleString('en')
}

export function microseconds(value: number): string {
  return value < 1000 ? `${value} µs` : `${(value / 1000).toFixed(value < 10_000 ? 1 : 0)} ms`
}
