import { A, benchmarkAddress, benchmarkRdata, NOERROR, type Workload } from './workload.ts'

const NAMES = 1000

export default {
  title: 'Hits: 1,000 names',
  shows: 'what the server can send when every answer is at hand',
  transport: 'udp',
  order: 'sequence',
  quick: true,
  zones: [
    {
      origin: 'example.',
      *records() {
        for (let i = 0; i < NAMES; i++) yield `n${i} A ${benchmarkAddress(i)}`
      },
    },
  ],
  queries: () =>
    Array.from({ length: NAMES }, (_, i) => ({
      qname: `n${i}.example.`,
      qtype: A,
      rcode: NOERROR,
      answers: 1,
      rdata: benchmarkRdata(i),
    })),
  targets: [
    { server: 'shoal', beside: 'nsd', measure: 'qps', goal: 0.95 },
    { server: 'shoal', beside: 'knotd', measure: 'qps', goal: 0.95 },
    { server: 'shoal', beside: 'nsd', measure: 'cpu', goal: 1.05 },
    { server: 'shoal-dgram', beside: 'echo-dgram', measure: 'qps', goal: 0.85 },
    { server: 'shoal×2', beside: 'shoal', measure: 'qps', goal: 1.6 },
  ],
} satisfies Workload
