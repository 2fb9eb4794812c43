/**
 * Rdata of any type, between its forms. The RR table says what a type's rdata is made of; everything here walks the
 * row's fields, and treats types without fields as opaque octets (RFC 3597).
 *
 *   message octets ── expandRdata ──► wire form ── printRdata ──► text      ── scanRdata ──► wire form
 *                                     wire form ── packetValue ─► dns-packet ── composeRdata ──► message octets
 *
 * "Wire form" is without compression pointers. What validateRdata accepts, the others can print and show without error.
 */
import { expandName, LOWER, MALFORMED, NameError } from '../wire/name.ts'
import { OctetWriter } from '../wire/octet-writer.ts'
import { NAME_SIZE_MAX } from '../wire/parsed-query.ts'
import { type Field, NAME_COMPRESSED, NAME_LOWERED, NOT_A_NAME } from './field.ts'
import { printHex, scanHex } from './fields/binary.ts'
import { copy, wrongValue } from './fields/values.ts'
import { RdataError } from './rdata-error.ts'
import { RR_TABLE, type RRRow } from './rr-table.ts'
import { typeName } from './rr-types.ts'
import { lexLine } from './text/lex-line.ts'
import { TokenList } from './text/token-list.ts'

/** Octets of the longest rdata. */
export const RDATA_SIZE_MAX = 65535
/** Room that `expandRdata` may need: the longest rdata, and three names (no row has more) that pointers stood for. */
export const EXPANDED_SIZE_MAX = RDATA_SIZE_MAX + 3 * NAME_SIZE_MAX

const BACKSLASH = 0x5c
const HASH = 0x23

/** Rows by type. Almost all types are small numbers. */
const rows: (RRRow | undefined)[] = new Array(512).fill(undefined)
const farRows = new Map<number, RRRow>()
for (const row of RR_TABLE) {
  if (row.type < rows.length) rows[row.type] = row
  else farRows.set(row.type, row)
}

/** The type's row, or undefined. Doesn't allocate. */
export function rowOf(type: number): RRRow | undefined {
  return type < rows.length ? rows[type] : farRows.get(type)
}

/** The type's fields; undefined for opaque rdata. Doesn't allocate. */
export function fieldsOf(type: number): readonly Field[] | undefined {
  return rowOf(type)?.rdata
}

/** Whether `bytes[at .. end)` is rdata of this type, without pointers. Neither allocates nor throws. */
export function validateRdata(type: number, bytes: Uint8Array, at: number, end: number): boolean {
  const fields = fieldsOf(type)
  if (end - at > RDATA_SIZE_MAX) return false
  if (fields === undefined) return true
  let from = at
  for (let i = 0; i < fields.length; i++) {
    from = fields[i]!.end(bytes, from, end)
    if (from < 0) return false
  }
  return from === end
}

/**
 * Copies the rdata `message[at .. rdataEnd)` to `out[outAt]`, pointers in its names followed (they count from `start`),
 * and checks it. Returns its size, or MALFORMED. `out` needs room for EXPANDED_SIZE_MAX octets. Neither allocates nor
 * throws.
 */
export function expandRdata(
  type: number,
  message: Uint8Array,
  start: number,
  at: number,
  rdataEnd: number,
  out: Uint8Array,
  outAt: number,
): number {
  const fields = fieldsOf(type)
  let to = outAt
  if (fields === undefined) {
    for (let i = at; i < rdataEnd; i++) out[to++] = message[i]!
    return to - outAt
  }
  let from = at
  for (let i = 0; i < fields.length; i++) {
    const field = fields[i]!
    let next: number
    if (field.name === NOT_A_NAME) {
      next = field.end(message, from, rdataEnd)
      if (next < 0) return MALFORMED
      while (from < next) out[to++] = message[from++]!
    } else {
      next = compressedEnd(message, from, rdataEnd)
      if (next < 0) return MALFORMED
      const size = expandName(message, start, rdataEnd, from, out, to)
      if (size < 0) return MALFORMED
      to += size
    }
    from = next
  }
  return from === rdataEnd && to - outAt <= RDATA_SIZE_MAX ? to - outAt : MALFORMED
}

