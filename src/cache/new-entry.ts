/** What is to be stored, and whether it may be. */
import {
  READ_CLIENT,
  READ_CLOCK,
  READ_FAMILY,
  READ_MESSAGE,
  READ_METADATA,
  READ_OPTIONS,
  READ_TRANSPORT,
} from '../chain/marks.ts'
import { FLAG_TC, ReplyBody } from '../wire/compose-reply.ts'
import { OPCODE_QUERY, type ParsedQuery } from '../wire/parsed-query.ts'
import { KIND_FIXED, KIND_LOCAL, KIND_NONE, KIND_SUCCESS, ZONES_MAX } from './layout.ts'
import type { CachePolicy } from './policy.ts'

/** One object per user, refilled for every store. */
export class NewEntry {
  readonly body = new ReplyBody()
  /** KIND_LOCAL, KIND_FIXED, KIND_SUCCESS, KIND_DENIAL, KIND_UNANSWERED; KIND_NONE is not stored. */
  kind = KIND_NONE
  /** Cached kinds: how long it is good. Every record's TTL has been set to it. */
  lifetimeSeconds = 0
  /** Zones of the record store it was made from (at most ZONES_MAX), with the generation each had. */
  zoneCount = 0
  readonly zones = new Int32Array(ZONES_MAX)
  readonly generations = new Int32Array(ZONES_MAX)
  /** The client's family was looked at. */
  byFamily = false
  /** It comes from a refresh, not from a client's miss. */
  isRefresh = false
}

export const STORE_NEVER = 0
export const STORE_FOR_ALL = 1
export const STORE_BY_FAMILY = 2

/**
 * Whether a reply made with `reads` (READ_* of chain/marks.ts) may be stored as `kind`, and for whom. The clock may
 * have been read for what has a lifetime, not for what lives until data change.
 */
export function mayStore(kind: number, reads: number): number {
  const isLocal = kind === KIND_LOCAL || kind === KIND_FIXED
  const forbidden =
    READ_CLIENT | READ_TRANSPORT | READ_OPTIONS | READ_METADATA | READ_MESSAGE | (isLocal ? READ_CLOCK : 0)
  if ((reads & forbidden) !== 0) return STORE_NEVER
  return (reads & READ_FAMILY) !== 0 ? STORE_BY_FAMILY : STORE_FOR_ALL
}

/**
 * Whether a reply that came while a stale entry was waiting takes its place for the client. RFC 8767 section 4: only NOERROR and
 * NXDOMAIN say something about the data. With `preferPositive` only a reply that answers its question does.
 */
export function acceptsRefresh(policy: CachePolicy, { body, kind }: NewEntry): boolean {
  if ((body.flags & FLAG_TC) !== 0) return false
  if (policy.preferPositive) return kind === KIND_SUCCESS
  // NXDOMAIN behind an answer is for CoreDNS neither the one nor the other.
  return body.rcode === RCODE_NOERROR || (body.rcode === RCODE_NXDOMAIN && body.answerCount === 0)
}

/** Whether a refresh's reply is stored. `wasStale`: of an entry whose time was over, which a failure must not replace. */
export function mayStoreRefresh(policy: CachePolicy, entry: NewEntry, wasStale: boolean): boolean {
  return !wasStale || policy.preferPositive || acceptsRefresh(policy, entry)
}

const RCODE_NOERROR = 0
const RCODE_NXDOMAIN = 3
const QTYPE_IXFR = 251
const QTYPE_AXFR = 252

/**
 * Whether the query may be answered from the cache and fill it at all: no NOTIFY, transfer, TSIG or other record
 * beside the question, no client subnet (whose answers are for that subnet).
 */
export function isCacheable(query: ParsedQuery): boolean {
  return (
    query.opcode === OPCODE_QUERY &&
    !query.hasExtraRecords &&
    !query.hasClientSubnet &&
    query.qtype !== QTYPE_AXFR &&
    query.qtype !== QTYPE_IXFR
  )
}
