/** Many records in one piece of memory: what a zone file reader hands over at a time. Filled, handed out, emptied and filled again. */
import { OctetWriter } from '../../wire/octet-writer.ts'

/** Records of a slice. */
export const SLICE_RECORDS_MAX = 2048
/** Octets of a slice's owners and rdata; a slice is full when less is left than one record can need. */
const SLICE_SIZE_AT_START = 128 * 1024
const SLICE_SIZE_FULL = 256 * 1024

export class RecordSlice {
  count = 0
  readonly types = new Uint16Array(SLICE_RECORDS_MAX)
  readonly classes = new Uint16Array(SLICE_RECORDS_MAX)
  readonly ttls = new Uint32Array(SLICE_RECORDS_MAX)
  /**
   * Record i's owner (wire form, lower-case) is `bytes[ownerAts[i] .. ownerAts[i]+ownerSizes[i])`. Where an entry left the
   * owner out, that is the place of the record before.
   */
  readonly ownerAts = new Uint32Array(SLICE_RECORDS_MAX)
  readonly ownerSizes = new Uint8Array(SLICE_RECORDS_MAX)
  readonly rdataAts = new Uint32Array(SLICE_RECORDS_MAX)
  readonly rdataSizes = new Uint16Array(SLICE_RECORDS_MAX)
  /** Who wrote the last record, if its owner can be shared with the next one. */
  lastBy: object | undefined = undefined
  readonly out = new SliceWriter(SLICE_SIZE_AT_START)

  get bytes(): Uint8Array {
    return this.out.bytes
  }

  get full(): boolean {
    return this.count === SLICE_RECORDS_MAX || this.out.length >= SLICE_SIZE_FULL
  }

  clear(): void {
    this.count = 0
    this.out.length = 0
    this.lastBy = undefined
  }

  /** Whether the record has its owner in common with the one before. */
  isShared(index: number): boolean {
    return index > 0 && this.ownerAts[index] === this.ownerAts[index - 1]
  }

  /** Takes the last record out again. */
  dropLast(): void {
    const index = this.count - 1
    this.out.length = this.isShared(index) ? this.rdataAts[index]! : this.ownerAts[index]!
    this.count = index
    this.lastBy = undefined
  }

  /** A view of a record's owner: valid until the slice is filled again. */
  owner(index: number): Uint8Array {
    const at = this.ownerAts[index]!
    return this.out.bytes.subarray(at, at + this.ownerSizes[index]!)
  }

  /** A view of a record's rdata, in wire form: valid until the slice is filled again. */
  rdata(index: number): Uint8Array {
    const at = this.rdataAts[index]!
    return this.out.bytes.subarray(at, at + this.rdataSizes[index]!)
  }
}

/** An octet writer without a message's limit: a slice holds many records. */
class SliceWriter extends OctetWriter {
  override reserve(size: number): void {
    const needed = this.length + size
    if (needed <= this.bytes.length) return
    const larger = new Uint8Array(Math.max(needed, this.bytes.length * 2))
    larger.set(this.bytes.subarray(0, this.length))
    this.bytes = larger
  }
}
