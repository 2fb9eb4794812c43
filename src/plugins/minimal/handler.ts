import type { Handler } from '../../chain/plugin.ts'
import { NOERROR, type Reply } from '../../chain/reply.ts'
import { stripMessage } from './strip-message.ts'

/** For replies that the chain made: the same rule as for those from the record store. */
export const answerMinimal: Handler = (query, next) => {
  const reply = next(query)
  return reply instanceof Promise ? reply.then(minimized) : minimized(reply)
}

function minimized(reply: Reply): Reply {
  if (reply.unwritten || reply.dropped || reply.rcode !== NOERROR) return reply
  const { wire } = reply
  if (wire !== undefined) {
    const length = stripMessage(wire, 0, wire.length)
    if (length < wire.length) reply.setWire(wire.subarray(0, length))
    return reply
  }
  const { sections } = reply
  const isDenialOrDelegation =
    sections.answers.length === 0 && sections.authorities.some(({ type }) => type === 'SOA' || type === 'NS')
  if (!isDenialOrDelegation) {
    sections.authorities = []
    sections.additionals = []
  }
  return reply
}
