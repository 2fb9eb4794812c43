/** Replies without records: to what `ParsedQuery.parse` did not accept, and where nobody has an answer. */

import { copyOctets } from './copy-octets.ts'
import { OPT_SIZE, putOpt } from './opt.ts'
import { BADVERS, FORMERR, HEADER_SIZE, NOTIMP, OPCODE_QUERY, type ParsedQuery } from './parsed-query.ts'

export const RCODE_FORMERR = 1
export const RCODE_SERVFAIL = 2
export const RCODE_NOTIMP = 4
export const RCODE_REFUSED = 5
export const RCODE_BADVERS = 16

/** INFO-CODEs of Extended DNS Errors. RFC 8914 section 4. */
export const EDE_OTHER = 0
export const EDE_STALE_ANSWER = 3
export const EDE_PROHIBITED = 18
export const EDE_NOT_READY = 14
export const EDE_NOT_AUTHORITATIVE = 20
export const EDE_NO_REACHABLE_AUTHORITY = 22
export const EDE_NETWORK_ERROR = 23
/** `composeRefusal`: no Extended DNS Error. */
export const NO_EDE = -1

/** `composeRefusal`: the verdict calls for silence. */
export const NO_REPLY_LENGTH = 0

/** Header bits kept of a query: opcode, RD, CD. */
const QUERY_BITS = 0x7910
const OPTION_EDE = 15
const EDE_OPTION_SIZE = 6

const option = new Uint8Array(EDE_OPTION_SIZE)
option[1] = OPTION_EDE
option[3] = 2

/** The RCODE that answers a verdict of `ParsedQuery.parse`, or -1: no reply. */
export function rcodeOfVerdict(verdict: number): number {
  if (verdict === FORMERR) return RCODE_FORMERR
  if (verdict === NOTIMP) return RCODE_NOTIMP
  if (verdict === BADVERS) return RCODE_BADVERS
  return -1
}

/**
 * Writes a reply without records to `query` at `out[outStart]` and returns its length. The question is repeated when it
 * could be read (`questionEnd` > 0), and the OPT when the client sent one that could; with both unread (FORMERR, NOTIMP)
 * the reply is a bare header, so no malformed message is answered with a longer one. `rcode` has 12 bits. `edeCode`
 * adds an Extended DNS Error without text for clients with EDNS, or is NO_EDE. `udpSize` is our own payload size.
 * `out` needs `HEADER_SIZE + 259 + OPT_SIZE + 6` octets of room. Neither allocates nor throws.
 */
export function composeRefusal(
  query: ParsedQuery,
  rcode: number,
  edeCode: number,
  udpSize: number,
  out: Uint8Array,
  outStart: number,
): number {
  const hasQuestion = query.questionEnd > 0
  const hasOpt = hasQuestion && query.hasEdns
  // RFC 1035 section 4.1.1: RD and CD mean something in a query only.
  const bits = query.opcode === OPCODE_QUERY ? QUERY_BITS : QUERY_BITS & 0x7800
  const flags = 0x8000 | (query.flags & bits) | (rcode > 15 && !hasOpt ? RCODE_SERVFAIL : rcode & 15)
  out[outStart] = query.id >>> 8
  out[outStart + 1] = query.id
  out[outStart + 2] = flags >>> 8
  out[outStart + 3] = flags
  for (let i = 4; i < HEADER_SIZE; i++) out[outStart + i] = 0
  if (!hasQuestion) return HEADER_SIZE
  out[outStart + 5] = 1
  copyOctets(query.bytes, query.start + HEADER_SIZE, out, outStart + HEADER_SIZE, query.questionEnd - HEADER_SIZE)
  if (!hasOpt) return query.questionEnd
  out[outStart + 11] = 1
  let optionsLength = 0
  if (edeCode !== NO_EDE) {
    option[4] = edeCode >>> 8
    option[5] = edeCode
    optionsLength = EDE_OPTION_SIZE
  }
  const shown = Math.min(udpSize, query.udpSize)
  return putOpt(out, outStart + query.questionEnd, shown, rcode, query.dnssecOk, option, 0, optionsLength) - outStart
}

/** The largest reply that `composeRefusal` writes. */
export const REFUSAL_SIZE_MAX = HEADER_SIZE + 255 + 4 + OPT_SIZE + EDE_OPTION_SIZE
