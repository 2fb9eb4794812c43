import type { Expected } from '../../load/query-set.ts'
import { A, NOERROR, type Workload } from '../workload.ts'

/** Queries of one round; the share of unique ones among them is the share of misses. */
const QUERIES = 2000
/** Names that are asked again and again. */
const NAMES = 400

/** A forwarder with a cache, of whose queries `percent` are hits. */
export function hitRatio(percent: number): Workload {
  return {
    title: `Forwarding with a cache, ${percent} % hits`,
    shows: `a forwarder's usual day: ${100 - percent} in 100 queries go to the upstream`,
    transport: 'udp',
    order: 'random',
    forward: 'cached',
    zones: [{ origin: 'example.', records: () => ['* A 198.18.0.1'] }],
    queries: () =>
      Array.from({ length: QUERIES }, (_, i): Expected => {
        const expected = { qtype: A, rcode: NOERROR, answers: 1, rdata: 'c6120001' }
        if (i < (QUERIES * (100 - percent)) / 100) return { ...expected, qname: '0000000000x.example.', unique: true }
        return { ...expected, qname: `n${i % NAMES}.example.` }
      }),
    servers: ['shoal', 'shoal-dgram', 'coredns', 'dnsdist', 'unbound'],
  }
}
