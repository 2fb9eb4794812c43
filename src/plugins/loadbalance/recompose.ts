/**
 * Puts the records of a reply's answer section in another order. Names in records that move are written out and
 * compressed again, since pointers may only lead back; the reply never gets longer.
 */
import { copyRecord } from '../../chain/copy-records.ts'
import type { ParsedQuery } from '../../wire/parsed-query.ts'
import { ReplyWriter, SECTION_ADDITIONAL, SECTION_ANSWER, SECTION_AUTHORITY } from '../../wire/reply-writer.ts'
import { owners } from './record-table.ts'

const HEADER_SIZE = 12
const writer = new ReplyWriter()
const out = new Uint8Array(65535)

/**
 * Rewrites the reply with its answer records in the order `order[0 .. answerCount)`, numbers of the record table (which
 * must hold this reply). Returns the new length, or `length` with the reply unchanged where that isn't possible.
 */
export function recompose(
  query: ParsedQuery,
  reply: Uint8Array,
  start: number,
  length: number,
  order: Uint16Array,
  answerCount: number,
  authorityCount: number,
  recordCount: number,
): number {
  writer.begin(query, out, 0, length)
  const end = start + length
  for (let i = 0; i < recordCount; i++) {
    const record = i < answerCount ? order[i]! : i
    const section =
      i < answerCount ? SECTION_ANSWER : i < answerCount + authorityCount ? SECTION_AUTHORITY : SECTION_ADDITIONAL
    if (copyRecord(reply, start, end, start + owners[record]!, writer, section) < 0 || writer.truncated) return length
  }
  const newLength = writer.end()
  for (let i = HEADER_SIZE; i < newLength; i++) reply[start + i] = out[i]!
  return newLength
}
