/** What is seen while the suite runs: a bar with the time left, and a table after each workload. */
import { figure, microseconds, whole } from './markdown.ts'
import { cpuPerAnswer, type MeasureResult, median, qps, ratio, type WorkloadResult } from './result.ts'

const BAR_WIDTH = 24

/** Progress through steps whose durations were estimated before. */
export class Progress {
  readonly #totalSeconds: number
  readonly #start = performance.now()
  readonly #live = process.stderr.isTTY
  #doneSeconds = 0

  constructor(totalSeconds: number) {
    this.#totalSeconds = totalSeconds
  }

  /** `text`: what happens now. */
  show(text: string): void {
    const share = Math.min(1, this.#doneSeconds / this.#totalSeconds)
    const filled = Math.round(share * BAR_WIDTH)
    const elapsed = (performance.now() - this.#start) / 1000
    // The plan, corrected by how it went so far.
    const pace = this.#doneSeconds > 5 ? elapsed / this.#doneSeconds : 1
    const left = Math.max(0, (this.#totalSeconds - this.#doneSeconds) * pace)
    const line = `${'█'.repeat(filled)}${'░'.repeat(BAR_WIDTH - filled)} ${clock(left)} left  ${text}`
    if (this.#live) process.stderr.write(`\r\x1b[K${line.slice(0, process.stderr.columns - 1)}`)
  }

  done(seconds: number): void {
    this.#doneSeconds += seconds
  }

  clear(): void {
    if (this.#live) process.stderr.write('\r\x1b[K')
  }
}

function clock(seconds: number): string {
  return `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, '0')}`
}

export function measureTable({ servers, title, unit }: MeasureResult): string {
  const width = Math.max(...servers.map(({ server }) => server.length))
  const lines = servers.map(({ failed, figures, server }) => {
    const texts = Object.entries(figures).map(([name, values]) => `${name} ${figure(median(values))}`)
    return `${server.padEnd(width)}  ${failed === undefined ? texts.join(', ') : `failed: ${failed.split('\n')[0]}`}`
  })
  return [`\n${title} (${unit})`, ...lines].join('\n')
}

export function table({ title, servers }: WorkloadResult): string {
  const reference = servers.find(({ server, failed }) => server === 'nsd' && failed === undefined)
  const rows = servers.map((server) =>
    server.failed !== undefined
      ? [server.server, `failed: ${server.failed.split('\n')[0]}`]
      : [
          server.server,
          whole(qps(server)),
          reference === undefined ? '' : ratio(server, reference, 'qps').toFixed(2),
          cpuPerAnswer(server).toFixed(2),
          server.atHalf === undefined ? '' : microseconds(server.atHalf.latency.p50),
          server.atHalf === undefined ? '' : microseconds(server.atHalf.latency.p99),
          server.highest === undefined ? '' : whole(server.highest.rate),
          whole(server.memory / 2 ** 20),
        ],
  )
  const all = [['server', 'QPS', '/ nsd', 'CPU µs', 'p50', 'p99', 'highest', 'MiB'], ...rows]
  const columns = [0, 1, 2, 3, 4, 5, 6, 7]
  const widths = columns.map((column) =>
    Math.max(...all.map((row) => (row.length === 2 && column === 1 ? 0 : (row[column] ?? '').length))),
  )
  const lines = all.map((row) =>
    row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!))).join('  '),
  )
  return [`\n${title}`, ...lines].join('\n')
}
