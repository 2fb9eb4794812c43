/**
 * What of two replies must be equal when both servers are right. Order inside a section is free; so is what a server
 * adds out of kindness: apex NS in the authority section of a positive answer, addresses in the additional section
 * (besides the glue of a referral, which RFC 9471 requires).
 */
import { parseMessage } from '../../src/rdata/message.ts'

export interface ReplyFigure {
  readonly rcode: string
  readonly flags: string
  readonly answer: readonly string[]
  readonly authority: readonly string[]
  readonly glue: readonly string[]
}

const TYPE_NS = 'NS'
const SERVFAIL = 2

/** Reply in a comparable form; throws when it doesn't parse. */
export function figureOf(message: Uint8Array): ReplyFigure {
  const parsed = parseMessage(message)
  const flags = (message[2]! << 8) | message[3]!
  // A failure says nothing about the name, whatever records came to hand before it (RFC 2308 section 7.1).
  if ((flags & 15) === SERVFAIL) return { rcode: String(SERVFAIL), flags: '', answer: [], authority: [], glue: [] }
  const answer = parsed.answers.map(recordText).sort()
  const soa = parsed.authorities.some((record) => record.type === 'SOA')
  const isReferral = answer.length === 0 && !soa && parsed.authorities.some((record) => record.type === TYPE_NS)
  // A referral inside a CNAME answer (RFC 1034 section 4.3.2 step 3b after 3a) shows as NS records off the apex.
  const authority = parsed.authorities.map(recordText).sort()
  const keepAuthority = isReferral || soa || answer.length === 0
  const glue = isReferral
    ? parsed.additionals
        .filter((record) => (record.type as string) === 'A' || (record.type as string) === 'AAAA')
        .map(recordText)
        .sort()
    : []
  return {
    rcode: String(flags & 15),
    flags: `${(flags & 0x0400) !== 0 ? 'aa ' : ''}${(flags & 0x0200) !== 0 ? 'tc' : ''}`,
    answer: [...new Set(answer)],
    authority: keepAuthority
      ? [...new Set(authority)]
      : authority.filter((text) => / (NSEC|NSEC3) /.test(text) || / RRSIG .*"typeCovered":"NSEC3?"/.test(text)),
    glue: [...new Set(glue)],
  }
}

export function figureText(figure: ReplyFigure): string {
  return [
    `rcode ${figure.rcode} ${figure.flags}`,
    ...figure.answer.map((text) => `  answer     ${text}`),
    ...figure.authority.map((text) => `  authority  ${text}`),
    ...figure.glue.map((text) => `  glue       ${text}`),
  ].join('\n')
}

function recordText(record: object): string {
  const { name, type, ttl, data } = record as { name: string; type: string; ttl: number; data: unknown }
  return `${name.toLowerCase()} ${ttl} ${type} ${JSON.stringify(data, plain)}`
}

/** Names in rdata compare without case; octets as hex. */
function plain(key: string, value: unknown): unknown {
  if (typeof value === 'string')
    return key === 'signature' ? value : value.toLowerCase().replace(/^"typecovered"$/, 'typeCovered')
  if (value !== null && typeof value === 'object' && 'type' in value && value.type === 'Buffer' && 'data' in value) {
    return Buffer.from(value.data as number[]).toString('hex')
  }
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
  return value
}
