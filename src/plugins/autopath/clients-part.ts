/** The primary's part of `autopath @kubernetes`: tells all processes which namespace each client's address is in. */
import type { PrimaryContext, PrimaryPart } from '../../chain/plugin.ts'
import { ClientNamespaces } from '../../sources/kubernetes/publish/client-namespaces.ts'
import { followCluster } from '../kubernetes/shared-cluster.ts'
import { podsSource } from './index.ts'
import type { AutopathOptions } from './options.ts'

/** Plugins that know search paths. */
const KNOWING = ['kubernetes', 'erratic']

/** Throws when the plugin that is named can't know. One that isn't in the block does no harm: there is no walking then. */
export function openClientsPart(options: AutopathOptions, context: PrimaryContext): PrimaryPart {
  const { plugin } = options
  const { block, publisher } = context
  const isThere = block.plugins.some(({ name }) => name === plugin)
  if (plugin !== undefined && isThere && !KNOWING.includes(plugin)) {
    throw new Error(`${plugin} does not implement the AutoPather interface`)
  }
  if (podsSource(options, block) === undefined) return { start: async () => {}, stop: async () => {} }
  const view = new ClientNamespaces(publisher)
  let end = (): void => {}
  return {
    start: async () => {
      end = followCluster(block, view, () => {})
    },
    stop: async () => end(),
  }
}
