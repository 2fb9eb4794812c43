/** Takes authority and additional records off a positive answer, in place. */
import { skipName } from '../../wire/name.ts'
import { HEADER_SIZE, TYPE_OPT } from '../../wire/parsed-query.ts'
import { recordType, skipRecord } from '../../wire/walk-records.ts'

const RCODE_MASK = 0x0f
const TYPE_NS = 2
const TYPE_SOA = 6

/**
 * Strips `bytes[start .. start+length)` and returns the new length; the OPT stays. Denials, errors and delegations, and
 * whatever isn't a well-formed message, stay as they are. Neither allocates nor throws.
 */
export function stripMessage(bytes: Uint8Array, start: number, length: number): number {
  if (length < HEADER_SIZE || (bytes[start + 3]! & RCODE_MASK) !== 0) return length
  const end = start + length
  const answers = (bytes[start + 6]! << 8) | bytes[start + 7]!
  const authorities = (bytes[start + 8]! << 8) | bytes[start + 9]!
  const additionals = (bytes[start + 10]! << 8) | bytes[start + 11]!
  if (authorities === 0 && additionals === 0) return length
  let at = start + HEADER_SIZE
  for (let i = (bytes[start + 4]! << 8) | bytes[start + 5]!; i > 0; i--) {
    at = skipName(bytes, at, end) + 4
    if (at < start + HEADER_SIZE + 4 || at > end) return length
  }
  for (let i = 0; i < answers; i++) {
    at = skipRecord(bytes, at, end)
    if (at < 0) return length
  }
  const answersEnd = at
  for (let i = 0; i < authorities; i++) {
    const from = at
    at = skipRecord(bytes, from, end)
    if (at < 0) return length
    if (answers > 0) continue
    const type = recordType(bytes, from, end)
    if (type === TYPE_SOA || type === TYPE_NS) return length
  }
  let optAt = 0
  let optEnd = 0
  for (let i = 0; i < additionals; i++) {
    const from = at
    at = skipRecord(bytes, from, end)
    if (at < 0) return length
    if (recordType(bytes, from, end) !== TYPE_OPT) continue
    // An RCODE extended by the OPT is an error too. RFC 6891 section 6.1.3.
    if (bytes[from + 5] !== 0) return length
    optAt = from
    optEnd = at
  }
  bytes[start + 8] = 0
  bytes[start + 9] = 0
  bytes[start + 10] = 0
  bytes[start + 11] = optAt === 0 ? 0 : 1
  // The OPT's owner is the root and its rdata holds no names, so it may move.
  if (optAt !== 0) bytes.copyWithin(answersEnd, optAt, optEnd)
  return answersEnd - start + (optEnd - optAt)
}
