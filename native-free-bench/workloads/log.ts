import hits from './hits.ts'
import type { Workload } from './workload.ts'

export default {
  ...hits,
  title: 'Hits, each of them logged',
  shows: 'the `log` plugin on every query, to a file',
  quick: false,
  corefile: (zoneFile) => `log\nfile ${zoneFile('example.')} example.`,
  servers: ['shoal', 'coredns', 'nsd'],
  targets: [],
} satisfies Workload
