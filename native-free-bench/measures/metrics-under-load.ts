import autocannon from 'autocannon'
import hits from '../workloads/hits.ts'
import { type Measure, WINDOW } from './measure.ts'

const RATE = 20_000
const SECONDS = 4
const WARM_SECONDS = 3
const CONNECTIONS = 2

export default {
  title: '/metrics under load',
  shows: `how fast /metrics answers while ${RATE} queries per second are served, and what scraping it without pause does to them`,
  unit: 'µs',
  servers: ['shoal', 'coredns'],
  workload: hits,
  seconds: 2 * SECONDS + WARM_SECONDS + 3,
  repeats: 1,
  async take({ address, adminPort, load }) {
    await load('hits', { window: WINDOW, seconds: WARM_SECONDS })
    const alone = await load('hits', { rate: RATE, seconds: SECONDS })
    const [scrapes, beside] = await Promise.all([
      autocannon({ url: `http://${address}:${adminPort}/metrics`, connections: CONNECTIONS, duration: SECONDS }),
      load('hits', { rate: RATE, seconds: SECONDS }),
    ])
    if (scrapes['2xx'] === 0) throw new Error('no scrape succeeded')
    return {
      'p50 of a scrape': scrapes.latency.p50 * 1000,
      'p99 of a scrape': scrapes.latency.p99 * 1000,
      'p99 of DNS alone': alone.latency.p99,
      'p99 of DNS beside': beside.latency.p99,
      'DNS lost per 1,000': (1000 * beside.lost) / beside.sent,
    }
  },
} satisfies Measure
