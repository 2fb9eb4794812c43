/** Addresses as node:dgram and node:net give them (text) into octets, once per packet: without allocation. */

/** Offset of the IPv4 part in an IPv4-mapped IPv6 address. RFC 4291 section 2.5.5.2. */
const MAPPED_AT = 12

const groups = new Uint16Array(8)

/**
 * Puts the octets of `text` into `out` (16 octets of room). Returns 4 or 6; 0 when the text is no address. An IPv4-mapped
 * address counts as 4: a client of a socket for both families is the client that an IPv4 socket would see. A `%zone` is
 * ignored. Neither allocates nor throws.
 */
export function putAddress(text: string, out: Uint8Array): 0 | 4 | 6 {
  const end = text.length
  if (putIPv4(text, 0, end, out, 0)) return 4
  let count = 0
  let gapAt = -1
  let at = 0
  if (text.charCodeAt(0) === 0x3a) {
    if (text.charCodeAt(1) !== 0x3a) return 0
    gapAt = 0
    at = 2
  }
  while (at < end && text.charCodeAt(at) !== 0x25) {
    let value = 0
    let digits = 0
    const from = at
    for (; at < end; at++) {
      const digit = hexDigit(text.charCodeAt(at))
      if (digit < 0) break
      value = (value << 4) | digit
      if (++digits > 4) return 0
    }
    const stop = at < end ? text.charCodeAt(at) : 0x25
    if (stop === 0x2e) {
      // The last 32 bits as IPv4.
      let dotEnd = at
      while (dotEnd < end && text.charCodeAt(dotEnd) !== 0x25) dotEnd++
      if (count > 6 || !putIPv4(text, from, dotEnd, out, MAPPED_AT)) return 0
      groups[count++] = (out[MAPPED_AT]! << 8) | out[MAPPED_AT + 1]!
      groups[count++] = (out[MAPPED_AT + 2]! << 8) | out[MAPPED_AT + 3]!
      at = dotEnd
      break
    }
    if (digits === 0 || count === 8) return 0
    groups[count++] = value
    if (stop === 0x25) break
    if (stop !== 0x3a) return 0
    at++
    if (at < end && text.charCodeAt(at) === 0x3a) {
      if (gapAt >= 0) return 0
      gapAt = count
      at++
    } else if (at >= end || text.charCodeAt(at) === 0x25) return 0
  }
  if (gapAt < 0 ? count !== 8 : count > 7) return 0
  const gap = 8 - count
  for (let i = 0; i < 8; i++) {
    const value = gapAt < 0 || i < gapAt ? groups[i]! : i < gapAt + gap ? 0 : groups[i - gap]!
    out[2 * i] = value >>> 8
    out[2 * i + 1] = value & 255
  }
  return isMapped(out) ? unmap(out) : 6
}

function isMapped(octets: Uint8Array): boolean {
  for (let i = 0; i < 10; i++) if (octets[i] !== 0) return false
  return octets[10] === 0xff && octets[11] === 0xff
}

function unmap(octets: Uint8Array): 4 {
  for (let i = 0; i < 4; i++) octets[i] = octets[MAPPED_AT + i]!
  return 4
}

function putIPv4(text: string, from: number, end: number, out: Uint8Array, at: number): boolean {
  let part = 0
  let value = -1
  for (let i = from; i <= end; i++) {
    const code = i < end ? text.charCodeAt(i) : 0x2e
    if (code === 0x2e) {
      if (value < 0 || part > 3) return false
      out[at + part++] = value
      value = -1
    } else {
      const digit = code - 0x30
      if (digit < 0 || digit > 9) return false
      value = value < 0 ? digit : value * 10 + digit
      if (value > 255) return false
    }
  }
  return part === 4
}

function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30
  const lower = code | 0x20
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1
}
