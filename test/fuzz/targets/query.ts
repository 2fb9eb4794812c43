import assert from 'node:assert/strict'
import { parseMessage } from '../../../src/rdata/message.ts'
import { nameSize } from '../../../src/wire/name.ts'
import { ACCEPT, BADVERS, DROP, FORMERR, NOTIMP, ParsedQuery } from '../../../src/wire/parsed-query.ts'
import { composeRefusal, NO_EDE, REFUSAL_SIZE_MAX, rcodeOfVerdict } from '../../../src/wire/refusal.ts'
import { type FuzzTarget, Guarded } from '../target.ts'
import { QUERIES } from './queries.ts'

const VERDICTS: readonly number[] = [ACCEPT, DROP, FORMERR, NOTIMP, BADVERS]
const parsed = new ParsedQuery(7)
const again = new ParsedQuery(7)

/** What was understood, for comparison. */
function fieldsOf(query: ParsedQuery): unknown {
  const { bytes: _bytes, start: _start, name, nameLength, labels, labelCount, ...fields } = query
  return { ...fields, name: name.slice(0, nameLength), labels: labels.slice(0, labelCount + 1) }
}

/** The acceptance function of every transport, and the replies to what it refuses. */
export const query: FuzzTarget = {
  name: 'query',
  invariant:
    'ParsedQuery.parse never throws, gives one of its verdicts, and neither reads nor writes beyond the message; composeRefusal stays inside its output',
  corpus: QUERIES,
  run(input) {
    const guarded = new Guarded(input)
    const verdict = parsed.parse(guarded.bytes, guarded.at, input.length)
    assert.ok(VERDICTS.includes(verdict), `verdict ${verdict}`)
    guarded.check()
    guarded.surround(0x3f)
    assert.equal(again.parse(guarded.bytes, guarded.at, input.length), verdict, 'what stands around the message counts')
    if (verdict === ACCEPT) {
      assert.deepEqual(fieldsOf(again), fieldsOf(parsed), 'what stands around the message counts')
      checkAccepted(input)
    }
    checkRefusal(verdict, input.length)
    return verdict === ACCEPT
  },
}

function checkAccepted(input: Uint8Array): void {
  const { name, nameLength, questionEnd, optionsAt, optionsLength } = parsed
  assert.equal(nameSize(name, 0, nameLength), nameLength)
  assert.ok(!name.subarray(0, nameLength).some((octet) => octet >= 0x41 && octet <= 0x5a), 'a name is lower-case')
  assert.equal(questionEnd, 12 + nameLength + 4)
  assert.ok(questionEnd <= input.length && optionsAt + optionsLength <= input.length)
  if (optionsAt > 0) assert.ok(optionsAt >= questionEnd)
  assert.ok(parsed.udpSize >= 512)
}

function checkRefusal(verdict: number, length: number): void {
  const rcode = verdict === ACCEPT ? 5 : rcodeOfVerdict(verdict)
  if (rcode < 0) return
  const out = new Guarded(REFUSAL_SIZE_MAX)
  const size = composeRefusal(parsed, rcode, 18, 1232, out.bytes, out.at)
  out.check()
  assert.ok(size >= 12 && size <= REFUSAL_SIZE_MAX, `${size} octets`)
  if (parsed.questionEnd === 0) assert.ok(size <= Math.max(12, length), 'a malformed message gets no longer reply')
  const reply = parseMessage(out.inner.slice(0, size))
  assert.equal(reply.type, 'response')
  assert.equal(reply.id, parsed.id)
  assert.ok(composeRefusal(parsed, rcode, NO_EDE, 1232, out.bytes, out.at) <= size)
}
