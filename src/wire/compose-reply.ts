/**
 * Composes a reply from sections that are in wire form already: what the chain gave back, or what the answer cache
 * holds. One composer for both, so that a client cannot tell a hit from a miss.
 *
 *   ┌────────┬──────────┬──────────────────────────────┬───────────┐
 *   │ header │ question │ body: answer, authority,     │ OPT       │
 *   │ client │ client's │ additional, as they are kept │ if client │
 *   │ ID, RD │ own case │ (without OPT)                │ sent one  │
 *   └────────┴──────────┴──────────────────────────────┴───────────┘
 *
 * A body holds absolute compression pointers: they stay right because a body is only ever put behind a question of the
 * length that it was made for. Records are dropped from the end only, so no pointer leads to a dropped one.
 *
 * Size: OPT is reserved first. When the rest does not fit, whole RRsets are dropped from the end. TC is set when one of
 * them was required (RFC 2181 section 9): always for the answer section and for negative proofs and referrals with
 * their glue (RFC 9471), not for additional data of an answer and not for the NS RRset beside one. CoreDNS drops single
 * records and always sets TC; NSD, Knot and BIND do as we do, and a client is spared a retry over TCP.
 *
 * Options: those of the reply (`ReplyBody.options`) only. CoreDNS echoes a client's NSID, EXPIRE, COOKIE, TCP-KEEPALIVE and PADDING
 * options: a server cookie has to be made, not echoed (RFC 7873 section 5.2), padding is added on encrypted transports only (RFC 7830
 * section 6), keepalive carries the server's time-out (RFC 7828 section 3.2.2) and EXPIRE the zone's (RFC 7314), so an echo says
 * something false. Plugins that know (`nsid`) add theirs.
 */
import { copyOctets } from './copy-octets.ts'
import { OPT_SIZE, putOpt, UDP_REPLY_SIZE_MAX } from './opt.ts'
import { HEADER_SIZE, type ParsedQuery } from './parsed-query.ts'

/** Header bits of a reply, at their place in the 16 bits after the ID. RFC 1035 section 4.1.1, RFC 4035 section 3.2.3. */
export const FLAG_AA = 0x0400
export const FLAG_TC = 0x0200
export const FLAG_RA = 0x0080
export const FLAG_AD = 0x0020

/** `ReplyBody.ttlSeconds`: the TTLs stay as they are. */
export const KEEP_TTL = -1

const FLAG_QR = 0x8000
/** Copied from the query: opcode, RD, CD. */
const QUERY_BITS = 0x7910
const BODY_BITS = FLAG_AA | FLAG_TC | FLAG_RA
const RCODE_SERVFAIL = 2
const TYPE_NS = 2
const TYPE_SOA = 6
const TYPE_RRSIG = 46
const POINTERS_MAX = 64

const NO_OCTETS = new Uint8Array(0)

/** What a reply is made of. One object per user, refilled for every reply. */
export class ReplyBody {
  /** Holds the sections: `bytes[bodyAt .. bodyAt+bodyLength)`, which followed a question of the query's length. */
  bytes: Uint8Array = NO_OCTETS
  bodyAt = 0
  bodyLength = 0
  answerCount = 0
  authorityCount = 0
  additionalCount = 0
  /** FLAG_AA, FLAG_TC (an upstream's), FLAG_RA, FLAG_AD; other bits are ignored. */
  flags = 0
  /** 12 bits. */
  rcode = 0
  /** Options of the reply's OPT in wire form: `options[optionsAt .. optionsAt+optionsLength)`. */
  options: Uint8Array = NO_OCTETS
  optionsAt = 0
  optionsLength = 0
  /** TTL of every record, or KEEP_TTL. */
  ttlSeconds = KEEP_TTL

