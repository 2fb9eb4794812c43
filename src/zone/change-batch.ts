/**
 * Records of a transaction, packed for the way from the primary to the stores. Network order, operations one after the other:
 *
 *   size  field
 *      1  operation: BATCH_PUT or BATCH_DELETE
 *      n  owner, wire form, lower-case, not compressed
 *      2  type
 *         of BATCH_PUT only:
 *      4  TTL, seconds
 *      4  records
 *         per record: 2 octets length, rdata
 */
import { LABEL_SIZE_MAX, NAME_SIZE_MAX } from '../wire/parsed-query.ts'
import type { ChangeBatch } from './zone-change.ts'

export const BATCH_PUT = 1
export const BATCH_DELETE = 2

/** A batch is sent when it has grown to this. One RRset is never divided, so a batch can be larger. */
export const BATCH_SIZE = 64 * 1024

/** Collects operations. `take` gives the batch and starts the next. */
export class BatchWriter {
  #bytes = new Uint8Array(4096)
  #length = 0

  /** Octets collected. */
  get length(): number {
    return this.#length
  }

  put(owner: Uint8Array, type: number, ttlSeconds: number, rdatas: readonly Uint8Array[]): void {
    let size = owner.length + 11
    for (const rdata of rdatas) size += rdata.length + 2
    this.#reserve(size)
    this.#head(BATCH_PUT, owner, type)
    const bytes = this.#bytes
    let at = this.#length
    bytes[at++] = ttlSeconds >>> 24
    bytes[at++] = ttlSeconds >>> 16
    bytes[at++] = ttlSeconds >>> 8
    bytes[at++] = ttlSeconds
    bytes[at++] = rdatas.length >>> 24
    bytes[at++] = rdatas.length >>> 16
    bytes[at++] = rdatas.length >>> 8
    bytes[at++] = rdatas.length
    for (const rdata of rdatas) {
      bytes[at++] = rdata.length >>> 8
      bytes[at++] = rdata.length
      bytes.set(rdata, at)
      at += rdata.length
    }
    this.#length = at
  }

  delete(owner: Uint8Array, type: number): void {
    this.#reserve(owner.length + 3)
    this.#head(BATCH_DELETE, owner, type)
  }

  /** What was collected, in memory of its own. */
  take(): ChangeBatch {
    const batch = this.#bytes.slice(0, this.#length)
    this.#length = 0
    return batch
  }

  #head(operation: number, owner: Uint8Array, type: number): void {
    const bytes = this.#bytes
    bytes[this.#length++] = operation
    bytes.set(owner, this.#length)
    this.#length += owner.length
    bytes[this.#length++] = type >>> 8
    bytes[this.#length++] = type
  }

  #reserve(size: number): void {
    if (this.#length + size <= this.#bytes.length) return
    const larger = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + size))
    larger.set(this.#bytes.subarray(0, this.#length))
    this.#bytes = larger
  }
}

/** Walks a batch: `next` fills the fields with one operation. One reader serves for many batches. */
export class BatchReader {
  bytes: Uint8Array = new Uint8Array(0)
  operation = 0
  /** Where the owner starts, its octets with the root's, and its labels besides the root. */
  ownerAt = 0
  ownerLength = 0
  labelCount = 0
  type = 0
  ttlSeconds = 0
  /** Records, and for each where its rdata starts and its octets. */
  count = 0
  rdataAt = new Int32Array(16)
  rdataLength = new Int32Array(16)
  #next = 0

  start(batch: ChangeBatch): void {
    this.bytes = batch
    this.#next = 0
  }

  /** Reads the next operation. False at the end. Throws RangeError when the batch isn't well formed. */
  next(): boolean {
    const { bytes } = this
    let at = this.#next
    if (at >= bytes.length) return false
    this.operation = bytes[at++]!
    if (this.operation !== BATCH_PUT && this.operation !== BATCH_DELETE) throw malformed('operation')
    this.ownerAt = at
    this.labelCount = 0
    for (;;) {
      if (at >= bytes.length) throw malformed('owner')
      const size = bytes[at]!
      if (size > LABEL_SIZE_MAX || at + size + 1 - this.ownerAt > NAME_SIZE_MAX) throw malformed('owner')
      at += size + 1
      if (size === 0) break
      this.labelCount++
    }
    this.ownerLength = at - this.ownerAt
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
      if (count > this.rdataAt.length) {
        this.rdataAt = new Int32Array(count * 2)
        this.rdataLength = new Int32Array(count * 2)
      }
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

  /** The operation's owner and rdatas as arrays of their own, for those who want objects. */
  owner(): Uint8Array {
    return this.bytes.slice(this.ownerAt, this.ownerAt + this.ownerLength)
  }

  rdatas(): Uint8Array[] {
    const rdatas: Uint8Array[] = []
    for (let i = 0; i < this.count; i++) {
      rdatas.push(this.bytes.slice(this.rdataAt[i], this.rdataAt[i]! + this.rdataLength[i]!))
    }
    return rdatas
  }
}

function malformed(what: string): RangeError {
  return new RangeError(`malformed batch of records: ${what}`)
}
