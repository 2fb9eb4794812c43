/** Octets written as hexadecimal digits or in base 64 or 32. */
import { MALFORMED } from '../../wire/name.ts'
import type { OctetWriter } from '../../wire/octet-writer.ts'
import { type Field, NOT_A_NAME } from '../field.ts'
import { RdataError } from '../rdata-error.ts'
import type { TokenList } from '../text/token-list.ts'
import { readNumber } from './numbers.ts'
import { bufferOctets, copy, view, wrongValue } from './values.ts'

const BASE64 = digits('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/')
const BASE32 = digits('0123456789abcdefghijklmnopqrstuv')
for (let i = 10; i < 32; i++) BASE32['0123456789ABCDEFGHIJKLMNOPQRSTUV'.charCodeAt(i)] = i
const HEX = digits('0123456789abcdef')
for (let i = 10; i < 16; i++) HEX['0123456789ABCDEF'.charCodeAt(i)] = i

function digits(alphabet: string): Int8Array {
  const table = new Int8Array(256).fill(-1)
  for (let i = 0; i < alphabet.length; i++) table[alphabet.charCodeAt(i)] = i
  return table
}

/** Writes the octets that tokens `from` up to `to` say in hexadecimal, in as many pieces as there are. Returns how many. */
export function scanHex(tokens: TokenList, from: number, to: number, out: OctetWriter): number {
  const before = out.length
  let high = -1
  for (let index = from; index < to; index++) {
    for (let i = tokens.starts[index]!; i < tokens.ends[index]!; i++) {
      const digit = HEX[tokens.source[i]!]!
      if (digit < 0) throw tokens.error(index, 'is not hexadecimal')
      if (high < 0) high = digit
      else {
        out.u8((high << 4) | digit)
        high = -1
      }
    }
  }
  if (high >= 0) throw tokens.error(to - 1, 'has an odd number of hexadecimal digits')
  return out.length - before
}

/** Writes the octets that tokens `from` up to `to` say in base 64 (RFC 4648 section 4), in as many pieces as there are. */
export function scanBase64(tokens: TokenList, from: number, to: number, out: OctetWriter): number {
  const before = out.length
  let bits = 0
  let count = 0
  let padding = 0
  for (let index = from; index < to; index++) {
    for (let i = tokens.starts[index]!; i < tokens.ends[index]!; i++) {
      const octet = tokens.source[i]!
      if (octet === 0x3d) {
        padding++
        continue
      }
      const digit = BASE64[octet]!
      if (digit < 0 || padding > 0) throw tokens.error(index, 'is not base 64')
      bits = ((bits << 6) | digit) & 0xffffff
      if (++count % 4 === 0) {
        out.u8(bits >>> 16)
        out.u8((bits >>> 8) & 255)
        out.u8(bits & 255)
      }
    }
  }
  const left = count % 4
  if (left === 1 || (left === 0 ? padding > 0 : padding !== 4 - left)) {
    throw tokens.error(to - 1, 'is not whole: base 64 comes in groups of four, filled up with =')
  }
  if (left >= 2) out.u8((bits >>> (left === 2 ? 4 : 10)) & 255)
  if (left === 3) out.u8((bits >>> 2) & 255)
  return out.length - before
}

/** Base 32 with extended hex alphabet, no padding (RFC 4648 section 7, RFC 5155 section 3.3). */
function scanBase32(tokens: TokenList, index: number, out: OctetWriter): number {
  const before = out.length
  let bits = 0
  let held = 0
  for (let i = tokens.starts[index]!; i < tokens.ends[index]!; i++) {
    const digit = BASE32[tokens.source[i]!]!
    if (digit < 0) throw tokens.error(index, 'is not base 32 (digits, and letters a to v)')
    bits = ((bits << 5) | digit) & 0xfff
    held += 5
    if (held >= 8) {
      held -= 8
      out.u8((bits >>> held) & 255)
    }
  }
  // What is left over has to be padding bits: fewer than 5, all zero.
  if (held >= 5 || (bits & ((1 << held) - 1)) !== 0) throw tokens.error(index, 'is not whole base 32')
  return out.length - before
}

/** Octets in base 32 with extended hex alphabet, lower case, no padding: how NSEC3 writes hashes. */
export function printBase32(bytes: Uint8Array, at: number, end: number): string {
  let text = ''
  let bits = 0
  let held = 0
  for (let i = at; i < end; i++) {
    bits = ((bits << 8) | bytes[i]!) & 0xfff
    held += 8
    while (held >= 5) {
      held -= 5
      text += '0123456789abcdefghijklmnopqrstuv'[(bits >>> held) & 31]
    }
  }
  return held > 0 ? text + '0123456789abcdefghijklmnopqrstuv'[(bits << (5 - held)) & 31] : text
}