  /** Reads flags and counts from the header of a whole message at `bytes[start]` and points at its sections. */
  setMessage(bytes: Uint8Array, start: number, length: number, questionEnd: number): void {
    this.bytes = bytes
    this.bodyAt = start + questionEnd
    this.bodyLength = length - questionEnd
    this.flags = (bytes[start + 2]! << 8) | bytes[start + 3]!
    this.rcode = this.flags & 15
    this.answerCount = (bytes[start + 6]! << 8) | bytes[start + 7]!
    this.authorityCount = (bytes[start + 8]! << 8) | bytes[start + 9]!
    this.additionalCount = (bytes[start + 10]! << 8) | bytes[start + 11]!
    this.optionsLength = 0
    this.ttlSeconds = KEEP_TTL
  }
}

/** Outcome of the last cut, beside its length. */
let keptAnswers = 0
let keptAuthorities = 0
let keptAdditionals = 0
let cutFlags = 0

/**
 * Writes the reply to `query` at `out[outStart]` and returns its length, at most `sizeMax`: what the client takes, so
 * `min(query.udpSize, the server's own limit)` over UDP and 65535 over TCP. 0 when not even header, question and OPT
 * fit. `out` must have room for `sizeMax` octets. A body that is not whole records is dropped from the first bad octet
 * on, with TC. Neither allocates nor throws.
 */
export function composeReply(
  query: ParsedQuery,
  body: ReplyBody,
  out: Uint8Array,
  outStart: number,
  sizeMax: number,
): number {
  const { questionEnd } = query
  const { bodyLength } = body
  if (questionEnd + bodyLength + optSize(query, body, sizeMax) <= sizeMax) {
    copyOctets(body.bytes, body.bodyAt, out, outStart + questionEnd, bodyLength)
    return finishReply(query, body, out, outStart, sizeMax)
  }
  const limit = sizeMax - optSize(query, body, sizeMax)
  if (limit < questionEnd) return 0
  const kept = cut(query, body, limit - questionEnd)
  copyOctets(body.bytes, body.bodyAt, out, outStart + questionEnd, kept)
  return put(query, body, out, outStart, sizeMax, kept, keptAnswers, keptAuthorities, keptAdditionals, cutFlags)
}

/** Octets that the reply's OPT will take. */
function optSize(query: ParsedQuery, body: ReplyBody, sizeMax: number): number {
  if (!query.hasEdns) return 0
  const size = OPT_SIZE + body.optionsLength
  // Options help to understand a reply; they must not be what breaks it.
  return query.questionEnd + size <= sizeMax ? size : OPT_SIZE
}

/** Whether the reply to `query` fits whole: then the body may be copied to its place first and `finishReply` called. */
export function fitsWhole(query: ParsedQuery, body: ReplyBody, sizeMax: number): boolean {
  return query.questionEnd + body.bodyLength + optSize(query, body, sizeMax) <= sizeMax
}

/**
 * The rest of `composeReply` for a body that fits (`fitsWhole`) and that the caller has already put at
 * `out[outStart + query.questionEnd]`: header, question, TTLs, OPT. Returns the reply's length.
 */
export function finishReply(
  query: ParsedQuery,
  body: ReplyBody,
  out: Uint8Array,
  outStart: number,
  sizeMax: number,
): number {
  const { bodyLength, answerCount, authorityCount, additionalCount } = body
  return put(query, body, out, outStart, sizeMax, bodyLength, answerCount, authorityCount, additionalCount, 0)
}

