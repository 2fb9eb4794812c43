import { A, benchmarkAddress, benchmarkRdata, NOERROR, type Workload } from './workload.ts'

const NAMES = 1_000_000
/** Queries told apart; each name of the zone is as likely to be among them. */
const ASKED = 500_000

export default {
  title: 'One zone of 1,000,000 names at random',
  shows: 'look-ups in a store far larger than any cache',
  transport: 'udp',
  order: 'random',
  large: true,
  zones: [
    {
      origin: 'example.',
      *records() {
        for (let i = 0; i < NAMES; i++) yield `n${i} A ${benchmarkAddress(i)}`
      },
    },
  ],
  queries: () =>
    Array.from({ length: ASKED }, (_, i) => ({
      qname: `n${i * 2}.example.`,
      qtype: A,
      rcode: NOERROR,
      answers: 1,
      rdata: benchmarkRdata(i * 2),
    })),
  targets: [{ server: 'shoal', beside: 'nsd', measure: 'qps', goal: 0.5 }],
  servers: ['shoal', 'coredns', 'nsd', 'knotd', 'named'],
} satisfies Workload
