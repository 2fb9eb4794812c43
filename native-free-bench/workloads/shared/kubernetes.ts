import { namespaceOf, rdataOf, serviceAddresses, serviceName } from '../../../test/kube/big-cluster-names.ts'
import type { Workload } from '../workload.ts'
import { clusterMix } from './cluster-mix.ts'

const CLUSTER = { services: 10_000, endpoints: 20_000, pods: 0, dualStack: true }

/** A cluster of 10,000 Services; the mix asks for the first `asked` of them. */
export function kubernetes(asked: number, about: Pick<Workload, 'title' | 'shows' | 'order'>): Workload {
  return {
    ...about,
    transport: 'udp',
    zones: [],
    cluster: CLUSTER,
    corefile: (_zoneFile, _upstream, api) => `kubernetes cluster.local {\n        endpoint ${api}\n    }`,
    queries: () =>
      clusterMix(
        Array.from({ length: asked }, (_, i) => i).flatMap((i) => {
          const [ipv4, ipv6] = serviceAddresses(i, true)
          const name = `${serviceName(i)}.${namespaceOf(i)}`
          return ipv4 === 'None' ? [] : [{ name, rdata: rdataOf(ipv4!), hasIPv6: ipv6 !== undefined }]
        }),
      ),
    servers: ['shoal', 'shoal-dgram', 'coredns'],
  }
}
