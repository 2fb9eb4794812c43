/**
 * Puts a chain's reply into its slot: the message (header, question, sections, no OPT), then the EDNS options, and
 * what the reply was made of. The event loop does the rest: it stores and composes from there.
 */

import type { Marks } from '../chain/marks.ts'
import type { Query } from '../chain/query.ts'
import type { Reply } from '../chain/reply.ts'
import {
  LARGE_SIZE,
  REPLY_DROPPED,
  REPLY_UNWRITTEN,
  REPLY_WRITTEN,
  replyOffset,
  SLOT_DATA_SIZE,
  SLOT_OPTIONS_LENGTH,
  SLOT_QUERY_LARGE,
  SLOT_QUERY_LENGTH,
  SLOT_RCODE,
  SLOT_READS,
  SLOT_REPLY_KIND,
  SLOT_REPLY_LARGE,
  SLOT_REPLY_LENGTH,
  SLOT_STORE,
  SLOT_TTL,
  SLOT_ZONE_COUNT,
  SLOT_ZONES,
  type Slots,
  STORE_DENIAL,
  STORE_FIXED,
  STORE_LOCAL,
  STORE_NONE,
  STORE_SUCCESS,
  STORE_UNANSWERED,
} from '../messages/slots.ts'
import { composeReplyMessage } from '../rdata/message.ts'

/** Throws when the records can't be written as a message of at most 65535 octets. */
export function writeReply(slots: Slots, slot: number, query: Query, reply: Reply): void {
  const { words, bytes } = slots
  const header = slots.header(slot)
  words[header + SLOT_REPLY_LARGE] = -1
  words[header + SLOT_RCODE] = reply.rcode
  words[header + SLOT_READS] = query.marks.reads
  words[header + SLOT_STORE] = STORE_NONE
  writeZones(words, header, query.marks)
  if (reply.dropped) {
    words[header + SLOT_REPLY_KIND] = REPLY_DROPPED
    return
  }
  const message = reply.unwritten ? undefined : (reply.wire ?? composeReplyMessage(query.parsed, reply))
  const messageLength = message?.length ?? 0
  let optionsLength = 0
  for (const { data } of reply.options) optionsLength += 4 + data.length
  const offset = replyOffset(words[header + SLOT_QUERY_LENGTH]!, words[header + SLOT_QUERY_LARGE]! >= 0)
  let at = slots.data(slot) + offset
  if (offset + messageLength + optionsLength > SLOT_DATA_SIZE) {
    if (messageLength + optionsLength > LARGE_SIZE)
      throw new RangeError(`a reply of ${messageLength + optionsLength} octets`)
    const large = slots.claimLarge()
    if (large < 0) throw new RangeError('all large reply buffers are in use')
    words[header + SLOT_REPLY_LARGE] = large
    at = slots.large(large)
  }
  if (message !== undefined) {
    bytes.set(message, at)
    at += messageLength
  }
  for (const { code, data } of reply.options) {
    bytes[at] = code >>> 8
    bytes[at + 1] = code
    bytes[at + 2] = data.length >>> 8
    bytes[at + 3] = data.length
    bytes.set(data, at + 4)
    at += 4 + data.length
  }
  words[header + SLOT_REPLY_KIND] = reply.unwritten ? REPLY_UNWRITTEN : REPLY_WRITTEN
  words[header + SLOT_REPLY_LENGTH] = messageLength
  words[header + SLOT_OPTIONS_LENGTH] = optionsLength
  words[header + SLOT_STORE] = storeKind(query.marks, reply)
  words[header + SLOT_TTL] = query.marks.cachedMark?.ttlSeconds ?? 0
}

/** As what the reply may be stored, one of STORE_*. */
export function storeKind(marks: Marks, reply: Reply): number {
  if (reply.unwritten || reply.dropped || reply.truncated || marks.isNoStore) return STORE_NONE
  if ((marks.isLocal || marks.isFixed) && !marks.isForeign) return marks.isLocal ? STORE_LOCAL : STORE_FIXED
  if (marks.cachedMark === undefined) return STORE_NONE
  const { kind, answers } = marks.cachedMark
  return kind === 'denial' ? STORE_DENIAL : answers ? STORE_SUCCESS : STORE_UNANSWERED
}

/**
 * Of which zones, and which state of each, the reply was made: whoever sends it or a stored copy checks that they are
 * still served.
 */
function writeZones(words: Int32Array, header: number, { zones, generations }: Marks): void {
  words[header + SLOT_ZONE_COUNT] = zones.length
  for (let i = 0; i < zones.length; i++) {
    words[header + SLOT_ZONES + 2 * i] = zones[i]!
    words[header + SLOT_ZONES + 2 * i + 1] = generations[i]!
  }
}