export const printHex = (bytes: Uint8Array, at: number, end: number): string =>
  view(bytes, at, end).toString('hex').toUpperCase()
export const printBase64 = (bytes: Uint8Array, at: number, end: number): string =>
  view(bytes, at, end).toString('base64')

/** Everything to the end, in hexadecimal. `empty`: what no octets are written as, where that is allowed. */
export function restHex(key: string, empty?: string): Field {
  return {
    key,
    name: NOT_A_NAME,
    end: (_bytes, at, end) => (at === end && empty === undefined ? MALFORMED : end),
    scan(tokens, out) {
      const from = takeRest(tokens, key, empty === '')
      if (isOnly(tokens, from, empty)) return
      scanHex(tokens, from, tokens.count, out)
    },
    print: (bytes, at, end) => (at === end ? (empty ?? '') : printHex(bytes, at, end)),
    value: copy,
    compose: (value, out) => out.octets(bufferOctets(value, key)),
  }
}

/** SSHFP's fingerprint: dns-packet shows it as upper-case hexadecimal text. RFC 4255 section 3.1.3. */
export function fingerprint(key: string): Field {
  return {
    ...restHex(key),
    value: printHex,
    compose(value, out) {
      if (typeof value !== 'string' || !/^([0-9a-f]{2})*$/i.test(value))
        throw wrongValue(key, 'hexadecimal text', value)
      out.octets(Buffer.from(value, 'hex'))
    },
  }
}

/** Everything to the end, in base 64. `empty`: what no octets are written as, where that is allowed. */
export function restBase64(key: string, empty?: string): Field {
  return {
    key,
    name: NOT_A_NAME,
    end: (_bytes, at, end) => (at === end && empty === undefined ? MALFORMED : end),
    scan(tokens, out) {
      const from = takeRest(tokens, key, empty === '')
      if (isOnly(tokens, from, empty)) return
      scanBase64(tokens, from, tokens.count, out)
    },
    print: (bytes, at, end) => (at === end ? (empty ?? '') : printBase64(bytes, at, end)),
    value: copy,
    compose: (value, out) => out.octets(bufferOctets(value, key)),
  }
}

function takeRest(tokens: TokenList, what: string, mayBeEmpty: boolean): number {
  const from = tokens.next
  if (from === tokens.count && !mayBeEmpty) throw new RdataError(`${what} is missing`, undefined, from)
  tokens.next = tokens.count
  return from
}

function isOnly(tokens: TokenList, from: number, text: string | undefined): boolean {
  return text !== undefined && text !== '' && tokens.count - from === 1 && tokens.text(from) === text
}

/** An octet with the length, then the octets: end of it, or MALFORMED. */
const shortEnd = (bytes: Uint8Array, at: number, end: number): number => {
  if (at >= end) return MALFORMED
  const next = at + 1 + bytes[at]!
  return next <= end ? next : MALFORMED
}

function composeShort(value: unknown, out: OctetWriter, key: string): void {
  const octets = bufferOctets(value, key)
  if (octets.length > 255) throw wrongValue(key, 'at most 255 octets', value)
  out.u8(octets.length)
  out.octets(octets)
}

/** NSEC3's salt: length octet and octets; hexadecimal, `-` for none. RFC 5155 section 3.3. */
export function salt(key: string): Field {
  return {
    key,
    name: NOT_A_NAME,
    end: shortEnd,
    scan(tokens, out) {
      const index = tokens.take(key)
      const at = out.length
      out.u8(0)
      if (tokens.is(index, 0x2d)) return
      const size = scanHex(tokens, index, index + 1, out)
      if (size > 255) throw tokens.error(index, 'is longer than 255 octets')
      out.bytes[at] = size
    },
    print: (bytes, at, end) => (at + 1 === end ? '-' : printHex(bytes, at + 1, end)),
    value: (bytes, at, end) => copy(bytes, at + 1, end),
    compose: (value, out) => composeShort(value, out, key),
  }
}

/** NSEC3's next hashed owner: length octet and octets; base 32. RFC 5155 section 3.3. */
export function hash32(key: string): Field {
  return {
    key,
    name: NOT_A_NAME,
    // RFC 5155 section 3.2: the length is at least 1.
    end: (bytes, at, end) => (bytes[at] === 0 ? MALFORMED : shortEnd(bytes, at, end)),
    scan(tokens, out) {
      const index = tokens.take(key)
      const at = out.length
      out.u8(0)
      const size = scanBase32(tokens, index, out)
      if (size === 0 || size > 255) throw tokens.error(index, 'is not a hash of 1 to 255 octets')
      out.bytes[at] = size
    },
    print: (bytes, at, end) => printBase32(bytes, at + 1, end),
    value: (bytes, at, end) => copy(bytes, at + 1, end),
    compose(value, out) {
      if (bufferOctets(value, key).length === 0) throw wrongValue(key, 'a hash of 1 to 255 octets', value)
      composeShort(value, out, key)
    },
  }
}

