/** `k8s_external`: names for the external addresses of a cluster's services. */
import type { Plugin } from '../../chain/plugin.ts'
import { fallthroughIn, openZoneHandler, type ZonePlugin, zoneFrontPart } from '../zone-handler.ts'
import { type ExternalOptions, parseExternal } from './options.ts'

export const plugin: Plugin<ExternalOptions> = {
  name: 'k8s_external',
  parse: parseExternal,
  primary: async (options, context) => (await import('./external-part.ts')).openExternalPart(options, context),
  handle: (options, context) => openZoneHandler(zonePlugin(options), context),
  front: (options, context) => zoneFrontPart(zonePlugin(options), context),
}

function zonePlugin({ fallthrough }: ExternalOptions): ZonePlugin {
  return { name: 'k8s_external', fallsThrough: fallthroughIn(fallthrough) }
}
