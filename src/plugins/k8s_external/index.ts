/** `k8s_external`: names for the external addresses of a cluster's services. */
import type { Plugin } from '../../chain/plugin.ts'
import type { BlockConfig } from '../../corefile/server-config.ts'
import type { KubernetesOptions } from '../kubernetes/options.ts'
import { fallthroughIn, openZoneHandler, type ZonePlugin, zoneFrontPart } from '../zone-handler.ts'
import { type ExternalOptions, parseExternal } from './options.ts'

export const plugin: Plugin<ExternalOptions> = {
  name: 'k8s_external',
  parse: parseExternal,
  primary: async (options, context) => (await import('./external-part.ts')).openExternalPart(options, context),
  handle: async (options, context) => {
    const handler = openZoneHandler(zonePlugin(options), context)
    if (!hasSnapshot(context.block)) return handler
    return (await import('../kubernetes/stale-answers.ts')).staleHandler(handler, options.zones, context)
  },
  front: async (options, context) => {
    const part = zoneFrontPart(zonePlugin(options), context)
    if (!hasSnapshot(context.block)) return part
    return (await import('../kubernetes/stale-answers.ts')).staleFront(part, options.zones, context)
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
