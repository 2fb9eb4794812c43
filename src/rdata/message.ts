/**
 * Whole messages, between octets and dns-packet's shapes: for plugins that want records as objects. Unlike dns-packet it
 * compresses names, knows every RR type of the table, keeps unknown ones (RFC 3597) and stays linear in hostile octets.
 *
 * Names are presentation text without the final dot ('.' is the root), escapes kept: `a\.b.example`. Classes and types
 * without a name are CLASS32 and TYPE65280. What parseMessage gives, composeMessage takes.
 */
import type { Answer, Question } from 'dns-packet'
import { MALFORMED, NameError, nameToText, skipName } from '../wire/name.ts'
import { NameCompressor } from '../wire/name-compressor.ts'
import { OctetWriter, TooLargeError } from '../wire/octet-writer.ts'
import { HEADER_SIZE, type ParsedQuery, TYPE_OPT } from '../wire/parsed-query.ts'
import { composeOptions, type PacketOption, parseOptions } from './edns-options.ts'
import { nameOctets } from './fields/names.ts'
import { readNumber } from './fields/numbers.ts'
import { composeRdata, EXPANDED_SIZE_MAX, expandRdata, packetValue } from './rdata.ts'
import { RdataError } from './rdata-error.ts'
import { className, classNumber, opcodeName, rcodeName, typeName, typeNumber } from './rr-types.ts'
import { TTL_MAX } from './text/period.ts'

/** Octets that are no message, or records that can't be written as one. `problem` says why. */
export class MessageError extends Error {
  readonly code = 'SHOAL_MESSAGE'
  readonly problem: string

  constructor(problem: string) {
    super(problem)
    this.name = 'MessageError'
    this.problem = problem
  }
}

/** A parsed message; dns-packet's DecodedPacket, and the numbers. */
export interface Message {
  readonly id: number
  readonly type: 'query' | 'response'
  /** The header's flags without QR, as dns-packet has them: opcode, AA to CD, RCODE. */
  readonly flags: number
  readonly flag_qr: boolean
  readonly opcode: string
  readonly flag_aa: boolean
  readonly flag_tc: boolean
  readonly flag_rd: boolean
  readonly flag_ra: boolean
  readonly flag_z: boolean
  readonly flag_ad: boolean
  readonly flag_cd: boolean
  /** Name of the header's four bits. */
  readonly rcode: string
  /** 12 bits where an OPT extends the header's four. RFC 6891 section 6.1.3. */
  readonly rcodeNumber: number
  readonly questions: Question[]
  readonly answers: Answer[]
  readonly authorities: Answer[]
  readonly additionals: Answer[]
}

/** What composeMessage takes; dns-packet's Packet. */
export interface MessageParts {
  readonly id?: number | undefined
  readonly type?: 'query' | 'response' | undefined
  readonly flags?: number | undefined
  readonly questions?: readonly Question[] | undefined
  readonly answers?: readonly Answer[] | undefined
  readonly authorities?: readonly Answer[] | undefined
  readonly additionals?: readonly Answer[] | undefined
}

/** The records and flags of a reply; a `Reply` is one. */
export interface ReplyParts {
  readonly rcode: number
  readonly authoritative: boolean
  readonly recursionAvailable: boolean
  readonly authenticData: boolean
  readonly truncated: boolean
  readonly sections: {
    readonly answers: readonly Answer[]
    readonly authorities: readonly Answer[]
    readonly additionals: readonly Answer[]
  }
}

const CLASS_NONE = 254
const CLASS_ANY = 255
const QTYPE_IXFR = 251
const QTYPE_AXFR = 252

/** Expanded rdata of the record being parsed. One per thread: nothing is parsed while another is. */
const rdataScratch = new Uint8Array(EXPANDED_SIZE_MAX)

/**
 * Parses a whole message. Octets after it are ignored. Records that are there twice in a section are given once, except
 * in zone transfers (RFC 2181 section 5). Work and memory are linear in the octets, whatever the header's counts and the
 * pointers say. Throws MessageError, and nothing else.
 */
