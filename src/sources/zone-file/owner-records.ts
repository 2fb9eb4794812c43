/** The records of one owner, in the order of the file, as octets and places in them: no object per record. */
import type { RecordSlice } from '../../rdata/text/record-slice.ts'
import { copyOctets, type PackedRRset } from '../../zone/packed-rrset.ts'

const RECORDS_AT_START = 8

export class OwnerRecords {
  /** The owner, then the rdatas. */
  #bytes = new Uint8Array(256)
  #length = 0
  #ownerLength = 0
  #count = 0
  /** Per record: type, TTL, where its rdata starts, its octets. */
  #records = new Uint32Array(4 * RECORDS_AT_START)

  /** Forgets all records and takes the owner of record `index`. */
  start(slice: RecordSlice, index: number): void {
    const size = slice.ownerSizes[index]!
    copyOctets(slice.bytes, slice.ownerAts[index]!, this.#bytes, 0, size)
    this.#ownerLength = size
    this.#length = size
    this.#count = 0
  }

  /** Forgets owner and records. */
  clear(): void {
    this.#ownerLength = 0
    this.#length = 0
    this.#count = 0
  }

  /** Whether the record's owner is the one in hand. */
  isOwner(slice: RecordSlice, index: number): boolean {
    const size = slice.ownerSizes[index]!
    if (size !== this.#ownerLength) return false
    const own = this.#bytes
    const { bytes } = slice
    const at = slice.ownerAts[index]!
    // From the front: names of one zone have their ends in common.
    for (let i = 0; i < size; i++) if (bytes[at + i] !== own[i]) return false
    return true
  }

  /** Adds record `index`, which has this owner. */
  add(slice: RecordSlice, index: number): void {
    const size = slice.rdataSizes[index]!
    const from = this.#length
    if (from + size > this.#bytes.length) {
      const larger = new Uint8Array((from + size) * 2)
      larger.set(this.#bytes.subarray(0, from))
      this.#bytes = larger
    }
    copyOctets(slice.bytes, slice.rdataAts[index]!, this.#bytes, from, size)
    this.#length = from + size
    let at = 4 * this.#count++
    if (at === this.#records.length) {
      const larger = new Uint32Array(at * 2)
      larger.set(this.#records)
      this.#records = larger
    }
    const records = this.#records
    records[at++] = slice.types[index]!
    records[at++] = slice.ttls[index]!
    records[at++] = from
    records[at] = size
  }

  /**
   * Takes out the first record and all others of its type. Its TTL counts for all (RFC 2181 section 5.2). The RRset's octets stay where they are until
   * `start`. False when no records are left.
   */
  takeRRset(rrset: PackedRRset): boolean {
    if (this.#count === 0) return false
    const records = this.#records
    const type = records[0]!
    rrset.bytes = this.#bytes
    rrset.ownerAt = 0
    rrset.ownerLength = this.#ownerLength
    rrset.type = type
    rrset.ttlSeconds = records[1]!
    rrset.count = 0
    let left = 0
    for (let at = 0, end = 4 * this.#count; at < end; at += 4) {
      if (records[at] === type) rrset.push(records[at + 2]!, records[at + 3]!)
      else {
        for (let i = 0; i < 4; i++) records[left + i] = records[at + i]!
        left += 4
      }
    }
    this.#count = left >>> 2
    return true
  }
}
