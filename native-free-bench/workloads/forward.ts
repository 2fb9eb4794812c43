import { A, NOERROR, type Workload } from './workload.ts'

export default {
  title: 'Forwarding unique names',
  shows: 'queries that no cache helps with, forwarded to NSD beside the load generator',
  transport: 'udp',
  order: 'sequence',
  forward: 'uncached',
  zones: [{ origin: 'example.', records: () => ['* A 198.18.0.1'] }],
  queries: () => [
    { qname: '0000000000x.example.', qtype: A, rcode: NOERROR, answers: 1, rdata: 'c6120001', unique: true },
  ],
  servers: ['shoal', 'shoal-dgram', 'coredns', 'dnsdist', 'unbound'],
  targets: [
    { server: 'shoal', beside: 'dnsdist', measure: 'qps', goal: 0.4 },
    { server: 'shoal', beside: 'unbound', measure: 'qps', goal: 1.5 },
  ],
} satisfies Workload
