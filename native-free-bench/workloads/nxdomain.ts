import hits from './hits.ts'
import { A, NXDOMAIN, type Workload } from './workload.ts'

export default {
  title: 'Random names below a zone',
  shows: 'a flood that no cache helps against: every name is asked once and does not exist',
  transport: 'udp',
  order: 'sequence',
  quick: true,
  zones: hits.zones,
  queries: () => [{ qname: '0000000000x.example.', qtype: A, rcode: NXDOMAIN, answers: 0, unique: true }],
  targets: [{ server: 'shoal', beside: 'nsd', measure: 'qps', goal: 0.6 }],
} satisfies Workload
