/**
 * The answer caches of one configuration: one per block with a `cache` directive, and one that all other blocks share,
 * for local and fixed entries. A block's own cache holds its local entries too, so a query is looked up once.
 *
 * Over a reload the cache of a block whose keys and `cache` options are the same is taken over with all that is in it;
 * its local entries are made anew on first use, since they may be made from a configuration that is gone.
 */
import { createHash } from 'node:crypto'
import { zonesOfBlock } from '../corefile/served-zones.ts'
import type { ServerConfig } from '../corefile/server-config.ts'
import { AnswerCache, type AnswerCacheHandle, type AttachOptions, type Generations } from './answer-cache.ts'
import { type CachePolicy, LOCAL_POLICY } from './policy.ts'

/** What the `cache` plugin's options hold for us. */
interface CacheDirective {
  readonly zones: readonly string[]
  readonly policy: CachePolicy
}

/** One cache of the set, as plain data. */
interface Member {
  /** The same over a reload as long as nothing changed that the entries depend on. */
  readonly key: string
  readonly blockId: number
  readonly zones: readonly string[]
  /** Texts of the listeners that reach it; the index is AnswerCache's `server`. */
  readonly servers: readonly string[]
  readonly handle: AnswerCacheHandle
}

/** What a pool thread needs to attach. Plain data, but for the shared regions. */
export interface CacheSetHandle {
  readonly members: readonly Member[]
  readonly configGeneration: number
  /** By block id: index in `members`, and the scope. */
  readonly memberOf: readonly number[]
  readonly scopeOf: readonly number[]
  /** By block id: by listener id, the index of its text in the member's `servers`. */
  readonly serverOf: readonly (readonly number[])[]
}

/** One cache with its labels, for metrics. */
export interface LabelledCache {
  readonly cache: AnswerCache
  readonly zones: string
  readonly servers: readonly string[]
  /** Its block has a `cache` directive; the shared cache has none, and CoreDNS no series for it. */
  readonly isDirective: boolean
}

const SHARED = -1

export class CacheSet {
  readonly handle: CacheSetHandle
  readonly #caches: readonly AnswerCache[]

  private constructor(handle: CacheSetHandle, options: Omit<AttachOptions, 'configGeneration'>) {
    this.handle = handle
    const { configGeneration } = handle
    this.#caches = handle.members.map((member) => AnswerCache.attach(member.handle, { ...options, configGeneration }))
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
    const members: Member[] = []
    const memberOf: number[] = []
    const scopeOf: number[] = []
    const serverOf: number[][] = []
    let shared = SHARED
    for (const block of config.blocks) {
      const listeners = [...new Set(zonesOfBlock(config.listeners, block.id).map(({ listener }) => listener))]
      const servers = listeners.map(({ server }) => server)
      const directive = block.plugins.find(({ name }) => name === 'cache')?.options as CacheDirective | undefined
      serverOf.push(config.listeners.map((listener) => Math.max(0, listeners.indexOf(listener))))
      if (directive === undefined) {
        if (shared === SHARED) {
          shared = members.length
          members.push(newMember('', block.id, [], [''], local, generations))
        }
        memberOf.push(shared)
        scopeOf.push(block.id + 1)
        continue
      }
      // All plugins of the block count: an upstream or a rewrite rule that changed gives other answers.
      const key = digest({ keys: block.keys, servers, plugins: block.plugins.map(({ name, options: o }) => [name, o]) })
      const known = previous?.handle.members.find((member) => member.key === key)
      memberOf.push(members.length)
      scopeOf.push(0)
      members.push(
        known === undefined
          ? newMember(key, block.id, directive.zones, servers, directive.policy, generations)
          : { ...known, blockId: block.id },
      )
    }
    const handle = { members, configGeneration: config.generation, memberOf, scopeOf, serverOf }
    return new CacheSet(handle, { thread: 0, generations })
  }

  /** For pool thread number `thread`, from 1. */
  static attach(handle: CacheSetHandle, thread: number, generations: Generations): CacheSet {
    return new CacheSet(handle, { thread, generations, mayRefresh: false })
  }

  /** The cache that serves a block; `scopeOf` goes with it. Its `server` is set for the listener. Doesn't allocate. */
  cacheOf(blockId: number, listenerId: number): AnswerCache {
    const { memberOf, scopeOf, serverOf } = this.handle
    const cache = this.#caches[memberOf[blockId]!]!
    cache.server = scopeOf[blockId] === 0 ? serverOf[blockId]![listenerId]! : 0
    return cache
  }

  scopeOf(blockId: number): number {
    return this.handle.scopeOf[blockId]!
  }

  /** All caches with their labels. */
  labelled(): readonly LabelledCache[] {
    return this.handle.members.map(({ key, zones, servers }, index) => ({
      cache: this.#caches[index]!,
      zones: zones.join(','),
      servers,
      isDirective: key !== '',
    }))
  }
}

function newMember(
  key: string,
  blockId: number,
  zones: readonly string[],
  servers: readonly string[],
  policy: CachePolicy,
  generations: Generations,
): Member {
  const options = { thread: 0, generations, configGeneration: 0, servers: Math.max(1, servers.length) }
  return { key, blockId, zones, servers, handle: AnswerCache.create(policy, options).handle }
}

function digest(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex')
}
