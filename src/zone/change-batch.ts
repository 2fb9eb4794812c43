/**
 * Records of a transaction, packed for the way from the primary to the stores. Network order, operations one after the other:
 *
 *   size  field
 *      1  operation: BATCH_PUT, BATCH_PUT_MORE or BATCH_DELETE
 *      n  owner, wire form, lower-case, not compressed; not in BATCH_PUT_MORE, whose owner is that of the operation before
 *      2  type
 *         not of BATCH_DELETE:
 *      4  TTL, seconds
 *      4  records
 *         per record: 2 octets length, rdata
 */
import { LABEL_SIZE_MAX, NAME_SIZE_MAX } from '../wire/parsed-query.ts'
import { copyOctets, PackedRRset } from './packed-rrset.ts'
import type { ChangeBatch } from './zone-change.ts'

export const BATCH_PUT = 1
export const BATCH_DELETE = 2
export const BATCH_PUT_MORE = 3

/** A batch is sent when it has grown to this. One RRset is never divided, so a batch can be larger. */
export const BATCH_SIZE = 64 * 1024

/** Most transactions are small: a name that came, a zone with five records. */
const BATCH_SIZE_AT_START = 512
/** What `put` was given last. */
const packed = new PackedRRset()

/** Collects operations. `take` gives the batch and starts the next. */
export class BatchWriter {
  #bytes = new Uint8Array(BATCH_SIZE_AT_START)
  #length = 0
  /** The last operation's owner: `#bytes[#ownerAt ..]`, `#ownerLength` octets; none when the batch is empty. */
  #ownerAt = 0
  #ownerLength = 0

  /** Octets collected. */
  get length(): number {
    return this.#length
  }

  /** Octets that it has room for; it grows with one that is larger. */
  get capacity(): number {
    return this.#bytes.length
  }

  put(owner: Uint8Array, type: number, ttlSeconds: number, rdatas: readonly Uint8Array[]): void {
    packed.load(owner, type, ttlSeconds, rdatas)
    this.putPacked(packed)
  }

  putPacked(rrset: PackedRRset): void {
    const { bytes: from, ownerAt, ownerLength, type, ttlSeconds, count, rdataAt, rdataLength } = rrset
    let size = ownerLength + 11 + 2 * count
    for (let i = 0; i < count; i++) size += rdataLength[i]!
    this.#reserve(size)
    if (this.#isOwner(from, ownerAt, ownerLength)) this.#bytes[this.#length++] = BATCH_PUT_MORE
    else this.#head(BATCH_PUT, from, ownerAt, ownerLength)
    const bytes = this.#bytes
    let at = this.#length
    bytes[at++] = type >>> 8
    bytes[at++] = type
    bytes[at++] = ttlSeconds >>> 24
    bytes[at++] = ttlSeconds >>> 16
    bytes[at++] = ttlSeconds >>> 8
    bytes[at++] = ttlSeconds
    bytes[at++] = count >>> 24
    bytes[at++] = count >>> 16
    bytes[at++] = count >>> 8
    bytes[at++] = count
    for (let i = 0; i < count; i++) {
      const length = rdataLength[i]!
      bytes[at++] = length >>> 8
      bytes[at++] = length
      copyOctets(from, rdataAt[i]!, bytes, at, length)
      at += length
    }
    this.#length = at
  }

  delete(owner: Uint8Array, type: number): void {
    this.#reserve(owner.length + 3)
    this.#head(BATCH_DELETE, owner, 0, owner.length)
    this.#bytes[this.#length++] = type >>> 8
    this.#bytes[this.#length++] = type
  }

  /** What was collected, in memory of its own. */
  take(): ChangeBatch {
    const batch = this.#bytes.slice(0, this.#length)
    this.clear()
    return batch
  }

  clear(): void {
    this.#length = 0
    this.#ownerLength = 0
  }

  #head(operation: number, from: Uint8Array, ownerAt: number, ownerLength: number): void {
    this.#bytes[this.#length++] = operation
    copyOctets(from, ownerAt, this.#bytes, this.#length, ownerLength)
    this.#ownerAt = this.#length
    this.#ownerLength = ownerLength
    this.#length += ownerLength
  }

  #isOwner(from: Uint8Array, ownerAt: number, ownerLength: number): boolean {
    if (ownerLength !== this.#ownerLength) return false
    const bytes = this.#bytes
    const own = this.#ownerAt
    for (let i = 0; i < ownerLength; i++) if (bytes[own + i] !== from[ownerAt + i]) return false
    return true
  }

  #reserve(size: number): void {
    if (this.#length + size <= this.#bytes.length) return
    const larger = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + size))
    larger.set(this.#bytes.subarray(0, this.#length))
    this.#bytes = larger
  }
}

/** Walks a batch: `next` fills the fields with one operation. One reader serves for many batches. */
export class BatchReader extends PackedRRset {
  /** BATCH_PUT or BATCH_DELETE. */
  operation = 0
  /** Whether the owner is that of the operation before, and its octets in the same place. */
  isSameOwner = false
  /** The owner's labels besides the root. */
  labelCount = 0
  #next = 0

  start(batch: ChangeBatch): void {
    this.bytes = batch
    this.ownerLength = 0
    this.#next = 0
  }

  /** Reads the next operation. False at the end. Throws RangeError when the batch isn't well formed. */
  next(): boolean {
    const { bytes } = this
    let at = this.#next
    if (at >= bytes.length) return false
    const operation = bytes[at++]!
    this.isSameOwner = operation === BATCH_PUT_MORE
    if (this.isSameOwner) {
      if (this.ownerLength === 0) throw malformed('owner')
      this.operation = BATCH_PUT
    } else {
      if (operation !== BATCH_PUT && operation !== BATCH_DELETE) throw malformed('operation')
      this.operation = operation
      at = this.#readOwner(at)
    }
    if (at + 2 > bytes.length) throw malformed('type')
    this.type = (bytes[at]! << 8) | bytes[at + 1]!
    at += 2
    this.count = 0
    if (this.operation === BATCH_PUT) {
      if (at + 8 > bytes.length) throw malformed('TTL')
      this.ttlSeconds = (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!
      const count = ((bytes[at + 4]! << 24) | (bytes[at + 5]! << 16) | (bytes[at + 6]! << 8) | bytes[at + 7]!) >>> 0
      at += 8
      if (count * 2 > bytes.length - at) throw malformed('count')
      if (count > this.rdataAt.length) this.reserve(count * 2)
      for (let i = 0; i < count; i++) {
        if (at + 2 > bytes.length) throw malformed('rdata')
        const length = (bytes[at]! << 8) | bytes[at + 1]!
        at += 2
        if (at + length > bytes.length) throw malformed('rdata')
        this.rdataAt[i] = at
        this.rdataLength[i] = length
        at += length
      }
      this.count = count
    }
    this.#next = at
    return true
  }

  /** Returns the offset past the owner at `from`. */
  #readOwner(from: number): number {
    const { bytes } = this
    let at = from
    let labels = 0
    for (;;) {
      if (at >= bytes.length) throw malformed('owner')
      const size = bytes[at]!
      if (size > LABEL_SIZE_MAX || at + size + 1 - from > NAME_SIZE_MAX) throw malformed('owner')
      at += size + 1
      if (size === 0) break
      labels++
    }
    this.ownerAt = from
    this.ownerLength = at - from
    this.labelCount = labels
    return at
  }
}

function malformed(what: string): RangeError {
  return new RangeError(`malformed batch of records: ${what}`)
}