/** Offset past a name that may end in a pointer. */
function compressedEnd(message: Uint8Array, at: number, end: number): number {
  let from = at
  while (from < end) {
    const length = message[from]!
    if (length === 0) return from + 1
    if (length >= 0xc0) return from + 2 <= end ? from + 2 : MALFORMED
    from += length + 1
  }
  return MALFORMED
}

/**
 * Scans the rest of `tokens` as rdata of this type and writes it in wire form: the type's own text, or RFC 3597's
 * `\# SIZE HEX` for any type. Throws RdataError.
 */
export function scanRdata(type: number, tokens: TokenList, out: OctetWriter): void {
  const fields = fieldsOf(type)
  const from = out.length
  if (isGeneric(tokens)) {
    scanGeneric(type, tokens, out)
    return
  }
  if (fields === undefined) {
    throw new RdataError(`rdata of ${typeName(type)} can only be written as octets`, '\\# 4 0A000001', tokens.next)
  }
  for (let i = 0; i < fields.length; i++) fields[i]!.scan(tokens, out)
  if (tokens.more) throw tokens.error(tokens.next, `is too much: the rdata of ${typeName(type)} ends before it`)
  if (out.length - from > RDATA_SIZE_MAX) throw new RdataError(`the rdata is longer than ${RDATA_SIZE_MAX} octets`)
}

function isGeneric(tokens: TokenList): boolean {
  const { next, starts, ends, source } = tokens
  return (
    tokens.more &&
    ends[next]! - starts[next]! === 2 &&
    source[starts[next]!] === BACKSLASH &&
    source[starts[next]! + 1] === HASH
  )
}

/** RFC 3597 section 5. */
function scanGeneric(type: number, tokens: TokenList, out: OctetWriter): void {
  const mark = tokens.next++
  const size = tokens.number(RDATA_SIZE_MAX, 'the number of octets')
  const from = out.length
  const first = tokens.next
  tokens.next = tokens.count
  const found = scanHex(tokens, first, tokens.count, out)
  if (found !== size) throw tokens.error(first - 1, `octets were announced, but ${found} follow`, `\\# ${found} ...`)
  if (!validateRdata(type, out.bytes, from, out.length))
    throw tokens.error(mark, `is followed by octets that are no rdata of ${typeName(type)}`)
}

/**
 * Text of an rdata in wire form. Octets that are no rdata of the type, and types without a format, are printed as
 * RFC 3597's `\# SIZE HEX`. Allocates, doesn't throw.
 */
export function printRdata(type: number, bytes: Uint8Array, at = 0, end: number = bytes.length): string {
  const fields = fieldsOf(type)
  if (fields === undefined || !validateRdata(type, bytes, at, end)) return printGeneric(bytes, at, end)
  let text = ''
  let from = at
  for (const field of fields) {
    const next = field.end(bytes, from, end)
    const part = field.print(bytes, from, next)
    if (part !== '') text = text === '' ? part : `${text} ${part}`
    from = next
  }
  // No text at all could not be told from a missing rdata (an empty APL, a TXT without strings).
  return text === '' ? printGeneric(bytes, at, end) : text
}

/** RFC 3597 section 5: `\# 4 0A000001`, for any octets. */
export function printGeneric(bytes: Uint8Array, at: number, end: number): string {
  return at === end ? '\\# 0' : `\\# ${end - at} ${printHex(bytes, at, end)}`
}

/**
 * The value that dns-packet shows for rdata that validateRdata accepted: a string, an array or an object; a Buffer for
 * types it doesn't look into, and for types without a format. Nothing of `bytes` is kept in it.
 */
export function packetValue(type: number, bytes: Uint8Array, at: number, end: number): unknown {
  return rowOf(type)?.inPacket === 'buffer' ? copy(bytes, at, end) : rdataValue(type, bytes, at, end)
}

