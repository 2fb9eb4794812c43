/**
 * A query on its way through the chain, in a pool thread. Reading anything the cache key does not hold goes through an
 * accessor that marks the reply (`marks.ts`), so that nobody has to think about the cache.
 */
import type { Question } from 'dns-packet'
import { className, typeName } from '../rdata/rr-types.ts'
import { composeQuery } from '../wire/compose-query.ts'
import { nameToText } from '../wire/name.ts'
import { ParsedQuery } from '../wire/parsed-query.ts'
import { Marks, READ_CLIENT, READ_FAMILY, READ_MESSAGE, READ_METADATA, READ_OPTIONS, READ_TRANSPORT } from './marks.ts'

/** The client as the chain sees it. */
export interface ClientAddress {
  /** Without brackets; `fe80::1%eth0` keeps its zone. */
  readonly address: string
  readonly port: number
  readonly family: 4 | 6
}

/** The question to go on with: what is not given stays as it was. */
export interface QueryChange {
  /** Presentation format, absolute. */
  readonly qname?: string
  readonly qtype?: number
  readonly qclass?: number
}

export class Query {
  /** The parsed message. Reading more of it than the key holds (name, qtype, qclass, DO, CD) goes through `message()`. */
  readonly parsed: ParsedQuery
  readonly marks: Marks
  /** The block whose chain runs, and the listener the query came in on. */
  readonly blockId: number
  readonly listenerId: number
  /** Internal look-ups between the client's query and this one. */
  readonly depth: number
  /** When nobody waits for the answer any more, on the clock of `performance.now()`; set by `cancel`. What waits should stop by then. */
  deadlineMs = Number.POSITIVE_INFINITY
  /** Labels of this query (`metadata`); undefined where nobody collects them. Read them with `metadata()`. */
  labels: Map<string, () => string> | undefined
  readonly #client: ClientAddress
  readonly #tcp: boolean
  #qname: string | undefined
  #qnameLower: string | undefined

  constructor(
    parsed: ParsedQuery,
    about: {
      readonly client: ClientAddress
      readonly tcp: boolean
      readonly blockId: number
      readonly listenerId: number
      readonly depth?: number
      readonly marks?: Marks
    },
  ) {
    this.parsed = parsed
    this.marks = about.marks ?? new Marks()
    this.blockId = about.blockId
    this.listenerId = about.listenerId
    this.depth = about.depth ?? 0
    this.#client = about.client
    this.#tcp = about.tcp
  }

  /** As received, absolute, presentation format: `WWW.example.org.` */
  get qname(): string {
    const { parsed } = this
    this.#qname ??= nameToText(parsed.bytes, parsed.start + 12)
    return this.#qname
  }

  /** Lower-case and absolute: what plugins match on. */
  get qnameLower(): string {
    this.#qnameLower ??= nameToText(this.parsed.name, 0)
    return this.#qnameLower
  }

  get qtype(): number {
    return this.parsed.qtype
  }

  get qclass(): number {
    return this.parsed.qclass
  }

  get dnssecOk(): boolean {
    return this.parsed.dnssecOk
  }

  /** In dns-packet's shape: name without the final dot, type and class as text. */
  get question(): Question {
    const name = this.qname
    return {
      name: name === '.' ? '.' : name.slice(0, -1),
      type: typeName(this.qtype) as Question['type'],
      class: className(this.qclass) as NonNullable<Question['class']>,
    }
  }

  /** Who asked. Marks the reply as one for this client only. */
  client(): ClientAddress {
    this.marks.reads |= READ_CLIENT
    return this.#client
  }

  /** 4 or 6. Marks the reply as one for clients of this family. */
  family(): 4 | 6 {
    this.marks.reads |= READ_FAMILY
    return this.#client.family
  }

  /** Marks the reply as one for this transport. */
  transport(): 'udp' | 'tcp' {
    this.marks.reads |= READ_TRANSPORT
    return this.#tcp ? 'tcp' : 'udp'
  }

  /** The whole message as received. Marks the reply as one for this message only. */
  message(): Uint8Array {
    this.marks.reads |= READ_MESSAGE
    const { bytes, start, length } = this.parsed
    return bytes.subarray(start, start + length)
  }

  /** EDNS options as received (code, length, data, repeated; RFC 6891 section 6.1.2); empty when there are none. Marks the reply only then. */
  options(): Uint8Array {
    const { bytes, start, optionsAt, optionsLength } = this.parsed
    if (optionsLength > 0) this.marks.reads |= READ_OPTIONS
    return bytes.subarray(start + optionsAt, start + optionsAt + optionsLength)
  }

  /**
   * What `forward` and the like need, without a mark: whether the client came over TCP decides only how an upstream is
   * asked, not what is answered.
   */
  get cameOverTcp(): boolean {
    return this.#tcp
  }

  /** A label that another plugin set, '' when nobody did. Marks the reply as one for these labels only. */
  metadata(label: string): string {
    this.marks.reads |= READ_METADATA
    return this.labels?.get(label)?.() ?? ''
  }

  /** The client without a mark, for log lines and counters only. */
  get clientForLog(): ClientAddress {
    return this.#client
  }

  /** This query with another question: same client, same EDNS, same marks. */
  with(change: QueryChange): Query {
    return this.#derive(change, this.blockId, this.depth, this.marks)
  }

  /** An internal look-up's query: marks of its own, one level deeper, for the block that serves the new question. */
  internal(change: QueryChange, blockId: number): Query {
    return this.#derive(change, blockId, this.depth + 1, new Marks())
  }

  #derive(change: QueryChange, blockId: number, depth: number, marks: Marks): Query {
    const parsed = new ParsedQuery(this.parsed.hashSeed)
    const bytes = composeQuery(this.parsed, {
      qname: change.qname ?? this.qname,
      qtype: change.qtype ?? this.qtype,
      qclass: change.qclass ?? this.qclass,
    })
    parsed.parse(bytes, 0, bytes.length)
    const derived = new Query(parsed, {
      client: this.#client,
      tcp: this.#tcp,
      blockId,
      listenerId: this.listenerId,
      depth,
      marks,
    })
    derived.deadlineMs = this.deadlineMs
    derived.labels = this.labels
    return derived
  }
}
