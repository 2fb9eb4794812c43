import { memoryOctets } from '../machine/process-tree.ts'
import { benchmarkAddress } from '../workloads/workload.ts'
import zone1m from '../workloads/zone-1m.ts'
import type { Measure } from './measure.ts'

const NAMES = 1_000_000

export default {
  title: 'One zone of 1,000,000 names, two records each',
  shows: 'how long a large zone takes to load, and how much memory',
  unit: 's until the first answer, and MiB (proportional set size of all processes)',
  servers: ['shoal', 'coredns', 'nsd', 'knotd', 'named'],
  workload: {
    ...zone1m,
    zones: [
      {
        origin: 'example.',
        *records() {
          for (let i = 0; i < NAMES; i++) {
            yield `n${i} A ${benchmarkAddress(i)}`
            yield ` TXT "number ${i}"`
          }
        },
      },
    ],
  },
  seconds: 20,
  repeats: 2,
  take: async ({ server }) => ({
    'first answer': server.startSeconds,
    memory: memoryOctets(server.pid) / 2 ** 20,
  }),
} satisfies Measure
