/**
 * The plugins' parts in the primary: sources, HTTP endpoints, watchers. A reload starts the new ones beside the old;
 * those whose options and block are unchanged (the same source id) go on as they are.
 */

import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Plugin, PrimaryContext, PrimaryPart, ServerControl } from '../chain/plugin.ts'
import { CorefileError } from '../corefile/corefile-error.ts'
import type { BlockConfig, PluginConfig, ServerConfig } from '../corefile/server-config.ts'
import type { Told } from '../messages/protocol.ts'
import { createLogger } from '../observe/log.ts'
import type { Logger } from '../observe/logger.ts'
import type { Registry } from '../observe/prom-client.ts'
import type { ZonePublisher } from '../zone/zone-change.ts'
import type { ZonePublishing } from '../zone/zone-publisher.ts'
import { within } from './within.ts'

/** A part that takes longer to stop is left behind. */
const STOP_MS_MAX = 5000
/** Parts that start at once: of thousands each holds what it starts with only as long as it takes. */
const STARTING_MAX = 128
/** How long parts are started one after another before others have the thread. */
const SLICE_MS = 2

export interface PartsContext {
  readonly loadPlugin: (name: string, module?: string) => Promise<Plugin>
  readonly publishing: ZonePublishing
  readonly registry: Registry
  readonly server: ServerControl
  /** To the plugin's handlers in all workers that run now. */
  readonly tell: (sourceId: number, data: unknown) => void
}

interface RunningPart {
  readonly name: string
  readonly sourceId: number
  readonly part: PrimaryPart
  readonly context: PartContext
}

/** New parts that run beside the old ones. */
export interface PartsChange {
  /** The new parts take over; all are told, if it is a reload. Returns those that are to be stopped now. */
  commit(isReload: boolean): StoppingParts
  /** Stops the new parts and takes their records back. */
  abandon(): Promise<void>
}

export interface StoppingParts {
  /** Never rejects: false when some part failed to stop, or took too long. */
  stop(): Promise<boolean>
  /** When no worker looks at them any more. */
  removeRecords(): Promise<void>
}

export class PluginParts {
  readonly #context: PartsContext
  readonly #log = createLogger()
  readonly #told = new Map<number, unknown>()
  #running = new Map<number, RunningPart>()
  /** Started, and neither taken over nor given up yet. */
  #starting = new Map<number, RunningPart>()

  constructor(context: PartsContext) {
    this.#context = context
  }

