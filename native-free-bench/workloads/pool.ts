import hits from './hits.ts'
import type { Workload } from './workload.ts'

/** A plugin ahead of the zone that any query might concern, and none does. */
const TEMPLATE = [
  'template ANY ANY {',
  '    match ^blocked[.]example[.]$',
  '    rcode NXDOMAIN',
  '    fallthrough',
  '}',
]

export default {
  ...hits,
  title: 'Every query through the chain',
  shows: 'a zone behind `template`, without `cache`: nothing is answered by the front',
  quick: false,
  plugins: ['errors', 'loadbalance'],
  corefile: (zoneFile) => [...TEMPLATE, `file ${zoneFile('example.')} example.`].join('\n'),
  servers: ['shoal', 'shoal-dgram', 'coredns', 'nsd'],
  targets: [{ server: 'shoal', beside: 'nsd', measure: 'qps', goal: 0.2 }],
} satisfies Workload
