import type { Expected } from '../../load/query-set.ts'
import { A, AAAA, NOERROR, NXDOMAIN } from '../workload.ts'

const SEARCH = ['default.svc.cluster.local.', 'svc.cluster.local.', 'cluster.local.']

export interface MixService {
  /** `svc1.ns1` */
  readonly name: string
  /** Of its A record, in hex. */
  readonly rdata: string
  readonly hasIPv6: boolean
}

/**
 * What pods with three search domains ask, after the list that Kubernetes' own DNS tests expand: 69 % NXDOMAIN, 6 % NODATA, 25 %
 * answers where one service in six has IPv4 only; A and AAAA one after the other, as a resolver library asks.
 */
export function clusterMix(services: readonly MixService[]): Expected[] {
  const list: Expected[] = []
  const pair = (qname: string, a: Partial<Expected>, aaaa: Partial<Expected>) => {
    list.push({ qname, qtype: A, rcode: NXDOMAIN, answers: 0, ...a })
    list.push({ qname, qtype: AAAA, rcode: NXDOMAIN, answers: 0, ...aaaa })
  }
  for (const [i, { name, rdata, hasIPv6 }] of services.entries()) {
    const a = { rcode: NOERROR, answers: 1, rdata }
    const aaaa = { rcode: NOERROR, answers: hasIPv6 ? 1 : 0 }
    if (i % 2 === 0) {
      // `svcN.nsN`: right at the second search domain.
      pair(`${name}.${SEARCH[0]}`, {}, {})
      pair(`${name}.${SEARCH[1]}`, a, aaaa)
    } else {
      // An external name walks the whole path before it leaves the cluster; the last step is not ours.
      for (const domain of SEARCH) pair(`www.site${i}.com.${domain}`, {}, {})
    }
    // Every third one is asked by its full name at once.
    if (i % 3 === 0) pair(`${name}.${SEARCH[1]}`, a, aaaa)
  }
  return list
}
