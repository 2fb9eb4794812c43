/** EDNS options in dns-packet's shapes. RFC 6891 section 6.1.2. */
import { addressText, parseAddress } from '../wire/address.ts'
import type { OctetWriter } from '../wire/octet-writer.ts'
import { readNumber } from './fields/numbers.ts'
import { bufferOctets, copy, wholeNumber, wrongValue } from './fields/values.ts'

/** One option: `data` is its octets; dns-packet shows some options' fields too. */
export interface PacketOption {
  readonly code: number | string
  readonly type?: string
  readonly data?: Uint8Array
  readonly family?: number
  readonly sourcePrefixLength?: number
  readonly scopePrefixLength?: number
  readonly ip?: string
  readonly timeout?: number
  readonly length?: number
  readonly tags?: readonly number[]
}

const CLIENT_SUBNET = 8
const TCP_KEEPALIVE = 11
const PADDING = 12
const KEY_TAG = 14

/** dns-packet's names of the options. */
const NAMES: readonly (readonly [number, string])[] = [
  [1, 'LLQ'],
  [2, 'UL'],
  [3, 'NSID'],
  [5, 'DAU'],
  [6, 'DHU'],
  [7, 'N3U'],
  [8, 'CLIENT_SUBNET'],
  [9, 'EXPIRE'],
  [10, 'COOKIE'],
  [11, 'TCP_KEEPALIVE'],
  [12, 'PADDING'],
  [13, 'CHAIN'],
  [14, 'KEY_TAG'],
  [26946, 'DEVICEID'],
]
const names = new Map(NAMES)
const codes = new Map(NAMES.map(([code, name]) => [name, code]))

/** Options in `bytes[at .. end)`, or undefined when one reaches past the end. */
export function parseOptions(bytes: Uint8Array, at: number, end: number): PacketOption[] | undefined {
  const options: PacketOption[] = []
  for (let from = at; from < end; ) {
    if (from + 4 > end) return undefined
    const code = readNumber(bytes, from, 2)
    const next = from + 4 + readNumber(bytes, from + 2, 2)
    if (next > end) return undefined
    const data = copy(bytes, from + 4, next)
    options.push({ code, type: names.get(code) ?? `OPTION_${code}`, data, ...fieldsOfOption(code, data) })
    from = next
  }
  return options
}

function fieldsOfOption(code: number, data: Buffer): Partial<PacketOption> {
  if (code === CLIENT_SUBNET && data.length >= 4) {
    const family = readNumber(data, 0, 2)
    const size = family === 1 ? 4 : 16
    if (family < 1 || family > 2 || data.length > 4 + size) return {}
    const address = new Uint8Array(size)
    address.set(data.subarray(4))
    return { family, sourcePrefixLength: data[2]!, scopePrefixLength: data[3]!, ip: addressText(address) }
  }
  if (code === TCP_KEEPALIVE && data.length === 2) return { timeout: readNumber(data, 0, 2) }
  if (code === KEY_TAG && data.length % 2 === 0) {
    return { tags: Array.from({ length: data.length / 2 }, (_, i) => readNumber(data, 2 * i, 2)) }
  }
  return {}
}

/** Writes options; `data` wins over the fields of an option. Throws RdataError. */
export function composeOptions(options: readonly PacketOption[], out: OctetWriter): void {
  for (const option of options) {
    const code = typeof option.code === 'number' ? option.code : codes.get(option.code.toUpperCase())
    out.u16(wholeNumber(code, 65535, 'code'))
    const lengthAt = out.length
    out.u16(0)
    if (option.data !== undefined) out.octets(bufferOctets(option.data, 'data'))
    else composeFields(code!, option, out)
    out.patch16(lengthAt, out.length - lengthAt - 2)
  }
}

function composeFields(code: number, option: PacketOption, out: OctetWriter): void {
  switch (code) {
    case CLIENT_SUBNET: {
      const address = new Uint8Array(16)
      const version = option.ip === undefined ? 0 : parseAddress(option.ip, address)
      if (version === 0) throw wrongValue('ip', 'an IP address', option.ip)
      const prefix = wholeNumber(option.sourcePrefixLength, version === 4 ? 32 : 128, 'sourcePrefixLength', 0)
      out.u16(version === 4 ? 1 : 2)
      out.u8(prefix)
      out.u8(wholeNumber(option.scopePrefixLength, version === 4 ? 32 : 128, 'scopePrefixLength', 0))
      const size = (prefix + 7) >>> 3
      // RFC 7871 section 6: bits beyond the prefix are zero.
      if ((prefix & 7) !== 0) address[size - 1]! &= 0xff << (8 - (prefix & 7))
      out.slice(address, 0, size)
      return
    }
    case TCP_KEEPALIVE:
      if (option.timeout !== undefined) out.u16(wholeNumber(option.timeout, 65535, 'timeout'))
      return
    case PADDING:
      out.octets(new Uint8Array(wholeNumber(option.length, 65535, 'length', 0)))
      return
    case KEY_TAG:
      for (const tag of option.tags ?? []) out.u16(wholeNumber(tag, 65535, 'tags'))
      return
    default:
      throw wrongValue('data', `a Buffer, as option ${code} needs,`, option.data)
  }
}
