/**
 * Writes a reply in wire form into a buffer of the caller's: question, sections with name compression, header.
 *
 *   begin(query, out, start, sizeMax)        the question goes in as the client wrote it
 *     openRRset(section)                     one RRset at a time
 *       ownerOfQuestion | ownerSuffix | ownerName
 *       beginRecord(type, class, ttl) … octets … endRecord()      per record
 *     closeRRset(required)                   all of it stays, or none of it
 *   end()                                    flags and counts; returns the length
 *
 * An RRset that doesn't fit is taken out again. If it was required the reply is truncated (TC) and takes no more RRsets;
 * if not, the reply is as good without it (RFC 2181 section 9). Owners equal to the qname, and suffixes of it, are
 * pointers to the question, so the client finds its own spelling there (0x20). Other names are compared with those
 * written before through a bounded table: time is linear in what is written, whatever the names are.
 *
 * One writer lives as long as its socket or thread. Nothing here allocates (but for one DataView per new buffer) or throws.
 */
import { HEADER_SIZE, LABEL_SIZE_MAX, LABELS_MAX, NAME_SIZE_MAX, type ParsedQuery } from './parsed-query.ts'

export const SECTION_ANSWER = 0
export const SECTION_AUTHORITY = 1
export const SECTION_ADDITIONAL = 2

/** For `closeRRset`: without it the reply is incomplete, so it must fit or TC is set. */
export const REQUIRED = true
/** For `closeRRset`: left out without a trace when it doesn't fit. */
export const OPTIONAL = false

/** Where names inside the rdata of a type lie, for the types of RFC 1035; only those may be compressed (RFC 3597 section 4). */
const NAME_FIRST = 1
const TWO_NAMES_FIRST = 2
const NAME_AFTER_PREFERENCE = 3
const COMPRESSIBLE = new Uint8Array(16)
for (const type of [2, 3, 4, 5, 7, 8, 9, 12]) COMPRESSIBLE[type] = NAME_FIRST
for (const type of [6, 14]) COMPRESSIBLE[type] = TWO_NAMES_FIRST
COMPRESSIBLE[15] = NAME_AFTER_PREFERENCE

/** Whether rdata of this type holds names that `putRdata` compresses. */
export function isCompressible(type: number): boolean {
  return type < 16 && COMPRESSIBLE[type] !== 0
}

/** The table of names written: a power of two. Past TABLE_ENTRIES_MAX entries later names are only compressed against those. */
const TABLE_SLOTS = 1024
const TABLE_ENTRIES_MAX = 700
const PROBES_MAX = 8
/** Names of `putNameAbove` that are kept for the table; those beyond are never pointed to. */
const UNLISTED_MAX = 64
/** Offsets above this don't fit a pointer. RFC 1035 section 4.1.4. */
const POINTER_OFFSET_MAX = 0x3fff
const POINTERS_FOLLOWED_MAX = 128

export class ReplyWriter {
  rcode = 0
  authoritative = false
  truncated = false
  recursionAvailable = false
  authenticData = false
  /** After `begin`: header and question are written, `at` is just past the question (absolute in `out`). */
  out: Uint8Array = new Uint8Array(0)
  start = 0
  at = 0
  /** Sections may fill `out` up to here. */
  limit = 0
  answerCount = 0
  authorityCount = 0
  additionalCount = 0
  /** The same octets as `out`, for stores of 2 and 4 octets at once. */
  view: DataView = new DataView(this.out.buffer)

  #flags = 0
  #id = 0
  #questionLength = 0
  #labelCount = 0
  #labels: Uint8Array = new Uint8Array(LABELS_MAX + 1)

  /** What `openRRset` saw. */
  #section = SECTION_ANSWER
  #rrsetAt = 0
  #rrsetRecords = 0
  #overflow = false
  #rdlengthAt = 0
  /** Owner of the RRset: a pointer, or 0 for the root, or (PENDING) a name still to be written. */
  #ownerPointer = 0
  #ownerPending: Uint8Array | undefined
  #ownerPendingAt = 0

