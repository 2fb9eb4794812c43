/** IP addresses as text, scanned from octets: neither allocates nor throws. */

/** Scans dotted decimal `text[from .. to)` into `out[at .. at+4)`; false when it is no IPv4 address. Leading zeros are not taken. */
export function scanIPv4(text: Uint8Array, from: number, to: number, out: Uint8Array, at: number): boolean {
  let value = -1
  let parts = 0
  for (let i = from; i < to; i++) {
    const octet = text[i]!
    if (octet === 0x2e) {
      if (value < 0 || parts === 3) return false
      out[at + parts++] = value
      value = -1
      continue
    }
    const digit = octet - 0x30
    if (digit < 0 || digit > 9 || value === 0) return false
    value = value < 0 ? digit : value * 10 + digit
    if (value > 255) return false
  }
  if (value < 0 || parts !== 3) return false
  out[at + 3] = value
  return true
}

/** Scans an RFC 4291 text form into `out[at .. at+16)`; false when it is no IPv6 address. */
export function scanIPv6(text: Uint8Array, from: number, to: number, out: Uint8Array, at: number): boolean {
  let written = 0
  let gapAt = -1
  let i = from
  if (to - from < 2) return false
  if (text[i] === 0x3a) {
    if (text[i + 1] !== 0x3a) return false
    i++
  }
  while (i < to) {
    if (text[i] === 0x3a) {
      // A second colon in a row: the gap. (A first one was taken with its group below.)
      if (gapAt >= 0) return false
      gapAt = written
      i++
      continue
    }
    const groupFrom = i
    let group = 0
    while (i < to) {
      const digit = hexDigit(text[i]!)
      if (digit < 0) break
      if (i - groupFrom === 4) return false
      group = (group << 4) | digit
      i++
    }
    if (i < to && text[i] === 0x2e) {
      if (written > 12 || !scanIPv4(text, groupFrom, to, out, at + written)) return false
      written += 4
      i = to
      break
    }
    if (i === groupFrom || written === 16) return false
    out[at + written++] = group >>> 8
    out[at + written++] = group
    if (i === to) break
    if (text[i] !== 0x3a) return false
    i++
    if (i === to) return false
  }
  if (gapAt < 0) return written === 16
  if (written === 16) return false
  out.copyWithin(at + 16 - (written - gapAt), at + gapAt, at + written)
  out.fill(0, at + gapAt, at + 16 - (written - gapAt))
  return true
}

function hexDigit(octet: number): number {
  if (octet >= 0x30 && octet <= 0x39) return octet - 0x30
  const lower = octet | 0x20
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1
}
