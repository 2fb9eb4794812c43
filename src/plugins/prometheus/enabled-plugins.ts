/**
 * `coredns_plugin_enabled`: which plugins answer in which zone. Made when it is scraped, from the blocks that were told
 * of: thousands of blocks have tens of thousands of series, and nobody may ever ask.
 */
import type { ServedZone } from '../../corefile/served-zones.ts'
import type { Metric, Registry } from '../../observe/prom-client.ts'

/** One block: each of its plugins is enabled in each of its zones. */
export interface EnabledBlock {
  readonly zones: readonly ServedZone[]
  readonly plugins: readonly string[]
}

const NAME = 'coredns_plugin_enabled'
const HELP = 'A metric that indicates whether a plugin is enabled on per server and zone basis.'
const ofRegistry = new WeakMap<Registry, Set<EnabledBlock>>()

/** The blocks that a registry's metric is made from; the caller adds and takes away. */
export function enabledBlocks(registry: Registry): Set<EnabledBlock> {
  let blocks = ofRegistry.get(registry)
  if (blocks === undefined) {
    const added = new Set<EnabledBlock>()
    blocks = added
    ofRegistry.set(registry, added)
    const about = { name: NAME, help: HELP, type: 'gauge', aggregator: 'max' }
    const metric = { ...about, get: async () => ({ ...about, values: seriesOf(added) }), reset: () => undefined }
    registry.registerMetric(metric as unknown as Metric<string>)
  }
  return blocks
}

/** While a reload is under way, a block's new part and its old one may have series in common. */
function seriesOf(blocks: ReadonlySet<EnabledBlock>) {
  const series = new Map<string, { readonly labels: Record<string, string>; readonly value: 1 }>()
  for (const { zones, plugins } of blocks) {
    for (const { listener, zone } of zones) {
      const { server } = listener
      for (const name of plugins) {
        series.set(`${server} ${zone} ${name}`, { labels: { server, zone, view: '', name }, value: 1 })
      }
    }
  }
  return [...series.values()]
}