  #hashes = new Int32Array(TABLE_SLOTS)
  /** Offset in the message; valid when the stamp is the current one. */
  #positions = new Uint16Array(TABLE_SLOTS)
  #stamps = new Int32Array(TABLE_SLOTS)
  #stamp = 0
  /** Slots in the order they were filled. */
  #slots = new Uint16Array(TABLE_ENTRIES_MAX)
  #entries = 0
  #questionInTable = false
  readonly #seed = (Math.random() * 0x100000000) | 0
  /** Offsets and hashes of the labels of the name in hand. */
  readonly #nameLabels = new Int32Array(LABELS_MAX + 1)
  readonly #nameHashes = new Int32Array(LABELS_MAX + 1)
  readonly #listPositions = new Int32Array(LABELS_MAX + 1)
  /** Offsets of names that `putNameAbove` wrote and the table doesn't have yet. */
  readonly #unlisted = new Uint16Array(UNLISTED_MAX)
  #unlistedCount = 0

  /** Starts a reply to `query` at `out[start]`; sections may fill up to `sizeMax` octets (the caller subtracts its OPT). */
  begin(query: ParsedQuery, out: Uint8Array, start: number, sizeMax: number): void {
    this.rcode = 0
    this.authoritative = false
    this.truncated = false
    this.recursionAvailable = false
    this.authenticData = false
    if (this.out !== out) {
      this.out = out
      this.view = new DataView(out.buffer, out.byteOffset, out.byteLength)
    }
    this.start = start
    this.answerCount = 0
    this.authorityCount = 0
    this.additionalCount = 0
    this.#rrsetRecords = 0
    this.#overflow = false
    this.#flags = query.flags
    this.#id = query.id
    this.#stamp = (this.#stamp + 1) | 0
    this.#entries = 0
    this.#questionInTable = false
    this.#unlistedCount = 0
    const { bytes, questionEnd } = query
    const from = query.start
    let at = start + HEADER_SIZE
    for (let i = from + HEADER_SIZE, end = from + questionEnd; i < end; i++) out[at++] = bytes[i]!
    this.#questionLength = questionEnd > HEADER_SIZE ? questionEnd - HEADER_SIZE : 0
    this.#labelCount = query.labelCount
    this.#labels = query.labels
    this.at = at
    this.#rrsetAt = at
    this.limit = Math.min(start + sizeMax, out.length)
  }

