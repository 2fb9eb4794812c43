/** The chains of the server blocks, each opened once per pool thread, and the internal look-up that goes through them. */

import type { CacheSet } from '../cache/cache-set.ts'
import { BlockTable, NO_BLOCK } from '../chain/block-table.ts'
import type { Handler, HandlerContext } from '../chain/plugin.ts'
import type { Query } from '../chain/query.ts'
import { REFUSED, Reply, SERVFAIL } from '../chain/reply.ts'
import { Chain, type Failure, type Link, OPTION_EDE } from '../chain/run.ts'
import type { BlockConfig, ListenerConfig, PluginConfig } from '../corefile/server-config.ts'
import { createLogger } from '../observe/log.ts'
import type { Registry } from '../observe/prom-client.ts'
import { Counter } from '../observe/prom-client.ts'
import { loadedPlugin, loadPlugin } from '../plugins/order.ts'
import { typeName } from '../rdata/rr-types.ts'
import type { ZoneStore } from '../zone/zone-store.ts'
import { CachedLookup } from './cached-lookup.ts'
import type { ChannelMessage, PoolData } from './pool-data.ts'

/** Internal look-ups nested in each other: CNAME from zone to zone to upstream. CoreDNS's bound for `file`. */
export const LOOKUP_DEPTH_MAX = 8

export interface BlocksParts {
  readonly data: PoolData
  readonly store: ZoneStore
  readonly registry: Registry
  readonly caches: CacheSet
  readonly post: (message: ChannelMessage) => void
}

export class Blocks {
  readonly #data: PoolData
  /** By block. */
  readonly #chains: (Chain | undefined)[] = []
  /** Queries that wait for their block's chain. */
  readonly #waiting = new Map<number, PromiseWithResolvers<Chain>>()
  readonly #parts: BlocksParts
  readonly #listeners: readonly ListenerConfig[]
  /** By listener, made for the first internal look-up. */
  readonly #tables: (BlockTable | undefined)[] = []
  readonly cached: CachedLookup
  readonly #closers: (() => void)[] = []
  readonly #listening = new Map<number, ((data: unknown) => void)[]>()
  readonly #panics: Counter
  readonly #log = createLogger()

