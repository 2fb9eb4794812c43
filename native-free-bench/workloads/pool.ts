import { A, NOERROR, type Workload } from './workload.ts'

/** A plugin ahead of the zone that any query might concern, and none does. */
const TEMPLATE = [
  'template ANY ANY {',
  '    match ^blocked[.]example[.]$',
  '    rcode NXDOMAIN',
  '    fallthrough',
  '}',
]

export default {
  title: 'Every query through the chain',
  shows:
    'a zone behind `template`: names that are asked once, so that no reply of before can be used, and the pool makes each',
  transport: 'udp',
  order: 'sequence',
  zones: [{ origin: 'example.', records: () => ['* A 198.18.0.1'] }],
  queries: () => [
    { qname: '0000000000x.example.', qtype: A, rcode: NOERROR, answers: 1, rdata: 'c6120001', unique: true },
  ],
  plugins: ['errors', 'loadbalance'],
  corefile: (zoneFile) => [...TEMPLATE, `file ${zoneFile('example.')} example.`].join('\n'),
  servers: ['shoal', 'shoal-dgram', 'coredns', 'nsd'],
  targets: [{ server: 'shoal', beside: 'nsd', measure: 'qps', goal: 0.2 }],
} satisfies Workload
