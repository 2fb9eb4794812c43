/** The owner of an address's PTR record. RFC 1035 section 3.5, RFC 3596 section 2.5. */

/** `octets`: 4 or 16, as latin1. Relative to the root: labels without the final zero octet, as latin1. */
export function reverseOwner(octets: string): string {
  let name = ''
  if (octets.length === 4) {
    for (let i = 3; i >= 0; i--) {
      const label = String(octets.charCodeAt(i))
      name += String.fromCharCode(label.length) + label
    }
    return `${name}\x07in-addr\x04arpa`
  }
  for (let i = 15; i >= 0; i--) {
    const octet = octets.charCodeAt(i)
    name += `\x01${(octet & 15).toString(16)}\x01${(octet >> 4).toString(16)}`
  }
  return `${name}\x03ip6\x04arpa`
}
