/**
 * A query as it came from the network, parsed without allocating: one ParsedQuery lives as long as its socket or
 * thread and is parsed into again and again. Nothing here throws, whatever the bytes are.
 *
 * This is the one acceptance function for every transport (UDP, TCP, and those to come): what it refuses is answered
 * by `wire/refusal.ts` or dropped, and never reaches a plugin.
 */

export const HEADER_SIZE = 12
/** Octets of the longest owner in wire form, root label included. RFC 1035 section 2.3.4. */
export const NAME_SIZE_MAX = 255
export const LABEL_SIZE_MAX = 63
/** A name of 255 octets has at most 127 labels besides the root. */
export const LABELS_MAX = 127

/** Verdicts of `ParsedQuery.parse`. Everything but ACCEPT is answered without a plugin, or not at all. */
export const ACCEPT = 0
/** Shorter than a header, or a response (QR=1): no reply. */
export const DROP = -1
/** Malformed, or counts that no query has: FORMERR. */
export const FORMERR = -2
/** An opcode other than QUERY and NOTIFY: NOTIMP. */
export const NOTIMP = -3
/** EDNS version above 0: BADVERS. RFC 6891 section 6.1.3. */
export const BADVERS = -4

export const OPCODE_QUERY = 0
export const OPCODE_NOTIFY = 4

export const TYPE_OPT = 41

/** Memory for names comes many queries at a time: a pool thread makes a ParsedQuery for each query it is given. */
const NAME_OCTETS = NAME_SIZE_MAX + 1
const QUERY_OCTETS = NAME_OCTETS + LABELS_MAX + 1
const SLAB_QUERIES = 128
let slab = new ArrayBuffer(SLAB_QUERIES * QUERY_OCTETS)
let slabAt = 0
/** Before the first parse: a view for each query would be waste. */
const NO_OCTETS = new Uint8Array(0)

/** What one client asked. All offsets are from the start of the message. */
export class ParsedQuery {
  /** The message; valid while the owner of the buffer keeps it (until the next batch, or until the slot is freed). */
  bytes: Uint8Array = NO_OCTETS
  /** Where the message starts in `bytes`, and how many octets it has. */
  start = 0
  length = 0

  id = 0
  /** The 16 header bits after the ID. */
  flags = 0
  opcode = 0

  /** Lower-cased qname in wire form, root label included: `name[0 .. nameLength)`. Always a copy. */
  readonly name: Uint8Array
  nameLength = 0
  /** Labels besides the root. `labels[i]` is where label i starts in `name`; `labels[labelCount]` is the root's zero octet. */
  labelCount = 0
  readonly labels: Uint8Array
  qtype = 0
  qclass = 0
  /** Offset, from the message's start, just past QCLASS. The question is octets 12 to questionEnd. */
  questionEnd = 0

  hasEdns = false
  ednsVersion = 0
  /** The requestor's UDP payload size; 512 without OPT, and never below 512. */
  udpSize = 512
  /** DO bit. RFC 3225. */
  dnssecOk = false
  /** Where the OPT record's rdata lies (offset from the message's start) and its octets; 0 and 0 without options. */
  optionsAt = 0
  optionsLength = 0
  /** OPT carried an EDNS Client Subnet option (RFC 7871): such a query neither fills nor uses shared cache entries. */
  hasClientSubnet = false
  /** Some record besides OPT follows the question (TSIG, or the SOA of IXFR and NOTIFY). */
  hasExtraRecords = false

  /** Hash of `name`, qtype, qclass, DO and CD: signed 32 bits. Computed by parse. */
  hash = 0
  /** Of `hash`: queries of equal seeds find the same cache entries. */
  readonly hashSeed: number

  /** `hashSeed`: random per process and equal in all its threads, so that nobody can choose names that collide. */
  constructor(hashSeed = 0) {
    this.hashSeed = hashSeed | 0
    if (slabAt === slab.byteLength) {
      slab = new ArrayBuffer(SLAB_QUERIES * QUERY_OCTETS)
      slabAt = 0
    }
    this.name = new Uint8Array(slab, slabAt, NAME_OCTETS)
    this.labels = new Uint8Array(slab, slabAt + NAME_OCTETS, LABELS_MAX + 1)
    slabAt += QUERY_OCTETS
  }

  get recursionDesired(): boolean {
    return (this.flags & 0x0100) !== 0
  }

  get checkingDisabled(): boolean {
    return (this.flags & 0x0010) !== 0
  }

  get authenticData(): boolean {
    return (this.flags & 0x0020) !== 0
  }

