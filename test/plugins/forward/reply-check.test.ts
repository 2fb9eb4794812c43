import assert from 'node:assert/strict'
import test from 'node:test'
import {
  checkReply,
  found,
  REPLY_BROKEN,
  REPLY_CUT,
  REPLY_FOREIGN,
  REPLY_OK,
} from '../../../src/plugins/forward/upstream/reply-check.ts'
import { takeReply } from '../../../src/plugins/forward/upstream/take-reply.ts'
import { fakeReply } from '../../support/fake-upstream.ts'
import { aChainQuery } from '../../support/handler.ts'
import { printedSeed, seededRandom } from '../../support/seeded-random.ts'

const query = aChainQuery('www.example.org.', 'A', { udpSize: 1232 })
const question = query.message()
const good = (): Buffer =>
  fakeReply(question, { addresses: ['192.0.2.1', '192.0.2.2'], options: Uint8Array.from([0, 15, 0, 2, 0, 22]) })
const RECORD = 12 + 21

const changed = (change: (bytes: Buffer) => void): Buffer => {
  const bytes = good()
  change(bytes)
  return bytes
}

const cases: readonly [string, Buffer, number][] = [
  ['a whole reply', good(), REPLY_OK],
  ['the question in another case', changed((bytes) => (bytes[13]! ^= 0x20)), REPLY_OK],
  ['octets behind it', Buffer.concat([good(), Buffer.from('xyz')]), REPLY_OK],
  ['a query', changed((bytes) => (bytes[2]! &= 0x7f)), REPLY_FOREIGN],
  ['another opcode', changed((bytes) => (bytes[2]! |= 0x20)), REPLY_FOREIGN],
  ['no question', changed((bytes) => (bytes[5] = 0)), REPLY_FOREIGN],
  ['256 questions', changed((bytes) => (bytes[4] = 1)), REPLY_FOREIGN],
  ['another name', changed((bytes) => (bytes[13]! ^= 1)), REPLY_FOREIGN],
  ['another type', changed((bytes) => (bytes[RECORD - 3] = 28)), REPLY_FOREIGN],
  ['another class', changed((bytes) => (bytes[RECORD - 1] = 3)), REPLY_FOREIGN],
  ['a header', good().subarray(0, 12), REPLY_FOREIGN],
  ['a record too many', changed((bytes) => (bytes[7] = 3)), REPLY_BROKEN],
  ['an rdata that reaches out', changed((bytes) => (bytes[RECORD + 10] = 0xff)), REPLY_BROKEN],
  ['an owner that points at itself', changed((bytes) => (bytes[RECORD + 1] = RECORD)), REPLY_BROKEN],
  ['an owner that points ahead', changed((bytes) => (bytes[RECORD + 1] = RECORD + 16)), REPLY_BROKEN],
  ['an owner that points into the header', changed((bytes) => (bytes[RECORD + 1] = 2)), REPLY_BROKEN],
  ['a label type that does not exist', changed((bytes) => (bytes[RECORD] = 0x80)), REPLY_BROKEN],
  ['an OPT among the answers', changed((bytes) => (bytes[RECORD + 3] = 41)), REPLY_BROKEN],
  ['an OPT whose option reaches out', changed((bytes) => (bytes[bytes.length - 3] = 9)), REPLY_BROKEN],
  ['a cut reply with TC', changed((bytes) => (bytes[2]! |= 2)).subarray(0, -3), REPLY_CUT],
  ['a cut reply without TC', good().subarray(0, -3), REPLY_BROKEN],
]
for (const [title, message, want] of cases) test(title, () => assert.equal(checkReply(message, query.parsed), want))

test('hostile octets: no throw, and what is accepted lies inside the message', () => {
  const seed = printedSeed()
  const { below: random } = seededRandom(seed)
  const counts = [0, 0, 0, 0]
  for (let i = 0; i < 30_000; i++) {
    const bytes = good()
    for (let changes = 1 + random(4); changes > 0; changes--) bytes[random(bytes.length)] = random(256)
    const message = random(4) === 0 ? bytes.subarray(0, random(bytes.length + 1)) : bytes
    const result = checkReply(message, query.parsed)
    counts[result]!++
    if (result !== REPLY_OK) continue
    assert.ok(found.end <= message.length && found.optEnd <= found.end && found.optAt <= found.optEnd, `SEED=${seed}`)
    // The records may still be nonsense; taking the reply must not depend on them, unless the OPT stands in their midst.
    const isKept = found.optAt === 0 || found.optIsLast
    const reply = takeReply(query, message)
    if (isKept) {
      assert.deepEqual([...reply.wire!.subarray(12, RECORD)], [...question.subarray(12, RECORD)], `SEED=${seed}`)
    }
  }
  for (const result of [REPLY_OK, REPLY_FOREIGN, REPLY_BROKEN])
    assert.ok(counts[result]! > 100, `SEED=${seed}: ${counts}`)
})

test('an OPT in front of other records is taken out and the records stay', () => {
  const plain = fakeReply(question, { addresses: ['192.0.2.1'] })
  const opt = [0, 0, 41, 4, 208, 1, 0, 0, 0, 0, 0]
  // A record whose owner points at the question.
  const extra = [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 9]
  const message = Buffer.concat([plain, Buffer.from(opt), Buffer.from(extra)])
  message[11] = 2
  assert.equal(checkReply(message, query.parsed), REPLY_OK)
  const reply = takeReply(query, message)
  assert.equal(reply.rcode, 16)
  const { answers, additionals } = reply.sections
  assert.equal(answers.length, 1)
  assert.deepEqual(
    additionals.map((record) => ('data' in record ? record.data : record.type)),
    ['192.0.2.9'],
  )
})

test('an OPT in front of a record whose rdata is malformed: SERVFAIL with a cause, and no throw', () => {
  const plain = fakeReply(question, { addresses: ['192.0.2.1'] })
  const opt = [0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]
  const shortA = [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 3, 192, 0, 2]
  const message = Buffer.concat([plain, Buffer.from(opt), Buffer.from(shortA)])
  message[11] = 2
  assert.equal(checkReply(message, query.parsed), REPLY_OK)
  const reply = takeReply(query, message)
  assert.deepEqual([reply.unwritten, reply.rcode], [true, 2])
  assert.equal(reply.cause, 'malformed reply from upstream: malformed rdata of A')
})