export function parseMessage(bytes: Uint8Array): Message {
  try {
    return new Parser(bytes).message()
  } catch (error) {
    if (error instanceof MessageError) throw error
    if (error instanceof NameError) throw new MessageError(error.problem)
    throw error
  }
}

class Parser {
  readonly #bytes: Uint8Array
  #at = HEADER_SIZE
  /** Names seen, by where they start: pointers to the same place give the same string. */
  readonly #names = new Map<number, string>()
  #keepDuplicates = false
  #extendedRcode = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  message(): Message {
    const bytes = this.#bytes
    if (bytes.length < HEADER_SIZE) throw new MessageError('shorter than a header')
    const word = (at: number) => readNumber(bytes, at, 2)
    const flags = word(2)
    const questions = this.#questions(word(4))
    const answers = this.#records(word(6))
    const authorities = this.#records(word(8))
    const additionals = this.#records(word(10))
    return {
      id: word(0),
      type: (flags & 0x8000) !== 0 ? 'response' : 'query',
      flags: flags & 0x7fff,
      flag_qr: (flags & 0x8000) !== 0,
      opcode: opcodeName((flags >>> 11) & 15),
      flag_aa: (flags & 0x0400) !== 0,
      flag_tc: (flags & 0x0200) !== 0,
      flag_rd: (flags & 0x0100) !== 0,
      flag_ra: (flags & 0x0080) !== 0,
      flag_z: (flags & 0x0040) !== 0,
      flag_ad: (flags & 0x0020) !== 0,
      flag_cd: (flags & 0x0010) !== 0,
      rcode: rcodeName(flags & 15),
      rcodeNumber: (this.#extendedRcode << 4) | (flags & 15),
      questions,
      answers,
      authorities,
      additionals,
    }
  }

