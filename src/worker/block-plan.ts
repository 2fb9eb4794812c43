/**
 * What the front does for one server block: its gates, observers and finishers, and how far a query may walk the chain
 * on the event loop. The walk goes through the plugins in chain order:
 *
 *   data plugin         answers from the record store, or passes on (no zone, fallthrough)
 *   other with handle   stops the walk for the queries that it `concerns`; they go on to the answer cache and the pool
 *   no handle           nothing to do
 */

import type { FrontPart } from '../chain/plugin.ts'
import type { BlockConfig, ListenerConfig } from '../corefile/server-config.ts'
import { createLogger } from '../observe/log.ts'
import type { Registry } from '../observe/prom-client.ts'
import { loadedPlugin, loadPlugin } from '../plugins/order.ts'
import type { ZoneStore } from '../zone/zone-store.ts'

export interface Step {
  readonly plugin: string
  readonly sourceId: number
  readonly part: FrontPart
  readonly isData: boolean
}

/**
 * What a plugin means for the queries of its block:
 *
 *   setUp    does nothing to queries
 *   front    acts on the event loop alone
 *   memory   answers from the record store, on the event loop
 *   some     handles some queries in the pool; the others go past it on the event loop
 *   pool     handles queries in the pool: what the event loop doesn't answer before, from cache or record store, goes there
 */
export type Role = 'setUp' | 'front' | 'memory' | 'some' | 'pool'

export interface BlockPlan {
  readonly block: BlockConfig
  /** One per plugin of the block, in chain order. */
  readonly roles: readonly Role[]
  readonly gates: readonly FrontPart[]
  readonly observers: readonly FrontPart[]
  readonly finishers: readonly FrontPart[]
  readonly steps: readonly Step[]
  /** Plugins that keep every query of this block from the record store; empty when none does. Shown at start and in a metric. */
  readonly blockedBy: readonly string[]
}

const NOTHING: FrontPart = {}

export async function planBlock(
  block: BlockConfig,
  about: {
    readonly listeners: readonly ListenerConfig[]
    readonly store: ZoneStore
    readonly registry: Registry
    readonly onClose: (close: () => void) => void
  },
): Promise<BlockPlan> {
  const parts: FrontPart[] = []
  const steps: Step[] = []
  const roles: Role[] = []
  const blockedBy: string[] = []
  let walkEnds = false
  let hasData = false
  for (const { name, options, sourceId, module } of block.plugins) {
    const plugin = loadedPlugin(name, module) ?? (await loadPlugin(name, module))
    const opened = plugin.front?.(options, { sourceId, block, log: createLogger(name), ...about }) ?? NOTHING
    const part = opened instanceof Promise ? await opened : opened
    parts.push(part)
    if (part.data !== undefined) hasData = true
    const role = roleOf(part, plugin.handle !== undefined, walkEnds)
    roles.push(role)
    if (walkEnds) continue
    if (role === 'setUp' || role === 'front') continue
    steps.push({ plugin: name, sourceId, part, isData: role === 'memory' })
    if (role === 'pool') {
      walkEnds = true
      blockedBy.push(name)
    }
  }
  return {
    block,
    roles,
    gates: parts.filter((part) => part.gate !== undefined),
    observers: parts.filter((part) => part.observe !== undefined),
    finishers: parts.filter((part) => part.finish !== undefined),
    // Steps after the last data plugin need no look: the walk ends there in any case.
    steps: steps.slice(0, steps.findLastIndex((step) => step.isData) + 1),
    blockedBy: hasData && !steps.some((step) => step.isData) ? blockedBy : [],
  }
}

function roleOf(part: FrontPart, isHandler: boolean, walkEnded: boolean): Role {
  if (walkEnded) return isHandler ? 'pool' : part === NOTHING ? 'setUp' : 'front'
  if (part.data !== undefined) return 'memory'
  if (isHandler) return part.concerns === undefined ? 'pool' : 'some'
  return part === NOTHING ? 'setUp' : 'front'
}
