import hits from './hits.ts'
import type { Workload } from './workload.ts'

export default {
  ...hits,
  title: 'TCP, pipelined',
  shows: 'hits over 16 connections with 32 queries in flight on each',
  transport: 'tcp',
  flows: 16,
  window: 512,
  quick: false,
  targets: [{ server: 'shoal', beside: 'knotd', measure: 'qps', goal: 0.6 }],
} satisfies Workload
