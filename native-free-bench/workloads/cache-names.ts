import { A, NOERROR, type Workload } from './workload.ts'

/** As many names as a cache of the default size holds with ease. */
const NAMES = 5000

/** The names that clients of a forwarder ask for again and again: load of a measure. */
export default {
  title: 'Names asked for again and again',
  shows: 'nothing by itself',
  transport: 'udp',
  order: 'zipf',
  forward: 'cached',
  zones: [{ origin: 'example.', records: () => ['* A 198.18.0.1'] }],
  queries: () =>
    Array.from({ length: NAMES }, (_, i) => ({
      qname: `host-${i}.department.example.`,
      qtype: A,
      rcode: NOERROR,
      answers: 1,
      rdata: 'c6120001',
    })),
  servers: [],
} satisfies Workload
