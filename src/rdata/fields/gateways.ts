/** Rdata whose parts say what the others are: IPSECKEY, AMTRELAY, HIP, A6. */
import { addressText, parseAddress } from '../../wire/address.ts'
import { MALFORMED, nameSize, nameToText } from '../../wire/name.ts'
import type { OctetWriter } from '../../wire/octet-writer.ts'
import { type Field, NOT_A_NAME } from '../field.ts'
import { scanIPv4, scanIPv6 } from '../text/ip-text.ts'
import type { TokenList } from '../text/token-list.ts'
import { printBase64, printHex, scanBase64, scanHex } from './binary.ts'
import { nameOctets, packetName } from './names.ts'
import { readNumber } from './numbers.ts'
import { bufferOctets, copy, view, wholeNumber, wrongValue } from './values.ts'

/** Gateway types of RFC 4025 section 2.3, relay types of RFC 8777 section 4.2.3. */
const NONE = 0
const IPV4 = 1
const IPV6 = 2
const NAME = 3

const scratch = new Uint8Array(16)

/** Offset past a gateway of this type, or MALFORMED. */
function gatewayEnd(bytes: Uint8Array, at: number, end: number, type: number): number {
  if (type === NAME) {
    const size = nameSize(bytes, at, end)
    return size < 0 ? MALFORMED : at + size
  }
  const size = type === NONE ? 0 : type === IPV4 ? 4 : type === IPV6 ? 16 : -1
  return size >= 0 && at + size <= end ? at + size : MALFORMED
}

function scanGateway(tokens: TokenList, out: OctetWriter, type: number, what: string): void {
  if (type === NAME) {
    tokens.name(out, what)
    return
  }
  const index = tokens.take(what)
  const size = type === IPV4 ? 4 : type === IPV6 ? 16 : 0
  out.reserve(size)
  const start = tokens.starts[index]!
  const end = tokens.ends[index]!
  const fits =
    size === 0
      ? tokens.is(index, 0x2e)
      : (size === 4 ? scanIPv4 : scanIPv6)(tokens.source, start, end, out.bytes, out.length)
  if (!fits) throw tokens.error(index, `is not ${what} of type ${type}`, ['.', '192.0.2.1', '2001:db8::1'][type])
  out.length += size
}

function gatewayText(bytes: Uint8Array, at: number, end: number, type: number): string {
  if (type === NAME) return nameToText(bytes, at, 0, end)
  return type === NONE ? '.' : addressText(view(bytes, at, end))
}

function gatewayValue(bytes: Uint8Array, at: number, end: number, type: number): string {
  return type === NAME ? packetName(bytes, at, end) : gatewayText(bytes, at, end, type)
}

function composeGateway(value: unknown, out: OctetWriter, type: number, key: string): void {
  if (type === NONE) return
  if (type === NAME) {
    out.octets(nameOctets(value, key))
    return
  }
  const family = type === IPV4 ? 4 : 6
  if (typeof value !== 'string' || parseAddress(value, scratch) !== family)
    throw wrongValue(key, `an IPv${family} address`, value)
  out.slice(scratch, 0, family === 4 ? 4 : 16)
}

/** IPSECKEY: precedence, gateway type, algorithm, gateway, public key. RFC 4025 section 2. */
export function ipsecKey(): Field {
  const keyAt = (bytes: Uint8Array, at: number, end: number) => gatewayEnd(bytes, at + 3, end, bytes[at + 1]!)
  return {
    key: '',
    name: NOT_A_NAME,
    end: (bytes, at, end) => (at + 3 <= end && keyAt(bytes, at, end) >= 0 ? end : MALFORMED),
    scan(tokens, out) {
      out.u8(tokens.number(255, 'precedence'))
      const type = tokens.number(NAME, 'gateway type')
      out.u8(type)
      out.u8(tokens.number(255, 'algorithm'))
      scanGateway(tokens, out, type, 'a gateway')
      const from = tokens.next
      tokens.next = tokens.count
      scanBase64(tokens, from, tokens.count, out)
    },
    print(bytes, at, end) {
      const type = bytes[at + 1]!
      const key = keyAt(bytes, at, end)
      const parts = [
        bytes[at],
        type,
        bytes[at + 2],
        gatewayText(bytes, at + 3, key, type),
        printBase64(bytes, key, end),
      ]
      return parts.filter((part) => part !== '').join(' ')
    },
    value(bytes, at, end) {
      const key = keyAt(bytes, at, end)
      return {
        precedence: bytes[at],
        gatewayType: bytes[at + 1],
        algorithm: bytes[at + 2],
        gateway: gatewayValue(bytes, at + 3, key, bytes[at + 1]!),
        key: copy(bytes, key, end),
      }
    },
    compose(value, out) {
      const data = Object(value) as Record<string, unknown>
      const type = wholeNumber(data['gatewayType'], NAME, 'gatewayType')
      out.u8(wholeNumber(data['precedence'], 255, 'precedence'))
      out.u8(type)
      out.u8(wholeNumber(data['algorithm'], 255, 'algorithm'))
      composeGateway(data['gateway'], out, type, 'gateway')
      out.octets(bufferOctets(data['key'], 'key'))
    },
  }
}

