/**
 * One owner of a zone with its RRsets: a block that doesn't change any more once readers can reach it.
 *
 *   word   field
 *      0   octets of the owner below the apex (8 bits) | flags NODE_* (8 bits) | RRsets (12 bits)
 *      1   names one label below (for the writer: an owner without RRsets goes when its last child goes)
 *      2   owner in wire form, lower-case, without the apex's labels and the root; none for the apex
 *     ..   the RRsets, one after the other
 *
 * An empty non-terminal is a node without RRsets. In a `flat` zone there are none.
 *
 * An RRset with the signatures that cover it:
 *
 *   word   field
 *      0   type (16 bits) | records (16 bits); 0 records: signatures of an RRset that isn't there
 *      1   TTL; signatures have the same (RFC 4034 section 3)
 *      2   words of this RRset (16 bits) | signatures (15 bits) | RRSET_OUTSIDE (1 bit)
 *      3   the rdatas, those of the signatures last; or with RRSET_OUTSIDE the offset of a block that holds them
 *
 * An rdata: its length in 16 bits, then its octets, up to the next full word.
 */
import { assert } from '../assert.ts'

export const NODE_OCTETS_MASK = 0xff
export const NODE_APEX = 1 << 8
/** NS below the apex. */
export const NODE_CUT = 1 << 9
export const NODE_DNAME = 1 << 10
export const NODE_CNAME = 1 << 11
/** The leftmost label is `*`. */
export const NODE_WILDCARD = 1 << 12
export const NODE_RRSETS_SHIFT = 16
export const RRSETS_PER_NODE_MAX = 4095
export const NODE_CHILDREN = 1
export const NODE_OWNER = 2

export const RRSET_TTL = 1
export const RRSET_SHAPE = 2
export const RRSET_HEADER_WORDS = 3
export const RRSET_RECORDS_MAX = 0xffff
export const RRSET_SIGNATURES_MAX = 0x7fff
/** Rdatas that take more words than this lie in a block of their own, so that a change of a neighbour doesn't copy them. */
export const RRSET_INSIDE_WORDS_MAX = 256
assert(RRSET_HEADER_WORDS + RRSET_INSIDE_WORDS_MAX <= 0xffff)

/** Words of the owner in a node's header. */
export function ownerWords(octets: number): number {
  return (octets + 3) >>> 2
}

/** Where a node's RRsets start. */
export function firstRRset(words: Int32Array, node: number): number {
  return node + NODE_OWNER + (((words[node]! & NODE_OCTETS_MASK) + 3) >>> 2)
}

/** How many RRsets a node has, those of signatures alone among them. */
export function rrsetCount(words: Int32Array, node: number): number {
  return words[node]! >>> NODE_RRSETS_SHIFT
}

/** The RRset after this one. */
export function nextRRset(words: Int32Array, rrset: number): number {
  return rrset + (words[rrset + RRSET_SHAPE]! & 0xffff)
}

/** The node's RRset of this type that has records, or 0. */
export function findRRset(words: Int32Array, node: number, type: number): number {
  let rrset = firstRRset(words, node)
  for (let count = rrsetCount(words, node); count > 0; count--) {
    const head = words[rrset]!
    if ((head & 0xffff) === type) return head >>> 16 === 0 ? 0 : rrset
    rrset += words[rrset + RRSET_SHAPE]! & 0xffff
  }
  return 0
}

/** Records of an RRset. */
export function recordCount(words: Int32Array, rrset: number): number {
  return words[rrset]! >>> 16
}

/** Signatures of an RRset. */
export function signatureCount(words: Int32Array, rrset: number): number {
  return (words[rrset + RRSET_SHAPE]! >>> 16) & RRSET_SIGNATURES_MAX
}

/** Where an RRset's rdatas lie. */
export function rdatasAt(words: Int32Array, rrset: number, mask: number): number {
  return words[rrset + RRSET_SHAPE]! < 0 ? words[rrset + RRSET_HEADER_WORDS]! & mask : rrset + RRSET_HEADER_WORDS
}

/** The rdata after this one. */
export function nextRdata(words: Int32Array, rdata: number): number {
  return rdata + (((words[rdata]! & 0xffff) + 5) >>> 2)
}

