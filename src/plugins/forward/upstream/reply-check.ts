/**
 * Whether a message is the answer to a query, and whether it holds together. All of it is hostile until then. Nothing
 * here allocates or throws.
 */
import { LOWER, MALFORMED } from '../../../wire/name.ts'
import { HEADER_SIZE, LABEL_SIZE_MAX, NAME_SIZE_MAX, type ParsedQuery, TYPE_OPT } from '../../../wire/parsed-query.ts'

/** Results of `checkReply`. */
export const REPLY_OK = 0
/** Not an answer to this query: another question, or a query, or another opcode. */
export const REPLY_FOREIGN = 1
/** Records that reach past the end, names that are none, more than one OPT. */
export const REPLY_BROKEN = 2
/** TC is set and the records don't hold together: some servers cut in the middle of one. Only the question is of use. */
export const REPLY_CUT = 3

/** What `checkReply` found: one object per thread, overwritten by the next call. */
export const found = {
  /** Where the question ends: the query's own `questionEnd`, since the questions are equal. */
  questionEnd: 0,
  answers: 0,
  authorities: 0,
  /** OPT record: `message[optAt .. optEnd)`; 0 and 0 when there is none. */
  optAt: 0,
  optEnd: 0,
  /** The message ends with the OPT, so that it can be cut off. */
  optIsLast: false,
  /** 12 bits with an OPT, else 4. */
  rcode: 0,
  /** Just past the last record; what follows is no part of the message. */
  end: 0,
}

const FLAG_QR = 0x80
const FLAG_TC = 0x02
const OPCODE_BITS = 0x78

/** Judges `message` as the reply to `query`, whose ID has been compared already. */
export function checkReply(message: Uint8Array, query: ParsedQuery): number {
  const length = message.length
  if (length < HEADER_SIZE) return REPLY_FOREIGN
  const flags = message[2]!
  if ((flags & FLAG_QR) === 0 || (flags & OPCODE_BITS) !== ((query.flags >>> 8) & OPCODE_BITS)) return REPLY_FOREIGN
  if (message[4] !== 0 || message[5] !== 1) return REPLY_FOREIGN
  const { name, nameLength } = query
  const questionEnd = HEADER_SIZE + nameLength + 4
  if (length < questionEnd) return REPLY_FOREIGN
  // Label lengths are below 'A', so one table does for them too.
  for (let i = 0; i < nameLength; i++) if (LOWER[message[HEADER_SIZE + i]!] !== name[i]) return REPLY_FOREIGN
  const at = HEADER_SIZE + nameLength
  if (((message[at]! << 8) | message[at + 1]!) !== query.qtype) return REPLY_FOREIGN
  if (((message[at + 2]! << 8) | message[at + 3]!) !== query.qclass) return REPLY_FOREIGN
  found.questionEnd = questionEnd
  if (walkSections(message, questionEnd)) return REPLY_OK
  return (flags & FLAG_TC) !== 0 ? REPLY_CUT : REPLY_BROKEN
}

/** Fills the rest of `found`. */
function walkSections(message: Uint8Array, questionEnd: number): boolean {
  const length = message.length
  const answers = (message[6]! << 8) | message[7]!
  const authorities = (message[8]! << 8) | message[9]!
  const additionals = (message[10]! << 8) | message[11]!
  found.answers = answers
  found.authorities = authorities
  found.optAt = 0
  found.optEnd = 0
  found.optIsLast = false
  found.rcode = message[3]! & 15
  const records = answers + authorities + additionals
  let at = questionEnd
  for (let i = 0; i < records; i++) {
    const fixed = ownerEnd(message, at, length)
    if (fixed === MALFORMED || fixed + 10 > length) return false
    const next = fixed + 10 + ((message[fixed + 8]! << 8) | message[fixed + 9]!)
    if (next > length) return false
    if (message[fixed + 1] === TYPE_OPT && message[fixed] === 0) {
      // RFC 6891 section 6.1.1: one OPT, owned by the root, in the additional section.
      if (found.optAt !== 0 || i < answers + authorities || fixed !== at + 1) return false
      if (!optionsFit(message, fixed + 10, next)) return false
      found.optAt = at
      found.optEnd = next
      found.optIsLast = i === records - 1
      found.rcode |= message[fixed + 4]! << 4
    }
    at = next
  }
  found.end = at
  return true
}

/**
 * Offset past the owner at `at`, or MALFORMED. A compression pointer has to lead to before the owner, past the header
 * (RFC 1035 section 4.1.4); where it leads is not followed.
 */
function ownerEnd(message: Uint8Array, at: number, end: number): number {
  for (let from = at; from < end && from - at < NAME_SIZE_MAX; ) {
    const size = message[from]!
    if (size === 0) return from + 1
    if (size >= 0xc0) {
      if (from + 2 > end) return MALFORMED
      const target = ((size & 0x3f) << 8) | message[from + 1]!
      return target >= HEADER_SIZE && target < at ? from + 2 : MALFORMED
    }
    if (size > LABEL_SIZE_MAX) return MALFORMED
    from += size + 1
  }
  return MALFORMED
}

function optionsFit(message: Uint8Array, from: number, end: number): boolean {
  let at = from
  while (at < end) {
    if (at + 4 > end) return false
    at += 4 + ((message[at + 2]! << 8) | message[at + 3]!)
  }
  return at === end
}
