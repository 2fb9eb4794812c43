/**
 * What a reply was made of. While the chain runs, the accessors of `Query` note what was read outside the cache key,
 * and the plugins that made the data say what it is. The engine stores only what was positively marked, so a plugin
 * whose author never thought about caching is still right.
 *
 *   local(zone)   from the record store: lives until one of its zones changes, TTLs do not age
 *   fixed()       from the configuration alone: lives until the configuration changes, TTLs do not age
 *   cached(...)   the `cache` plugin let it be stored: ages, and follows that plugin's options
 *   noStore()     never stored, whatever else was said
 */

/** Bits of `Marks.reads`: what was read that the cache key does not hold. */
export const READ_CLIENT = 1
export const READ_FAMILY = 2
export const READ_TRANSPORT = 4
export const READ_OPTIONS = 8
export const READ_CLOCK = 16
export const READ_METADATA = 32
/** ID, source port, sizes, flags besides DO and CD: never the same twice. */
export const READ_MESSAGE = 64

/** Zones a local entry may be made from; a reply made from more is not stored. */
export const LOCAL_ZONES_MAX = 4

export interface CachedMark {
  /** Which `cache` directive: the block's id. */
  readonly blockId: number
  readonly kind: 'success' | 'denial'
  /** The answer section answers the question; false for referrals and empty replies, which are successes too. */
  readonly answers: boolean
  /** Lifetime in seconds; every record's TTL was set to it. */
  readonly ttlSeconds: number
}

export class Marks {
  reads = 0
  isLocal = false
  isFixed = false
  /** Set when some part of the reply came from elsewhere (an upstream), so that it is not local as a whole. */
  isForeign = false
  isNoStore = false
  cachedMark: CachedMark | undefined
  /** Zone references of the record store, with the generation each had when it was read. */
  readonly zones: number[] = []
  readonly generations: number[] = []

  local(zone: number, generation: number): void {
    this.isLocal = true
    const known = this.zones.indexOf(zone)
    if (known >= 0) {
      if (this.generations[known] !== generation) this.isNoStore = true
      return
    }
    if (this.zones.length >= LOCAL_ZONES_MAX) this.isNoStore = true
    else {
      this.zones.push(zone)
      this.generations.push(generation)
    }
  }

  fixed(): void {
    this.isFixed = true
  }

  foreign(): void {
    this.isForeign = true
  }

  noStore(): void {
    this.isNoStore = true
  }

  cached(mark: CachedMark): void {
    this.cachedMark = mark
  }

  /** Takes over what an internal look-up read and was made of, except its `cached` mark: that reply's lifetime is its own. */
  merge(other: Marks): void {
    this.reads |= other.reads
    if (other.isNoStore) this.isNoStore = true
    if (other.isForeign) this.isForeign = true
    if (other.isFixed) this.isFixed = true
    for (let i = 0; i < other.zones.length; i++) this.local(other.zones[i]!, other.generations[i]!)
  }
}
