/**
 * The queries of a workload, ready to be sent: composed once, told apart by a serial number. A serial number decides everything about its
 * query, so what a reply must look like can be worked out again when it comes, and nothing is remembered but the number.
 */
import { strict as assert } from 'node:assert'

/** A query and what its reply must be. */
export interface Expected {
  /** Presentation format, absolute: `n1.example.` */
  readonly qname: string
  readonly qtype: number
  readonly rcode: number
  /** Records in the answer section; at least so many, because some servers add more. */
  readonly answers: number
  /** An IPv4 or IPv6 address that one of the answers must hold, in hex. */
  readonly rdata?: string
  /**
   * The first label's first octets are written over with the serial number, so that no query comes twice. The label must be
   * UNIQUE_DIGITS long at least.
   */
  readonly unique?: boolean
}

/** `sequence`: one after the other, from the start again. `random`: uniform. `zipf`: exponent 1, the first the most. */
export type Order = 'sequence' | 'random' | 'zipf'

export const UNIQUE_DIGITS = 10
const HEADER_SIZE = 12
const ZIPF_TABLE_SIZE = 1 << 18

/** What is wrong with a reply; 0 when it is right. */
export const RIGHT = 0
export const WRONG_HEADER = 1
export const WRONG_QUESTION = 2
export const WRONG_RCODE = 3
export const WRONG_ANSWER = 4

export class QuerySet {
  readonly size: number
  /** Whether `check` looks at more than the header and the question. */
  checked = true
  readonly #bytes: Uint8Array
  readonly #at: Uint32Array
  readonly #rcodes: Uint8Array
  readonly #answers: Uint8Array
  readonly #rdata: (Uint8Array | undefined)[] = []
  readonly #unique: Uint8Array
  readonly #order: Order
  readonly #ranks: Uint32Array
  readonly #scratch = new Uint8Array(512)

  constructor(expected: readonly Expected[], order: Order) {
    assert(expected.length > 0)
    const queries = expected.map(composeQuery)
    this.size = expected.length
    this.#order = order
    this.#at = new Uint32Array(this.size + 1)
    for (const [i, query] of queries.entries()) this.#at[i + 1] = this.#at[i]! + query.length
    this.#bytes = Buffer.concat(queries)
    this.#rcodes = Uint8Array.from(expected, ({ rcode }) => rcode)
    this.#answers = Uint8Array.from(expected, ({ answers }) => answers)
    this.#unique = Uint8Array.from(expected, ({ unique }) => (unique ? 1 : 0))
    for (const { rdata } of expected) this.#rdata.push(rdata === undefined ? undefined : Buffer.from(rdata, 'hex'))
    this.#ranks = order === 'zipf' ? zipfRanks(this.size) : new Uint32Array(0)
  }

  /** Which query of the set has this serial number. */
  index(serial: number): number {
    if (this.#order === 'sequence') return serial % this.size
    const random = mix(serial)
    return this.#order === 'random' ? random % this.size : this.#ranks[random & (ZIPF_TABLE_SIZE - 1)]!
  }

  /** Writes the query at `out[at]`, with ID 0; returns its length. */
  compose(serial: number, out: Uint8Array, at: number): number {
    const index = this.index(serial)
    const from = this.#at[index]!
    const length = this.#at[index + 1]! - from
    for (let i = 0; i < length; i++) out[at + i] = this.#bytes[from + i]!
    if (this.#unique[index] === 1) {
      let rest = serial
      for (let i = UNIQUE_DIGITS; i > 0; i--) {
        out[at + HEADER_SIZE + i] = 0x30 + (rest % 10)
        rest = Math.trunc(rest / 10)
      }
    }
    return length
  }

  /** Whether the message is the reply to the query with this serial number, its ID apart. */
  check(serial: number, bytes: Uint8Array, start: number, length: number): number {
    const query = this.#scratch
    const queryLength = this.compose(serial, query, 0)
    if (length < queryLength || (bytes[start + 2]! & 0x80) === 0 || (bytes[start + 2]! & 0x02) !== 0)
      return WRONG_HEADER
    // Queries have no record besides the question.
    for (let i = HEADER_SIZE; i < queryLength; i++) if (bytes[start + i] !== query[i]) return WRONG_QUESTION
    if (!this.checked) return RIGHT
    const index = this.index(serial)
    if ((bytes[start + 3]! & 15) !== this.#rcodes[index]) return WRONG_RCODE
    const answers = (bytes[start + 6]! << 8) | bytes[start + 7]!
    if (answers < this.#answers[index]!) return WRONG_ANSWER
    const rdata = this.#rdata[index]
    if (rdata === undefined) return RIGHT
    return holds(bytes, start + queryLength, start + length, answers, rdata) ? RIGHT : WRONG_ANSWER
  }
}

/** Whether one of the `count` records from `at` on has this rdata. */
function holds(bytes: Uint8Array, at: number, end: number, count: number, rdata: Uint8Array): boolean {
  for (let record = 0; record < count; record++) {
    while (at < end && bytes[at] !== 0 && bytes[at]! < 0xc0) at += bytes[at]! + 1
    at += bytes[at]! >= 0xc0 ? 2 : 1
    if (at + 10 > end) return false
    const size = (bytes[at + 8]! << 8) | bytes[at + 9]!
    at += 10
    if (at + size > end) return false
    if (size === rdata.length) {
      let i = 0
      while (i < size && bytes[at + i] === rdata[i]) i++
      if (i === size) return true
    }
    at += size
  }
  return false
}

function composeQuery({ qname, qtype, unique }: Expected): Buffer {
  const labels = qname === '.' ? [] : qname.replace(/\.$/, '').split('.')
  assert(!unique || labels[0]!.length >= UNIQUE_DIGITS, `${qname} is too short for a serial number`)
  const name = labels.flatMap((label) => [label.length, ...Buffer.from(label, 'latin1')])
  // RD is set, as stub resolvers do.
  return Buffer.from([0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, ...name, 0, qtype >>> 8, qtype & 255, 0, 1])
}

/** Spreads serial numbers over 32 bits, none twice. */
export function mix(serial: number): number {
  let x = Math.imul(serial ^ (serial >>> 16), 0x7feb352d)
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b)
  return (x ^ (x >>> 16)) >>> 0
}

/** Each of `size` indexes as often as its share at exponent 1: a uniform look-up in it is Zipf's. */
function zipfRanks(size: number): Uint32Array {
  let sum = 0
  for (let i = 1; i <= size; i++) sum += 1 / i
  const ranks = new Uint32Array(ZIPF_TABLE_SIZE)
  let rank = 0
  let reached = 1 / sum
  for (let i = 0; i < ZIPF_TABLE_SIZE; i++) {
    while ((i + 0.5) / ZIPF_TABLE_SIZE > reached && rank < size - 1) reached += 1 / (++rank + 1) / sum
    ranks[i] = rank
  }
  return ranks
}