function put(
  query: ParsedQuery,
  body: ReplyBody,
  out: Uint8Array,
  outStart: number,
  sizeMax: number,
  bodyLength: number,
  answerCount: number,
  authorityCount: number,
  additionalCount: number,
  moreFlags: number,
): number {
  const { questionEnd } = query
  let flags = FLAG_QR | (query.flags & QUERY_BITS) | (body.flags & BODY_BITS) | moreFlags
  // RFC 6840 section 5.8: AD only for those who asked for it, by DO or by AD.
  if ((body.flags & FLAG_AD) !== 0 && (query.dnssecOk || (query.flags & FLAG_AD) !== 0)) flags |= FLAG_AD
  // An extended RCODE can't be said without OPT; four bits of it alone would say something else (BADVERS: NOERROR).
  flags |= body.rcode > 15 && !query.hasEdns ? RCODE_SERVFAIL : body.rcode & 15
  const hasOpt = query.hasEdns
  const additionals = additionalCount + (hasOpt ? 1 : 0)
  out[outStart] = query.id >>> 8
  out[outStart + 1] = query.id
  out[outStart + 2] = flags >>> 8
  out[outStart + 3] = flags
  out[outStart + 4] = 0
  out[outStart + 5] = 1
  out[outStart + 6] = answerCount >>> 8
  out[outStart + 7] = answerCount
  out[outStart + 8] = authorityCount >>> 8
  out[outStart + 9] = authorityCount
  out[outStart + 10] = additionals >>> 8
  out[outStart + 11] = additionals
  copyOctets(query.bytes, query.start + HEADER_SIZE, out, outStart + HEADER_SIZE, questionEnd - HEADER_SIZE)
  const bodyAt = outStart + questionEnd
  if (body.ttlSeconds !== KEEP_TTL) {
    setTtls(out, bodyAt, bodyAt + bodyLength, answerCount + authorityCount + additionalCount, body.ttlSeconds)
  }
  if (!hasOpt) return questionEnd + bodyLength
  const optionsLength = optSize(query, body, sizeMax) - OPT_SIZE
  // The size shown is what this client gets over UDP: our own limit, where that is lower than the client's.
  const udpSize = Math.min(sizeMax, query.udpSize, UDP_REPLY_SIZE_MAX)
  const end = putOpt(
    out,
    bodyAt + bodyLength,
    udpSize,
    body.rcode,
    query.dnssecOk,
    body.options,
    body.optionsAt,
    optionsLength,
  )
  return end - outStart
}

/** Writes one TTL into `count` records at `bytes[at .. end)`; stops at what is not a record. Neither allocates nor throws. */
export function setTtls(bytes: Uint8Array, at: number, end: number, count: number, ttlSeconds: number): void {
  for (let i = 0; i < count; i++) {
    at = nameEnd(bytes, at, end)
    if (at < 0 || at + 10 > end) return
    bytes[at + 4] = ttlSeconds >>> 24
    bytes[at + 5] = ttlSeconds >>> 16
    bytes[at + 6] = ttlSeconds >>> 8
    bytes[at + 7] = ttlSeconds
    at += 10 + ((bytes[at + 8]! << 8) | bytes[at + 9]!)
  }
}

/** Offset just past the name at `at`, or -1. Where a pointer leads is not looked at. */
function nameEnd(bytes: Uint8Array, at: number, end: number): number {
  while (at < end) {
    const size = bytes[at]!
    if (size === 0) return at + 1
    if (size >= 0xc0) return at + 2 <= end ? at + 2 : -1
    if (size > 63) return -1
    at += size + 1
  }
  return -1
}

/**
 * How many octets of the body, at most `room`, can be kept without splitting an RRset. Sets keptAnswers,
 * keptAuthorities, keptAdditionals, and cutFlags to FLAG_TC when something required was dropped.
 */
function cut(query: ParsedQuery, body: ReplyBody, room: number): number {
  const { bytes, bodyAt, bodyLength, answerCount, authorityCount, additionalCount } = body
  const end = bodyAt + bodyLength
  const count = answerCount + authorityCount + additionalCount
  let at = bodyAt
  let kept = 0
  let keptAt = bodyAt
  let ownerBefore = -1
  let typeBefore = -1
  for (let i = 0; i < count; i++) {
    const fixed = nameEnd(bytes, at, end)
    if (fixed < 0 || fixed + 10 > end) break
    const type = typeAt(bytes, fixed)
    const next = fixed + 10 + ((bytes[fixed + 8]! << 8) | bytes[fixed + 9]!)
    if (next > end) break
    const isFirst = i === answerCount || i === answerCount + authorityCount
    if (isFirst || type !== typeBefore || !sameName(query, body, ownerBefore, at)) {
      kept = i
      keptAt = at
    }
    if (next - bodyAt > room) break
    ownerBefore = at
    typeBefore = type
    at = next
    if (i === count - 1) {
      kept = count
      keptAt = at
    }
  }
  keptAnswers = Math.min(kept, answerCount)
  keptAuthorities = Math.min(kept - keptAnswers, authorityCount)
  keptAdditionals = kept - keptAnswers - keptAuthorities
  cutFlags = isRequired(body, kept, keptAt) ? FLAG_TC : 0
  return keptAt - bodyAt
}

