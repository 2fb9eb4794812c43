import hits from './hits.ts'
import type { Workload } from './workload.ts'

export default {
  ...hits,
  title: 'TCP, a connection for each query',
  shows: 'what accepting and closing connections costs: 64 clients, one query per connection',
  transport: 'tcp-fresh',
  flows: 64,
  window: 64,
  quick: false,
  targets: [],
} satisfies Workload
