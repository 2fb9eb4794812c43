/** APL: address prefixes. RFC 3123. */
import { addressText, parseAddress } from '../../wire/address.ts'
import { MALFORMED } from '../../wire/name.ts'
import type { OctetWriter } from '../../wire/octet-writer.ts'
import { type Field, NOT_A_NAME } from '../field.ts'
import { readNumber } from './numbers.ts'
import { wholeNumber, wrongValue } from './values.ts'

/** One item: family (2 octets; 1 IPv4, 2 IPv6), prefix length (1), N bit and address length (1), address without its zero octets at the end. */
const ITEM_HEAD = 4
const FAMILIES = [
  { family: 1, size: 4, version: 4 },
  { family: 2, size: 16, version: 6 },
] as const

interface Prefix {
  readonly family: number
  readonly address: string
  readonly prefix: number
  readonly negated: boolean
}

const scratch = new Uint8Array(16)

export function addressPrefixes(): Field {
  return {
    key: '',
    name: NOT_A_NAME,
    end(bytes, at, end) {
      let from = at
      while (from < end) {
        if (from + ITEM_HEAD > end) return MALFORMED
        const family = readNumber(bytes, from, 2)
        const addressSize = bytes[from + 3]! & 0x7f
        const size = family === 1 ? 4 : family === 2 ? 16 : -1
        if (size < 0 || addressSize > size || bytes[from + 2]! > size * 8) return MALFORMED
        from += ITEM_HEAD + addressSize
        // RFC 3123 section 4: zero octets at the end are not sent.
        if (from > end || (addressSize > 0 && bytes[from - 1] === 0)) return MALFORMED
      }
      return from
    },
    scan(tokens, out) {
      while (tokens.more) {
        const index = tokens.next++
        const item = scanItem(tokens.text(index))
        if (item === undefined || !writeItem(item, out))
          throw tokens.error(index, 'is not an address prefix', '1:192.0.2.0/24')
      }
    },
    print: (bytes, at, end) =>
      read(bytes, at, end)
        .map(({ family, address, prefix, negated }) => `${negated ? '!' : ''}${family}:${address}/${prefix}`)
        .join(' '),
    value: read,
    compose(value, out) {
      if (!Array.isArray(value)) throw wrongValue('', 'an array of address prefixes', value)
      for (const item of value) {
        const { family, address, prefix, negated } = Object(item) as Record<string, unknown>
        const checked = {
          family: wholeNumber(family, 2, 'family'),
          address: String(address),
          prefix: wholeNumber(prefix, 128, 'prefix'),
          negated: negated === true,
        }
        if (!writeItem(checked, out)) throw wrongValue('address', 'an address prefix of its family', address)
      }
    },
  }
}

function scanItem(text: string): Prefix | undefined {
  const match = /^(!?)([12]):([0-9a-fA-F.:]+)\/([0-9]{1,3})$/.exec(text)
  if (match === null) return undefined
  return { family: Number(match[2]), address: match[3]!, prefix: Number(match[4]), negated: match[1] === '!' }
}

function writeItem({ family, address, prefix, negated }: Prefix, out: OctetWriter): boolean {
  const known = FAMILIES.find((row) => row.family === family)
  if (known === undefined || parseAddress(address, scratch) !== known.version || prefix > known.size * 8) return false
  let size: number = known.size
  while (size > 0 && scratch[size - 1] === 0) size--
  out.u16(family)
  out.u8(prefix)
  out.u8((negated ? 0x80 : 0) | size)
  out.slice(scratch, 0, size)
  return true
}

function read(bytes: Uint8Array, at: number, end: number): Prefix[] {
  const items: Prefix[] = []
  for (let from = at; from < end; ) {
    const family = readNumber(bytes, from, 2)
    const size = bytes[from + 3]! & 0x7f
    const address = new Uint8Array(family === 1 ? 4 : 16)
    address.set(bytes.subarray(from + ITEM_HEAD, from + ITEM_HEAD + size))
    items.push({
      family,
      address: addressText(address),
      prefix: bytes[from + 2]!,
      negated: (bytes[from + 3]! & 0x80) !== 0,
    })
    from += ITEM_HEAD + size
  }
  return items
}