  #questions(count: number): Question[] {
    const questions: Question[] = []
    for (let i = 0; i < count; i++) {
      const name = this.#name()
      this.#need(4)
      const qtype = this.#word(0)
      const question = { name, type: typeName(qtype), class: className(this.#word(2)) }
      if (qtype === QTYPE_AXFR || qtype === QTYPE_IXFR) this.#keepDuplicates = true
      questions.push(question as Question)
      this.#at += 4
    }
    return questions
  }

  #records(count: number): Answer[] {
    const records: Answer[] = []
    const seen = this.#keepDuplicates ? undefined : new SeenRecords(this.#bytes)
    for (let i = 0; i < count; i++) {
      const from = this.#at
      const name = this.#name()
      this.#need(10)
      const fixed = this.#at
      const rdataAt = fixed + 10
      const rdataEnd = rdataAt + this.#word(8)
      if (rdataEnd > this.#bytes.length) throw new MessageError('an rdata reaches past its message')
      this.#at = rdataEnd
      if (seen?.has(from, fixed, rdataEnd)) continue
      records.push(this.#record(name, fixed, rdataAt, rdataEnd))
    }
    return records
  }

  #record(name: string, fixed: number, rdataAt: number, rdataEnd: number): Answer {
    const bytes = this.#bytes
    const type = readNumber(bytes, fixed, 2)
    const rrclass = readNumber(bytes, fixed + 2, 2)
    const ttl = readNumber(bytes, fixed + 4, 4)
    if (type === TYPE_OPT) {
      const options = parseOptions(bytes, rdataAt, rdataEnd)
      if (options === undefined) throw new MessageError('an EDNS option reaches past its record')
      this.#extendedRcode = ttl >>> 24
      return {
        name,
        type: 'OPT',
        udpPayloadSize: rrclass,
        extendedRcode: ttl >>> 24,
        ednsVersion: (ttl >>> 16) & 255,
        flags: ttl & 0xffff,
        flag_do: (ttl & 0x8000) !== 0,
        options,
      } as unknown as Answer
    }
    const data = this.#data(type, rrclass, rdataAt, rdataEnd)
    // RFC 2181 section 8: a TTL with its first bit set is 0.
    return { name, type: typeName(type), ttl: ttl > TTL_MAX ? 0 : ttl, class: className(rrclass), data } as Answer
  }

  #data(type: number, rrclass: number, rdataAt: number, rdataEnd: number): unknown {
    // RFC 2136 section 2.4: classes ANY and NONE come with rdata of no octets in updates.
    if (rdataAt === rdataEnd && (rrclass === CLASS_NONE || rrclass === CLASS_ANY)) return Buffer.alloc(0)
    const size = expandRdata(type, this.#bytes, 0, rdataAt, rdataEnd, rdataScratch, 0)
    if (size < 0) throw new MessageError(`malformed rdata of ${typeName(type)}`)
    return packetValue(type, rdataScratch, 0, size)
  }

  #name(): string {
    const bytes = this.#bytes
    const end = skipName(bytes, this.#at, bytes.length)
    if (end === MALFORMED) throw new MessageError('malformed name')
    const first = bytes[this.#at]!
    const place = first >= 0xc0 ? ((first & 0x3f) << 8) | bytes[this.#at + 1]! : this.#at
    let name = place < this.#at || first < 0xc0 ? this.#names.get(place) : undefined
    if (name === undefined) {
      const text = nameToText(bytes, this.#at)
      name = text === '.' ? text : text.slice(0, -1)
      this.#names.set(place, name)
    }
    this.#at = end
    return name
  }

  #need(size: number): void {
    if (this.#at + size > this.#bytes.length) throw new MessageError('a record reaches past its message')
  }

  #word(offset: number): number {
    return readNumber(this.#bytes, this.#at + offset, 2)
  }
}

/** Records of a section by a hash of their octets without the TTL; equal means octet by octet, as they stand in the message. */
class SeenRecords {
  readonly #bytes: Uint8Array
  readonly #records = new Map<number, number[]>()

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  /** Whether the record `from .. end` with its fixed part at `fixed` was seen; it is from now on. */
  has(from: number, fixed: number, end: number): boolean {
    const hash = this.#hash(from, fixed, end)
    const known = this.#records.get(hash)
    if (known === undefined) {
      this.#records.set(hash, [from, fixed, end])
      return false
    }
    // Different records with one hash: compare with the first only, so that nobody can make this quadratic.
    return this.#equal(known[0]!, known[1]!, known[2]!, from, fixed, end)
  }

  #hash(from: number, fixed: number, end: number): number {
    let hash = 0x811c9dc5 | 0
    for (let i = from; i < end; i++)
      if (i < fixed + 4 || i >= fixed + 8) hash = Math.imul(hash ^ this.#bytes[i]!, 0x01000193)
    return hash
  }

  #equal(a: number, aFixed: number, aEnd: number, b: number, bFixed: number, bEnd: number): boolean {
    if (aEnd - a !== bEnd - b || aFixed - a !== bFixed - b) return false
    for (let i = 0; i < aEnd - a; i++) {
      const inTtl = a + i >= aFixed + 4 && a + i < aFixed + 8
      if (!inTtl && this.#bytes[a + i] !== this.#bytes[b + i]) return false
    }
    return true
  }
}

const compressor = new NameCompressor()

/** A message from dns-packet's shapes, names compressed. Throws MessageError for what can't be written. */
export function composeMessage(parts: MessageParts): Uint8Array {
  const { questions = [], answers = [], authorities = [], additionals = [] } = parts
  const out = startMessage()
  out.u16(parts.id ?? 0)
  out.u16((parts.type === 'response' ? 0x8000 : 0) | ((parts.flags ?? 0) & 0x7fff))
  for (const section of [questions, answers, authorities, additionals]) out.u16(section.length)
  return finish(() => {
    for (const { name, type, class: rrclass = 'IN' } of questions) {
      out.name(nameOctets(name, 'name'), 0, true, true)
      out.u16(typeOf(type))
      out.u16(classOf(rrclass))
    }
    putSections(out, [answers, authorities, additionals])
    return out.take()
  })
}

/**
 * A reply's message: the query's ID, opcode, RD, CD and question (octet by octet), the reply's flags, the header's four
 * bits of its RCODE, and its records without any OPT. Throws MessageError for records that can't be written.
 */
export function composeReplyMessage(query: ParsedQuery, reply: ReplyParts): Uint8Array {
  const { answers, authorities } = reply.sections
  const additionals = reply.sections.additionals.filter(({ type }) => type !== 'OPT')
  const out = startMessage()
  out.u16(query.id)
  out.u16(
    0x8000 |
      (query.flags & 0x7910) |
      (reply.authoritative ? 0x0400 : 0) |
      (reply.truncated ? 0x0200 : 0) |
      (reply.recursionAvailable ? 0x0080 : 0) |
      (reply.authenticData ? 0x0020 : 0) |
      (reply.rcode & 15),
  )
  out.u16(1)
  for (const section of [answers, authorities, additionals]) out.u16(section.length)
  out.slice(query.bytes, query.start + HEADER_SIZE, query.start + query.questionEnd)
  compressor.note(out.bytes, HEADER_SIZE)
  return finish(() => {
    putSections(out, [answers, authorities, additionals])
    return out.take()
  })
}

/** One per thread: nothing is composed while another message is. */
const writer = new OctetWriter(4096)
writer.compressor = compressor

function startMessage(): OctetWriter {
  compressor.reset(0)
  writer.length = 0
  lastName = undefined
  return writer
}

/** Records of one RRset stand together, so an owner is often the one before. */
let lastName: string | undefined
let lastOctets: Uint8Array = new Uint8Array(1)

function ownerOctets(name: string): Uint8Array {
  if (name !== lastName) {
    lastOctets = nameOctets(name, 'name')
    lastName = name
  }
  return lastOctets
}

function finish(compose: () => Uint8Array): Uint8Array {
  try {
    return compose()
  } catch (error) {
    if (error instanceof NameError || error instanceof RdataError) throw new MessageError(error.message)
    if (error instanceof TooLargeError) throw new MessageError(`the message would have ${error.message}`)
    throw error
  }
}

function putSections(out: OctetWriter, sections: readonly (readonly Answer[])[]): void {
  for (const section of sections) for (const record of section) putRecord(out, record)
}

/** Fields of a record as any row may have them. */
interface AnyRecord {
  readonly name: string
  readonly type: string
  readonly ttl?: number
  readonly class?: string
  readonly data?: unknown
  readonly udpPayloadSize?: number
  readonly extendedRcode?: number
  readonly ednsVersion?: number
  readonly flags?: number
  readonly options?: readonly PacketOption[]
}

function putRecord(out: OctetWriter, answer: Answer): void {
  const record = answer as AnyRecord
  // Owners may point to a name in another case: the client gets back the case that it asked in.
  out.name(ownerOctets(record.name), 0, true, false)
  const type = typeOf(record.type)
  out.u16(type)
  if (type === TYPE_OPT) {
    out.u16(record.udpPayloadSize ?? 4096)
    out.u8(record.extendedRcode ?? 0)
    out.u8(record.ednsVersion ?? 0)
    out.u16(record.flags ?? 0)
  } else {
    const { ttl = 0 } = record
    if (!Number.isInteger(ttl) || ttl < 0 || ttl > TTL_MAX) throw new MessageError(`${ttl} is not a TTL`)
    out.u16(classOf(record.class ?? 'IN'))
    out.u32(ttl)
  }
  const lengthAt = out.length
  out.u16(0)
  try {
    if (type === TYPE_OPT) composeOptions(record.options ?? [], out)
    else if (!isEmptyData(record)) composeRdata(type, record.data, out)
  } catch (error) {
    if (!(error instanceof NameError || error instanceof RdataError)) throw error
    throw new MessageError(`${record.name} ${record.type}: ${error.message}`)
  }
  out.patch16(lengthAt, out.length - lengthAt - 2)
}

/** Rdata of no octets, as updates have it in classes ANY and NONE. */
function isEmptyData({ data, class: rrclass }: AnyRecord): boolean {
  return data instanceof Uint8Array && data.length === 0 && (rrclass === 'ANY' || rrclass === 'NONE')
}

function typeOf(type: string): number {
  const number = typeNumber(type)
  if (number === undefined) throw new MessageError(`"${type}" is not an RR type`)
  return number
}

function classOf(rrclass: string): number {
  const number = classNumber(rrclass)
  if (number === undefined) throw new MessageError(`"${rrclass}" is not a class`)
  return number
}
