/** In the pool: judges the reply that comes from behind, holds its TTLs to one lifetime, and marks it for the cache. */
import type { CachedMark } from '../../chain/marks.ts'
import type { Handler, HandlerContext } from '../../chain/plugin.ts'
import type { Query } from '../../chain/query.ts'
import type { Reply } from '../../chain/reply.ts'
import { ZoneSet } from '../../chain/zone-set.ts'
import { sharedCounter } from '../../observe/shared-metric.ts'
import { composeReplyMessage } from '../../rdata/message.ts'
import { FLAG_AD, setTtls } from '../../wire/compose-reply.ts'
import { LOWER } from '../../wire/name.ts'
import { HEADER_SIZE } from '../../wire/parsed-query.ts'
import {
  classifyReply,
  META,
  NAME_ERROR,
  NO_DATA,
  OTHER_ERROR,
  type ReplyFacts,
  SERVER_ERROR,
} from './classify-reply.ts'
import type { CacheOptions, ShareOptions } from './options.ts'

const LABELS = ['server', 'zones', 'view'] as const

export function openCache(options: CacheOptions, context: HandlerContext): Handler {
  const { zones: zoneNames = context.block.zones } = options
  const zones = new ZoneSet(zoneNames)
  const successExcept = new ZoneSet(options.successExcept)
  const denialExcept = new ZoneSet(options.denialExcept)
  const drops = sharedCounter(
    context.registry,
    'coredns_cache_drops_total',
    'The number responses that are not cached, because the reply is malformed.',
    LABELS,
  )
  const blockId = context.block.id

  const judge = (query: Query, reply: Reply): Reply => {
    if (reply.unwritten || reply.dropped || isOwnData(query)) return reply
    const { parsed } = query
    const message = reply.wire ?? composeReplyMessage(parsed, reply)
    const facts = classifyReply(
      message,
      reply.rcode,
      parsed.questionEnd,
      parsed.qtype,
      parsed.dnssecOk,
      Math.floor(Date.now() / 1000),
    )
    if (facts.type === META) return reply
    const lifetimeSeconds = lifetimeOf(facts, options)
    const count = recordCount(message)
    setTtls(message, parsed.questionEnd, message.length, count, lifetimeSeconds)
    reply.setWire(message)
    const kind = kindOf(facts)
    if (kind === undefined || reply.truncated || lifetimeSeconds <= 0) return reply
    // An upstream asked without RD answers from what it happens to hold: true for this client, not for others.
    if (!parsed.recursionDesired) return reply
    if (!hasQuestion(message, query)) {
      drops.inc({ server: context.listeners[query.listenerId]?.server ?? '', zones: zoneNames.join(','), view: '' })
      return reply
    }
    if ((kind === 'denial' ? denialExcept : successExcept).holds(parsed)) return reply
    query.marks.cached({ blockId, kind, answers: facts.answers, ttlSeconds: lifetimeSeconds })
    return reply
  }

  return (query, next) => {
    if (!zones.holds(query.parsed)) return next(query)
    const before = raiseAd(query)
    let reply: Reply | Promise<Reply>
    try {
      reply = next(query)
    } catch (error) {
      restoreAd(query, before)
      throw error
    }
    if (!(reply instanceof Promise)) {
      restoreAd(query, before)
      return judge(query, reply)
    }
    return reply.then(
      (late) => {
        restoreAd(query, before)
        return judge(query, late)
      },
      (error: unknown) => {
        restoreAd(query, before)
        throw error
      },
    )
  }
}

/** Made from data of this server alone: the answer cache holds it until the data change, TTLs as they are. */
function isOwnData({ marks }: Query): boolean {
  return (marks.isLocal || marks.isFixed) && !marks.isForeign
}

/**
 * The plugins behind see AD=1 in every query, so that one stored reply serves clients that asked for the bit and those
 * that did not (RFC 6840 section 5.7); the composer takes AD off for the latter. The slot is this thread's until its reply.
 */
function raiseAd({ parsed }: Query): number {
  const before = parsed.flags
  setFlags(parsed, before | FLAG_AD)
  return before
}

function restoreAd({ parsed }: Query, before: number): void {
  setFlags(parsed, before)
}

function setFlags(parsed: Query['parsed'], flags: number): void {
  parsed.flags = flags
  parsed.bytes[parsed.start + 3] = flags & 0xff
}

function recordCount(message: Uint8Array): number {
  const read16 = (at: number): number => (message[at]! << 8) | message[at + 1]!
  return read16(6) + read16(8) + read16(10)
}

/** Seconds that the reply is good for, and its records' TTL. */
function lifetimeOf({ type, ttlSeconds }: ReplyFacts, { success, denial, servfailSeconds }: CacheOptions): number {
  if (type === SERVER_ERROR) return servfailSeconds
  const { ttlMax, ttlMin }: ShareOptions = type === NAME_ERROR || type === NO_DATA ? denial : success
  return Math.min(Math.max(ttlSeconds, ttlMin), ttlMax)
}

/** Which share keeps it; undefined: none. */
function kindOf({ type, hasSoa, dangles }: ReplyFacts): CachedMark['kind'] | undefined {
  if (type === OTHER_ERROR || dangles) return undefined
  // RFC 2308 section 5: without an SOA nothing says how long a denial holds.
  if (type === NAME_ERROR) return hasSoa ? 'denial' : undefined
  if (type === NO_DATA || type === SERVER_ERROR) return 'denial'
  return 'success'
}

/** Whether the reply repeats the query's question, ignoring case. */
function hasQuestion(message: Uint8Array, { parsed }: Query): boolean {
  const { questionEnd, name, nameLength } = parsed
  if (message[4] !== 0 || message[5] !== 1 || message.length < questionEnd) return false
  for (let i = 0; i < nameLength; i++) if (LOWER[message[HEADER_SIZE + i]!] !== name[i]) return false
  for (let at = questionEnd - 4; at < questionEnd; at++) {
    if (message[at] !== parsed.bytes[parsed.start + at]) return false
  }
  return true
}
