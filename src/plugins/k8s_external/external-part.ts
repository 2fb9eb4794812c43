/** The primary's part of `k8s_external`: publishes from the source that the block's `kubernetes` has. */
import type { PrimaryContext, PrimaryPart } from '../../chain/plugin.ts'
import { ExternalZones } from '../../sources/kubernetes/publish/external-zones.ts'
import { localAddresses } from '../kubernetes/local-addresses.ts'
import type { KubernetesOptions } from '../kubernetes/options.ts'
import { followCluster } from '../kubernetes/shared-cluster.ts'
import type { ExternalOptions } from './options.ts'

/** Throws when there is no `kubernetes` in the block. */
export function openExternalPart(options: ExternalOptions, context: PrimaryContext): PrimaryPart {
  const kubernetes = context.block.plugins.find(({ name }) => name === 'kubernetes')
  if (kubernetes === undefined) throw new Error('kubernetes plugin not loaded')
  return new ExternalPart(options, kubernetes.options as KubernetesOptions, context)
}

class ExternalPart implements PrimaryPart {
  readonly #zones: readonly string[]
  readonly #context: PrimaryContext
  readonly #view: ExternalZones
  #endFollowing: (() => void) | undefined

  constructor(options: ExternalOptions, kubernetes: KubernetesOptions, context: PrimaryContext) {
    const { publisher, block } = context
    this.#zones = options.zones
    this.#context = context
    this.#view = new ExternalZones(
      {
        zones: options.zones,
        apex: options.apex,
        ttlSeconds: options.ttlSeconds,
        clusterTtlSeconds: kubernetes.ttlSeconds,
        headless: options.headless,
        endpointPodNames: kubernetes.endpointPodNames,
        localAddresses: localAddresses(block),
      },
      publisher,
    )
  }

  /** `kubernetes` waits for the API server for both. */
  async start(): Promise<void> {
    const { publisher } = this.#context
    await Promise.all(this.#zones.map((zone) => publisher.zone(zone, 'zone', true).unavailable()))
    this.#endFollowing = followCluster(this.#context.block, this.#view, () => {})
  }

  async stop(): Promise<void> {
    this.#endFollowing?.()
  }
}
