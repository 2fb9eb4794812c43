/** What a workload is. Each has a file in this folder, which exports one as its default; the suite finds it there. */
import { readdirSync } from 'node:fs'
import type { ClusterSize } from '../../test/kube/big-cluster-names.ts'
import type { Transport } from '../load/generator.ts'
import type { Expected, Order } from '../load/query-set.ts'

/** A zone as every authoritative server here loads it. */
export interface WorkloadZone {
  /** Absolute: `example.` */
  readonly origin: string
  /** Lines of a master file after the SOA and NS that the suite writes. Owners relative to the origin or absolute. */
  records(): Iterable<string>
}

export interface Workload {
  readonly title: string
  /** One sentence for the report: what it shows. */
  readonly shows: string
  readonly transport: Transport
  readonly order: Order
  readonly zones: readonly WorkloadZone[]
  queries(): Expected[]
  /**
   * `cached`, `uncached`: the zones are an upstream's, on the load generator's core, and the servers forward to it. `silent`: the servers
   * have the zones, and forward the rest to an upstream that never answers.
   */
  readonly forward?: 'cached' | 'uncached' | 'silent'
  /** Plugins besides those that answer; errors, cache and loadbalance unless said. prometheus is always there. */
  readonly plugins?: readonly string[]
  /** What answers in Shoal and CoreDNS, where it is not just the zones: lines for one server block of the root. */
  corefile?(zoneFile: (origin: string) => string, upstream: string, clusterUrl: string): string
  /** The servers follow the API of such a cluster. */
  readonly cluster?: ClusterSize
  /** Names of the servers that can take it; all that can serve a zone by default. */
  readonly servers?: readonly string[]
  /** Ratios of the report's targets: this server's QPS beside that one's should reach so much. */
  readonly targets?: readonly Target[]
  /** Source ports or connections; 128 for UDP and 16 for TCP unless said. */
  readonly flows?: number
  /** Queries in flight in the closed loop; 1,000 unless said. */
  readonly window?: number
  /** Servers run one at a time, because each needs much memory. */
  readonly large?: boolean
  /** Part of `--quick`. */
  readonly quick?: boolean
}

export interface Target {
  readonly server: string
  readonly beside: string
  readonly measure: 'qps' | 'cpu'
  /** For `qps` at least, for `cpu` at most. */
  readonly goal: number
}

export const A = 1
export const AAAA = 28
export const TXT = 16
export const NOERROR = 0
export const NXDOMAIN = 3

/** 192.0.2.0/24 is too small to tell 100,000 names apart: 198.18.0.0/15 is for benchmarks. RFC 2544. */
export function benchmarkAddress(i: number): string {
  return `198.${18 + ((i >>> 16) & 1)}.${(i >>> 8) & 255}.${i & 255}`
}

/** The rdata of an A record with `benchmarkAddress(i)`. */
export function benchmarkRdata(i: number): string {
  return Buffer.from([198, 18 + ((i >>> 16) & 1), (i >>> 8) & 255, i & 255]).toString('hex')
}

/** File names without their ending, in alphabetical order. */
export function workloadNames(): string[] {
  const files = readdirSync(new URL('.', import.meta.url))
  return files
    .filter((file) => file.endsWith('.ts') && file !== 'workload.ts')
    .map((file) => file.slice(0, -3))
    .sort()
}

export async function readWorkload(name: string): Promise<Workload> {
  return ((await import(`./${name}.ts`)) as { default: Workload }).default
}
