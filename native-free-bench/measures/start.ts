import hits from '../workloads/hits.ts'
import type { Measure } from './measure.ts'

export default {
  title: 'From start to the first answer, one small zone',
  shows: 'how long a restarted server is missed',
  unit: 'ms',
  servers: ['shoal', 'coredns', 'nsd', 'knotd', 'named', 'unbound', 'dnsmasq'],
  workload: hits,
  seconds: 1,
  repeats: 3,
  quick: true,
  take: async ({ server }) => ({ 'first answer': server.startSeconds * 1000 }),
} satisfies Measure
