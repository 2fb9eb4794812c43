/** Sets written as bits: RR types in NSEC and its kin, services in WKS. */
import { MALFORMED } from '../../wire/name.ts'
import type { OctetWriter } from '../../wire/octet-writer.ts'
import { type Field, NOT_A_NAME } from '../field.ts'
import { RdataError } from '../rdata-error.ts'
import { scanIPv4 } from '../text/ip-text.ts'
import type { TokenList } from '../text/token-list.ts'
import { readNumber } from './numbers.ts'
import { wholeNumber, wrongValue } from './values.ts'

/** Names and numbers of RR types; `rr-types.ts` puts them in, for it needs the table that these fields are part of. */
export const typeNaming: {
  nameOf: (type: number) => string
  numberOf: (text: string) => number | undefined
} = { nameOf: (type) => `TYPE${type}`, numberOf: () => undefined }

function scanTypes(tokens: TokenList): number[] {
  const types: number[] = []
  while (tokens.more) {
    const index = tokens.next++
    const type = typeNaming.numberOf(tokens.text(index))
    if (type === undefined) throw tokens.error(index, 'is not an RR type', 'A NS SOA MX TXT AAAA RRSIG NSEC DNSKEY')
    types.push(type)
  }
  return types
}

function valueTypes(value: unknown, key: string): number[] {
  if (!Array.isArray(value)) throw wrongValue(key, 'an array of RR types', value)
  return value.map((name) => {
    const type = typeof name === 'string' ? typeNaming.numberOf(name) : undefined
    if (type === undefined) throw wrongValue(key, 'an array of RR types', name)
    return type
  })
}

/** One RR type, two octets, as a mnemonic or TYPEnnn. */
export function rrType(key: string): Field {
  return {
    key,
    name: NOT_A_NAME,
    end: (_bytes, at, end) => (at + 2 <= end ? at + 2 : MALFORMED),
    scan(tokens, out) {
      const index = tokens.take('an RR type')
      const type = typeNaming.numberOf(tokens.text(index)) ?? tokens.decimal(index)
      if (type < 0 || type > 65535) throw tokens.error(index, 'is not an RR type', 'A')
      out.u16(type)
    },
    print: (bytes, at) => typeNaming.nameOf(readNumber(bytes, at, 2)),
    value: (bytes, at) => typeNaming.nameOf(readNumber(bytes, at, 2)),
    compose(value, out) {
      const type = typeof value === 'string' ? typeNaming.numberOf(value) : wholeNumber(value, 65535, key)
      if (type === undefined) throw wrongValue(key, 'an RR type', value)
      out.u16(type)
    },
  }
}

/** Windows of types to the end, each without zero octets at its end. RFC 4034 section 4.1.2. */
export function typeBitmap(key: string): Field {
  return {
    key,
    name: NOT_A_NAME,
    end(bytes, at, end) {
      let from = at
      let windowBefore = -1
      while (from < end) {
        if (from + 2 > end) return MALFORMED
        const window = bytes[from]!
        const size = bytes[from + 1]!
        from += 2 + size
        if (window <= windowBefore || size === 0 || size > 32 || from > end || bytes[from - 1] === 0) return MALFORMED
        windowBefore = window
      }
      return from
    },
    scan: (tokens, out) => writeBitmap(scanTypes(tokens), out),
    print: (bytes, at, end) => readBitmap(bytes, at, end).join(' '),
    value: readBitmap,
    compose: (value, out) => writeBitmap(valueTypes(value, key), out),
  }
}

function readBitmap(bytes: Uint8Array, at: number, end: number): string[] {
  const names: string[] = []
  for (let from = at; from < end; from += 2 + bytes[from + 1]!) {
    const size = bytes[from + 1]!
    for (let i = 0; i < size * 8; i++) {
      if ((bytes[from + 2 + (i >>> 3)]! & (0x80 >>> (i & 7))) !== 0)
        names.push(typeNaming.nameOf((bytes[from]! << 8) | i))
    }
  }
  return names
}

function writeBitmap(types: number[], out: OctetWriter): void {
  types.sort((a, b) => a - b)
  for (let i = 0; i < types.length; ) {
    const window = types[i]! >>> 8
    const bits = new Uint8Array(32)
    let size = 0
    for (; i < types.length && types[i]! >>> 8 === window; i++) {
      const bit = types[i]! & 255
      bits[bit >>> 3]! |= 0x80 >>> (bit & 7)
      size = (bit >>> 3) + 1
    }
    out.u8(window)
    out.u8(size)
    out.slice(bits, 0, size)
  }
}

