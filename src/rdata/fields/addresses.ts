/** IP addresses, EUI-48 and EUI-64, and the locators of ILNP. */
import { addressText } from '../../wire/address.ts'
import { MALFORMED } from '../../wire/name.ts'
import { type Field, NOT_A_NAME } from '../field.ts'
import { scanIPv4, scanIPv6 } from '../text/ip-text.ts'
import type { TokenList } from '../text/token-list.ts'
import { view, wrongValue } from './values.ts'

/** Longer than any address is written. */
const ADDRESS_TEXT_SIZE_MAX = 64
const text = new Uint8Array(ADDRESS_TEXT_SIZE_MAX)

/** Puts the start of a string into `text`; returns its length there. */
function textOctets(value: string): number {
  const length = Math.min(value.length, ADDRESS_TEXT_SIZE_MAX)
  for (let i = 0; i < length; i++) {
    const code = value.charCodeAt(i)
    text[i] = code < 0x80 ? code : 0
  }
  return length
}

function address(key: string, size: 4 | 16): Field {
  const family = size === 4 ? 4 : 6
  const scanAddress = size === 4 ? scanIPv4 : scanIPv6
  return {
    key,
    name: NOT_A_NAME,
    end: (_bytes, at, end) => (at + size <= end ? at + size : MALFORMED),
    scan(tokens, out) {
      const index = tokens.take(`an IPv${family} address`)
      out.reserve(size)
      if (!scanAddress(tokens.source, tokens.starts[index]!, tokens.ends[index]!, out.bytes, out.length)) {
        throw tokens.error(index, `is not an IPv${family} address`, size === 4 ? '192.0.2.1' : '2001:db8::1')
      }
      out.length += size
    },
    print: (bytes, at) => addressText(view(bytes, at, at + size)),
    value: (bytes, at) => addressText(view(bytes, at, at + size)),
    compose(value, out) {
      if (typeof value !== 'string') throw wrongValue(key, `an IPv${family} address`, value)
      const length = textOctets(value)
      out.reserve(size)
      if (!scanAddress(text, 0, length, out.bytes, out.length)) throw wrongValue(key, `an IPv${family} address`, value)
      out.length += size
    },
  }
}

export const ipv4 = (key: string): Field => address(key, 4)
export const ipv6 = (key: string): Field => address(key, 16)

/**
 * Octets written as hexadecimal digits in groups: EUI-48 and EUI-64 (RFC 7043: 00-00-5e-00-53-2a), ILNP's 64-bit
 * values (RFC 6742: 2001:0db8:1140:1000).
 */
function groups(key: string, size: number, perGroup: number, separator: string, example: string): Field {
  const pattern = new RegExp(
    `^[0-9a-f]{1,${perGroup * 2}}(${separator}[0-9a-f]{1,${perGroup * 2}}){${size / perGroup - 1}}$`,
    'i',
  )
  const strict = separator === '-'
  const octets = (text: string) =>
    pattern.test(text) && (!strict || text.length === example.length)
      ? Buffer.from(
          text
            .split(separator)
            .map((group) => group.padStart(perGroup * 2, '0'))
            .join(''),
          'hex',
        )
      : undefined
  const print = (bytes: Uint8Array, at: number) => {
    const hex = view(bytes, at, at + size).toString('hex')
    const parts: string[] = []
    for (let i = 0; i < hex.length; i += perGroup * 2) parts.push(hex.slice(i, i + perGroup * 2))
    return parts.join(separator)
  }
  return {
    key,
    name: NOT_A_NAME,
    end: (_bytes, at, end) => (at + size <= end ? at + size : MALFORMED),
    scan(tokens: TokenList, out) {
      const index = tokens.take(key)
      const scanned = octets(tokens.text(index))
      if (scanned === undefined) throw tokens.error(index, 'has the wrong form', example)
      out.octets(scanned)
    },
    print,
    value: print,
    compose(value, out) {
      const composed = typeof value === 'string' ? octets(value) : undefined
      if (composed === undefined) throw wrongValue(key, `like ${example}`, value)
      out.octets(composed)
    },
  }
}

export const eui48 = (key: string): Field => groups(key, 6, 1, '-', '00-00-5e-00-53-2a')
export const eui64 = (key: string): Field => groups(key, 8, 1, '-', '00-00-5e-ef-10-00-00-2a')
export const ilnp64 = (key: string): Field => groups(key, 8, 2, ':', '2001:0db8:1140:1000')
