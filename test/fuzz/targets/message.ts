import assert from 'node:assert/strict'
import type { Answer } from 'dns-packet'
import { composeMessage, type Message, MessageError, parseMessage } from '../../../src/rdata/message.ts'
import { type FuzzTarget, Guarded, ofHex, unlessRefused } from '../target.ts'
import { QUERIES } from './queries.ts'
import { REPLIES } from './replies.ts'

export const message: FuzzTarget = {
  name: 'message',
  invariant:
    'parseMessage throws only MessageError; what it gives, composeMessage takes, and parsing that gives it again',
  corpus: [...QUERIES, ...REPLIES],
  words: ['c00c', 'c000', '00', '0001 0001', '0029', '0005', '0006', '002e', '0041', '00fb', '00ff'].map(ofHex),
  run(input) {
    const guarded = new Guarded(input)
    const parsed = unlessRefused(() => parseMessage(guarded.inner), MessageError)
    guarded.check()
    if (parsed === undefined) return false
    let composed: Uint8Array
    try {
      composed = composeMessage(parsed)
    } catch (error) {
      // Without the sender's pointers a message can be larger than one may be.
      if (error instanceof MessageError && error.problem.startsWith('the message would have ')) return true
      throw error
    }
    assert.deepEqual(canonical(parseMessage(composed)), canonical(parsed))
    return true
  },
}

/** Owners may have come to point to a name in another case; records that are the same but for that are given once. */
function canonical(given: Message): Message {
  const once = (records: Answer[]): Answer[] => {
    const seen = new Set<string>()
    return records
      .map((record) => ({ ...record, name: record.name.toLowerCase() }))
      .filter((record) => {
        const key = JSON.stringify({ ...record, ttl: 0 })
        return seen.size < seen.add(key).size
      })
  }
  const { answers, authorities, additionals } = given
  return { ...given, answers: once(answers), authorities: once(authorities), additionals: once(additionals) }
}