/** NXT's bitmap: one bit per type below 128, without windows; at most 16 octets, the last of them not zero. RFC 2535 section 5.2. */
export function nxtBitmap(key: string): Field {
  const read = (bytes: Uint8Array, at: number, end: number) => {
    const names: string[] = []
    for (let i = 0; i < (end - at) * 8; i++) {
      if ((bytes[at + (i >>> 3)]! & (0x80 >>> (i & 7))) !== 0) names.push(typeNaming.nameOf(i))
    }
    return names
  }
  const write = (types: readonly number[], out: OctetWriter) => {
    const bits = new Uint8Array(16)
    let size = 0
    for (const type of types) {
      if (type > 127)
        throw new RdataError(`${typeNaming.nameOf(type)} has no place in an NXT record, whose types are below 128`)
      bits[type >>> 3]! |= 0x80 >>> (type & 7)
      size = Math.max(size, (type >>> 3) + 1)
    }
    out.slice(bits, 0, size)
  }
  return {
    key,
    name: NOT_A_NAME,
    end: (bytes, at, end) => (end - at <= 16 && (at === end || bytes[end - 1] !== 0) ? end : MALFORMED),
    scan: (tokens, out) => write(scanTypes(tokens), out),
    print: (bytes, at, end) => read(bytes, at, end).join(' '),
    value: read,
    compose: (value, out) => write(valueTypes(value, key), out),
  }
}

/** Protocols and services of RFC 1010 that RFC 1035's own text uses; anything else by number. */
const PROTOCOLS: readonly (readonly [string, number])[] = [
  ['ICMP', 1],
  ['TCP', 6],
  ['UDP', 17],
]
const SERVICES: readonly (readonly [string, number])[] = [
  ['ECHO', 7],
  ['DISCARD', 9],
  ['DAYTIME', 13],
  ['FTP-DATA', 20],
  ['FTP', 21],
  ['SSH', 22],
  ['TELNET', 23],
  ['SMTP', 25],
  ['TIME', 37],
  ['NAMESERVER', 42],
  ['DOMAIN', 53],
  ['TFTP', 69],
  ['FINGER', 79],
  ['HTTP', 80],
  ['POP3', 110],
  ['NNTP', 119],
  ['NTP', 123],
  ['IMAP', 143],
  ['HTTPS', 443],
]

/** WKS: address, protocol octet, bit per port. Printed with numbers. RFC 1035 section 3.4.2. */
export function wellKnownServices(key: string): Field {
  const protocols = new Map(PROTOCOLS)
  const services = new Map(SERVICES)
  const ports = (bytes: Uint8Array, at: number, end: number) => {
    const found: number[] = []
    for (let i = 0; i < (end - at) * 8; i++) {
      if ((bytes[at + (i >>> 3)]! & (0x80 >>> (i & 7))) !== 0) found.push(i)
    }
    return found
  }
  const writePorts = (found: readonly number[], out: OctetWriter) => {
    const size = found.length === 0 ? 0 : (Math.max(...found) >>> 3) + 1
    const bits = new Uint8Array(size)
    for (const port of found) bits[port >>> 3]! |= 0x80 >>> (port & 7)
    out.octets(bits)
  }
  const addressText = (bytes: Uint8Array, at: number) => bytes.subarray(at, at + 4).join('.')
  return {
    key,
    name: NOT_A_NAME,
    end: (bytes, at, end) =>
      end - at >= 5 && end - at <= 5 + 8192 && (end - at === 5 || bytes[end - 1] !== 0) ? end : MALFORMED,
    scan(tokens, out) {
      const index = tokens.take('an IPv4 address')
      out.reserve(4)
      if (!scanIPv4(tokens.source, tokens.starts[index]!, tokens.ends[index]!, out.bytes, out.length)) {
        throw tokens.error(index, 'is not an IPv4 address', '192.0.2.1 TCP SMTP')
      }
      out.length += 4
      const protocolAt = tokens.take('a protocol')
      const protocol = protocols.get(tokens.text(protocolAt).toUpperCase()) ?? tokens.decimal(protocolAt)
      if (protocol < 0 || protocol > 255) throw tokens.error(protocolAt, 'is not a protocol', 'TCP')
      out.u8(protocol)
      const found: number[] = []
      while (tokens.more) {
        const portAt = tokens.next++
        const port = services.get(tokens.text(portAt).toUpperCase()) ?? tokens.decimal(portAt)
        if (port < 0 || port > 65535) throw tokens.error(portAt, 'is not a service or a port', '25')
        found.push(port)
      }
      writePorts(found, out)
    },
    print: (bytes, at, end) => [addressText(bytes, at), bytes[at + 4], ...ports(bytes, at + 5, end)].join(' '),
    value: (bytes, at, end) => ({
      address: addressText(bytes, at),
      protocol: bytes[at + 4],
      ports: ports(bytes, at + 5, end),
    }),
    compose(value, out) {
      const { address, protocol, ports: list } = Object(value) as Record<string, unknown>
      const text = Buffer.from(String(address), 'latin1')
      out.reserve(4)
      if (!scanIPv4(text, 0, text.length, out.bytes, out.length))
        throw wrongValue('address', 'an IPv4 address', address)
      out.length += 4
      out.u8(wholeNumber(protocol, 255, 'protocol'))
      if (!Array.isArray(list)) throw wrongValue('ports', 'an array of ports', list)
      writePorts(
        list.map((port) => wholeNumber(port, 65535, 'ports')),
        out,
      )
    },
  }
}
