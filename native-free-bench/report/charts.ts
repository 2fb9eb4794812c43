/** The run as SVG: bars for QPS and CPU time, a curve for latency. No library: a chart is a few rectangles and words. */
import { whole } from './markdown.ts'
import { cpuPerAnswer, qps, type WorkloadResult } from './result.ts'

const WIDTH = 720
const ROW = 26
const TOP = 44
const LABEL = 120
const RIGHT = 110
const OURS = '#2b7a78'
const THEIRS = '#9aa5b1'
const CURVES = [
  '#2b7a78',
  '#c05621',
  '#4c51bf',
  '#b83280',
  '#2f855a',
  '#975a16',
  '#2c5282',
  '#9b2c2c',
  '#553c9a',
  '#4a5568',
  '#d69e2e',
  '#718096',
]

interface Bar {
  readonly name: string
  readonly value: number
  readonly text: string
}

/** File names without their ending, and their contents. */
export function charts(workload: WorkloadResult): Map<string, string> {
  const servers = workload.servers.filter(({ failed }) => failed === undefined)
  const made = new Map<string, string>()
  const byQps = servers.map((server) => ({ name: server.server, value: qps(server), text: whole(qps(server)) }))
  made.set(
    `${workload.name}-qps`,
    bars(
      `${workload.title}: answers per second, one core`,
      byQps.toSorted((a, b) => b.value - a.value),
    ),
  )
  const byCpu = servers.map((server) => {
    const value = cpuPerAnswer(server)
    return { name: server.server, value, text: `${value.toFixed(2)} µs` }
  })
  made.set(
    `${workload.name}-cpu`,
    bars(
      `${workload.title}: CPU time per answer`,
      byCpu.toSorted((a, b) => a.value - b.value),
    ),
  )
  const withLatency = servers.filter(({ atHalf }) => atHalf !== undefined)
  if (withLatency.length > 0) {
    const curves = withLatency.map(({ server, atHalf }) => ({ name: server, points: atHalf!.latency.curve }))
    made.set(
      `${workload.name}-latency`,
      latencyCurves(`${workload.title}: latency at half of the server's own maximum`, curves),
    )
  }
  return made
}

function bars(title: string, list: readonly Bar[]): string {
  const max = Math.max(...list.map(({ value }) => value), Number.MIN_VALUE)
  const rows = list.map(({ name, value, text }, i) => {
    const y = TOP + i * ROW
    const width = Math.max(1, (value / max) * (WIDTH - LABEL - RIGHT))
    return [
      `<text x="${LABEL - 8}" y="${y + 15}" text-anchor="end">${escaped(name)}</text>`,
      `<rect x="${LABEL}" y="${y}" width="${width.toFixed(1)}" height="${ROW - 6}" rx="2" fill="${name.startsWith('shoal') ? OURS : THEIRS}"/>`,
      `<text x="${LABEL + width + 6}" y="${y + 15}">${escaped(text)}</text>`,
    ].join('')
  })
  return svg(title, TOP + list.length * ROW + 8, rows)
}

function latencyCurves(
  title: string,
  curves: readonly { name: string; points: readonly (readonly [number, number])[] }[],
): string {
  const height = 360
  const bottom = height - 40
  const percentiles = [0, 50, 90, 99, 99.9, 99.99, 99.999]
  // Both axes are logarithmic: what matters lies in the tail.
  const xOf = (percentile: number) => LABEL + (Math.log10(100 / (100 - percentile)) / 5) * (WIDTH - LABEL - RIGHT)
  const all = curves.flatMap(({ points }) => points.map(([, value]) => Math.max(1, value)))
  const [low, high] = [Math.floor(Math.log10(Math.min(...all))), Math.ceil(Math.log10(Math.max(...all)))]
  const yOf = (value: number) =>
    bottom - ((Math.log10(Math.max(1, value)) - low) / Math.max(1, high - low)) * (bottom - TOP)
  const grid = [
    ...percentiles.map((percentile) => {
      const x = xOf(percentile).toFixed(1)
      return `<path d="M${x} ${TOP}V${bottom}" stroke="#e2e8f0"/><text x="${x}" y="${bottom + 18}" text-anchor="middle">p${percentile}</text>`
    }),
    ...Array.from({ length: high - low + 1 }, (_, i) => {
      const y = yOf(10 ** (low + i)).toFixed(1)
      const label = low + i < 3 ? `${10 ** (low + i)} µs` : `${10 ** (low + i - 3)} ms`
      return `<path d="M${LABEL} ${y}H${WIDTH - RIGHT}" stroke="#e2e8f0"/><text x="${LABEL - 8}" y="${Number(y) + 4}" text-anchor="end">${label}</text>`
    }),
  ]
  const lines = curves.map(({ name, points }, i) => {
    const color = CURVES[i % CURVES.length]!
    const path = points.map(
      ([percentile, value], k) => `${k === 0 ? 'M' : 'L'}${xOf(percentile).toFixed(1)} ${yOf(value).toFixed(1)}`,
    )
    const y = TOP + 14 + i * 18
    return `<path d="${path.join('')}" fill="none" stroke="${color}" stroke-width="2"/><text x="${WIDTH - RIGHT + 10}" y="${y}" fill="${color}">${escaped(name)}</text>`
  })
  return svg(title, height, [...grid, ...lines])
}

function svg(title: string, height: number, body: readonly string[]): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" font-family="system-ui, sans-serif" font-size="13" fill="#1f2933">`,
    `<title>${escaped(title)}</title>`,
    `<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>`,
    `<text x="16" y="26" font-size="15" font-weight="600">${escaped(title)}</text>`,
    ...body,
    '</svg>',
    '',
  ].join('\n')
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
