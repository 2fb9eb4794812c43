import assert from 'node:assert/strict'
import { copySection } from '../../../src/chain/copy-records.ts'
import type { Client } from '../../../src/chain/plugin.ts'
import { parseCidr } from '../../../src/corefile/cidr.ts'
import { uncompressedSize } from '../../../src/observe/uncompressed-size.ts'
import { classifyReply } from '../../../src/plugins/cache/classify-reply.ts'
import { checkReply, REPLY_OK } from '../../../src/plugins/forward/upstream/reply-check.ts'
import { Random } from '../../../src/plugins/loadbalance/random.ts'
import { Reorder } from '../../../src/plugins/loadbalance/reorder.ts'
import { parseWeights } from '../../../src/plugins/loadbalance/weight-file.ts'
import { stripMessage } from '../../../src/plugins/minimal/strip-message.ts'
import { MessageError, parseMessage } from '../../../src/rdata/message.ts'
import { ACCEPT, ParsedQuery } from '../../../src/wire/parsed-query.ts'
import { ReplyWriter } from '../../../src/wire/reply-writer.ts'
import type { SeededRandom } from '../../support/seeded-random.ts'
import { joined } from '../mutate.ts'
import { type FuzzTarget, Guarded, ofHex, toHex, unlessRefused } from '../target.ts'
import { QUERIES } from './queries.ts'
import { REPLIES } from './replies.ts'

const asked = new ParsedQuery()
assert.equal(asked.parse(QUERIES[0]!, 0, QUERIES[0]!.length), ACCEPT)
const { questionEnd } = asked
const QUESTION = toHex(QUERIES[0]!.subarray(12))
const SIZE_MAX = 65_535
const client: Client = { family: 4, address: new Uint8Array(16), port: 53, listenerId: 0, tcp: true }
const WEIGHTS = parseWeights('www.example.org\n 192.0.2.1 3\n 192.0.2.2 200\n', 'weights')
const finishers = [
  new Reorder(new Random(1), [parseCidr('192.0.2.0/25')!], undefined),
  new Reorder(new Random(2), [], undefined),
  new Reorder(new Random(3), [], WEIGHTS),
]
const writer = new ReplyWriter()

/** As many of a few records as fit: what takes time that grows with their square shows. */
function manyRecords(random: SeededRandom): Uint8Array {
  const records = [
    'c00c 0001 0001 00000001 0004 c0000201',
    'c00c 001c 0001 00000001 0010 20010db8000000000000000000000001',
    'c00c 000f 0001 00000001 0004 000a c00c',
    'c00c 000f 0001 00000001 0003 0001 00',
    'c00c 0005 0001 00000001 0002 c00c',
    '00 0002 0001 00000001 0001 00',
    '0161c010 0001 0001 00000001 0004 c0000201',
    'c00c 002e 0001 00000001 0013 0001 05 03 0000003c 70dbd880 6955b900 04d2 00',
  ].map(ofHex)
  const chosen = Array.from({ length: 1 + random.below(3) }, () => random.pick(records))
  const parts: Uint8Array[] = []
  let size = questionEnd
  let count = 0
  for (const limit = random.pick([600, 5000, SIZE_MAX - 40]); ; count++) {
    const record = random.pick(chosen)
    if (size + record.length > limit) break
    parts.push(record)
    size += record.length
  }
  const header = ofHex(`1234 8180 0001 0000 0000 0000 ${QUESTION}`)
  const section = 6 + 2 * random.below(3)
  header[section] = count >>> 8
  header[section + 1] = count
  return joined(header, ...parts)
}

export const replyPath: FuzzTarget = {
  name: 'reply-path',
  invariant:
    'an accepted reply goes through cache, minimal, loadbalance, log and a copy of its sections without a throw; none makes it longer, writes outside or loses a record that it should keep',
  corpus: REPLIES.filter((reply) => toHex(reply.subarray(12, questionEnd)) === QUESTION),
  words: ['c00c', '0001', '000f', '0021', '002e', '00 0029 04d0 00000000 0000', 'c021', '0005'].map(ofHex),
  generate: manyRecords,
  sizeMax: SIZE_MAX,
  inputsInTest: 150,
  // All of them together, on up to 65,535 octets.
  msMax: 100,
  run(input) {
    if (checkReply(input, asked) !== REPLY_OK) return false
    // As it goes to the client: with the question that was asked.
    input.set(asked.bytes.subarray(12, questionEnd), 12)
    const rcode = input[3]! & 15
    const { ttlSeconds } = classifyReply(input, rcode, questionEnd, asked.qtype, true, 1_800_000_000)
    assert.ok(ttlSeconds >= 0 && ttlSeconds <= 0xffffffff)
    const full = uncompressedSize(input, 0, input.length, questionEnd)
    assert.ok(Number.isSafeInteger(full) && full > 0 && full < 100_000_000, `${full} octets`)
    const before = sortedRecords(input)
    for (const finisher of finishers) {
      const guarded = new Guarded(input)
      const length = finisher.finish(asked, client, guarded.bytes, guarded.at, input.length)
      guarded.check()
      assert.ok(length >= questionEnd && length <= input.length, `${length} octets of ${input.length}`)
      const reply = guarded.inner.slice(0, length)
      assert.equal(toHex(reply.subarray(0, questionEnd)), toHex(input.subarray(0, questionEnd)))
      const after = sortedRecords(reply)
      if (before !== undefined && after !== undefined) assert.deepEqual(after, before)
    }
    const guarded = new Guarded(input)
    const stripped = stripMessage(guarded.bytes, guarded.at, input.length)
    guarded.check()
    assert.ok(stripped >= questionEnd && stripped <= input.length)
    const out = new Guarded(SIZE_MAX)
    writer.begin(asked, out.bytes, out.at, SIZE_MAX)
    for (const section of [0, 1, 2]) copySection(input, section, writer, section)
    const size = writer.end()
    out.check()
    assert.ok(size <= SIZE_MAX)
    parseMessage(out.inner.subarray(0, size))
    return true
  },
}

/**
 * What each section holds, each once, in an order of their own; undefined where some rdata is none. Names are left out: a
 * pointer may lead to between names, and what is read there changes when records move.
 */
function sortedRecords(message: Uint8Array): string[][] | undefined {
  const parsed = unlessRefused(() => parseMessage(message), MessageError)
  if (parsed === undefined) return undefined
  return [parsed.answers, parsed.authorities, parsed.additionals].map((records) => {
    const texts = records.map((record) => {
      const rrclass = 'class' in record ? record.class : ''
      return `${rrclass} ${record.type} ${record.type === 'A' || record.type === 'AAAA' ? record.data : ''}`
    })
    return [...new Set(texts)].sort()
  })
}