/** Two octets with the length, then the octets; text: length, and if it isn't 0 the octets in base 64 (TSIG, TKEY). RFC 8945 section 4.2. */
export function sizedBase64(key: string): Field {
  return {
    key,
    name: NOT_A_NAME,
    end(bytes, at, end) {
      if (at + 2 > end) return MALFORMED
      const next = at + 2 + readNumber(bytes, at, 2)
      return next <= end ? next : MALFORMED
    },
    scan(tokens, out) {
      const size = tokens.number(65535, `size of ${key}`)
      out.u16(size)
      if (size === 0) return
      const index = tokens.take(key)
      if (scanBase64(tokens, index, index + 1, out) !== size) throw tokens.error(index, `is not ${size} octets`)
    },
    print: (bytes, at, end) => (at + 2 === end ? '0' : `${end - at - 2} ${printBase64(bytes, at + 2, end)}`),
    value: (bytes, at, end) => copy(bytes, at + 2, end),
    compose(value, out) {
      const octets = bufferOctets(value, key)
      if (octets.length > 65535) throw wrongValue(key, 'at most 65535 octets', value)
      out.u16(octets.length)
      out.octets(octets)
    },
  }
}

/** NSAP address: `0x` and hexadecimal digits, dots anywhere between them. RFC 1706 section 5. */
export function nsapAddress(key: string): Field {
  const scanText = (text: string) =>
    /^0x([0-9a-f]\.*){2,}$/i.test(text) && text.replaceAll('.', '').length % 2 === 0
      ? Buffer.from(text.slice(2).replaceAll('.', ''), 'hex')
      : undefined
  return {
    key,
    name: NOT_A_NAME,
    end: (_bytes, at, end) => (at < end ? end : MALFORMED),
    scan(tokens, out) {
      const index = tokens.take(key)
      const octets = scanText(tokens.text(index))
      if (octets === undefined)
        throw tokens.error(index, 'is not an NSAP address', '0x47.0005.80.005a00.0000.0001.e133.ffffff000161.00')
      out.octets(octets)
    },
    print: (bytes, at, end) => `0x${view(bytes, at, end).toString('hex')}`,
    value: (bytes, at, end) => `0x${view(bytes, at, end).toString('hex')}`,
    compose(value, out) {
      const octets = typeof value === 'string' ? scanText(value) : undefined
      if (octets === undefined) throw wrongValue(key, 'an NSAP address', value)
      out.octets(octets)
    },
  }
}

/** ATM address: format octet 1 is E.164 digits behind a `+`, 0 is an ATM end system address in hexadecimal. ATM Forum AF-DANS-0152, section 5.2. */
export function atmAddress(key: string): Field {
  const isE164 = (bytes: Uint8Array, at: number, end: number) => {
    for (let i = at + 1; i < end; i++) if (bytes[i]! < 0x30 || bytes[i]! > 0x39) return false
    return bytes[at] === 1
  }
  const octets = (text: string) => {
    if (/^\+[0-9]+$/.test(text)) return Buffer.from(`\x01${text.slice(1)}`, 'latin1')
    const plain = text.replaceAll('.', '')
    return /^([0-9a-f]{2})+$/i.test(plain) && !text.startsWith('.') ? Buffer.from(`00${plain}`, 'hex') : undefined
  }
  return {
    key,
    name: NOT_A_NAME,
    end: (bytes, at, end) => (at + 1 < end && (bytes[at] === 0 || isE164(bytes, at, end)) ? end : MALFORMED),
    scan(tokens, out) {
      const index = tokens.take(key)
      const scanned = octets(tokens.text(index))
      if (scanned === undefined) throw tokens.error(index, 'is not an ATM address', '+61200000000')
      out.octets(scanned)
    },
    print: (bytes, at, end) =>
      bytes[at] === 1 ? `+${view(bytes, at + 1, end).toString('latin1')}` : view(bytes, at + 1, end).toString('hex'),
    value: (bytes, at, end) =>
      bytes[at] === 1 ? `+${view(bytes, at + 1, end).toString('latin1')}` : view(bytes, at + 1, end).toString('hex'),
    compose(value, out) {
      const composed = typeof value === 'string' ? octets(value) : undefined
      if (composed === undefined) throw wrongValue(key, 'an ATM address', value)
      out.octets(composed)
    },
  }
}