/** Like packetValue, with the fields of every type that has them. */
export function rdataValue(type: number, bytes: Uint8Array, at: number, end: number): unknown {
  const fields = fieldsOf(type)
  if (fields === undefined) return copy(bytes, at, end)
  if (fields.length === 1 && fields[0]!.key === '') return fields[0]!.value(bytes, at, end)
  const data: Record<string, unknown> = {}
  let from = at
  for (const field of fields) {
    const next = field.end(bytes, from, end)
    data[field.key] = field.value(bytes, from, next)
    field.derive?.(data)
    from = next
  }
  return data
}

/**
 * Writes a value in dns-packet's shape: what packetValue or rdataValue gives, or for any type a Buffer of its rdata in
 * wire form. Names are compressed where `out` composes a message and the type allows it. Throws RdataError or NameError.
 */
export function composeRdata(type: number, value: unknown, out: OctetWriter): void {
  const fields = fieldsOf(type)
  if (value instanceof Uint8Array && !(fields?.length === 1 && type === TYPE_TXT)) {
    composeOctets(type, value, out)
    return
  }
  if (fields === undefined) throw wrongValue('', `a Buffer, as ${typeName(type)} needs,`, value)
  if (fields.length === 1 && fields[0]!.key === '') {
    fields[0]!.compose(value, out, value)
    return
  }
  if (typeof value !== 'object' || value === null) throw wrongValue('', `an object, as ${typeName(type)} needs,`, value)
  for (const field of fields) field.compose((value as Record<string, unknown>)[field.key], out, value)
}

/** A Buffer as TXT's data is one character string, as in dns-packet. */
const TYPE_TXT = 16

function composeOctets(type: number, rdata: Uint8Array, out: OctetWriter): void {
  if (!validateRdata(type, rdata, 0, rdata.length))
    throw new RdataError(`the Buffer holds no rdata of ${typeName(type)}`)
  writeRdata(type, rdata, 0, rdata.length, out)
}

/** Writes valid rdata in wire form, with names compressed where `out` composes a message and the type allows it. */
export function writeRdata(type: number, rdata: Uint8Array, at: number, end: number, out: OctetWriter): void {
  const fields = fieldsOf(type)
  let from = at
  if (fields !== undefined && out.compressor !== undefined) {
    for (const field of fields) {
      const next = field.end(rdata, from, end)
      if (field.name === NAME_COMPRESSED) out.name(rdata, from, true, true)
      else out.slice(rdata, from, next)
      from = next
    }
  }
  out.slice(rdata, from, end)
}

/**
 * Lower-cases the names of valid rdata in place, as RFC 4034 section 6.2 (less NSEC, RFC 6840 section 5.1) wants it for
 * the canonical form. Neither allocates nor throws.
 */
export function canonicalizeRdata(type: number, bytes: Uint8Array, at: number, end: number): void {
  const fields = fieldsOf(type)
  if (fields === undefined) return
  let from = at
  for (let i = 0; i < fields.length; i++) {
    const field = fields[i]!
    const next = field.end(bytes, from, end)
    if (next < 0) return
    if (field.name === NAME_COMPRESSED || field.name === NAME_LOWERED) {
      for (let j = from; j < next; j++) bytes[j] = LOWER[bytes[j]!]!
    }
    from = next
  }
}

const textTokens = new TokenList()

/**
 * Scans an rdata's text to wire form: `scanRdataText(15, '10 mail', origin)`. `origin` (wire form) completes relative
 * names; without one they are errors. Throws RdataError.
 */
export function scanRdataText(type: number, text: string, origin?: Uint8Array): Uint8Array {
  const out = new OctetWriter(64)
  lexLine(text, textTokens)
  textTokens.origin = origin
  scanRdata(type, textTokens, out)
  return out.take()
}

/** A value in dns-packet's shape to wire form. Throws RdataError. */
export function rdataOctets(type: number, value: unknown): Uint8Array {
  const out = new OctetWriter(64)
  try {
    composeRdata(type, value, out)
  } catch (error) {
    if (error instanceof NameError) throw new RdataError(error.message)
    throw error
  }
  return out.take()
}
