/** Turns an upstream's message, which `checkReply` has just accepted, into the chain's reply. */
import type { Answer } from 'dns-packet'
import type { Query } from '../../../chain/query.ts'
import { Reply, type ReplyOption, SERVFAIL } from '../../../chain/reply.ts'
import { MessageError, parseMessage } from '../../../rdata/message.ts'
import { HEADER_SIZE } from '../../../wire/parsed-query.ts'
import { found } from './reply-check.ts'

const OPT_FIXED_SIZE = 11

/** Options about the hop from us to the upstream: COOKIE, edns-tcp-keepalive, Padding. */
const HOP_OPTIONS: ReadonlySet<number> = new Set([10, 11, 12])

/**
 * The whole reply. The message's octets are kept and changed: the client's ID and question go in, the OPT comes out; its
 * options (Extended DNS Errors, client subnet, NSID) go to `reply.options`. Never throws: what can't be passed on is an
 * unwritten SERVFAIL.
 */
export function takeReply(query: Query, message: Uint8Array): Reply {
  const { rcode, optAt, optEnd, optIsLast, end } = found
  takeQuestion(query, message)
  if (optAt === 0) return Reply.fromWire(end === message.length ? message : message.subarray(0, end), rcode)
  const options = readOptions(message, optAt + OPT_FIXED_SIZE, optEnd)
  const reply = optIsLast ? Reply.fromWire(withoutLast(message, optAt), rcode) : withoutOpt(message, rcode, end)
  if (!reply.unwritten) reply.options = options
  return reply
}

/** Header and question alone, with TC: for a reply that is larger than the client takes, or was cut inside a record. */
export function takeTruncated(query: Query, message: Uint8Array): Reply {
  const empty = message.subarray(0, found.questionEnd)
  takeQuestion(query, empty)
  empty[2] = empty[2]! | 0x02
  for (let i = 6; i < HEADER_SIZE; i++) empty[i] = 0
  return Reply.fromWire(empty, message[3]! & 15)
}

function takeQuestion({ parsed }: Query, message: Uint8Array): void {
  const { bytes, start, questionEnd, id } = parsed
  message[0] = id >>> 8
  message[1] = id
  for (let i = HEADER_SIZE; i < questionEnd; i++) message[i] = bytes[start + i]!
}

function withoutLast(message: Uint8Array, optAt: number): Uint8Array {
  const additionals = ((message[10]! << 8) | message[11]!) - 1
  message[10] = additionals >>> 8
  message[11] = additionals
  return message.subarray(0, optAt)
}

/** An OPT with records behind it can't be cut out: compression pointers may lead over it. The records are composed anew. */
function withoutOpt(message: Uint8Array, rcode: number, end: number): Reply {
  try {
    const { answers, authorities, additionals } = parseMessage(message.subarray(0, end))
    const fields = Reply.fromWire(message, rcode)
    return Reply.of({ answers, authorities, additionals: additionals.filter((record) => !isOpt(record)) }, fields)
  } catch (error) {
    // `checkReply` looks at sizes only: what is in an rdata, nobody has looked at before.
    if (!(error instanceof MessageError)) throw error
    return Reply.unwritten(SERVFAIL, `malformed reply from upstream: ${error.problem}`)
  }
}

function isOpt(record: Answer): boolean {
  return record.type === 'OPT'
}

function readOptions(message: Uint8Array, from: number, end: number): ReplyOption[] {
  const options: ReplyOption[] = []
  for (let at = from; at < end; ) {
    const code = (message[at]! << 8) | message[at + 1]!
    const next = at + 4 + ((message[at + 2]! << 8) | message[at + 3]!)
    if (!HOP_OPTIONS.has(code)) options.push({ code, data: message.subarray(at + 4, next) })
    at = next
  }
  return options
}
