import { A, NOERROR, type Workload } from './workload.ts'

/** Names that only a dead upstream knows: load beside another workload, none of its own. */
export default {
  title: 'Names of a dead upstream',
  shows: 'nothing by itself',
  transport: 'udp',
  order: 'sequence',
  zones: [],
  queries: () => [{ qname: '0000000000x.slow.', qtype: A, rcode: NOERROR, answers: 0, unique: true }],
  servers: [],
} satisfies Workload
