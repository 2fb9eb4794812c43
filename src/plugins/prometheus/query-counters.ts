/** Counts every query of a block on the event loop: the zone label is the longest zone that holds the name. */
import type { Client, FrontContext, FrontPart, Outcome } from '../../chain/plugin.ts'
import { NOT_IN_SET, ZoneSet } from '../../chain/zone-set.ts'
import { dnsMetrics } from '../../observe/dns-metrics.ts'
import { addRuntimeMetrics, registerProcessMetrics } from '../../observe/process-metrics.ts'
import type { ParsedQuery } from '../../wire/parsed-query.ts'
import { NO_ZONE } from '../../zone/zone-store.ts'
import { isInChain } from './in-chain.ts'
import type { PrometheusOptions } from './index.ts'
import { LoadedZones } from './loaded-zones.ts'

/** No group was made yet. */
const UNKNOWN = -1

export function openQueryCounters(options: PrometheusOptions, context: FrontContext): FrontPart {
  const { block, listeners, registry } = context
  registerProcessMetrics(registry)
  if (options.runtimeMetrics) addRuntimeMetrics(registry)
  const metrics = dnsMetrics(registry)
  const plugin = pluginLabel(block.plugins.map(({ name }) => name))
  const zones = new ZoneSet(block.zones)
  // One row per listener; the last column is for names outside the block's zones.
  const columns = block.zones.length + 1
  const groups = new Int32Array(listeners.length * columns).fill(UNKNOWN)
  const openGroup = (cell: number, listenerId: number, zoneIndex: number): number => {
    const zone = zoneIndex === NOT_IN_SET ? '.' : block.zones[zoneIndex]!
    const group = metrics.group(listeners[listenerId]!.server, zone, '', plugin)
    groups[cell] = group
    return group
  }
  const groupOf = (query: ParsedQuery, client: Client): number => {
    const zoneIndex = zones.longest(query)
    const cell = client.listenerId * columns + (zoneIndex === NOT_IN_SET ? columns - 1 : zoneIndex)
    const group = groups[cell]!
    return group === UNKNOWN ? openGroup(cell, client.listenerId, zoneIndex) : group
  }
  const loaded = new LoadedZones(
    context.store,
    block.plugins.filter(({ name }) => name === 'auto').map(({ sourceId }) => sourceId),
  )
  if (loaded.isEmpty) {
    return { observe: (query, client, outcome) => metrics.count(groupOf(query, client), query, client, outcome) }
  }
  const groupsOfLoaded = new Map<number, Map<number, number>>()
  const groupOfLoaded = (query: ParsedQuery, client: Client): number => {
    const ref = loaded.find(query)
    if (ref === NO_ZONE) return groupOf(query, client)
    const known = groupsOfLoaded.get(ref)?.get(client.listenerId)
    if (known !== undefined) return known
    const group = metrics.group(listeners[client.listenerId]!.server, loaded.apex(ref, query), '', plugin)
    const perListener = groupsOfLoaded.get(ref) ?? new Map<number, number>()
    perListener.set(client.listenerId, group)
    groupsOfLoaded.set(ref, perListener)
    return group
  }
  return {
    observe: (query: ParsedQuery, client: Client, outcome: Outcome) =>
      metrics.count(groupOfLoaded(query, client), query, client, outcome),
  }
}

/**
 * Label `plugin` of the replies that plugins write. CoreDNS puts there the plugin right behind prometheus in the chain,
 * whoever answered: `errors` where that is loaded.
 */
function pluginLabel(names: readonly string[]): string {
  return names.slice(names.indexOf('prometheus') + 1).find(isInChain) ?? ''
}
