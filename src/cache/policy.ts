/**
 * What the `cache` plugin's options mean for a lookup: plain data that the plugin parses, and the rules that need no
 * memory. `answer-cache.ts` applies them on the event loop.
 */

export interface CachePolicy {
  /** Ordinary answers that the two shares hold. Rounded as CoreDNS does: see `capacityOf`. */
  readonly successCapacity: number
  readonly denialCapacity: number
  /** Hits without a gap of prefetchSeconds that make an entry worth fetching again before it ends; 0: never. */
  readonly prefetchAmount: number
  readonly prefetchSeconds: number
  /** Of the lifetime, what must be left at most for that. */
  readonly prefetchPercent: number
  /** Seconds for which an entry is served after its end; 0: not at all. */
  readonly staleSeconds: number
  /** Ask first, and serve stale only when that gives nothing. */
  readonly staleVerify: boolean
  /** Milliseconds to wait for that; 0: as long as the chain takes. */
  readonly staleVerifyMs: number
  /** TTL of a stale reply. */
  readonly staleTtlSeconds: number
  /** Seconds between a refresh that failed and the next try; 0: at once. */
  readonly staleRecheckSeconds: number
  /** A positive answer, stale too, goes before denials and replies that answer nothing. */
  readonly preferPositive: boolean
  /** TTLs don't count down. */
  readonly keepTtl: boolean
}

export const CAPACITY_DEFAULT = 10000

/** Entries that no `cache` directive rules: local ones only, which don't age. */
export const LOCAL_POLICY: CachePolicy = {
  successCapacity: 16384,
  denialCapacity: 16384,
  prefetchAmount: 0,
  prefetchSeconds: 0,
  prefetchPercent: 0,
  staleSeconds: 0,
  staleVerify: false,
  staleVerifyMs: 0,
  staleTtlSeconds: 0,
  staleRecheckSeconds: 0,
  preferPositive: false,
  keepTtl: false,
}

/** CoreDNS's shards: a capacity is a multiple of it, and at least four times it. */
const CAPACITY_STEP = 256
/** Above this a share takes a gibibyte. */
export const CAPACITY_MAX = 1 << 22

/** Entries that a configured capacity really gives. */
export function capacityOf(configured: number): number {
  const steps = Math.max(4, Math.floor(configured / CAPACITY_STEP))
  return Math.min(CAPACITY_MAX, steps * CAPACITY_STEP)
}
