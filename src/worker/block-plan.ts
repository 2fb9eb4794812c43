/**
 * What the front does for one server block: its gates, observers and finishers, and how far a query may walk the chain
 * on the event loop. The walk goes through the plugins in chain order:
 *
 *   data plugin         answers from the record store, or passes on (no zone, fallthrough)
 *   other with handle   stops the walk for the queries that it `concerns`; they go on to the answer cache and the pool
 *   no handle           nothing to do
 */

import { assert } from '../assert.ts'
import type { FrontPart, Plugin } from '../chain/plugin.ts'
import type { BlockConfig, ListenerConfig, PluginConfig } from '../corefile/server-config.ts'
import { createLogger } from '../observe/log.ts'
import type { Registry } from '../observe/prom-client.ts'
import { LateBlocks } from '../plugins/late-blocks.ts'
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

/** What all plans of an engine are made with. */
export interface AboutPlans {
  readonly listeners: readonly ListenerConfig[]
  readonly store: ZoneStore
  readonly registry: Registry
  readonly onClose: (close: () => void) => void
}

/** The plans of all blocks, by block ID. Some are made for their first query (`late-blocks.ts`). */
export class BlockPlans {
  readonly #blocks: readonly BlockConfig[]
  readonly #about: AboutPlans
  readonly #plans: (BlockPlan | undefined)[]
  readonly #late: Uint8Array

  constructor(blocks: readonly BlockConfig[], about: AboutPlans) {
    this.#blocks = blocks
    this.#about = about
    this.#plans = new Array<BlockPlan | undefined>(blocks.length).fill(undefined)
    this.#late = new Uint8Array(blocks.length)
  }

  /** Rejects when a plugin can't be opened. */
  async open(): Promise<void> {
    const late = new LateBlocks()
    for (const block of this.#blocks) {
      if (late.isLate(block)) this.#late[block.id] = 1
      else this.#plans[block.id] = await planBlock(block, this.#about)
    }
  }

  /** The block's plan was put off when the others were made. */
  isLate(blockId: number): boolean {
    return this.#late[blockId] === 1
  }

  of(blockId: number): BlockPlan {
    return this.#plans[blockId] ?? this.#planLate(blockId)
  }

  /** Those that were made. */
  get made(): readonly BlockPlan[] {
    return this.#plans.filter((plan) => plan !== undefined)
  }

  #planLate(blockId: number): BlockPlan {
    const block = this.#blocks[blockId]!
    const parts = block.plugins.map((plugin) => {
      const part = openPart(plugin, loadedPlugin(plugin.name, plugin.module)!, block, this.#about)
      assert(!(part instanceof Promise), `plugin/${plugin.name} opens late and takes a promise`)
      return part
    })
    const plan = composePlan(block, parts)
    this.#plans[blockId] = plan
    return plan
  }
}

export async function planBlock(block: BlockConfig, about: AboutPlans): Promise<BlockPlan> {
  const parts: FrontPart[] = []
  for (const plugin of block.plugins) {
    parts.push(await openPart(plugin, await loadPlugin(plugin.name, plugin.module), block, about))
  }
  return composePlan(block, parts)
}

function openPart(
  { name, options, sourceId }: PluginConfig,
  plugin: Plugin,
  block: BlockConfig,
  about: AboutPlans,
): FrontPart | Promise<FrontPart> {
  return plugin.front?.(options, { sourceId, block, log: createLogger(name), ...about }) ?? NOTHING
}

/** `parts`: of the block's plugins, which are loaded. */
function composePlan(block: BlockConfig, parts: readonly FrontPart[]): BlockPlan {
  const steps: Step[] = []
  const roles: Role[] = []
  const blockedBy: string[] = []
  let walkEnds = false
  let hasData = false
  for (const [i, { name, sourceId, module }] of block.plugins.entries()) {
    const part = parts[i]!
    if (part.data !== undefined) hasData = true
    const role = roleOf(part, loadedPlugin(name, module)!.handle !== undefined, walkEnds)
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
