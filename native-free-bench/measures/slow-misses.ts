import hits from '../workloads/hits.ts'
import { type Measure, WINDOW } from './measure.ts'

const MISS_RATE = 3000
const SECONDS = 4
const WARM_SECONDS = 4

export default {
  title: 'Hits beside an upstream that never answers',
  shows: `what ${MISS_RATE} queries per second for a dead upstream do to hits at half of the server's highest rate`,
  unit: 'hits per second, µs, and lost per 1,000',
  servers: ['shoal', 'coredns', 'unbound'],
  workload: {
    ...hits,
    forward: 'silent',
    corefile: (zoneFile, upstream) => [`file ${zoneFile('example.')} example.`, `forward slow. ${upstream}`].join('\n'),
  },
  seconds: 2 * SECONDS + 2 * WARM_SECONDS + 3,
  repeats: 2,
  async take({ load, loadBeside }) {
    const { qps } = await load('hits', { window: WINDOW, seconds: WARM_SECONDS })
    const rate = Math.round(qps / 2)
    const alone = await load('hits', { rate, seconds: SECONDS })
    const misses = loadBeside('slow-names', { rate: MISS_RATE, seconds: WARM_SECONDS + SECONDS, unchecked: true })
    // Until the first of them have timed out.
    await load('hits', { rate, seconds: WARM_SECONDS })
    const beside = await load('hits', { rate, seconds: SECONDS })
    await misses
    return {
      rate,
      'p99 alone': alone.latency.p99,
      'p99 beside': beside.latency.p99,
      'p99.9 beside': beside.latency.p999,
      'hits lost per 1,000': (1000 * beside.lost) / beside.sent,
    }
  },
} satisfies Measure
