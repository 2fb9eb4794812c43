/**
 * The answer cache on the way of an internal look-up: a block with a `cache` directive answers its own server's questions
 * from there too, as the plugin does in CoreDNS. Replies from the record store alone are made anew: that costs no more,
 * and what they were made of stays known.
 */
import { type AnswerCache, type AnswerCacheHandle, HIT, MISS, STALE_VERIFY } from '../cache/answer-cache.ts'
import type { CacheSet } from '../cache/cache-set.ts'
import { acceptsRefresh, mayStore, mayStoreRefresh, NewEntry, STORE_FOR_ALL } from '../cache/new-entry.ts'
import { monotonicSeconds } from '../chain/clock.ts'
import type { Query } from '../chain/query.ts'
import { Reply } from '../chain/reply.ts'
import type { Chain } from '../chain/run.ts'
import { composeReplyMessage } from '../rdata/message.ts'
import { storeKind } from './write-reply.ts'

/** Entries that are the same for clients of both families. */
const ANY_FAMILY = 0
const SIZE_MAX = 65535

/** Replies are put together here and then copied: their length isn't known before. */
const buffer = new Uint8Array(SIZE_MAX)
const entry = new NewEntry()

export class CachedLookup {
  readonly #caches: CacheSet
  readonly #want: (blockId: number) => void
  /** Look-ups that wait for their block's cache, by block id. */
  readonly #waiting = new Map<number, (() => void)[]>()

  /** `want`: asks the event loop for a block's cache; `attach` must follow. */
  constructor(caches: CacheSet, want: (blockId: number) => void) {
    this.#caches = caches
    this.#want = want
  }

  /** The event loop has given what it was asked for. */
  attach(blockId: number, handle: AnswerCacheHandle): void {
    this.#caches.attachCache(blockId, handle)
    const waiting = this.#waiting.get(blockId) ?? []
    this.#waiting.delete(blockId)
    for (const resume of waiting) resume()
  }

  /** The answer of the chain, or what the chain answered before. Never rejects. */
  async run(query: Query, chain: Chain): Promise<Reply> {
    const { blockId, listenerId, parsed } = query
    const scope = this.#caches.scopeOf(blockId)
    const hasDirective = scope === 0
    if (!hasDirective) return chain.run(query)
    const cache = this.#caches.attachedCache(blockId, listenerId) ?? (await this.#wanted(blockId, listenerId))
    const found = cache.lookup(parsed, scope, ANY_FAMILY, monotonicSeconds())
    if (found === HIT) {
      const reply = fromCache(cache, query)
      if (reply !== undefined) return reply
    }
    const reply = await chain.run(query)
    // Another listener's look-up may have come by meanwhile.
    const again = this.#caches.attachedCache(blockId, listenerId)!
    const now = monotonicSeconds()
    const isEntry = found >= MISS && fillEntry(query, reply)
    const { policy } = again
    entry.isRefresh = found === STALE_VERIFY
    if (isEntry && (found !== STALE_VERIFY || mayStoreRefresh(policy, entry, true))) {
      again.store(parsed, entry, scope, ANY_FAMILY, now)
    }
    if (found !== STALE_VERIFY) return reply
    const isGood = isEntry && acceptsRefresh(policy, entry)
    again.endRefresh(parsed, scope, ANY_FAMILY, now, isGood)
    if (isGood || again.lookupStale(parsed, scope, ANY_FAMILY, now) !== HIT) return reply
    return fromCache(again, query) ?? reply
  }

  /** The block's cache, once the event loop has given it: the first time that an internal look-up comes to the block. */
  async #wanted(blockId: number, listenerId: number): Promise<AnswerCache> {
    await new Promise<void>((resolve) => {
      const waiting = this.#waiting.get(blockId)
      if (waiting !== undefined) waiting.push(resolve)
      else {
        this.#waiting.set(blockId, [resolve])
        this.#want(blockId)
      }
    })
    return this.#caches.attachedCache(blockId, listenerId)!
  }
}

/** The entry that was found, unless records of ours are in it. */
function fromCache(cache: AnswerCache, query: Query): Reply | undefined {
  if (cache.foundZones) return undefined
  const { parsed } = query
  // The reply's OPT is the engine's, so that of an inner reply would only have to be taken out again.
  const { hasEdns } = parsed
  parsed.hasEdns = false
  const length = cache.compose(parsed, buffer, 0, SIZE_MAX)
  parsed.hasEdns = hasEdns
  if (length === 0) return undefined
  query.marks.foreign()
  return Reply.fromWire(buffer.slice(0, length), cache.rcode)
}

/** Whether there is something to store; it is in `entry` then. */
function fillEntry(query: Query, reply: Reply): boolean {
  const { marks, parsed } = query
  entry.kind = storeKind(marks, reply)
  if (marks.cachedMark === undefined || mayStore(entry.kind, marks.reads) !== STORE_FOR_ALL) return false
  if (marks.isLocal || marks.isFixed) return false
  const message = reply.wire ?? composeReplyMessage(parsed, reply)
  entry.body.setMessage(message, 0, message.length, parsed.questionEnd)
  entry.body.rcode = reply.rcode
  entry.lifetimeSeconds = marks.cachedMark.ttlSeconds
  entry.zoneCount = 0
  entry.byFamily = false
  return true
}