/** Whether some record from number `index`, at `at`, on has to be in the reply. */
function isRequired(body: ReplyBody, index: number, at: number): boolean {
  const { bytes, bodyAt, bodyLength, answerCount, authorityCount, additionalCount } = body
  if (index >= answerCount + authorityCount + additionalCount) return false
  if (index < answerCount) return true
  if (answerCount === 0) return index < answerCount + authorityCount || isReferral(body)
  const end = bodyAt + bodyLength
  for (let i = index; i < answerCount + authorityCount; i++) {
    const fixed = nameEnd(bytes, at, end)
    if (fixed < 0 || fixed + 10 > end) return true
    let type = typeAt(bytes, fixed)
    const rdataLength = (bytes[fixed + 8]! << 8) | bytes[fixed + 9]!
    if (type === TYPE_RRSIG && rdataLength >= 2 && fixed + 12 <= end) type = typeAt(bytes, fixed + 10)
    if (type !== TYPE_NS) return true
    at = fixed + 10 + rdataLength
  }
  return false
}

/** No answer, and the authority section shows NS without SOA. RFC 2308 section 2.2. */
function isReferral(body: ReplyBody): boolean {
  const { bytes, bodyAt, bodyLength, authorityCount, rcode } = body
  if (rcode !== 0) return false
  const end = bodyAt + bodyLength
  let at = bodyAt
  let hasNs = false
  for (let i = 0; i < authorityCount; i++) {
    const fixed = nameEnd(bytes, at, end)
    if (fixed < 0 || fixed + 10 > end) return hasNs
    const type = typeAt(bytes, fixed)
    if (type === TYPE_SOA) return false
    if (type === TYPE_NS) hasNs = true
    at = fixed + 10 + ((bytes[fixed + 8]! << 8) | bytes[fixed + 9]!)
  }
  return hasNs
}

function typeAt(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!
}

/** The message's octet at `offset`: below questionEnd the client's question, from there on the body. -1 outside. */
function octetAt(query: ParsedQuery, body: ReplyBody, offset: number): number {
  if (offset < query.questionEnd) return query.bytes[query.start + offset]!
  return offset < query.questionEnd + body.bodyLength ? body.bytes[body.bodyAt + offset - query.questionEnd]! : -1
}

/** Whether two owners, at absolute places in the body's bytes, are equal ignoring case. Bounded on hostile pointers. */
function sameName(query: ParsedQuery, body: ReplyBody, a: number, b: number): boolean {
  const shift = query.questionEnd - body.bodyAt
  let left = a + shift
  let right = b + shift
  let pointers = 0
  for (;;) {
    let size = octetAt(query, body, left)
    while (size >= 0xc0) {
      if (++pointers > POINTERS_MAX) return false
      left = ((size & 0x3f) << 8) | octetAt(query, body, left + 1)
      size = octetAt(query, body, left)
    }
    let other = octetAt(query, body, right)
    while (other >= 0xc0) {
      if (++pointers > POINTERS_MAX) return false
      right = ((other & 0x3f) << 8) | octetAt(query, body, right + 1)
      other = octetAt(query, body, right)
    }
    if (size !== other || size < 0 || size > 63) return false
    if (size === 0 || left === right) return true
    for (let i = 1; i <= size; i++) {
      if (lower(octetAt(query, body, left + i)) !== lower(octetAt(query, body, right + i))) return false
    }
    left += size + 1
    right += size + 1
  }
}

function lower(octet: number): number {
  return octet >= 0x41 && octet <= 0x5a ? octet | 0x20 : octet
}
