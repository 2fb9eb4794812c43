import assert from 'node:assert/strict'
import { Query } from '../../../src/chain/query.ts'
import { composeUpstream, forwardsOptions } from '../../../src/plugins/forward/upstream/compose-upstream.ts'
import { checkReply, found, REPLY_CUT, REPLY_OK } from '../../../src/plugins/forward/upstream/reply-check.ts'
import { takeReply, takeTruncated } from '../../../src/plugins/forward/upstream/take-reply.ts'
import { MessageError } from '../../../src/rdata/message.ts'
import { ACCEPT, ParsedQuery } from '../../../src/wire/parsed-query.ts'
import { type FuzzTarget, Guarded, ofHex, toHex, unlessRefused } from '../target.ts'
import { QUERIES } from './queries.ts'
import { REPLIES } from './replies.ts'

const asked = new ParsedQuery()
assert.equal(asked.parse(QUERIES[0]!, 0, QUERIES[0]!.length), ACCEPT)
const chainQuery = new Query(asked, {
  client: { address: '192.0.2.7', port: 40112, family: 4 },
  tcp: false,
  blockId: 0,
  listenerId: 0,
})
const QUESTION = toHex(QUERIES[0]!.subarray(12))

export const upstreamReply: FuzzTarget = {
  name: 'upstream-reply',
  invariant:
    'checkReply gives a verdict; an accepted reply becomes a Reply with the client’s ID and question, without OPT, and nothing is thrown',
  corpus: REPLIES.filter((reply) => toHex(reply.subarray(12, 33)) === QUESTION),
  words: ['c00c', '00 0029 04d0 00000000 0000', '0029', '0001', '00', 'ffff'].map(ofHex),
  run(input) {
    const guarded = new Guarded(input)
    const message = guarded.inner
    const verdict = checkReply(message, asked)
    if (verdict !== REPLY_OK && verdict !== REPLY_CUT) return false
    assert.equal(found.questionEnd, asked.questionEnd)
    if (verdict === REPLY_OK) {
      assert.ok(found.end <= input.length && found.optEnd <= found.end && found.rcode < 4096)
    }
    const reply = verdict === REPLY_CUT ? takeTruncated(chainQuery, message) : takeReply(chainQuery, message)
    guarded.check()
    const { wire } = reply
    if (wire !== undefined) {
      assert.equal((wire[0]! << 8) | wire[1]!, asked.id)
      assert.equal(toHex(wire.subarray(12, asked.questionEnd)), QUESTION)
    }
    for (const { data } of reply.options) assert.ok(data.length <= input.length)
    const sections = unlessRefused(() => reply.sections, MessageError)
    assert.ok(sections === undefined || sections.additionals.every(({ type }) => type !== 'OPT'))
    return true
  },
}

const toUpstream = new ParsedQuery()
const accepted = new ParsedQuery()

export const upstreamQuery: FuzzTarget = {
  name: 'upstream-query',
  invariant: 'what is sent to an upstream for an accepted query is a query for the same, of the length its frame says',
  corpus: QUERIES,
  run(input) {
    const guarded = new Guarded(input)
    if (accepted.parse(guarded.bytes, guarded.at, input.length) !== ACCEPT) return false
    const frame = composeUpstream(accepted)
    const length = (frame[0]! << 8) | frame[1]!
    assert.equal(frame.length, 2 + length)
    assert.equal(toUpstream.parse(frame, 2, length), ACCEPT)
    const { nameLength } = accepted
    assert.equal(toHex(toUpstream.name.subarray(0, nameLength)), toHex(accepted.name.subarray(0, nameLength)))
    for (const field of ['qtype', 'qclass', 'opcode', 'hasEdns', 'dnssecOk', 'udpSize', 'hasExtraRecords'] as const) {
      assert.equal(toUpstream[field], accepted[field], field)
    }
    if (!accepted.hasExtraRecords) assert.equal(forwardsOptions(accepted), toUpstream.optionsLength > 0)
    return true
  },
}
