/**
 * What a reply says, as CoreDNS's cache sorts replies (its `pkg/response` Typify, `pkg/dnsutil` MinimalTTL and the
 * cache's own rule for NODATA). On wire bytes, in time linear in the reply.
 */
import { skipName } from '../../wire/name.ts'
import { HEADER_SIZE } from '../../wire/parsed-query.ts'
import { answersQuestion } from './answers-question.ts'

/** Types of replies. */
export const NO_ERROR = 1
export const NAME_ERROR = 2
/** SERVFAIL and NOTIMP. */
export const SERVER_ERROR = 3
export const NO_DATA = 4
export const DELEGATION = 5
/** NOTIFY and transfers. */
export const META = 6
/** Never stored. */
export const OTHER_ERROR = 7

const TYPE_NS = 2
const TYPE_SOA = 6
const TYPE_RRSIG = 46
const QTYPE_IXFR = 251
const QTYPE_AXFR = 252
const OPCODE_QUERY = 0
const RCODE_NOERROR = 0
const RCODE_SERVFAIL = 2
const RCODE_NXDOMAIN = 3
const RCODE_NOTIMP = 4

/** Lifetime of what has no TTL of its own to go by. */
const TTL_FALLBACK = 5

export interface ReplyFacts {
  readonly type: number
  /** There is an SOA in the authority section. */
  readonly hasSoa: boolean
  /** NOERROR, and the answer section answers the question. */
  readonly answers: boolean
  /** NOERROR with an answer section that does not answer it, and no SOA that says for how long. */
  readonly dangles: boolean
  /** Smallest TTL of all records, or TTL_FALLBACK where none counts. */
  readonly ttlSeconds: number
}

/**
 * Sorts the reply `message`, which has no OPT. `rcode` has 12 bits; `dnssecOk`: the client set DO, so a signature
 * outside its validity makes the reply an error; `unixSeconds` is the wall clock for that.
 */
export function classifyReply(
  message: Uint8Array,
  rcode: number,
  questionEnd: number,
  qtype: number,
  dnssecOk: boolean,
  unixSeconds: number,
): ReplyFacts {
  const answerCount = read16(message, 6)
  const authorityCount = read16(message, 8)
  const count = answerCount + authorityCount + read16(message, 10)
  let at = questionEnd
  let hasSoa = false
  let hasNs = false
  let hasExpired = false
  let ttlSeconds = 0xffffffff
  for (let i = 0; i < count; i++) {
    const fixed = skipName(message, at, message.length)
    if (fixed < HEADER_SIZE || fixed + 10 > message.length) return MALFORMED_REPLY
    const type = read16(message, fixed)
    const ttl = read32(message, fixed + 4)
    const rdataAt = fixed + 10
    at = rdataAt + read16(message, fixed + 8)
    if (at > message.length) return MALFORMED_REPLY
    if (ttl < ttlSeconds) ttlSeconds = ttl
    if (i >= answerCount && i < answerCount + authorityCount) {
      if (type === TYPE_SOA) hasSoa = true
      else if (type === TYPE_NS) hasNs = true
    }
    if (dnssecOk && type === TYPE_RRSIG && at - rdataAt >= 18 && !isValidAt(message, rdataAt, unixSeconds)) {
      hasExpired = true
    }
  }
  const opcode = (message[2]! >>> 3) & 15
  const answers = rcode === RCODE_NOERROR && answerCount > 0 && answersQuestion(message, questionEnd, answerCount)
  let type = typify(opcode, rcode, qtype, answerCount, hasSoa, hasNs, hasExpired)
  // A CNAME whose target has no such type: NOERROR with an answer section, and still a denial. RFC 2308 section 2.2.
  if (type === NO_ERROR && answerCount > 0 && hasSoa && !answers) type = NO_DATA
  const dangles = type === NO_ERROR && answerCount > 0 && !answers
  const hasTtl = type === NO_ERROR || type === NAME_ERROR || type === NO_DATA
  return { type, hasSoa, answers, dangles, ttlSeconds: hasTtl && count > 0 ? ttlSeconds : TTL_FALLBACK }
}

const MALFORMED_REPLY: ReplyFacts = {
  type: OTHER_ERROR,
  hasSoa: false,
  answers: false,
  dangles: false,
  ttlSeconds: TTL_FALLBACK,
}

function typify(
  opcode: number,
  rcode: number,
  qtype: number,
  answerCount: number,
  hasSoa: boolean,
  hasNs: boolean,
  hasExpired: boolean,
): number {
  if (opcode !== OPCODE_QUERY || qtype === QTYPE_AXFR || qtype === QTYPE_IXFR) return META
  if (hasExpired) return OTHER_ERROR
  if (answerCount > 0 && rcode === RCODE_NOERROR) return NO_ERROR
  if (answerCount > 0 && rcode === RCODE_NXDOMAIN) return OTHER_ERROR
  if (hasSoa && rcode === RCODE_NOERROR) return NO_DATA
  if (rcode === RCODE_NXDOMAIN) return NAME_ERROR
  if (rcode === RCODE_SERVFAIL || rcode === RCODE_NOTIMP) return SERVER_ERROR
  if (rcode !== RCODE_NOERROR) return OTHER_ERROR
  return hasNs ? DELEGATION : NO_ERROR
}

/** RFC 4034 section 3.1.5: both times are serial numbers modulo 2^32 (RFC 1982). */
function isValidAt(message: Uint8Array, rdataAt: number, unixSeconds: number): boolean {
  const now = unixSeconds | 0
  const expiration = read32(message, rdataAt + 8) | 0
  const inception = read32(message, rdataAt + 12) | 0
  return ((expiration - now) | 0) >= 0 && ((now - inception) | 0) >= 0
}

function read16(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!
}

function read32(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0
}
