import cacheNames from './cache-names.ts'
import type { Workload } from './workload.ts'

/** Names that are asked for once, and exist: what washes out a cache that takes in everything. */
export default {
  ...cacheNames,
  title: 'Names asked for once',
  order: 'sequence',
  queries: () => [{ ...cacheNames.queries()[0]!, qname: '0000000000x.department.example.', unique: true }],
} satisfies Workload