  constructor(parts: BlocksParts) {
    const { data, registry, caches, post } = parts
    this.#panics = new Counter({
      name: 'coredns_panics_total',
      help: 'A metrics that counts the number of panics.',
      registers: [registry],
    })
    this.#data = data
    this.#parts = parts
    this.#listeners = data.config.listeners
    this.cached = new CachedLookup(caches, (blockId) => post({ kind: 'wantCache', blockId }))
  }

  /** Opens the blocks that are there. Rejects when a plugin can't be opened: the configuration is then not used. */
  async open(): Promise<void> {
    for (const block of this.#data.config.blocks) {
      if (block !== undefined) this.#chains[block.id] = new Chain(await this.#openLinks(block), this.#onFailure)
    }
  }

  /** The block's chain: a promise for the first query of one that opens late. */
  chain(blockId: number): Chain | Promise<Chain> {
    return this.#chains[blockId] ?? this.#wanted(blockId)
  }

  /** The event loop has given a block that it was asked for. */
  async openLate(block: BlockConfig): Promise<void> {
    const { id } = block
    this.#data.config.blocks[id] = block
    let links: readonly Link[]
    try {
      links = await this.#openLinks(block)
    } catch (error) {
      const fail = (): never => {
        throw error
      }
      links = [{ name: 'a plugin that opens late', handler: fail }]
    }
    const chain = new Chain(links, this.#onFailure)
    this.#chains[id] = chain
    this.#waiting.get(id)?.resolve(chain)
    this.#waiting.delete(id)
  }

  #wanted(blockId: number): Promise<Chain> {
    let waiting = this.#waiting.get(blockId)
    if (waiting === undefined) {
      waiting = Promise.withResolvers<Chain>()
      this.#waiting.set(blockId, waiting)
      this.#parts.post({ kind: 'wantBlock', blockId })
    }
    return waiting.promise
  }

  async #openLinks(block: BlockConfig): Promise<readonly Link[]> {
    const links: Link[] = []
    for (const plugin of block.plugins) {
      const { name, module } = plugin
      if (!loadedPlugin(name, module)) await loadPlugin(name, module)
      const handler = this.#openLink(block, plugin)
      if (handler !== undefined) links.push({ name, handler: await handler })
    }
    return links
  }

  /** Undefined for a plugin without a handler. The plugin is loaded. */
  #openLink(
    block: BlockConfig,
    { name, module, options, sourceId }: PluginConfig,
  ): Handler | Promise<Handler> | undefined {
    const { data, registry, store, post } = this.#parts
    return loadedPlugin(name, module)!.handle?.(options, {
      sourceId,
      block,
      log: createLogger(name),
      registry,
      store,
      listeners: data.config.listeners,
      ffi: data.ffi,
      report: (report) => post({ kind: 'report', sourceId, data: report }),
      onTold: (listener) => this.#listening.set(sourceId, [...(this.#listening.get(sourceId) ?? []), listener]),
      lookup: this.#lookup,
      onClose: (close) => this.#closers.push(close),
    })
  }

  readonly #onFailure = (query: Query, failure: Failure): void => this.#report(query, failure)
  readonly #lookup: HandlerContext['lookup'] = (query, qname, qtype) => this.lookup(query, qname, qtype)

  /** Chooses the block as the server does for a client's query and runs its chain, through that block's cache. */
  async lookup(query: Query, qname: string, qtype: number): Promise<Reply> {
    if (query.depth >= LOOKUP_DEPTH_MAX) {
      query.marks.noStore()
      return Reply.unwritten(SERVFAIL, `more than ${LOOKUP_DEPTH_MAX} internal look-ups for ${query.qname}`)
    }
    const probe = query.internal({ qname, qtype, qclass: 1 }, query.blockId)
    const blockId = this.#table(query.listenerId).find(probe.parsed)
    if (blockId === NO_BLOCK) return Reply.unwritten(REFUSED)
    const inner = blockId === query.blockId ? probe : query.internal({ qname, qtype, qclass: 1 }, blockId)
    const reply = await this.cached.run(inner, await this.chain(blockId))
    query.marks.merge(inner.marks)
    return reply
  }

  #table(listenerId: number): BlockTable {
    this.#tables[listenerId] ??= new BlockTable(this.#listeners[listenerId]!)
    return this.#tables[listenerId]
  }

  /** A reply that could not be written: our bug, or records that no message can hold. */
  failed(query: Query, error: unknown): void {
    this.#report(query, { plugin: 'the reply', error })
  }

  servfail(query: Query): Reply {
    query.marks.noStore()
    const reply = Reply.unwritten(SERVFAIL)
    reply.options.push({ code: OPTION_EDE, data: Uint8Array.of(0, 0) })
    return reply
  }

  /** A primary part told its handlers something. */
  told(sourceId: number, data: unknown): void {
    for (const listener of this.#listening.get(sourceId) ?? []) listener(data)
  }

  async close(): Promise<void> {
    for (const close of this.#closers) close()
  }

  #report(query: Query, { plugin, error }: Failure): void {
    this.#panics.inc()
    const what = error instanceof Error ? error.message : String(error)
    this.#log.error(
      `Recovered from panic in server: "${this.#listeners[query.listenerId]?.server}": plugin/${plugin}: ${query.qnameLower} ${typeName(query.qtype)}: ${what}`,
    )
    if (!(error instanceof Error) || error.stack === undefined) return
    if (wantsStacktrace(this.#data.config.blocks[query.blockId]!)) this.#log.error(error.stack)
    else this.#log.debug(error.stack)
  }
}

/** Whether the block has `errors { stacktrace }`. */
function wantsStacktrace({ plugins }: BlockConfig): boolean {
  const errors = plugins.find(({ name }) => name === 'errors')?.options as { readonly stacktrace: boolean } | undefined
  return errors?.stacktrace === true
}
