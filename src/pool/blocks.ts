/** The chains of every server block, opened once per pool thread, and the internal look-up that goes through them. */

import type { CacheSet } from '../cache/cache-set.ts'
import { BlockTable, NO_BLOCK } from '../chain/block-table.ts'
import type { HandlerContext } from '../chain/plugin.ts'
import type { Query } from '../chain/query.ts'
import { REFUSED, Reply, SERVFAIL } from '../chain/reply.ts'
import { Chain, type Failure, type Link, OPTION_EDE } from '../chain/run.ts'
import type { BlockConfig, ListenerConfig } from '../corefile/server-config.ts'
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

export class Blocks {
  readonly #chains: readonly Chain[]
  readonly #listeners: readonly ListenerConfig[]
  /** By listener, made for the first internal look-up. */
  readonly #tables: (BlockTable | undefined)[] = []
  readonly cached: CachedLookup
  readonly #closers: (() => void)[]
  readonly #listening: Map<number, ((data: unknown) => void)[]>
  /** Blocks with `errors { stacktrace }`. */
  readonly #stacktraces: ReadonlySet<number>
  readonly #panics: Counter
  readonly #log = createLogger()

  constructor(parts: {
    chains: (onFailure: (query: Query, failure: Failure) => void) => readonly Chain[]
    listeners: readonly ListenerConfig[]
    cached: CachedLookup
    closers: (() => void)[]
    listening: Map<number, ((data: unknown) => void)[]>
    stacktraces: ReadonlySet<number>
    registry: Registry
  }) {
    this.#stacktraces = parts.stacktraces
    this.#panics = new Counter({
      name: 'coredns_panics_total',
      help: 'A metrics that counts the number of panics.',
      registers: [parts.registry],
    })
    this.#chains = parts.chains((query, failure) => this.#report(query, failure))
    this.#listeners = parts.listeners
    this.cached = parts.cached
    this.#closers = parts.closers
    this.#listening = parts.listening
  }

  chain(blockId: number): Chain {
    return this.#chains[blockId]!
  }

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
    const reply = await this.cached.run(inner, this.#chains[blockId]!)
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
    if (this.#stacktraces.has(query.blockId)) this.#log.error(error.stack)
    else this.#log.debug(error.stack)
  }
}

/** Builds every block's chain. Rejects when a plugin can't be opened: the configuration is then not used. */
export async function openBlocks(
  data: PoolData,
  store: ZoneStore,
  registry: Registry,
  caches: CacheSet,
  post: (message: ChannelMessage) => void,
): Promise<Blocks> {
  const { config } = data
  const closers: (() => void)[] = []
  const listening = new Map<number, ((data: unknown) => void)[]>()
  const linksOf: Link[][] = []
  let blocks: Blocks | undefined
  const lookup: HandlerContext['lookup'] = (query, qname, qtype) => blocks!.lookup(query, qname, qtype)
  const onClose = (close: () => void): unknown => closers.push(close)
  for (const block of config.blocks) {
    const links: Link[] = []
    for (const { name, options, sourceId, module } of block.plugins) {
      const plugin = loadedPlugin(name, module) ?? (await loadPlugin(name, module))
      if (plugin.handle === undefined) continue
      const handler = plugin.handle(options, {
        sourceId,
        block,
        log: createLogger(name),
        registry,
        store,
        listeners: config.listeners,
        ffi: data.ffi,
        report: (report) => post({ kind: 'report', sourceId, data: report }),
        onTold: (listener) => listening.set(sourceId, [...(listening.get(sourceId) ?? []), listener]),
        lookup,
        onClose,
      })
      links.push({ name, handler: handler instanceof Promise ? await handler : handler })
    }
    linksOf.push(links)
  }
  blocks = new Blocks({
    chains: (onFailure) => linksOf.map((links) => new Chain(links, onFailure)),
    listeners: config.listeners,
    cached: new CachedLookup(caches, (blockId) => post({ kind: 'wantCache', blockId })),
    closers,
    listening,
    stacktraces: new Set(config.blocks.filter(wantsStacktrace).map(({ id }) => id)),
    registry,
  })
  return blocks
}

function wantsStacktrace({ plugins }: BlockConfig): boolean {
  const errors = plugins.find(({ name }) => name === 'errors')?.options as { readonly stacktrace: boolean } | undefined
  return errors?.stacktrace === true
}
