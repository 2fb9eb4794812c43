/** `kubernetes`: names of services, endpoints and pods of a cluster. */
import type { FrontContext, FrontPart, Handler, HandlerContext, Plugin } from '../../chain/plugin.ts'
import { once } from '../once.ts'
import { fallthroughIn, type ZonePlugin, zoneFrontPart } from '../zone-handler.ts'
import { type KubernetesOptions, parseKubernetes } from './options.ts'
import { mayBeIPv6, PodNames } from './pod-names.ts'

const kubernetesPartModule = once(() => import('./kubernetes-part.ts'))
const handlerModule = once(() => import('./handler.ts'))
const staleAnswersModule = once(() => import('./stale-answers.ts'))

export const plugin: Plugin<KubernetesOptions> = {
  name: 'kubernetes',
  parse: parseKubernetes,
  primary: async (options, context) => (await kubernetesPartModule()).openKubernetesPart(options, context),
  handle: openHandler,
  front: openFront,
}

async function openHandler(options: KubernetesOptions, context: HandlerContext): Promise<Handler> {
  const { zones, snapshot } = options
  const handler = (await handlerModule()).openKubernetesHandler(options, context)
  return snapshot === undefined ? handler : (await staleAnswersModule()).staleHandler(handler, zones, context)
}

/** How the plugin answers, without what only the chain can do. */
export function zonePlugin({ fallthrough }: KubernetesOptions): ZonePlugin {
  return { name: 'kubernetes', fallsThrough: fallthroughIn(fallthrough) }
}

async function openFront(options: KubernetesOptions, context: FrontContext): Promise<FrontPart> {
  const { zones, snapshot } = options
  const part = podsFront(options, context)
  return snapshot === undefined ? part : (await staleAnswersModule()).staleFront(part, zones, context)
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
