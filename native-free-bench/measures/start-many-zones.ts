import { A, benchmarkAddress, benchmarkRdata, NOERROR, type Workload } from '../workloads/workload.ts'
import type { Measure } from './measure.ts'

const ZONES = 12_000

/** The last zone is the one asked for: it answers when all are there, or when the server loads them as they are asked. */
const workload: Workload = {
  title: '12,000 small zones',
  shows: 'what a hosting provider loads',
  transport: 'udp',
  order: 'sequence',
  large: true,
  zones: Array.from({ length: ZONES }, (_, i) => ({
    origin: `zone${i}.example.`,
    records: () => [`www A ${benchmarkAddress(i)}`, `mail A ${benchmarkAddress(i)}`],
  })),
  queries: () => [
    { qname: `www.zone${ZONES - 1}.example.`, qtype: A, rcode: NOERROR, answers: 1, rdata: benchmarkRdata(ZONES - 1) },
  ],
}

export default {
  title: 'From start to the first answer, 12,000 small zones',
  shows: 'how start-up grows with the number of zones',
  unit: 'ms',
  servers: ['shoal', 'coredns', 'nsd', 'knotd', 'named'],
  workload,
  seconds: 12,
  repeats: 2,
  take: async ({ server }) => ({ 'first answer': server.startSeconds * 1000 }),
} satisfies Measure
