/** Character strings: RFC 1035 section 3.3, one length octet and up to 255 octets; and text without a length. */
import { MALFORMED } from '../../wire/name.ts'
import type { OctetWriter } from '../../wire/octet-writer.ts'
import { type Field, NOT_A_NAME } from '../field.ts'
import { RdataError } from '../rdata-error.ts'
import { QUOTED, type TokenList } from '../text/token-list.ts'
import { copy, octetString, stringOctets, wrongValue } from './values.ts'

export const STRING_SIZE_MAX = 255

/** Text in quotes; quotes and backslashes escaped, other octets that don't print as `\DDD`. */
export function quoted(bytes: Uint8Array, at: number, end: number): string {
  let text = '"'
  for (let i = at; i < end; i++) {
    const octet = bytes[i]!
    if (octet === 0x22 || octet === 0x5c) text += `\\${String.fromCharCode(octet)}`
    else if (octet < 0x20 || octet > 0x7e) text += `\\${String(octet).padStart(3, '0')}`
    else text += String.fromCharCode(octet)
  }
  return `${text}"`
}

/** Offset past the character string at `bytes[at]`, or MALFORMED. */
export function stringEnd(bytes: Uint8Array, at: number, end: number): number {
  if (at >= end) return MALFORMED
  const next = at + 1 + bytes[at]!
  return next <= end ? next : MALFORMED
}

function scanString(tokens: TokenList, out: OctetWriter, what: string): void {
  const index = tokens.take(what)
  const lengthAt = out.length
  out.u8(0)
  // First the string: writing it may replace out.bytes.
  const size = tokens.string(index, out, STRING_SIZE_MAX, 'a character string')
  out.bytes[lengthAt] = size
}

function composeString(octets: Uint8Array, out: OctetWriter, key: string): void {
  if (octets.length > STRING_SIZE_MAX)
    throw new RdataError(`${key} is a string of ${octets.length} octets, more than ${STRING_SIZE_MAX}`)
  out.u8(octets.length)
  out.octets(octets)
}

/** One character string. */
export function charString(key: string): Field {
  return {
    key,
    name: NOT_A_NAME,
    end: stringEnd,
    scan: (tokens, out) => scanString(tokens, out, key),
    print: (bytes, at, end) => quoted(bytes, at + 1, end),
    value: (bytes, at, end) => octetString(bytes, at + 1, end),
    compose: (value, out) => composeString(stringOctets(value, key), out, key),
  }
}

/** A character string that may be left out, at the end: ISDN's subaddress. RFC 1183 section 3.2. */
export function optionalString(key: string): Field {
  const string = charString(key)
  return {
    ...string,
    end: (bytes, at, end) => (at === end ? end : stringEnd(bytes, at, end)),
    scan: (tokens, out) => {
      if (tokens.more) scanString(tokens, out, key)
    },
    print: (bytes, at, end) => (at === end ? '' : string.print(bytes, at, end)),
    value: (bytes, at, end) => (at === end ? undefined : string.value(bytes, at, end)),
    compose: (value, out, data) => {
      if (value !== undefined) string.compose(value, out, data)
    },
  }
}

/** One character string and more, to the end. Longer text is cut into strings of 255 octets, as CoreDNS does. */
export function charStrings(key: string): Field {
  return {
    key,
    name: NOT_A_NAME,
    end(bytes, at, end) {
      let from = at
      while (from < end) {
        from = stringEnd(bytes, from, end)
        if (from < 0) return MALFORMED
      }
      return from
    },
    scan(tokens, out) {
      do scanLongString(tokens, out)
      while (tokens.more)
    },
    print(bytes, at, end) {
      const strings: string[] = []
      for (let from = at; from < end; from += 1 + bytes[from]!)
        strings.push(quoted(bytes, from + 1, from + 1 + bytes[from]!))
      return strings.join(' ')
    },
    value(bytes, at, end) {
      const strings: Buffer[] = []
      for (let from = at; from < end; from += 1 + bytes[from]!)
        strings.push(copy(bytes, from + 1, from + 1 + bytes[from]!))
      return strings
    },
    compose(value, out) {
      for (const part of Array.isArray(value) ? value : [value]) composeString(stringOctets(part, key), out, key)
    },
  }
}

function scanLongString(tokens: TokenList, out: OctetWriter): void {
  const index = tokens.take('a character string')
  const at = out.length
  out.u8(0)
  const size = tokens.string(index, out, 65535, 'an rdata')
  if (size <= STRING_SIZE_MAX) {
    out.bytes[at] = size
    return
  }
  const octets = out.bytes.slice(at + 1, at + 1 + size)
  out.length = at
  for (let from = 0; from < size; from += STRING_SIZE_MAX) {
    const part = octets.subarray(from, Math.min(size, from + STRING_SIZE_MAX))
    out.u8(part.length)
    out.octets(part)
  }
}

/** Text to the end of the rdata, without a length: CAA's value (RFC 8659), URI's target (RFC 7553). */
export function restText(key: string): Field {
  return {
    key,
    name: NOT_A_NAME,
    end: (_bytes, _at, end) => end,
    scan: (tokens, out) => {
      tokens.string(tokens.take(key), out, 65535, 'an rdata')
    },
    print: quoted,
    value: octetString,
    compose: (value, out) => out.octets(stringOctets(value, key)),
  }
}

/** CAA's property tag: letters and digits, not quoted in print. RFC 8659 section 4.1. */
export function tag(key: string): Field {
  const string = charString(key)
  const isTag = (bytes: Uint8Array, at: number, end: number) => {
    for (let i = at; i < end; i++) {
      const lower = bytes[i]! | 0x20
      if (!(bytes[i]! >= 0x30 && bytes[i]! <= 0x39) && !(lower >= 0x61 && lower <= 0x7a)) return false
    }
    return end > at
  }
  return {
    ...string,
    end: (bytes, at, end) => (bytes[at] === 0 ? MALFORMED : stringEnd(bytes, at, end)),
    scan(tokens, out) {
      const index = tokens.next
      if (index < tokens.count && tokens.starts[index] === tokens.ends[index])
        throw tokens.error(index, `is no ${key}`, 'issue')
      scanString(tokens, out, key)
      // In quotes anything is taken: what printed so came from somewhere.
      if (tokens.kinds[index] !== QUOTED && !isTag(tokens.source, tokens.starts[index]!, tokens.ends[index]!)) {
        throw tokens.error(index, `is not ${key}: letters and digits`, 'issue')
      }
    },
    print: (bytes, at, end) =>
      isTag(bytes, at + 1, end) ? octetString(bytes, at + 1, end) : quoted(bytes, at + 1, end),
    compose(value, out, data) {
      if (value === '') throw wrongValue(key, 'a tag', value)
      string.compose(value, out, data)
    },
  }
}
