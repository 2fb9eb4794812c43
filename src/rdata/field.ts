/**
 * What an rdata is made of. A row of the RR table lists fields, and each kind of field knows its five forms:
 *
 *   wire octets  ── end ──►  where it stops, or MALFORMED: the check that everything else relies on
 *   wire octets  ── print ──►  presentation text     text tokens  ── scan ──►     wire octets
 *   wire octets  ── value ──►  dns-packet's value    a value      ── compose ──►  wire octets
 *
 * Wire octets never hold compression pointers here; `message.ts` follows them first.
 */
import type { OctetWriter } from '../wire/octet-writer.ts'
import type { TokenList } from './text/token-list.ts'

/** Whether a field is a domain name, and which kind. Values of `Field.name`. */
export const NOT_A_NAME = 0
/** May be compressed (RFC 3597 section 4: only in the types of RFC 1035); lower-case in canonical form. */
export const NAME_COMPRESSED = 1
/** Not compressed; lower-case in canonical form (RFC 4034 section 6.2). */
export const NAME_LOWERED = 2
/** Not compressed, and its case counts in canonical form too (RFC 6840 section 5.1, RFC 3597 section 7). */
export const NAME_AS_IS = 3

export interface Field {
  /** Property of the value in dns-packet's shape; '' when the field's value is the whole data. */
  readonly key: string
  /** A NAME_ constant, or NOT_A_NAME. */
  readonly name: number
  /** Offset just past the field in `bytes[at .. end)`, or MALFORMED. Neither allocates nor throws. */
  end(bytes: Uint8Array, at: number, end: number): number
  /** Takes its tokens and writes its octets. Throws RdataError. */
  scan(tokens: TokenList, out: OctetWriter): void
  /** Text of a field that `end` accepted; '' for one that isn't written. */
  print(bytes: Uint8Array, at: number, end: number): string
  /** Value of a field that `end` accepted. Copies: nothing of `bytes` stays in it. */
  value(bytes: Uint8Array, at: number, end: number): unknown
  /** Writes a value. `data` is the object it came from. Throws RdataError or NameError for what can't be written. */
  compose(value: unknown, out: OctetWriter, data: unknown): void
  /** Adds further properties to the object, for fields that dns-packet shows in two ways. */
  derive?(data: Record<string, unknown>): void
}
