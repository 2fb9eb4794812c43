import { A, benchmarkAddress, benchmarkRdata, NOERROR, type Workload } from './workload.ts'

const NAMES = 100_000

export default {
  title: '100,000 names at random',
  shows: 'a working set larger than the answer cache',
  transport: 'udp',
  order: 'random',
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
  targets: [{ server: 'shoal', beside: 'nsd', measure: 'qps', goal: 0.6 }],
} satisfies Workload
