/** Takes records over from one message into a reply being written: names in full first, then compressed against the new reply. */
import { EXPANDED_SIZE_MAX, expandRdata } from '../rdata/rdata.ts'
import { expandName, skipName } from '../wire/name.ts'
import { REQUIRED, type ReplyWriter } from '../wire/reply-writer.ts'

const owner = new Uint8Array(256)
const rdata = new Uint8Array(EXPANDED_SIZE_MAX)

/** The message can't be read. */
export const UNREADABLE = -1

/**
 * Copies the record at `message[at]` into `section` of `writer`. Offsets in pointers count from `start`, the message ends
 * before `end`. Returns the offset past the record, or UNREADABLE; a record that doesn't fit sets TC. Neither
 * allocates nor throws.
 */
export function copyRecord(
  message: Uint8Array,
  start: number,
  end: number,
  at: number,
  writer: ReplyWriter,
  section: number,
): number {
  const fixed = skipName(message, at, end)
  if (fixed < 0 || fixed + 10 > end || expandName(message, start, end, at, owner, 0) < 0) return UNREADABLE
  const type = (message[fixed]! << 8) | message[fixed + 1]!
  const rclass = (message[fixed + 2]! << 8) | message[fixed + 3]!
  const ttl =
    (message[fixed + 4]! << 24) | (message[fixed + 5]! << 16) | (message[fixed + 6]! << 8) | message[fixed + 7]!
  const rdataEnd = fixed + 10 + ((message[fixed + 8]! << 8) | message[fixed + 9]!)
  if (rdataEnd > end) return UNREADABLE
  const size = expandRdata(type, message, start, fixed + 10, rdataEnd, rdata, 0)
  if (size < 0) return UNREADABLE
  writer.putRecord(section, owner, type, rclass, ttl, rdata, 0, size, REQUIRED)
  return rdataEnd
}

/**
 * Copies records of a whole message that starts at 0: those of `fromSection` (0 answer, 1 authority, 2 additional) whose
 * type `accepts` holds. Returns how many, or UNREADABLE.
 */
export function copySection(
  message: Uint8Array,
  fromSection: number,
  writer: ReplyWriter,
  section: number,
  accepts: (type: number) => boolean = () => true,
): number {
  const end = message.length
  let at = skipName(message, 12, end) + 4
  let copied = 0
  for (let part = 0; part <= fromSection; part++) {
    const countAt = 6 + 2 * part
    for (let left = (message[countAt]! << 8) | message[countAt + 1]!; left > 0; left--) {
      const fixed = skipName(message, at, end)
      if (fixed < 0 || fixed + 10 > end) return UNREADABLE
      const type = (message[fixed]! << 8) | message[fixed + 1]!
      if (part === fromSection && accepts(type)) {
        if (copyRecord(message, 0, end, at, writer, section) < 0) return UNREADABLE
        copied++
      }
      at = fixed + 10 + ((message[fixed + 8]! << 8) | message[fixed + 9]!)
    }
  }
  return copied
}