/** Words that an rdata of so many octets takes. */
export function rdataWords(octets: number): number {
  return (octets + 5) >>> 2
}

/** Octet `index` of an rdata. */
export function rdataOctet(words: Int32Array, rdata: number, index: number): number {
  return (words[rdata + ((index + 2) >>> 2)]! >>> (((index + 2) & 3) << 3)) & 0xff
}

/** Octets of an rdata. */
export function rdataLength(words: Int32Array, rdata: number): number {
  return words[rdata]! & 0xffff
}

/**
 * Copies the first `length` octets of an rdata out. The caller has read the length and made room for it: it isn't read
 * again here, since under a race it may be another one by now.
 */
export function copyRdata(words: Int32Array, rdata: number, length: number, out: Uint8Array, to: number): void {
  let word = words[rdata]!
  let at = to
  const end = at + length
  let next = rdata
  if (at < end) out[at] = word >>> 16
  if (at + 1 < end) out[at + 1] = word >>> 24
  at += 2
  for (; at + 4 <= end; at += 4) {
    word = words[++next]!
    out[at] = word
    out[at + 1] = word >>> 8
    out[at + 2] = word >>> 16
    out[at + 3] = word >>> 24
  }
  if (at < end) {
    word = words[++next]!
    for (; at < end; at++) {
      out[at] = word
      word >>>= 8
    }
  }
}

/** Writes an rdata. Returns the word after it. */
export function storeRdata(words: Int32Array, at: number, octets: Uint8Array, from: number, length: number): number {
  const end = from + length
  let to = at
  let word = length
  if (from < end) word |= octets[from]! << 16
  if (from + 1 < end) word |= octets[from + 1]! << 24
  words[to++] = word
  let i = from + 2
  for (; i + 4 <= end; i += 4) {
    words[to++] = octets[i]! | (octets[i + 1]! << 8) | (octets[i + 2]! << 16) | (octets[i + 3]! << 24)
  }
  if (i < end) {
    word = octets[i]!
    if (i + 1 < end) word |= octets[i + 1]! << 8
    if (i + 2 < end) word |= octets[i + 2]! << 16
    words[to++] = word
  }
  return to
}

/** Copies the node's owner below the apex out. Returns its octets. */
export function copyOwner(words: Int32Array, node: number, out: Uint8Array, at: number): number {
  const length = words[node]! & NODE_OCTETS_MASK
  unpackOctets(words, node + NODE_OWNER, length, out, at)
  return length
}

/** Unpacks octets that start at a word. */
export function unpackOctets(words: Int32Array, from: number, length: number, out: Uint8Array, at: number): void {
  for (let i = 0; i < length; i++) out[at + i] = words[from + (i >>> 2)]! >>> ((i & 3) << 3)
}

/** Packs octets from a word on; the last word is filled up with zeros. */
export function packOctets(words: Int32Array, at: number, octets: Uint8Array, from: number, length: number): void {
  for (let i = 0; i < length; i += 4) {
    let word = octets[from + i]!
    if (i + 1 < length) word |= octets[from + i + 1]! << 8
    if (i + 2 < length) word |= octets[from + i + 2]! << 16
    if (i + 3 < length) word |= octets[from + i + 3]! << 24
    words[at + (i >>> 2)] = word
  }
}

/** Whether the packed octets at a word equal those of `octets` from `from` on. */
export function equalOctets(words: Int32Array, at: number, octets: Uint8Array, from: number, length: number): boolean {
  let i = 0
  for (; i + 4 <= length; i += 4) {
    const word =
      octets[from + i]! | (octets[from + i + 1]! << 8) | (octets[from + i + 2]! << 16) | (octets[from + i + 3]! << 24)
    if (words[at + (i >>> 2)] !== word) return false
  }
  if (i < length) {
    let word = octets[from + i]!
    if (i + 1 < length) word |= octets[from + i + 1]! << 8
    if (i + 2 < length) word |= octets[from + i + 2]! << 16
    return words[at + (i >>> 2)] === word
  }
  return true
}

/** Words of the whole node. */
export function nodeWords(words: Int32Array, node: number): number {
  let at = firstRRset(words, node)
  for (let count = rrsetCount(words, node); count > 0; count--) at = nextRRset(words, at)
  return at - node
}
