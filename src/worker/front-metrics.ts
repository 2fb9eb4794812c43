/**
 * What the front counts, for the whole life of a process: every configuration's engine goes on with the same cells, so
 * counters never go back over a reload.
 */

import type { CacheFigures } from '../cache/answer-cache.ts'
import type { CacheSet, LabelledCache } from '../cache/cache-set.ts'
import { Counter, Gauge, type Registry } from '../observe/prom-client.ts'
import type { ZoneStore } from '../zone/zone-store.ts'
import type { BlockPlans } from './block-plan.ts'
import type { PoolCounts } from './hand-off.ts'

/** Ways a query can take through the front: indexes of `FrontMetrics.ways`. */
export const WAY_STORE = 0
export const WAY_CACHE = 1
export const WAY_POOL = 2
/** A gate, or no block: an RCODE without a look-up. */
export const WAY_REFUSED = 3
export const WAY_MALFORMED = 4
export const WAY_DROPPED = 5
const WAYS = ['store', 'cache', 'pool', 'refused', 'malformed', 'dropped']

const CACHE_LABELS = ['server', 'zones', 'view'] as const
const CACHE_TYPE_LABELS = ['server', 'type', 'zones', 'view'] as const

/** What one engine shows while it lives. */
export interface EngineView {
  readonly caches: CacheSet
  /** Blocks that open late keep nothing from the record store. */
  readonly plans: BlockPlans
  readonly inFlight: () => number
}

interface CacheRow {
  readonly server: string
  readonly zones: string
  readonly figures: CacheFigures
}

export class FrontMetrics {
  /** Queries by WAY_*. */
  readonly ways = new Float64Array(WAYS.length)
  readonly pool: PoolCounts = { dispatched: 0, joined: 0, repeated: 0, abandoned: 0, shed: 0, threadDeaths: 0 }
  readonly #engines = new Set<EngineView>()
  /** What caches had counted that are gone. */
  readonly #departed: CacheRow[] = []

  constructor(registry: Registry, store: ZoneStore) {
    const registers = [registry]
    const { ways, pool } = this
    new Counter({
      name: 'shoal_front_queries_total',
      help: 'Queries by where they were answered: record store, answer cache, pool; or that were not asked anywhere.',
      labelNames: ['way'],
      registers,
      collect() {
        this.reset()
        for (const [index, way] of WAYS.entries()) this.inc({ way }, ways[index])
      },
    })
    const poolCounter = (name: string, help: string, read: () => number): void => {
      new Counter({
        name,
        help,
        registers,
        collect() {
          this.reset()
          this.inc(read())
        },
      })
    }
    poolCounter('shoal_pool_dispatched_total', 'Queries handed to pool threads.', () => pool.dispatched)
    poolCounter('shoal_pool_joined_total', 'Queries that waited for an equal one in the pool.', () => pool.joined)
    poolCounter(
      'shoal_pool_repeated_total',
      'Queries asked again because their records changed before the reply was sent.',
      () => pool.repeated,
    )
    poolCounter('shoal_pool_abandoned_total', 'Queries that the chain did not answer in time.', () => pool.abandoned)
    poolCounter('shoal_pool_shed_total', 'Queries refused because the pool was full.', () => pool.shed)
    poolCounter('shoal_pool_thread_deaths_total', 'Pool threads that died and were replaced.', () => pool.threadDeaths)
    const engines = this.#engines
    new Gauge({
      name: 'shoal_pool_in_flight',
      help: 'Queries in the pool, or waiting for an equal one there.',
      registers,
      collect() {
        let total = 0
        for (const { inFlight } of engines) total += inFlight()
        this.set(total)
      },
    })
    new Gauge({
      name: 'shoal_front_blocked_info',
      help: 'Plugins that keep the queries of a server block from the record store on the event loop.',
      labelNames: ['zones', 'plugin'],
      registers,
      collect() {
        this.reset()
        for (const { block, blockedBy } of newest(engines)?.plans.made ?? []) {
          for (const plugin of blockedBy) this.set({ zones: block.zones.join(','), plugin }, 1)
        }
      },
    })
    new Gauge({
      name: 'shoal_store_bytes',
      help: 'Octets of the record store: in use, and touched since the start.',
      labelNames: ['state'],
      registers,
      collect() {
        const { used, touched } = store.memory()
        this.set({ state: 'used' }, used)
        this.set({ state: 'touched' }, touched)
      },
    })
    this.#registerCaches(registers)
  }

  open(engine: EngineView): void {
    this.#engines.add(engine)
  }