  /**
   * Parses `length` octets of `bytes` from `start`. Returns ACCEPT, or why not. After FORMERR only `id`, `flags` and
   * `opcode` are set; after BADVERS and NOTIMP the question is set when it could be read (`questionEnd` > 0).
   */
  parse(bytes: Uint8Array, start: number, length: number): number {
    this.bytes = bytes
    this.start = start
    this.length = length
    this.questionEnd = 0
    this.hasEdns = false
    this.ednsVersion = 0
    this.udpSize = 512
    this.dnssecOk = false
    this.optionsAt = 0
    this.optionsLength = 0
    this.hasClientSubnet = false
    this.hasExtraRecords = false
    this.nameLength = 0
    this.labelCount = 0
    if (length < HEADER_SIZE) return DROP
    this.id = (bytes[start]! << 8) | bytes[start + 1]!
    this.flags = (bytes[start + 2]! << 8) | bytes[start + 3]!
    if ((this.flags & 0x8000) !== 0) return DROP
    this.opcode = (this.flags >>> 11) & 15
    if (this.opcode !== OPCODE_QUERY && this.opcode !== OPCODE_NOTIFY) return NOTIMP
    const qdcount = (bytes[start + 4]! << 8) | bytes[start + 5]!
    const ancount = (bytes[start + 6]! << 8) | bytes[start + 7]!
    const nscount = (bytes[start + 8]! << 8) | bytes[start + 9]!
    const arcount = (bytes[start + 10]! << 8) | bytes[start + 11]!
    if (qdcount !== 1 || ancount > 1 || nscount > 1 || arcount > 2) return FORMERR
    const questionEnd = this.#parseQuestion()
    if (questionEnd < 0) return FORMERR
    this.questionEnd = questionEnd
    const records = ancount + nscount + arcount
    let at = questionEnd
    for (let i = 0; i < records; i++) {
      at = this.#parseRecord(at, i >= ancount + nscount)
      if (at < 0) {
        this.questionEnd = 0
        return FORMERR
      }
    }
    // Octets after the message are accepted, as CoreDNS does; nothing reads them.
    if (this.hasEdns && this.ednsVersion !== 0) return BADVERS
    this.hash = this.#hash()
    return ACCEPT
  }

  /** Offset past QCLASS, or -1. A compression pointer is malformed: no name precedes the first qname. */
  #parseQuestion(): number {
    const { bytes, start, length, name, labels } = this
    let at = HEADER_SIZE
    let out = 0
    let count = 0
    for (;;) {
      if (at >= length) return -1
      const size = bytes[start + at]!
      if (size > LABEL_SIZE_MAX) return -1
      if (out + size + 1 > NAME_SIZE_MAX || at + size + 1 > length) return -1
      labels[count] = out
      name[out++] = size
      at++
      if (size === 0) break
      count++
      for (const end = at + size; at < end; at++) {
        const octet = bytes[start + at]!
        name[out++] = octet >= 0x41 && octet <= 0x5a ? octet | 0x20 : octet
      }
    }
    if (at + 4 > length) return -1
    this.nameLength = out
    this.labelCount = count
    const p = start + at
    this.qtype = (bytes[p]! << 8) | bytes[p + 1]!
    this.qclass = (bytes[p + 2]! << 8) | bytes[p + 3]!
    return at + 4
  }

  /** Steps over one record, reading it if it is the OPT. Returns the offset past it, or -1. */
  #parseRecord(from: number, additional: boolean): number {
    const { bytes, start, length } = this
    let at = from
    let owner = 0
    for (;;) {
      if (at >= length) return -1
      const size = bytes[start + at]!
      if (size >= 0xc0) {
        at += 2
        owner += 2
        break
      }
      if (size > LABEL_SIZE_MAX) return -1
      at += size + 1
      owner += size + 1
      if (size === 0) break
      if (owner > NAME_SIZE_MAX) return -1
    }
    if (at + 10 > length) return -1
    const p = start + at
    const type = (bytes[p]! << 8) | bytes[p + 1]!
    const rdataLength = (bytes[p + 8]! << 8) | bytes[p + 9]!
    const rdataAt = at + 10
    if (rdataAt + rdataLength > length) return -1
    if (type !== TYPE_OPT) {
      this.hasExtraRecords = true
      return rdataAt + rdataLength
    }
    // RFC 6891 section 6.1.1: one OPT, owned by the root, in the additional section.
    if (this.hasEdns || !additional || owner !== 1) return -1
    this.hasEdns = true
    const size = (bytes[p + 2]! << 8) | bytes[p + 3]!
    this.udpSize = Math.max(size, 512)
    this.ednsVersion = bytes[p + 5]!
    this.dnssecOk = (bytes[p + 6]! & 0x80) !== 0
    this.optionsAt = rdataLength === 0 ? 0 : rdataAt
    this.optionsLength = rdataLength
    const end = rdataAt + rdataLength
    for (let option = rdataAt; option < end; ) {
      if (option + 4 > end) return -1
      const code = (bytes[start + option]! << 8) | bytes[start + option + 1]!
      if (code === 8) this.hasClientSubnet = true
      option += 4 + ((bytes[start + option + 2]! << 8) | bytes[start + option + 3]!)
      if (option > end) return -1
    }
    return end
  }

  #hash(): number {
    const { name, nameLength } = this
    let hash = 0x811c9dc5 ^ this.hashSeed
    for (let i = 0; i < nameLength; i++) hash = Math.imul(hash ^ name[i]!, 0x01000193)
    hash = Math.imul(hash ^ this.qtype, 0x01000193)
    hash = Math.imul(
      hash ^ ((this.qclass << 2) | (this.dnssecOk ? 2 : 0) | (this.checkingDisabled ? 1 : 0)),
      0x01000193,
    )
    hash ^= hash >>> 15
    hash = Math.imul(hash, 0x2c1b3c6d)
    return hash ^ (hash >>> 13)
  }
}
