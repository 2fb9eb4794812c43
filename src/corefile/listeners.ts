/** Which sockets the blocks ask for, and which blocks stand behind each. */
import { joinHostPort } from './host-port.ts'
import type { SteeringOptions } from './parse-context.ts'
import type { Remark } from './parse-corefile.ts'
import type { BlockConfig, ListenerConfig } from './server-config.ts'

/** Plugins that answer questions of classes other than IN. */
const ALL_CLASS_PLUGINS: readonly string[] = ['chaos', 'forward']
/** All addresses of the machine, IPv6 and IPv4: that is what either family's wildcard means to CoreDNS. */
const WILDCARDS: readonly string[] = ['', '0.0.0.0', '::']

interface Draft {
  readonly listener: Omit<ListenerConfig, 'id' | 'zones' | 'allClasses'>
  readonly zones: Map<string, number[]>
  allClasses: boolean
}

/** One listener per transport, address and port, in the order the blocks name them. Settings are the first block's. */
export function buildListeners(blocks: readonly BlockConfig[]): {
  readonly listeners: readonly ListenerConfig[]
  readonly warnings: readonly Remark[]
} {
  const drafts = new Map<string, Draft>()
  const warnings: Remark[] = []
  for (const block of blocks) {
    const addresses = optionsOf(block, 'bind')?.addresses ?? ['']
    const sockets = optionsOf(block, 'multisocket')?.sockets ?? 0
    const allClasses = block.plugins.some(({ name }) => ALL_CLASS_PLUGINS.includes(name))
    if (addresses.length === 0) {
      warnings.push({ at: block.at, problem: 'bind leaves no address to this server block: it is not served' })
    }
    for (const { transport, zone, port } of block.keys) {
      for (const bound of addresses) {
        const address = WILDCARDS.includes(bound) ? '' : bound
        const where = `${transport}://${joinHostPort(address, port)}`
        let draft = drafts.get(where)
        if (draft === undefined) {
          const server = `${transport}://${joinHostPort(bound, port)}`
          draft = { listener: { transport, address, port, sockets, server }, zones: new Map(), allClasses: false }
          drafts.set(where, draft)
        }
        draft.allClasses ||= allClasses
        const blockIds = draft.zones.get(zone)
        if (blockIds === undefined) draft.zones.set(zone, [block.id])
        else if (!blockIds.includes(block.id)) blockIds.push(block.id)
      }
    }
  }
  const listeners = [...drafts.values()].map(({ listener, zones, allClasses }, id) => ({
    ...listener,
    id,
    zones: [...zones].map(([zone, blockIds]) => ({ zone, blockIds })),
    allClasses,
  }))
  return { listeners, warnings }
}

function optionsOf<N extends keyof SteeringOptions>(block: BlockConfig, name: N): SteeringOptions[N] | undefined {
  return block.plugins.find((plugin) => plugin.name === name)?.options as SteeringOptions[N] | undefined
}
