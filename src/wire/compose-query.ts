/** A client's query with another question, as a message of its own: for rewrites and internal look-ups. */
import { textToName } from './name.ts'
import { HEADER_SIZE, type ParsedQuery, TYPE_OPT } from './parsed-query.ts'

/** Octets of an OPT record before its options: root owner, type, class, TTL, rdata length. RFC 6891 section 6.1.2. */
const OPT_SIZE = 11

/** The question of the new message. `qname`: presentation format, taken as absolute. */
export interface QuestionFields {
  readonly qname: string
  readonly qtype: number
  readonly qclass: number
}

/**
 * A new message: ID and flags of the query, the other question, and the query's OPT with its size, version, DO bit and
 * options. It is built from what was parsed, never from octets nobody looked at, so other records (a TSIG, whose
 * signature would not hold any more, or the SOA of IXFR) are left out. Allocates; throws NameError for a bad qname.
 */
export function composeQuery(parsed: ParsedQuery, { qname, qtype, qclass }: QuestionFields): Uint8Array {
  const name = textToName(qname)
  const { bytes, start, optionsAt, optionsLength } = parsed
  const questionEnd = HEADER_SIZE + name.length + 4
  const message = new Uint8Array(questionEnd + (parsed.hasEdns ? OPT_SIZE + optionsLength : 0))
  put16(message, 0, parsed.id)
  put16(message, 2, parsed.flags)
  put16(message, 4, 1)
  put16(message, 10, parsed.hasEdns ? 1 : 0)
  message.set(name, HEADER_SIZE)
  put16(message, questionEnd - 4, qtype)
  put16(message, questionEnd - 2, qclass)
  if (parsed.hasEdns) {
    put16(message, questionEnd + 1, TYPE_OPT)
    put16(message, questionEnd + 3, parsed.udpSize)
    message[questionEnd + 6] = parsed.ednsVersion
    message[questionEnd + 7] = parsed.dnssecOk ? 0x80 : 0
    put16(message, questionEnd + 9, optionsLength)
    message.set(bytes.subarray(start + optionsAt, start + optionsAt + optionsLength), questionEnd + OPT_SIZE)
  }
  return message
}

function put16(message: Uint8Array, at: number, value: number): void {
  message[at] = value >>> 8
  message[at + 1] = value
}
