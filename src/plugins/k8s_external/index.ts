/** `k8s_external`: names for the external addresses of a cluster's services. */
import type { Plugin } from '../../chain/plugin.ts'
import type { BlockConfig } from '../../corefile/server-config.ts'
import type { KubernetesOptions } from '../kubernetes/options.ts'
import { once } from '../once.ts'
import { fallthroughIn, openZoneHandler, type ZonePlugin, zoneFrontPart } from '../zone-handler.ts'
import { type ExternalOptions, parseExternal } from './options.ts'

const externalPartModule = once(() => import('./external-part.ts'))
const staleAnswersModule = once(() => import('../kubernetes/stale-answers.ts'))

export const plugin: Plugin<ExternalOptions> = {
  name: 'k8s_external',
  parse: parseExternal,
  primary: async (options, context) => (await externalPartModule()).openExternalPart(options, context),
  handle: async (options, context) => {
    const handler = openZoneHandler(zonePlugin(options), context)
    if (!hasSnapshot(context.block)) return handler
    return (await staleAnswersModule()).staleHandler(handler, options.zones, context)
  },
  front: async (options, context) => {
    const part = zoneFrontPart(zonePlugin(options), context)
    if (!hasSnapshot(context.block)) return part
    return (await staleAnswersModule()).staleFront(part, options.zones, context)
  },
}

/** The block's `kubernetes` may publish from disk. */
function hasSnapshot({ plugins }: BlockConfig): boolean {
  const kubernetes = plugins.find(({ name }) => name === 'kubernetes')
  return (kubernetes?.options as KubernetesOptions | undefined)?.snapshot !== undefined
}

function zonePlugin({ fallthrough }: ExternalOptions): ZonePlugin {
  return { name: 'k8s_external', fallsThrough: fallthroughIn(fallthrough) }
}
