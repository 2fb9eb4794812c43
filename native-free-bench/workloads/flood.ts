import type { Expected } from '../load/query-set.ts'
import hits from './hits.ts'
import { A, NXDOMAIN, type Workload } from './workload.ts'

/** Of ten queries, nine ask for a name that is asked once and does not exist. */
const RANDOM_PER_HIT = 9

export default {
  title: 'Flood of random names beside normal traffic',
  shows: '90 % random names that do not exist, 10 % hits',
  transport: 'udp',
  order: 'sequence',
  zones: hits.zones,
  queries: () =>
    hits.queries().flatMap((hit): Expected[] => {
      const random = { qname: '0000000000x.example.', qtype: A, rcode: NXDOMAIN, answers: 0, unique: true }
      return [hit, ...Array.from({ length: RANDOM_PER_HIT }, () => random)]
    }),
} satisfies Workload