/** AMTRELAY: precedence, discovery-optional bit and relay type in one octet, relay. RFC 8777 section 4.2. */
export function amtRelay(): Field {
  return {
    key: '',
    name: NOT_A_NAME,
    end: (bytes, at, end) => (at + 2 <= end ? gatewayEnd(bytes, at + 2, end, bytes[at + 1]! & 0x7f) : MALFORMED),
    scan(tokens, out) {
      out.u8(tokens.number(255, 'precedence'))
      const optional = tokens.number(1, 'discovery optional')
      const type = tokens.number(NAME, 'relay type')
      out.u8((optional << 7) | type)
      scanGateway(tokens, out, type, 'a relay')
    },
    print(bytes, at, end) {
      const type = bytes[at + 1]! & 0x7f
      return `${bytes[at]} ${bytes[at + 1]! >>> 7} ${type} ${gatewayText(bytes, at + 2, end, type)}`
    },
    value(bytes, at, end) {
      const type = bytes[at + 1]! & 0x7f
      return {
        precedence: bytes[at],
        discoveryOptional: bytes[at + 1]! >>> 7 === 1,
        relayType: type,
        relay: gatewayValue(bytes, at + 2, end, type),
      }
    },
    compose(value, out) {
      const data = Object(value) as Record<string, unknown>
      const type = wholeNumber(data['relayType'], NAME, 'relayType')
      out.u8(wholeNumber(data['precedence'], 255, 'precedence'))
      out.u8((data['discoveryOptional'] === true ? 0x80 : 0) | type)
      composeGateway(data['relay'], out, type, 'relay')
    },
  }
}

/** HIP: HIT length, algorithm, key length, HIT, key, rendezvous servers. RFC 8005 section 5. */
export function hostIdentity(): Field {
  const serverNames = (bytes: Uint8Array, at: number, end: number, print: (at: number) => string) => {
    const names: string[] = []
    for (let from = at; from < end; from += nameSize(bytes, from, end)) names.push(print(from))
    return names
  }
  const keyAt = (bytes: Uint8Array, at: number) => at + 4 + bytes[at]!
  const serversAt = (bytes: Uint8Array, at: number) => keyAt(bytes, at) + readNumber(bytes, at + 2, 2)
  return {
    key: '',
    name: NOT_A_NAME,
    end(bytes, at, end) {
      if (at + 4 > end || bytes[at] === 0 || readNumber(bytes, at + 2, 2) === 0) return MALFORMED
      let from = serversAt(bytes, at)
      if (from > end) return MALFORMED
      while (from < end) {
        const size = nameSize(bytes, from, end)
        if (size < 0) return MALFORMED
        from += size
      }
      return from
    },
    scan(tokens, out) {
      const head = out.length
      out.u8(0)
      out.u8(tokens.number(255, 'algorithm'))
      out.u16(0)
      const hit = tokens.take('a host identity tag')
      const hitSize = scanHex(tokens, hit, hit + 1, out)
      if (hitSize === 0 || hitSize > 255) throw tokens.error(hit, 'is not a host identity tag of 1 to 255 octets')
      const key = tokens.take('a public key')
      const keySize = scanBase64(tokens, key, key + 1, out)
      if (keySize === 0) throw tokens.error(key, 'is not a public key')
      out.bytes[head] = hitSize
      out.patch16(head + 2, keySize)
      while (tokens.more) tokens.name(out, 'a rendezvous server')
    },
    print(bytes, at, end) {
      const key = keyAt(bytes, at)
      const servers = serversAt(bytes, at)
      return [
        bytes[at + 1],
        printHex(bytes, at + 4, key),
        printBase64(bytes, key, servers),
        ...serverNames(bytes, servers, end, (from) => nameToText(bytes, from, 0, end)),
      ].join(' ')
    },
    value(bytes, at, end) {
      const key = keyAt(bytes, at)
      const servers = serversAt(bytes, at)
      return {
        algorithm: bytes[at + 1],
        hit: copy(bytes, at + 4, key),
        key: copy(bytes, key, servers),
        servers: serverNames(bytes, servers, end, (from) => packetName(bytes, from, end)),
      }
    },
    compose(value, out) {
      const data = Object(value) as Record<string, unknown>
      const hit = bufferOctets(data['hit'], 'hit')
      const key = bufferOctets(data['key'], 'key')
      if (hit.length === 0 || hit.length > 255) throw wrongValue('hit', '1 to 255 octets', hit.length)
      if (key.length === 0 || key.length > 65535) throw wrongValue('key', '1 to 65535 octets', key.length)
      out.u8(hit.length)
      out.u8(wholeNumber(data['algorithm'], 255, 'algorithm'))
      out.u16(key.length)
      out.octets(hit)
      out.octets(key)
      const { servers = [] } = data
      if (!Array.isArray(servers)) throw wrongValue('servers', 'an array of names', servers)
      for (const server of servers) out.octets(nameOctets(server, 'servers'))
    },
  }
}

