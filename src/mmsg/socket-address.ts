/**
 * IP addresses between text, octets and the kernel's sockaddr. A link-local IPv6 address carries its zone as an interface
 * name or number: `fe80::1%eth0`. RFC 4007 section 11.
 */
import { parseAddress } from '../wire/address.ts'
import {
  AF_INET,
  AF_INET6,
  SOCKADDR_IN_ADDRESS,
  SOCKADDR_IN_SIZE,
  SOCKADDR_IN6_ADDRESS,
  SOCKADDR_IN6_SCOPE,
  SOCKADDR_IN6_SIZE,
  SOCKADDR_PORT,
} from './layout.ts'

/** What a socket binds or connects to. */
export interface SocketAddress {
  readonly family: 4 | 6
  /** Network order, 4 or 16 octets. */
  readonly octets: Uint8Array
  readonly port: number
  /** Interface of a link-local address; 0 without. */
  readonly scope: number
}

/**
 * Reads `192.0.2.1`, `2001:db8::1`, `fe80::1%eth0` or `fe80::1%2`. Undefined when the text is no address or names no
 * interface of this machine. `interfaceIndex`: the number of an interface's name, 0 when there is none.
 */
export function parseSocketAddress(
  text: string,
  port: number,
  interfaceIndex: (name: string) => number,
): SocketAddress | undefined {
  const octets = new Uint8Array(16)
  const family = parseAddress(text, octets)
  if (family === 0) return undefined
  const percent = text.indexOf('%')
  if (percent < 0) return { family, octets: family === 4 ? octets.subarray(0, 4) : octets, port, scope: 0 }
  if (family === 4) return undefined
  const zone = text.slice(percent + 1)
  const scope = /^[0-9]{1,9}$/.test(zone) ? Number(zone) : zone === '' ? 0 : interfaceIndex(zone)
  return scope === 0 ? undefined : { family, octets, port, scope }
}

/** Writes the sockaddr at `view[at]`, 28 octets at most; returns its size. */
export function writeSocketAddress(view: DataView, at: number, address: SocketAddress): number {
  const size = address.family === 4 ? SOCKADDR_IN_SIZE : SOCKADDR_IN6_SIZE
  for (let i = 0; i < size; i++) view.setUint8(at + i, 0)
  view.setUint16(at, address.family === 4 ? AF_INET : AF_INET6, true)
  view.setUint16(at + SOCKADDR_PORT, address.port, false)
  const octetsAt = at + (address.family === 4 ? SOCKADDR_IN_ADDRESS : SOCKADDR_IN6_ADDRESS)
  for (const [i, octet] of address.octets.entries()) view.setUint8(octetsAt + i, octet)
  if (address.family === 6) view.setUint32(at + SOCKADDR_IN6_SCOPE, address.scope, true)
  return size
}

/** All octets zero: the socket takes packets for every address of its family. */
export function isWildcard(address: SocketAddress): boolean {
  return address.octets.every((octet) => octet === 0)
}
