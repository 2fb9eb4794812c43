import cacheNames from '../workloads/cache-names.ts'
import type { Measure, Running } from './measure.ts'
import { scrape } from './shared/scrape.ts'

const NORMAL_RATE = 1000
const FLOOD_RATE = 9 * NORMAL_RATE
/** Long enough for several times as many new names as a cache holds. */
const SECONDS = 8
/** Minutes of the normal traffic: what was asked once only looks like the flood. */
const WARM_RATE = 20_000
const WARM_SECONDS = 12

export default {
  title: 'A cache under a flood of names that come once',
  shows: `what ${FLOOD_RATE} queries per second for ever new names do to the hits of ${NORMAL_RATE} queries per second for 5,000 names (Zipf)`,
  unit: '% of the normal queries, and percentage points',
  servers: ['shoal', 'coredns'],
  workload: cacheNames,
  seconds: 2 * SECONDS + WARM_SECONDS + 2,
  repeats: 2,
  async take(running) {
    await running.load('cache-names', { rate: WARM_RATE, seconds: WARM_SECONDS })
    const alone = await hitRatio(running, async () => running.load('cache-names', load(NORMAL_RATE)))
    const beside = await hitRatio(running, async () => {
      const [normal] = await Promise.all([
        running.load('cache-names', load(NORMAL_RATE)),
        running.loadBeside('cache-once', load(FLOOD_RATE)),
      ])
      return normal
    })
    return { 'hits alone': alone, 'hits beside': beside, 'points lost': alone - beside }
  },
} satisfies Measure

function load(rate: number) {
  return { rate, seconds: SECONDS }
}

/** Names of the flood are never hits, so all hits are the normal traffic's. */
async function hitRatio(
  { address, adminPort }: Running,
  run: () => Promise<{ readonly sent: number }>,
): Promise<number> {
  const before = await scrape(address, adminPort)
  const { sent } = await run()
  const after = await scrape(address, adminPort)
  const family = 'coredns_cache_hits_total'
  return (100 * (after(family) - before(family))) / sent
}
