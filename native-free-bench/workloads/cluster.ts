/**
 * What a cluster asks its DNS, after the list that Kubernetes' own DNS tests expand for a pod with three search domains: 69 % NXDOMAIN, 6 %
 * NODATA, 25 % answers; A and AAAA one after the other, as a resolver library asks.
 */
import type { Expected } from '../load/query-set.ts'
import { A, AAAA, benchmarkAddress, benchmarkRdata, NOERROR, NXDOMAIN, type Workload } from './workload.ts'

const SERVICES = 500
const NAMESPACES = 20
const SEARCH = ['default.svc.cluster.local.', 'svc.cluster.local.', 'cluster.local.']

const service = (i: number) => `svc${i}.ns${i % NAMESPACES}`

export default {
  title: 'Cluster mix',
  shows: 'the search path walk of pods: 69 % NXDOMAIN, 6 % NODATA, 25 % answers, A and AAAA in pairs',
  transport: 'udp',
  order: 'sequence',
  quick: true,
  zones: [
    {
      origin: 'cluster.local.',
      *records() {
        for (let i = 0; i < SERVICES; i++) {
          yield `${service(i)}.svc A ${benchmarkAddress(i)}`
          // One service in six has IPv4 only: its AAAA is the NODATA of the mix.
          if (i % 6 !== 0) yield `${service(i)}.svc AAAA 2001:db8::${(i + 1).toString(16)}`
        }
      },
    },
  ],
  queries() {
    const list: Expected[] = []
    const pair = (qname: string, a: Partial<Expected>, aaaa: Partial<Expected>) => {
      list.push({ qname, qtype: A, rcode: NXDOMAIN, answers: 0, ...a })
      list.push({ qname, qtype: AAAA, rcode: NXDOMAIN, answers: 0, ...aaaa })
    }
    for (let i = 0; i < SERVICES; i++) {
      const answer = { rcode: NOERROR, answers: 1 }
      const aaaa = i % 6 === 0 ? { rcode: NOERROR } : answer
      if (i % 2 === 0) {
        // `svcN.nsN`: right at the second search domain.
        pair(`${service(i)}.${SEARCH[0]}`, {}, {})
        pair(`${service(i)}.${SEARCH[1]}`, { ...answer, rdata: benchmarkRdata(i) }, aaaa)
      } else {
        // An external name walks the whole path before it leaves the cluster; the last step is not ours.
        for (const domain of SEARCH) pair(`www.site${i}.com.${domain}`, {}, {})
      }
      // Every third one is asked by its full name at once.
      if (i % 3 === 0) pair(`${service(i)}.${SEARCH[1]}`, { ...answer, rdata: benchmarkRdata(i) }, aaaa)
    }
    return list
  },
  targets: [{ server: 'shoal', beside: 'knotd', measure: 'qps', goal: 0.9 }],
} satisfies Workload