  /** Writes header flags and counts; returns the message's length. An OPT can be appended after it (`wire/opt.ts`). */
  end(): number {
    const { view, start } = this
    // QR; opcode, RD and CD as in the query (RFC 1035 section 4.1.1, RFC 4035 section 3).
    let flags = 0x8000 | (this.#flags & 0x7910) | (this.rcode & 15)
    if (this.authoritative) flags |= 0x0400
    if (this.truncated) flags |= 0x0200
    if (this.recursionAvailable) flags |= 0x0080
    if (this.authenticData) flags |= 0x0020
    view.setUint16(start, this.#id)
    view.setUint16(start + 2, flags)
    view.setUint16(start + 4, this.#questionLength > 0 ? 1 : 0)
    view.setUint16(start + 6, this.answerCount)
    view.setUint16(start + 8, this.authorityCount)
    view.setUint16(start + 10, this.additionalCount)
    return this.at - start
  }

  /** Records written so far. */
  get recordCount(): number {
    return this.answerCount + this.authorityCount + this.additionalCount
  }

  /** Takes all records out again, as just after `begin`. */
  clear(): void {
    this.rcode = 0
    this.authoritative = false
    this.truncated = false
    this.at = this.start + HEADER_SIZE + this.#questionLength
    this.answerCount = 0
    this.authorityCount = 0
    this.additionalCount = 0
    this.#stamp = (this.#stamp + 1) | 0
    this.#entries = 0
    this.#questionInTable = false
    this.#unlistedCount = 0
  }

  /** Goes back to `at` with these counts, e.g. to what a caller noted before a look-up that it has to repeat. */
  rewind(at: number, answerCount: number, authorityCount: number, additionalCount: number): void {
    this.at = at
    this.answerCount = answerCount
    this.authorityCount = authorityCount
    this.additionalCount = additionalCount
    this.#forgetNames(at - this.start)
  }

  /** Starts an RRset. Returns false when the reply is truncated already: nothing may follow then. Set its owner next. */
  openRRset(section: number): boolean {
    if (this.truncated) return false
    this.#section = section
    this.#rrsetAt = this.at
    this.#rrsetRecords = 0
    this.#overflow = false
    return true
  }

  /** The RRset's owner is the qname. */
  ownerOfQuestion(): void {
    this.ownerSuffix(0)
  }

  /** The RRset's owner is the qname without its first `labels` labels. */
  ownerSuffix(labels: number): void {
    this.#ownerPending = undefined
    this.#ownerPointer = labels >= this.#labelCount ? 0 : 0xc000 | (HEADER_SIZE + this.#labels[labels]!)
  }

  /** The RRset's owner is the name at `name[at]`, wire form, not compressed; it must stay there until the first record is begun. */
  ownerName(name: Uint8Array, at: number): void {
    this.#ownerPending = name
    this.#ownerPendingAt = at
  }

  /** Writes owner, type, class and TTL; rdata follows at `at`, then `endRecord`. Returns false when there is no room. */
  beginRecord(type: number, rclass: number, ttlSeconds: number): boolean {
    if (this.#ownerPending !== undefined) this.#writeOwner()
    else if (this.#ownerPointer === 0) {
      if (this.at + 11 > this.limit) this.#overflow = true
      else this.out[this.at++] = 0
    } else if (this.at + 12 > this.limit) this.#overflow = true
    else {
      this.view.setUint16(this.at, this.#ownerPointer)
      this.at += 2
    }
    const { at, view } = this
    if (this.#overflow || at + 10 > this.limit) {
      this.#overflow = true
      return false
    }
    view.setUint16(at, type)
    view.setUint16(at + 2, rclass)
    view.setInt32(at + 4, ttlSeconds)
    this.#rdlengthAt = at + 8
    this.at = at + 10
    return true
  }

  /** Whether `size` more octets of rdata fit; if not, the RRset is given up. */
  room(size: number): boolean {
    if (this.at + size <= this.limit) return true
    this.#overflow = true
    return false
  }

  /** Ends the record that `beginRecord` started. */
  endRecord(): void {
    if (this.#overflow) return
    this.view.setUint16(this.#rdlengthAt, this.at - this.#rdlengthAt - 2)
    this.#rrsetRecords++
  }

  /** Ends the RRset. Returns whether it is in the reply; if it isn't and was REQUIRED, the reply is truncated. */
  closeRRset(required: boolean): boolean {
    if (this.#overflow) {
      this.#overflow = false
      this.at = this.#rrsetAt
      this.#forgetNames(this.at - this.start)
      if (required) this.truncated = true
      return false
    }
    const count = this.#rrsetRecords
    if (this.#section === SECTION_ANSWER) this.answerCount += count
    else if (this.#section === SECTION_AUTHORITY) this.authorityCount += count
    else this.additionalCount += count
    return true
  }

  /**
   * Adds one record by itself: owner and rdata in wire form, not compressed. For RRsets use `openRRset` and the rest.
   * Returns false when it doesn't fit (`required`: TC is set) or the reply was truncated before.
   */
  putRecord(
    section: number,
    owner: Uint8Array,
    type: number,
    rclass: number,
    ttlSeconds: number,
    rdata: Uint8Array,
    rdataAt: number,
    rdataLength: number,
    required: boolean,
  ): boolean {
    if (!this.openRRset(section)) return false
    this.ownerName(owner, 0)
    if (this.beginRecord(type, rclass, ttlSeconds)) {
      this.putRdata(type, rdata, rdataAt, rdataLength)
      this.endRecord()
    }
    return this.closeRRset(required)
  }

  /** Writes rdata, with its names compressed where the type allows it. Malformed rdata of such a type is written as it is. */
  putRdata(type: number, rdata: Uint8Array, rdataAt: number, rdataLength: number): void {
    const layout = type < 16 ? COMPRESSIBLE[type]! : 0
    const end = rdataAt + rdataLength
    if (layout === 0) {
      this.putOctets(rdata, rdataAt, rdataLength)
      return
    }
    let at = layout === NAME_AFTER_PREFERENCE ? rdataAt + 2 : rdataAt
    let next = nameEnd(rdata, at, end)
    if (layout === TWO_NAMES_FIRST && next > 0) next = nameEnd(rdata, next, end)
    if (next < 0) {
      this.putOctets(rdata, rdataAt, rdataLength)
      return
    }
    this.putOctets(rdata, rdataAt, at - rdataAt)
    at = this.putName(rdata, at)
    if (layout === TWO_NAMES_FIRST) at = this.putName(rdata, at)
    this.putOctets(rdata, at, end - at)
  }

  /** Copies octets. */
  putOctets(from: Uint8Array, fromAt: number, length: number): void {
    if (!this.room(length)) return
    const { out } = this
    let { at } = this
    for (let i = fromAt, end = fromAt + length; i < end; i++) out[at++] = from[i]!
    this.at = at
  }

  /**
   * Writes the name at `name[nameAt]` (wire form, not compressed, well formed), compressed against the question and the names written so far
   * without regard to case. Returns the offset past it in `name`.
   */
  putName(name: Uint8Array, nameAt: number): number {
    const labels = this.#nameLabels
    let count = 0
    let at = nameAt
    for (; count < LABELS_MAX; count++) {
      const size = name[at]!
      if (size === 0 || size > LABEL_SIZE_MAX || at - nameAt + size > NAME_SIZE_MAX) break
      labels[count] = at
      at += size + 1
    }
    const end = at + 1
    if (count === 0) {
      if (this.room(1)) this.out[this.at++] = 0
      return end
    }
    if (!this.#questionInTable) this.#addQuestion()
    if (this.#unlistedCount > 0) this.#listNames()
    const hashes = this.#nameHashes
    this.#hashLabels(name, labels, count, hashes)
    let matched = count
    let pointer = 0
    for (let i = 0; i < count; i++) {
      pointer = this.#find(hashes[i]!, name, labels[i]!)
      if (pointer !== 0) {
        matched = i
        break
      }
    }
    const literal = (matched === count ? end - 1 : labels[matched]!) - nameAt
    if (!this.room(literal + (pointer !== 0 ? 2 : 1))) return end
    const { out, start } = this
    let to = this.at
    for (let i = 0; i < matched; i++) this.#add(hashes[i]!, to - start + labels[i]! - nameAt)
    for (let i = nameAt, literalEnd = nameAt + literal; i < literalEnd; i++) out[to++] = name[i]!
    if (pointer !== 0) {
      out[to++] = 0xc0 | (pointer >>> 8)
      out[to++] = pointer
    } else out[to++] = 0
    this.at = to
    return end
  }

  /**
   * Writes the labels `name[nameAt .. nameAt + prefixLength)` and a pointer to `offset` of the message, where the rest of
   * the name stands: for callers who know without looking. Later names are compared with this one as with others.
   */
  putNameAbove(name: Uint8Array, nameAt: number, prefixLength: number, offset: number): void {
    if (!this.room(prefixLength + 2)) return
    const { out } = this
    let { at } = this
    if (prefixLength > 0 && this.#unlistedCount < UNLISTED_MAX && at - this.start <= POINTER_OFFSET_MAX) {
      this.#unlisted[this.#unlistedCount++] = at - this.start
    }
    for (let i = nameAt, end = nameAt + prefixLength; i < end; i++) out[at++] = name[i]!
    out[at++] = 0xc0 | (offset >>> 8)
    out[at++] = offset
    this.at = at
  }

  /** Names of `putNameAbove` go into the table only when another name is to be compared with them. */
  #listNames(): void {
    const { out, start } = this
    const hashes = this.#nameHashes
    const positions = this.#listPositions
    for (let k = 0; k < this.#unlistedCount; k++) {
      const offset = this.#unlisted[k]!
      let at = start + offset
      let own = 0
      let count = 0
      let isOwn = true
      for (let size = out[at]!; size !== 0 && count < LABELS_MAX; size = out[at]!) {
        if (size >= 0xc0) {
          at = start + (((size & 0x3f) << 8) | out[at + 1]!)
          isOwn = false
          continue
        }
        positions[count++] = at
        if (isOwn) own = count
        at += size + 1
      }
      this.#hashLabels(out, positions, count, hashes)
      for (let i = 0; i < own; i++) this.#add(hashes[i]!, positions[i]! - start)
    }
    this.#unlistedCount = 0
  }

  #writeOwner(): void {
    const { at } = this
    this.putName(this.#ownerPending!, this.#ownerPendingAt)
    if (this.#overflow) return
    const first = this.out[at]!
    const offset = at - this.start
    // Too far into the message to point at: the next record of the RRset writes the name again.
    if (first < 0xc0 && first !== 0 && offset > POINTER_OFFSET_MAX) return
    this.#ownerPending = undefined
    if (first === 0) this.#ownerPointer = 0
    else this.#ownerPointer = first >= 0xc0 ? (first << 8) | this.out[at + 1]! : 0xc000 | offset
  }

  /** Hashes of a name's suffixes, without regard to case: `labels` says where each label is in `name`. */
  #hashLabels(name: Uint8Array, labels: Int32Array, count: number, hashes: Int32Array): void {
    let hash = this.#seed
    for (let i = count - 1; i >= 0; i--) {
      let at = labels[i]!
      const size = name[at]!
      hash = Math.imul(hash ^ size, 0x01000193)
      for (const labelEnd = at + size; at < labelEnd; ) hash = Math.imul(hash ^ (name[++at]! | 0x20), 0x01000193)
      hash ^= hash >>> 15
      hashes[i] = hash
    }
  }

  /** The question's name and its suffixes are what most names are compressed against; hashed only once a name needs it. */
  #addQuestion(): void {
    this.#questionInTable = true
    if (this.#questionLength === 0) return
    const { out, start } = this
    let hash = this.#seed
    for (let i = this.#labelCount - 1; i >= 0; i--) {
      const offset = HEADER_SIZE + this.#labels[i]!
      let at = start + offset
      const size = out[at]!
      hash = Math.imul(hash ^ size, 0x01000193)
      for (const labelEnd = at + size; at < labelEnd; ) hash = Math.imul(hash ^ (out[++at]! | 0x20), 0x01000193)
      hash ^= hash >>> 15
      this.#add(hash, offset)
    }
  }

  /** Offset in the message of a name equal to the one at `name[at]`, or 0. */
  #find(hash: number, name: Uint8Array, at: number): number {
    let slot = hash & (TABLE_SLOTS - 1)
    for (let probe = 0; probe < PROBES_MAX; probe++) {
      if (this.#stamps[slot] !== this.#stamp) return 0
      if (this.#hashes[slot] === hash && this.#equals(this.#positions[slot]!, name, at)) return this.#positions[slot]!
      slot = (slot + 1) & (TABLE_SLOTS - 1)
    }
    return 0
  }

  #add(hash: number, offset: number): void {
    if (offset > POINTER_OFFSET_MAX || this.#entries >= TABLE_ENTRIES_MAX) return
    let slot = hash & (TABLE_SLOTS - 1)
    for (let probe = 0; probe < PROBES_MAX; probe++) {
      if (this.#stamps[slot] !== this.#stamp) {
        this.#stamps[slot] = this.#stamp
        this.#hashes[slot] = hash
        this.#positions[slot] = offset
        this.#slots[this.#entries++] = slot
        return
      }
      slot = (slot + 1) & (TABLE_SLOTS - 1)
    }
  }

  /** Names at or past this offset of the message are gone. The latest came last into their chains of probes, so nothing before them moves. */
  #forgetNames(offset: number): void {
    while (this.#unlistedCount > 0 && this.#unlisted[this.#unlistedCount - 1]! >= offset) this.#unlistedCount--
    while (this.#entries > 0) {
      const slot = this.#slots[this.#entries - 1]!
      if (this.#positions[slot]! < offset) return
      this.#stamps[slot] = this.#stamp - 1
      this.#entries--
    }
  }

  /** Whether the name in the message at `offset` equals the one at `name[at]`, without regard to case. */
  #equals(offset: number, name: Uint8Array, at: number): boolean {
    const { out, start } = this
    let position = start + offset
    for (let hops = 0; hops < POINTERS_FOLLOWED_MAX; ) {
      let size = out[position]!
      if (size >= 0xc0) {
        position = start + (((size & 0x3f) << 8) | out[position + 1]!)
        hops++
        continue
      }
      if (size !== name[at]) return false
      if (size === 0) return true
      for (; size > 0; size--) {
        const a = out[++position]!
        const b = name[++at]!
        if (a !== b && (a ^ b) !== 0x20) return false
        if (a !== b && ((a | 0x20) < 0x61 || (a | 0x20) > 0x7a)) return false
      }
      position++
      at++
    }
    return false
  }
}

/** The offset past the uncompressed name at `bytes[at]`, or -1 when it doesn't end before `end`. */
function nameEnd(bytes: Uint8Array, at: number, end: number): number {
  for (let next = at; next < end; ) {
    const size = bytes[next]!
    if (size > LABEL_SIZE_MAX || next + size - at >= NAME_SIZE_MAX) return -1
    next += size + 1
    if (size === 0) return next
  }
  return -1
}
