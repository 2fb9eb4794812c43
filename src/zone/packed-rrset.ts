/**
 * One RRset as places in octets that somebody holds: how RRsets travel without an object per record, from a file's slices
 * to the store's blocks. Filled, handed on, and filled again.
 */
export class PackedRRset {
  bytes: Uint8Array = new Uint8Array(0)
  /** Where the owner starts, in wire form, lower-case, not compressed; its octets with the root's. */
  ownerAt = 0
  ownerLength = 0
  type = 0
  ttlSeconds = 0
  /** Records, and for each where its rdata starts and its octets. */
  count = 0
  rdataAt = new Int32Array(16)
  rdataLength = new Int32Array(16)

  /** Adds a record. */
  push(at: number, length: number): void {
    if (this.count === this.rdataAt.length) this.reserve(this.count * 2)
    this.rdataAt[this.count] = at
    this.rdataLength[this.count++] = length
  }

  /** Makes room for so many records; those that are there stay. */
  reserve(count: number): void {
    if (count <= this.rdataAt.length) return
    const { rdataAt, rdataLength } = this
    this.rdataAt = new Int32Array(count)
    this.rdataLength = new Int32Array(count)
    this.rdataAt.set(rdataAt)
    this.rdataLength.set(rdataLength)
  }

  /** Takes over an RRset of arrays, in octets of its own. */
  load(owner: Uint8Array, type: number, ttlSeconds: number, rdatas: readonly Uint8Array[]): void {
    let size = owner.length
    for (const rdata of rdatas) size += rdata.length
    if (size > this.bytes.length) this.bytes = new Uint8Array(size * 2)
    const { bytes } = this
    copyOctets(owner, 0, bytes, 0, owner.length)
    this.ownerAt = 0
    this.ownerLength = owner.length
    this.type = type
    this.ttlSeconds = ttlSeconds
    this.count = 0
    let at = owner.length
    for (const rdata of rdatas) {
      copyOctets(rdata, 0, bytes, at, rdata.length)
      this.push(at, rdata.length)
      at += rdata.length
    }
  }

  /** The owner and the rdatas as arrays of their own, for those who want objects. */
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

/** Octets up to which a loop beats `set(subarray())`, which makes a view. */
const LOOP_SIZE_MAX = 64

/** Copies `from[at .. at+size)` to `to[toAt ..]`; small pieces without making a view. */
export function copyOctets(from: Uint8Array, at: number, to: Uint8Array, toAt: number, size: number): void {
  if (size > LOOP_SIZE_MAX) to.set(from.subarray(at, at + size), toAt)
  else for (let i = 0; i < size; i++) to[toAt + i] = from[at + i]!
}
