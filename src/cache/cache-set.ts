/**
 * The answer caches of one configuration: one per block with a `cache` directive, and one that all other blocks share,
 * for local and fixed entries. A block's own cache holds its local entries too, so a query is looked up once.
 *
 * A cache is made when its block's first query needs it: most of thousands of zones answer all theirs from the record
 * store. The event loop makes it; a pool thread asks for it.
 *
 * Over a reload the cache of a block whose keys and plugins are the same is taken over with all that is in it;
 * its local entries are made anew on first use, since they may be made from a configuration that is gone.
 */
import { zonesOfBlock } from '../corefile/served-zones.ts'
import type { BlockConfig, ListenerConfig, ServerConfig } from '../corefile/server-config.ts'
import { AnswerCache, type AnswerCacheHandle, type Generations } from './answer-cache.ts'
import { type CachePolicy, LOCAL_POLICY } from './policy.ts'

/** What the `cache` plugin's options hold for us. */
interface CacheDirective {
  readonly zones?: readonly string[]
  readonly policy: CachePolicy
}

/** One cache with its labels, for metrics. */
export interface LabelledCache {
  readonly cache: AnswerCache
  readonly zones: string
  readonly servers: readonly string[]
  /** Its block has a `cache` directive; the shared cache has none, and CoreDNS no series for it. */
  readonly isDirective: boolean
}

/** A block's cache, or the shared one. */
interface Member {
  readonly cache: AnswerCache
  readonly block: BlockConfig
  /** Undefined for the shared cache. */
  readonly directive: CacheDirective | undefined
  /** The block's listeners; AnswerCache's `server` is an index. */
  readonly listeners: readonly ListenerConfig[]
}

/** A pool thread's blocks may come later; it asks about those that it has. */
interface CacheConfig extends Omit<ServerConfig, 'blocks'> {
  readonly blocks: readonly (BlockConfig | undefined)[]
}

/** No scope was worked out yet. */
const UNKNOWN = -1

interface CacheSetOptions {
  readonly generations: Generations
  /** 0 is the event loop, pool threads count from 1. */
  readonly thread: number
  readonly mayRefresh: boolean
}

export class CacheSet {
  readonly #config: CacheConfig
  readonly #options: CacheSetOptions
  readonly #local: CachePolicy
  /** By block id. Blocks without a directive have the shared one. */
  readonly #members: (Member | undefined)[]
  /** By block id, once asked for. */
  readonly #scopes: Int32Array
  #shared: Member | undefined

  private constructor(config: CacheConfig, options: CacheSetOptions, local: CachePolicy) {
    this.#config = config
    this.#options = options
    this.#local = local
    this.#members = new Array<Member | undefined>(config.blocks.length).fill(undefined)
    this.#scopes = new Int32Array(config.blocks.length).fill(UNKNOWN)
  }

  /** For the event loop. `previous`: of the configuration before. `local`: the shared cache's size. */
  static create(
    config: ServerConfig,
    options: {
      readonly generations: Generations
      readonly previous?: CacheSet | undefined
      readonly local?: CachePolicy
    },
  ): CacheSet {
    const { generations, previous, local = LOCAL_POLICY } = options
    const set = new CacheSet(config, { generations, thread: 0, mayRefresh: true }, local)
    set.#takeOver(previous)
    return set
  }

  /** For pool thread number `thread`, from 1. The event loop's set gives it what it works with: `handleOf`, `attachCache`. */
  static attach(config: CacheConfig, thread: number, generations: Generations): CacheSet {
    return new CacheSet(config, { generations, thread, mayRefresh: false }, LOCAL_POLICY)
  }

