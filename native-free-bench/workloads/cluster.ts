/** What a cluster asks its DNS, from a zone file, so that every server can take it. */
import { clusterMix } from './shared/cluster-mix.ts'
import { benchmarkAddress, benchmarkRdata, type Workload } from './workload.ts'

const SERVICES = 500
const NAMESPACES = 20

const service = (i: number) => `svc${i}.ns${i % NAMESPACES}`
const hasIPv6 = (i: number) => i % 6 !== 0

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
          if (hasIPv6(i)) yield `${service(i)}.svc AAAA 2001:db8::${(i + 1).toString(16)}`
        }
      },
    },
  ],
  queries: () =>
    clusterMix(
      Array.from({ length: SERVICES }, (_, i) => ({
        name: service(i),
        rdata: benchmarkRdata(i),
        hasIPv6: hasIPv6(i),
      })),
    ),
  targets: [{ server: 'shoal', beside: 'knotd', measure: 'qps', goal: 0.9 }],
} satisfies Workload
