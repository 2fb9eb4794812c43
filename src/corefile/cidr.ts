/** Networks in CIDR form, for keys, zone arguments and address lists. */
import { parseAddress } from '../wire/address.ts'

export interface Cidr {
  readonly family: 4 | 6
  /** Network order, 4 or 16 octets, host bits zero. */
  readonly octets: Uint8Array
  /** Length of the prefix in bits. */
  readonly prefix: number
}

/** `192.0.2.0/24`, `2001:db8::/32`. Host bits are masked off. Undefined for anything else, a bare address included. */
export function parseCidr(text: string): Cidr | undefined {
  const found = /^([0-9a-fA-F.:]{2,45})\/([0-9]{1,3})$/.exec(text)
  if (found === null) return undefined
  const octets = new Uint8Array(16)
  const family = parseAddress(found[1]!, octets)
  const prefix = Number(found[2])
  if (family === 0 || prefix > (family === 4 ? 32 : 128)) return undefined
  const network = octets.slice(0, family === 4 ? 4 : 16)
  maskHostBits(network, prefix)
  return { family, octets: network, prefix }
}

/** As `parseCidr`, and a bare address is a network of its own. */
export function parseCidrOrAddress(text: string): Cidr | undefined {
  if (text.includes('/')) return parseCidr(text)
  return text.includes('%') ? undefined : (parseCidr(`${text}/128`) ?? parseCidr(`${text}/32`))
}

/** Whether the network holds the address (4 or 16 octets of `address` count). Neither allocates nor throws. */
export function cidrContains(cidr: Cidr, family: number, address: Uint8Array): boolean {
  if (family !== cidr.family) return false
  const whole = cidr.prefix >> 3
  for (let i = 0; i < whole; i++) if (address[i] !== cidr.octets[i]) return false
  const rest = cidr.prefix & 7
  return rest === 0 || (address[whole]! ^ cidr.octets[whole]!) >> (8 - rest) === 0
}

/**
 * The reverse zones that together cover the network, absolute: one on an octet (IPv4) or nibble (IPv6) border, else
 * the 2, 4 … 128 zones below the border before it, in address order. RFC 1035 section 3.5, RFC 3596 section 2.5.
 */
export function reverseZones(cidr: Cidr): string[] {
  const unit = cidr.family === 4 ? 8 : 4
  const digits = Math.ceil(cidr.prefix / unit)
  const zones: string[] = []
  const count = 2 ** (digits * unit - cidr.prefix)
  const octets = Uint8Array.from(cidr.octets)
  for (let i = 0; i < count; i++) {
    const labels = cidr.family === 4 ? ['in-addr', 'arpa', ''] : ['ip6', 'arpa', '']
    for (let digit = 0; digit < digits; digit++) {
      const octet = octets[(digit * unit) >> 3]!
      if (unit === 8) labels.unshift(octet.toString())
      else labels.unshift((digit % 2 === 0 ? octet >> 4 : octet & 15).toString(16))
    }
    zones.push(labels.join('.'))
    addAtBit(octets, digits * unit - 1)
  }
  return zones
}

function maskHostBits(octets: Uint8Array, prefix: number): void {
  for (let i = 0; i < octets.length; i++) {
    const keep = Math.min(8, Math.max(0, prefix - i * 8))
    octets[i] = octets[i]! & (0xff00 >> keep)
  }
}

/** Adds one at a bit counted from the left, carrying. */
function addAtBit(octets: Uint8Array, bit: number): void {
  let step = 0x80 >> (bit & 7)
  for (let i = bit >> 3; i >= 0; i--) {
    const sum = octets[i]! + step
    octets[i] = sum & 255
    if (sum < 256) return
    step = 1
  }
}