  /** What handlers that start now must be told. */
  get told(): Told {
    return [...this.#told]
  }

  /** Starts what `config` adds. Rejects with what went wrong, all new parts being stopped. */
  async change(config: ServerConfig): Promise<PartsChange> {
    const next = new Map<number, RunningPart>()
    const added = new Map<number, RunningPart>()
    /** The blocks of the parts that go on: their place in the configuration may be another. */
    const blocks = new Map<number, BlockConfig>()
    this.#starting = added
    const abandon = async (): Promise<void> => {
      this.#starting = new Map()
      const parts = [...added.values()]
      await this.#stop(parts)
      await this.#removeRecords(parts)
    }
    try {
      const plugins = await loadPlugins(config, this.#context.loadPlugin)
      for (const block of config.blocks) {
        for (const plugin of block.plugins) {
          const { name, sourceId } = plugin
          const loaded = plugins.get(keyOf(plugin))!
          if (loaded.primary === undefined) continue
          const running = this.#running.get(sourceId)
          if (running !== undefined) {
            next.set(sourceId, running)
            if (running.context.block !== block) blocks.set(sourceId, block)
            continue
          }
          const context = new PartContext(this.#context, this.#told, name, block, sourceId)
          const created = naming(name, () => loaded.primary!(plugin.options, context))
          const part = created instanceof Promise ? await created : created
          if (part === undefined) continue
          const entry = { name, sourceId, part, context }
          next.set(sourceId, entry)
          added.set(sourceId, entry)
        }
      }
      await startAll(added)
    } catch (error) {
      await abandon()
      throw error
    }
    return { commit: (isReload) => this.#commit(next, blocks, isReload), abandon }
  }

  report(sourceId: number, data: unknown): void {
    const { name, part } = this.#running.get(sourceId) ?? this.#starting.get(sourceId) ?? {}
    try {
      part?.onReport?.(data)
    } catch (error) {
      this.#log.error(`plugin/${name}: ${textOf(error)}`)
    }
  }

  /** Names of plugins with a part that isn't ready, sorted. */
  notReady(): string[] {
    const names = [...this.#running.values()].filter(({ part }) => part.ready?.() === false).map(({ name }) => name)
    return [...new Set(names)].sort()
  }

  /** All parts' drains, side by side. False when one failed. */
  async drain(): Promise<boolean> {
    const results = await Promise.all(
      [...this.#running.values()]
        .filter(({ part }) => part.drain !== undefined)
        .map((each) => this.#tried(each, () => each.part.drain?.())),
    )
    return results.every(Boolean)
  }

  /** At the end of the process: all parts, also those that are just starting. */
  stop(): Promise<boolean> {
    return this.#stop([...this.#running.values(), ...this.#starting.values()])
  }

  #commit(next: Map<number, RunningPart>, blocks: ReadonlyMap<number, BlockConfig>, isReload: boolean): StoppingParts {
    for (const [sourceId, block] of blocks) this.#running.get(sourceId)!.context.block = block
    const leaving = [...this.#running.values()].filter(({ sourceId }) => !next.has(sourceId))
    this.#running = next
    this.#starting = new Map()
    for (const { sourceId } of leaving) this.#told.delete(sourceId)
    if (isReload) {
      for (const each of next.values()) if (each.part.reloaded) void this.#tried(each, () => each.part.reloaded?.())
    }
    return { stop: () => this.#stop(leaving), removeRecords: () => this.#removeRecords(leaving) }
  }

  async #stop(parts: readonly RunningPart[]): Promise<boolean> {
    let allStopped = true
    const stopping = parts.map(async (each) => {
      if (!(await this.#tried(each, () => each.part.stop()))) allStopped = false
    })
    return (await within(STOP_MS_MAX, Promise.all(stopping))) && allStopped
  }

  async #removeRecords(parts: readonly RunningPart[]): Promise<void> {
    await Promise.all(
      parts.map((each) => this.#tried(each, () => this.#context.publishing.removeSource(each.sourceId))),
    )
  }

  /** Whether it went well; a failure is logged. */
  async #tried({ name }: RunningPart, run: () => void | Promise<void>): Promise<boolean> {
    try {
      await run()
      return true
    } catch (error) {
      this.#log.error(`plugin/${name}: ${textOf(error)}`)
      return false
    }
  }
}

/** What a part works with: as little as can be, for thousands of them. */
class PartContext implements PrimaryContext {
  block: BlockConfig
  readonly sourceId: number
  readonly log: Logger
  readonly #parts: PartsContext
  readonly #told: Map<number, unknown>

  constructor(parts: PartsContext, told: Map<number, unknown>, name: string, block: BlockConfig, sourceId: number) {
    this.block = block
    this.sourceId = sourceId
    this.log = createLogger(name)
    this.#parts = parts
    this.#told = told
  }

  get registry(): Registry {
    return this.#parts.registry
  }

  get server(): ServerControl {
    return this.#parts.server
  }

  get publisher(): ZonePublisher {
    return this.#parts.publishing.forSource(this.sourceId)
  }

  // A function of its own: a part may take it out of the context.
  get tell(): PrimaryContext['tell'] {
    return (data) => {
      this.#told.set(this.sourceId, data)
      this.#parts.tell(this.sourceId, data)
    }
  }
}

/** Starts the parts side by side. Rejects with the first failure; then no further ones are started. */
async function startAll(parts: ReadonlyMap<number, RunningPart>): Promise<void> {
  const starting = new Set<Promise<void>>()
  let hasFailed = false
  let fromMs = performance.now()
  for (const { name, part } of parts.values()) {
    const started = naming(name, () => part.start())
    if (started instanceof Promise) {
      const ended: Promise<void> = started.then(() => {
        starting.delete(ended)
      })
      starting.add(ended)
      ended.catch(() => {
        hasFailed = true
      })
      if (starting.size >= STARTING_MAX) await Promise.race(starting)
    }
    if (performance.now() - fromMs >= SLICE_MS) {
      await nextTurn()
      fromMs = performance.now()
    }
    if (hasFailed) break
  }
  await Promise.all(starting)
}

/** The plugins that the configuration names, by `keyOf`. */
async function loadPlugins(
  { blocks }: ServerConfig,
  loadPlugin: PartsContext['loadPlugin'],
): Promise<ReadonlyMap<string, Plugin>> {
  const plugins = new Map<string, Plugin>()
  for (const block of blocks) {
    for (const plugin of block.plugins) {
      const key = keyOf(plugin)
      if (!plugins.has(key)) plugins.set(key, await loadPlugin(plugin.name, plugin.module))
    }
  }
  return plugins
}

function keyOf({ name, module }: PluginConfig): string {
  return module ?? name
}

/** Completes the options of plugins that have something to ask for. Rejects with what the first of them says. */
export async function prepareOptions(
  config: ServerConfig,
  loadPlugin: PartsContext['loadPlugin'],
): Promise<ServerConfig> {
  const loaded = await loadPlugins(config, loadPlugin)
  const preparing = new Set<string>()
  for (const [key, { prepare }] of loaded) if (prepare !== undefined) preparing.add(key)
  if (preparing.size === 0) return config
  const prepared = async (plugin: PluginConfig): Promise<PluginConfig> => {
    const prepare = loaded.get(keyOf(plugin))!.prepare
    if (prepare === undefined) return plugin
    return { ...plugin, options: await naming(plugin.name, () => prepare(plugin.options)) }
  }
  const blocks = await Promise.all(
    config.blocks.map(async (block) => {
      if (!block.plugins.some((plugin) => preparing.has(keyOf(plugin)))) return block
      return { ...block, plugins: await Promise.all(block.plugins.map(prepared)) }
    }),
  )
  return { ...config, blocks }
}

/** A failure says which plugin it is of, unless it says where in the Corefile. */
function naming<T>(name: string, run: () => T | Promise<T>): T | Promise<T> {
  try {
    const result = run()
    return result instanceof Promise ? result.catch((error: unknown) => Promise.reject(named(name, error))) : result
  } catch (error) {
    throw named(name, error)
  }
}

function named(name: string, error: unknown): unknown {
  if (error instanceof CorefileError) return error
  return new Error(`plugin/${name}: ${textOf(error)}`, { cause: error })
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
