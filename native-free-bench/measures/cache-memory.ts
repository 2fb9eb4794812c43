import cacheNames from '../workloads/cache-names.ts'
import type { Measure } from './measure.ts'
import { scrape } from './shared/scrape.ts'

export default {
  title: 'Memory of a cached answer',
  shows: 'what an answer with one address takes in the answer cache, all that belongs to it included',
  unit: 'octets',
  servers: ['shoal'],
  workload: cacheNames,
  seconds: 5,
  repeats: 1,
  async take({ address, adminPort, load }) {
    await load('cache-names', { rate: 10_000, seconds: 4 })
    const figures = await scrape(address, adminPort)
    return {
      'per entry': figures('shoal_cache_bytes', 'state="used"') / figures('coredns_cache_entries'),
    }
  },
} satisfies Measure