  /** The engine is gone; what only it had counted stays. */
  close(engine: EngineView): void {
    this.#engines.delete(engine)
    const living = new Set<object>()
    for (const each of this.#engines) for (const { cache } of each.caches.labelled()) living.add(cache.region)
    for (const labelled of engine.caches.labelled()) {
      if (!living.has(labelled.cache.region)) this.#departed.push(...rowsOf(labelled))
    }
  }

  #registerCaches(registers: Registry[]): void {
    const rows = (): readonly CacheRow[] => [...this.#departed, ...this.#caches().flatMap(rowsOf)]
    const counter = (name: string, help: string, read: (figures: CacheFigures) => number): void => {
      new Counter({
        name,
        help,
        labelNames: CACHE_LABELS,
        registers,
        collect() {
          this.reset()
          for (const { server, zones, figures } of rows()) this.inc({ server, zones, view: '' }, read(figures))
        },
      })
    }
    const typed = (
      name: string,
      help: string,
      success: (figures: CacheFigures) => number,
      denial: (figures: CacheFigures) => number,
    ): void => {
      new Counter({
        name,
        help,
        labelNames: CACHE_TYPE_LABELS,
        registers,
        collect() {
          this.reset()
          for (const { server, zones, figures } of rows()) {
            this.inc({ server, type: 'success', zones, view: '' }, success(figures))
            this.inc({ server, type: 'denial', zones, view: '' }, denial(figures))
          }
        },
      })
    }
    counter('coredns_cache_requests_total', 'The count of cache requests.', ({ requests }) => requests)
    counter(
      'coredns_cache_misses_total',
      'The count of cache misses. Deprecated, derive misses from cache hits/requests counters.',
      ({ misses }) => misses,
    )
    counter(
      'coredns_cache_prefetch_total',
      'The number of times the cache has prefetched a cached item.',
      ({ prefetches }) => prefetches,
    )
    counter(
      'coredns_cache_served_stale_total',
      'The number of requests served from stale cache entries.',
      ({ servedStale }) => servedStale,
    )
    typed(
      'coredns_cache_hits_total',
      'The count of cache hits.',
      ({ hitsSuccess }) => hitsSuccess,
      ({ hitsDenial }) => hitsDenial,
    )
    typed(
      'coredns_cache_evictions_total',
      'The count of cache evictions.',
      ({ evictionsSuccess }) => evictionsSuccess,
      ({ evictionsDenial }) => evictionsDenial,
    )
    const caches = () => this.#caches()
    new Gauge({
      name: 'coredns_cache_entries',
      help: 'The number of elements in the cache.',
      labelNames: CACHE_TYPE_LABELS,
      registers,
      collect() {
        this.reset()
        for (const { cache, servers, zones, isDirective } of caches()) {
          if (!isDirective) continue
          const { success, denial } = cache.entries()
          for (const server of servers) {
            this.set({ server, type: 'success', zones, view: '' }, success)
            this.set({ server, type: 'denial', zones, view: '' }, denial)
          }
        }
      },
    })
    new Gauge({
      name: 'shoal_cache_bytes',
      help: 'Octets of the answer caches: used by entries, and reserved for all that they will ever hold.',
      labelNames: ['zones', 'state'],
      registers,
      collect() {
        this.reset()
        for (const { cache, zones } of caches()) {
          const { used, reserved } = cache.memory()
          this.inc({ zones, state: 'used' }, used)
          this.inc({ zones, state: 'reserved' }, reserved)
        }
      },
    })
    const perCache = (name: string, help: string, read: (figures: CacheFigures) => Record<string, number>): void => {
      new Counter({
        name,
        help,
        labelNames: ['reason'],
        registers,
        collect() {
          this.reset()
          for (const { figures } of rows()) {
            for (const [reason, count] of Object.entries(read(figures))) this.inc({ reason }, count)
          }
        },
      })
    }
    perCache(
      'shoal_cache_not_stored_total',
      'Replies that could have been stored but were not, by reason.',
      ({ tooLarge, locked, noRoom }) => ({ too_large: tooLarge, locked, no_room: noRoom }),
    )
  }

  /** Caches of all living engines; one that was taken over counts once. */
  #caches(): LabelledCache[] {
    const found = new Map<object, LabelledCache>()
    for (const { caches } of this.#engines) {
      for (const labelled of caches.labelled()) found.set(labelled.cache.region, labelled)
    }
    return [...found.values()]
  }
}

const ofRegistry = new WeakMap<Registry, FrontMetrics>()

/** The one that belongs to a registry, made on first use. */
export function frontMetrics(registry: Registry, store: ZoneStore): FrontMetrics {
  let metrics = ofRegistry.get(registry)
  if (metrics === undefined) {
    metrics = new FrontMetrics(registry, store)
    ofRegistry.set(registry, metrics)
  }
  return metrics
}

/** The shared cache has no series of CoreDNS's: there is no `cache` directive behind it. */
function rowsOf({ cache, servers, zones, isDirective }: LabelledCache): CacheRow[] {
  if (!isDirective) return []
  return servers.map((server, index) => ({ server, zones, figures: cache.figures(index) }))
}

function newest(engines: ReadonlySet<EngineView>): EngineView | undefined {
  return [...engines].at(-1)
}
