/** Queries and replies octet by octet, for tests of what works on wire bytes. */
import assert from 'node:assert/strict'
import { ACCEPT, ParsedQuery } from '../../src/wire/parsed-query.ts'

export const TYPE_A = 1
export const TYPE_NS = 2
export const TYPE_CNAME = 5
export const TYPE_SOA = 6
export const TYPE_MX = 15
export const TYPE_TXT = 16
export const TYPE_AAAA = 28
export const TYPE_RRSIG = 46

/** A pointer to the qname. */
export const AT_QNAME: readonly number[] = [0xc0, 12]

/** `www.example.` as labels. */
export function labels(name: string): number[] {
  if (name === '.') return [0]
  return [...name.replace(/\.$/, '').split('.'), ''].flatMap((label) => [label.length, ...Buffer.from(label)])
}

export interface WireQuery {
  readonly name?: string
  readonly type?: number
  readonly class?: number
  readonly id?: number
  /** Header bits besides RD; `rd` is set unless false. */
  readonly flags?: number
  readonly rd?: boolean
  /** With OPT: its payload size. */
  readonly udpSize?: number
  readonly dnssecOk?: boolean
  readonly options?: readonly number[]
}

export function wireQuery(about: WireQuery = {}): Uint8Array {
  const { name = 'www.example.', type = TYPE_A, id = 0x1234, options = [] } = about
  const flags = (about.flags ?? 0) | (about.rd === false ? 0 : 0x0100)
  const hasOpt = about.udpSize !== undefined || about.dnssecOk === true
  const udpSize = about.udpSize ?? 1232
  return Uint8Array.from([
    ...word(id),
    ...word(flags),
    ...[0, 1, 0, 0, 0, 0, 0, hasOpt ? 1 : 0],
    ...labels(name),
    ...word(type),
    ...word(about.class ?? 1),
    ...(hasOpt
      ? [0, 0, 41, ...word(udpSize), 0, 0, about.dnssecOk === true ? 0x80 : 0, 0, ...word(options.length), ...options]
      : []),
  ])
}

/** The query, parsed; `into` is parsed into when given. */
export function parsedQuery(about: WireQuery = {}, into = new ParsedQuery(99)): ParsedQuery {
  const bytes = wireQuery(about)
  assert.equal(into.parse(bytes, 0, bytes.length), ACCEPT)
  return into
}

export function record(
  type: number,
  rdata: readonly number[],
  about: { readonly owner?: readonly number[]; readonly ttl?: number; readonly class?: number } = {},
): number[] {
  const ttl = about.ttl ?? 300
  return [
    ...(about.owner ?? AT_QNAME),
    ...word(type),
    ...word(about.class ?? 1),
    ...word(ttl >>> 16),
    ...word(ttl & 0xffff),
    ...word(rdata.length),
    ...rdata,
  ]
}

export function soaRecord(zone: string, about: { readonly ttl?: number } = {}): number[] {
  return record(TYPE_SOA, [...labels(`ns.${zone}`), ...labels(`mail.${zone}`), ...new Array<number>(20).fill(1)], {
    owner: labels(zone),
    ...about,
  })
}

export interface WireSections {
  readonly answers?: readonly (readonly number[])[]
  readonly authorities?: readonly (readonly number[])[]
  readonly additionals?: readonly (readonly number[])[]
}

/** A whole reply without OPT: header, the query's question, sections. `flags`: AA, TC, RA, AD as in the header. */
export function wireReply(
  query: ParsedQuery,
  sections: WireSections,
  about: { readonly rcode?: number; readonly flags?: number } = {},
): Uint8Array {
  const { answers = [], authorities = [], additionals = [] } = sections
  const flags = 0x8000 | (query.flags & 0x7910) | (about.flags ?? 0x0400) | ((about.rcode ?? 0) & 15)
  const question = query.bytes.subarray(query.start + 12, query.start + query.questionEnd)
  return Uint8Array.from([
    ...word(query.id),
    ...word(flags),
    ...[0, 1],
    ...word(answers.length),
    ...word(authorities.length),
    ...word(additionals.length),
    ...question,
    ...[...answers, ...authorities, ...additionals].flat(),
  ])
}

function word(value: number): number[] {
  return [(value >>> 8) & 255, value & 255]
}
