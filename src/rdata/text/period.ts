/** TTLs and other periods as text: seconds, or numbers with units as in 1w2d3h4m5s (BIND's notation, read everywhere). */

/** RFC 2181 section 8: a TTL has 31 bits. */
export const TTL_MAX = 0x7fffffff

/** Seconds that `source[start .. end)` says, at most 2^32-1; -1 when it is no period. Neither allocates nor throws. */
export function scanPeriod(source: Uint8Array, start: number, end: number): number {
  let total = 0
  let value = -1
  for (let i = start; i < end; i++) {
    const octet = source[i]!
    if (octet >= 0x30 && octet <= 0x39) {
      value = (value < 0 ? 0 : value * 10) + (octet - 0x30)
      if (value > 0xffffffff) return -1
      continue
    }
    const unit = unitSeconds(octet | 0x20)
    if (unit === 0 || value < 0) return -1
    total += value * unit
    if (total > 0xffffffff) return -1
    value = -1
  }
  if (value >= 0) total += value
  else if (start === end) return -1
  return total <= 0xffffffff ? total : -1
}

function unitSeconds(letter: number): number {
  switch (letter) {
    case 0x73:
      return 1
    case 0x6d:
      return 60
    case 0x68:
      return 3600
    case 0x64:
      return 86400
    case 0x77:
      return 604800
    default:
      return 0
  }
}
