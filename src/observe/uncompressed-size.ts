/**
 * How long a reply would be without name compression and without its OPT: the size CoreDNS logs and counts, since it
 * measures a reply before it is packed. Neither allocates nor throws; work is linear in the message, whatever it holds.
 */

/** Types whose rdata may hold compressed names (RFC 3597 section 4): octets before the first name, and how many names. */
const NAMES_IN_RDATA: readonly (readonly [type: number, before: number, names: number])[] = [
  [2, 0, 1], // NS
  [3, 0, 1], // MD
  [4, 0, 1], // MF
  [5, 0, 1], // CNAME
  [6, 0, 2], // SOA
  [7, 0, 1], // MB
  [8, 0, 1], // MG
  [9, 0, 1], // MR
  [12, 0, 1], // PTR
  [14, 0, 2], // MINFO
  [15, 2, 1], // MX
  [17, 0, 2], // RP
  [18, 2, 1], // AFSDB
  [21, 2, 1], // RT
  [24, 18, 1], // SIG
  [26, 2, 2], // PX
  [30, 0, 1], // NXT
  [33, 6, 1], // SRV
  [36, 2, 1], // KX
  [39, 0, 1], // DNAME
]
const TYPE_BOUND = 64
const beforeNames = new Uint8Array(TYPE_BOUND)
const nameCounts = new Uint8Array(TYPE_BOUND)
for (const [type, before, names] of NAMES_IN_RDATA) {
  beforeNames[type] = before
  nameCounts[type] = names
}

const TYPE_OPT = 41
const NAME_SIZE_MAX = 255
/** A message of 65,535 octets has fewer pointers than this; one name never needs more hops than it has octets. */
const HOPS_MAX = 128

/** What `nameEnd` found besides its result: octets of the name in full. */
let fullSize = 0

/**
 * Octets of `message[start .. start+length)` with every name in full and without OPT. `questionEnd` is the offset, from
 * `start`, just past QCLASS. A message that can't be read to its end counts as it is from there on.
 */
export function uncompressedSize(message: Uint8Array, start: number, length: number, questionEnd: number): number {
  if (length < 12) return length
  const records =
    ((message[start + 6]! << 8) | message[start + 7]!) +
    ((message[start + 8]! << 8) | message[start + 9]!) +
    ((message[start + 10]! << 8) | message[start + 11]!)
  // The usual owner is a pointer to the question.
  const qnameSize = questionEnd - 4 - 12
  let size = length
  let at = questionEnd
  for (let i = 0; i < records; i++) {
    const p = start + at
    if (message[p] === 0xc0 && message[p + 1] === 12 && at + 12 <= length) {
      at += 2
      size += qnameSize - 2
    } else {
      const end = nameEnd(message, start, length, at)
      if (end < 0 || end + 10 > length) return size
      size += fullSize - (end - at)
      at = end
    }
    const type = (message[start + at]! << 8) | message[start + at + 1]!
    const rdataSize = (message[start + at + 8]! << 8) | message[start + at + 9]!
    const rdataAt = at + 10
    at = rdataAt + rdataSize
    if (at > length) return size
    if (type === TYPE_OPT) size -= 11 + rdataSize
    else if (type < TYPE_BOUND && nameCounts[type]! > 0) {
      let nameAt = rdataAt + beforeNames[type]!
      for (let n = nameCounts[type]!; n > 0 && nameAt < at; n--) {
        const end = nameEnd(message, start, at, nameAt)
        if (end < 0) break
        size += fullSize - (end - nameAt)
        nameAt = end
      }
    }
  }
  return size
}

/** Where the name at `at` ends in the message, or -1; `fullSize` is then its length in full. */
function nameEnd(message: Uint8Array, start: number, length: number, at: number): number {
  let end = -1
  let full = 0
  let hops = 0
  for (;;) {
    if (at >= length) return -1
    const octet = message[start + at]!
    if (octet >= 0xc0) {
      if (at + 1 >= length || ++hops > HOPS_MAX) return -1
      if (end < 0) end = at + 2
      at = ((octet & 0x3f) << 8) | message[start + at + 1]!
      continue
    }
    full += octet + 1
    if (octet > 63 || full > NAME_SIZE_MAX) return -1
    at += octet + 1
    if (octet === 0) break
  }
  fullSize = full
  return end < 0 ? at : end
}
