/** `kubernetes`: names of services, endpoints and pods of a cluster. */
import type { FrontContext, FrontPart, Plugin } from '../../chain/plugin.ts'
import { fallthroughIn, type ZonePlugin, zoneFrontPart } from '../zone-handler.ts'
import { type KubernetesOptions, parseKubernetes } from './options.ts'
import { mayBeIPv6, PodNames } from './pod-names.ts'

export const plugin: Plugin<KubernetesOptions> = {
  name: 'kubernetes',
  parse: parseKubernetes,
  primary: async (options, context) => (await import('./kubernetes-part.ts')).openKubernetesPart(options, context),
  handle: async (options, context) => (await import('./handler.ts')).openKubernetesHandler(options, context),
  front: openFront,
}

/** How the plugin answers, without what only the chain can do. */
export function zonePlugin({ fallthrough }: KubernetesOptions): ZonePlugin {
  return { name: 'kubernetes', fallsThrough: fallthroughIn(fallthrough) }
}

function openFront(options: KubernetesOptions, context: FrontContext): FrontPart {
  const part = zoneFrontPart(zonePlugin(options), context)
  const { pods, zones } = options
  if (pods === 'disabled') return part
  const names = new PodNames(zones)
  return {
    ...part,
    concerns: (query) => part.concerns!(query) || (names.holds(query) && (pods === 'insecure' || mayBeIPv6(query))),
  }
}
