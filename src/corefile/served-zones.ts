/** Where a server block's queries come in. */
import type { ListenerConfig } from './server-config.ts'

export interface ServedZone {
  readonly listener: ListenerConfig
  readonly zone: string
}

/** By configuration and block: with thousands of blocks looking for each one's among all takes seconds. */
const zonesOfBlocks = new WeakMap<readonly ListenerConfig[], Map<number, ServedZone[]>>()

/** The zones of a block, with the listeners that have them, in the listeners' order. The list of listeners must not change. */
export function zonesOfBlock(listeners: readonly ListenerConfig[], block: number): readonly ServedZone[] {
  let zones = zonesOfBlocks.get(listeners)
  if (zones === undefined) {
    zones = new Map()
    for (const listener of listeners) {
      for (const { zone, blockIds } of listener.zones) {
        for (const id of blockIds) {
          const known = zones.get(id)
          if (known === undefined) zones.set(id, [{ listener, zone }])
          else known.push({ listener, zone })
        }
      }
    }
    zonesOfBlocks.set(listeners, zones)
  }
  return zones.get(block) ?? []
}