  /** The cache that serves a block, made if need be; `scopeOf` goes with it. Its `server` is set for the listener. Only the event loop. */
  cacheOf(blockId: number, listenerId: number): AnswerCache {
    return forListener(this.#members[blockId] ?? this.#open(blockId), listenerId)
  }

  /** In a pool thread: the cache of a block with a directive, undefined before `attachCache`. */
  attachedCache(blockId: number, listenerId: number): AnswerCache | undefined {
    const member = this.#members[blockId]
    return member === undefined ? undefined : forListener(member, listenerId)
  }

  /** In a pool thread: from here on `attachedCache` gives this one. */
  attachCache(blockId: number, handle: AnswerCacheHandle): void {
    this.#members[blockId] ??= this.#memberOf(this.#config.blocks[blockId]!, handle)
  }

  /** What a pool thread needs for `attachCache`. */
  handleOf(blockId: number): AnswerCacheHandle {
    return (this.#members[blockId] ?? this.#open(blockId)).cache.handle
  }

  /** 0 for a block with a cache of its own, else what tells its entries from those of other blocks. */
  scopeOf(blockId: number): number {
    const scope = this.#scopes[blockId]!
    return scope === UNKNOWN ? this.#findScope(blockId) : scope
  }

  #findScope(blockId: number): number {
    const scope = directiveOf(this.#config.blocks[blockId]!) === undefined ? blockId + 1 : 0
    this.#scopes[blockId] = scope
    return scope
  }

  /** The caches that were made, with their labels. */
  labelled(): readonly LabelledCache[] {
    const found: LabelledCache[] = []
    for (const member of [this.#shared, ...this.#members]) {
      if (member === undefined || (member === this.#shared && found.length > 0)) continue
      const { cache, block, directive, listeners } = member
      const isDirective = directive !== undefined
      const zones = isDirective ? (directive.zones ?? block.zones).join(',') : ''
      found.push({ cache, zones, servers: isDirective ? listeners.map(({ server }) => server) : [''], isDirective })
    }
    return found
  }

  #open(blockId: number): Member {
    const block = this.#config.blocks[blockId]!
    const member =
      directiveOf(block) === undefined && this.#shared !== undefined ? this.#shared : this.#memberOf(block, undefined)
    if (member.directive === undefined) this.#shared = member
    this.#members[blockId] = member
    return member
  }

  /** `handle`: of a cache that is there; else one is made. */
  #memberOf(block: BlockConfig, handle: AnswerCacheHandle | undefined): Member {
    const directive = directiveOf(block)
    const listeners = directive === undefined ? [] : listenersOf(this.#config, block)
    const options = { ...this.#options, configGeneration: this.#config.generation }
    const cache =
      handle === undefined
        ? AnswerCache.create(directive?.policy ?? this.#local, { ...options, servers: Math.max(1, listeners.length) })
        : AnswerCache.attach(handle, options)
    return { cache, block, directive, listeners }
  }

  #takeOver(previous: CacheSet | undefined): void {
    if (previous === undefined) return
    const known = new Map<string, Member>()
    for (const member of previous.#members) {
      if (member?.directive !== undefined) known.set(keyOf(member.block, member.listeners), member)
    }
    if (known.size === 0) return
    for (const block of this.#config.blocks) {
      if (block === undefined || directiveOf(block) === undefined) continue
      const member = known.get(keyOf(block, listenersOf(this.#config, block)))
      if (member !== undefined) this.#members[block.id] = this.#memberOf(block, member.cache.handle)
    }
  }
}

function forListener({ cache, listeners }: Member, listenerId: number): AnswerCache {
  let server = 0
  for (let i = 1; i < listeners.length; i++) if (listeners[i]!.id === listenerId) server = i
  cache.server = server
  return cache
}

function directiveOf(block: BlockConfig): CacheDirective | undefined {
  for (const { name, options } of block.plugins) if (name === 'cache') return options as CacheDirective
  return undefined
}

function listenersOf({ listeners }: Pick<ServerConfig, 'listeners'>, block: BlockConfig): readonly ListenerConfig[] {
  return [...new Set(zonesOfBlock(listeners, block.id).map(({ listener }) => listener))]
}

/**
 * The same over a reload as long as nothing changed that the entries depend on. All plugins of the block count, for an
 * upstream or a rewrite rule that changed gives other answers: each has its source id as long as it is what it was.
 */
function keyOf(block: BlockConfig, listeners: readonly ListenerConfig[]): string {
  return JSON.stringify([block.plugins.map(({ sourceId }) => sourceId), listeners.map(({ server }) => server)])
}
