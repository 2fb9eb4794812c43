/** `kubernetes`: names of services, endpoints and pods of a cluster. */
import type { FrontContext, FrontPart, Handler, HandlerContext, Plugin } from '../../chain/plugin.ts'
import { fallthroughIn, type ZonePlugin, zoneFrontPart } from '../zone-handler.ts'
import { type KubernetesOptions, parseKubernetes } from './options.ts'
import { mayBeIPv6, PodNames } from './pod-names.ts'

export const plugin: Plugin<KubernetesOptions> = {
  name: 'kubernetes',
  parse: parseKubernetes,
  primary: async (options, context) => (await import('./kubernetes-part.ts')).openKubernetesPart(options, context),
  handle: openHandler,
  front: openFront,
}

async function openHandler(options: KubernetesOptions, context: HandlerContext): Promise<Handler> {
  const { zones, snapshot } = options
  const handler = (await import('./handler.ts')).openKubernetesHandler(options, context)
  return snapshot === undefined ? handler : (await import('./stale-answers.ts')).staleHandler(handler, zones, context)
}

/** How the plugin answers, without what only the chain can do. */
export function zonePlugin({ fallthrough }: KubernetesOptions): ZonePlugin {
  return { name: 'kubernetes', fallsThrough: fallthroughIn(fallthrough) }
}

async function openFront(options: KubernetesOptions, context: FrontContext): Promise<FrontPart> {
  const { zones, snapshot } = options
  const part = podsFront(options, context)
  return snapshot === undefined ? part : (await import('./stale-answers.ts')).staleFront(part, zones, context)
}

function podsFront(options: KubernetesOptions, context: FrontContext): FrontPart {
  const part = zoneFrontPart(zonePlugin(options), context)
  const { pods, zones } = options
  if (pods === 'disabled') return part
  const names = new PodNames(zones)
  return {
    ...part,
    concerns: (query) => part.concerns!(query) || (names.holds(query) && (pods === 'insecure' || mayBeIPv6(query))),
  }
}