/** A6: prefix length, the address's other bits, and where the prefix isn't empty the name that has it. RFC 2874 section 3.1. */
export function a6(): Field {
  const suffixSize = (prefix: number) => 16 - (prefix >>> 3)
  const suffixText = (bytes: Uint8Array, at: number) => {
    const address = new Uint8Array(16)
    const size = suffixSize(bytes[at]!)
    address.set(bytes.subarray(at + 1, at + 1 + size), 16 - size)
    return addressText(address)
  }
  /** Bits that belong to the prefix are zero in the suffix. */
  const clearPrefixBits = (address: Uint8Array, prefix: number) => {
    const first = prefix >>> 3
    if (first < 16) address[first]! &= 0xff >>> (prefix & 7)
  }
  const write = (address: Uint8Array, prefix: number, out: OctetWriter) => {
    clearPrefixBits(address, prefix)
    out.u8(prefix)
    out.slice(address, 16 - suffixSize(prefix), 16)
  }
  return {
    key: '',
    name: NOT_A_NAME,
    end(bytes, at, end) {
      if (at >= end || bytes[at]! > 128) return MALFORMED
      const prefix = bytes[at]!
      const nameAt = at + 1 + suffixSize(prefix)
      if (nameAt > end || (prefix < 128 && (bytes[at + 1]! & ~(0xff >>> (prefix & 7)) & 0xff) !== 0)) return MALFORMED
      if (prefix === 0) return nameAt
      const size = nameSize(bytes, nameAt, end)
      return size < 0 ? MALFORMED : nameAt + size
    },
    scan(tokens, out) {
      const prefix = tokens.number(128, 'a prefix length')
      const address = new Uint8Array(16)
      if (prefix < 128) {
        const index = tokens.take('an address suffix')
        if (!scanIPv6(tokens.source, tokens.starts[index]!, tokens.ends[index]!, address, 0)) {
          throw tokens.error(index, 'is not an address suffix', '::1')
        }
      }
      write(address, prefix, out)
      if (prefix > 0) tokens.name(out, 'a prefix name')
    },
    print(bytes, at, end) {
      const prefix = bytes[at]!
      const parts = [String(prefix)]
      if (prefix < 128) parts.push(suffixText(bytes, at))
      if (prefix > 0) parts.push(nameToText(bytes, at + 1 + suffixSize(prefix), 0, end))
      return parts.join(' ')
    },
    value(bytes, at, end) {
      const prefix = bytes[at]!
      return {
        prefix,
        suffix: suffixText(bytes, at),
        ...(prefix > 0 ? { name: packetName(bytes, at + 1 + suffixSize(prefix), end) } : {}),
      }
    },
    compose(value, out) {
      const data = Object(value) as Record<string, unknown>
      const prefix = wholeNumber(data['prefix'], 128, 'prefix')
      const suffix = data['suffix'] ?? '::'
      if (typeof suffix !== 'string' || parseAddress(suffix, scratch) !== 6)
        throw wrongValue('suffix', 'an IPv6 address', suffix)
      write(scratch, prefix, out)
      if (prefix > 0) out.octets(nameOctets(data['name'], 'name'))
    },
  }
}
