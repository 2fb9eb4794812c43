/** The primary's part of `kubernetes`: one list and watch per resource for the whole machine. */
import { setTimeout as delay } from 'node:timers/promises'
import type { PrimaryContext, PrimaryPart } from '../../chain/plugin.ts'
import { type ApiAccess, endpointAccess, inClusterAccess } from '../../sources/kubernetes/api/api-access.ts'
import { TIMING_DEFAULT } from '../../sources/kubernetes/api/list-watch.ts'
import { ClusterSource } from '../../sources/kubernetes/cluster-source.ts'
import { ClusterZones } from '../../sources/kubernetes/publish/cluster-zones.ts'
import { every } from '../every.ts'
import { localAddresses } from './local-addresses.ts'
import { type KubernetesMetrics, kubernetesMetrics } from './metrics.ts'
import type { KubernetesOptions } from './options.ts'
import { shareCluster } from './shared-cluster.ts'

/** Between log lines while the start waits. */
const WAITING_MS = 500
const GAUGE_MS = 1000

/** Rejects when it can't be found out where the API server is. */
export async function openKubernetesPart(options: KubernetesOptions, context: PrimaryContext): Promise<KubernetesPart> {
  return new KubernetesPart(options, context, await findAccess(options))
}

async function findAccess({ kubeconfig, endpoint, tls }: KubernetesOptions): Promise<ApiAccess> {
  if (kubeconfig !== undefined) {
    const { kubeconfigAccess } = await import('../../sources/kubernetes/api/kubeconfig.ts')
    return kubeconfigAccess(kubeconfig.file, kubeconfig.context)
  }
  return endpoint === undefined ? inClusterAccess() : endpointAccess(endpoint, tls)
}

export class KubernetesPart implements PrimaryPart {
  readonly source: ClusterSource
  readonly #options: KubernetesOptions
  readonly #context: PrimaryContext
  readonly #zones: ClusterZones
  readonly #metrics: KubernetesMetrics
  readonly #stopped = new AbortController()
  #isPublished = false
  #endGauge: (() => void) | undefined
  #endSharing: (() => void) | undefined

  constructor(options: KubernetesOptions, context: PrimaryContext, access: ApiAccess) {
    const { zones, multicluster, primaryZone, ttlSeconds, pods, endpoints } = options
    const { log, registry, publisher, block } = context
    this.#options = options
    this.#context = context
    this.#metrics = kubernetesMetrics(registry, access.server.host)
    this.source = new ClusterSource({
      access,
      limits: options.limits,
      log,
      observer: this.#metrics,
      namespaces: options.namespaces,
      labels: options.labels,
      namespaceLabels: options.namespaceLabels,
      sliceFields: { targets: options.endpointPodNames, zones: options.zonal },
      watches: { endpoints, pods: pods === 'verified', imports: multicluster.length > 0 },
      timing: { ...TIMING_DEFAULT, auditMs: options.auditMs },
      snapshot: options.snapshot,
    })
    const { endpointPodNames, ignoreEmpty, zonal } = options
    this.#zones = new ClusterZones(
      {
        zones,
        multicluster,
        primaryZone,
        ttlSeconds,
        rules: { endpointPodNames, ignoreEmpty, zonal },
        pods,
        localAddresses: localAddresses(block),
      },
      publisher,
    )
  }

  /** Waits for the first whole look at the cluster, but not for ever: names are SERVFAIL until it is there. */
  async start(): Promise<void> {
    const { log, publisher } = this.#context
    const { zones, startupMs } = this.#options
    await Promise.all(zones.map((zone) => publisher.zone(zone, 'zone', true).unavailable()))
    this.#metrics.setSynced(false)
    this.source.start()
    this.#endSharing = shareCluster(this.#context.block, this.source)
    const setGauges = (): void => {
      this.#metrics.setStale(this.source.staleSeconds)
      this.#metrics.setSynced(this.#isPublished && !this.source.isStale)
    }
    this.#endGauge = every(GAUGE_MS, setGauges)
    const published = this.source.addView(this.#zones).then(() => {
      this.#isPublished = true
      setGauges()
    })
    const { signal } = this.#stopped
    const endWaiting = every(WAITING_MS, () => log.info('waiting for Kubernetes API before starting server'))
    const timeout = delay(startupMs, undefined, { signal }).catch(() => {})
    await Promise.race([published, timeout])
    endWaiting()
    if (!this.#isPublished && !signal.aborted) log.warning('starting server with unsynced Kubernetes API')
  }

  async stop(): Promise<void> {
    this.#stopped.abort()
    this.#endGauge?.()
    this.#endSharing?.()
    await this.source.stop()
  }

  /** From a snapshot too: a server that isn't ready is asked by nobody. */
  ready(): boolean {
    return this.#isPublished
  }
}
