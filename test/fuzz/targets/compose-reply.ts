import assert from 'node:assert/strict'
import { composeReply, FLAG_TC, KEEP_TTL, ReplyBody } from '../../../src/wire/compose-reply.ts'
import { ACCEPT, ParsedQuery } from '../../../src/wire/parsed-query.ts'
import { joined } from '../mutate.ts'
import { type FuzzTarget, Guarded, ofHex, toHex } from '../target.ts'
import { QUERIES } from './queries.ts'
import { REPLIES } from './replies.ts'

const asked = QUERIES.slice(0, 5).map((bytes) => {
  const query = new ParsedQuery()
  assert.equal(query.parse(bytes, 0, bytes.length), ACCEPT)
  return query
})
/** Octets of control: which query, the size that the client takes (two octets), the TTL, the options' size. */
const CONTROL = 5
const QUESTION_END = 33

/** Sections of any octets, for a query of another question length too: as a torn or hostile cache entry might hold them. */
export const composedReply: FuzzTarget = {
  name: 'compose-reply',
  invariant:
    'composeReply never throws and writes at most what the client takes; the reply holds the client’s question, and whole records, or TC',
  corpus: REPLIES.flatMap((reply) => [
    joined(ofHex('00 04d0 00 00'), reply),
    joined(ofHex('03 0200 3c 10'), reply),
    joined(ofHex('00 0040 05 00'), reply),
  ]),
  words: ['c00c', 'c021', 'c0ff', '00', '0001', '002e', '0002', '0006', 'ffff'].map(ofHex),
  run(input) {
    if (input.length < CONTROL + QUESTION_END) return false
    const query = asked[input[0]! % asked.length]!
    const sizeMax = ((input[1]! << 8) | input[2]!) % 4097
    const message = new Guarded(input.subarray(CONTROL))
    const body = new ReplyBody()
    body.setMessage(message.bytes, message.at, input.length - CONTROL, QUESTION_END)
    body.ttlSeconds = input[3] === 0 ? KEEP_TTL : input[3]!
    body.options = input
    body.optionsLength = Math.min(input[4]!, input.length)
    const out = new Guarded(sizeMax)
    const size = composeReply(query, body, out.bytes, out.at, sizeMax)
    out.check()
    message.check()
    assert.ok(size >= 0 && size <= sizeMax, `${size} octets where ${sizeMax} are allowed`)
    const optSize = query.hasEdns ? 11 : 0
    if (size === 0) {
      assert.ok(sizeMax < query.questionEnd + optSize, `nothing, where ${sizeMax} octets are allowed`)
      return false
    }
    const reply = out.inner.subarray(0, size)
    assert.ok(size >= query.questionEnd + optSize)
    assert.equal((reply[0]! << 8) | reply[1]!, query.id)
    assert.ok((reply[2]! & 0x80) !== 0)
    assert.equal(
      toHex(reply.subarray(12, query.questionEnd)),
      toHex(query.bytes.subarray(query.start + 12, query.start + query.questionEnd)),
    )
    const isWhole = size - optSize - body.optionsLength === query.questionEnd + body.bodyLength
    if (!isWhole && body.answerCount > 0 && recordCount(reply) < body.answerCount) {
      assert.ok((((reply[2]! << 8) | reply[3]!) & FLAG_TC) !== 0, 'an answer is missing, and TC is not set')
    }
    return true
  },
}

function recordCount(reply: Uint8Array): number {
  return (reply[6]! << 8) | reply[7]!
}
