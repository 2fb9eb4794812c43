/** Octets being written one after another: the rdata of a record, or a message with compressed names. */
import { nameSize } from './name.ts'
import type { NameCompressor } from './name-compressor.ts'

/** A message, and so an rdata, has at most this many octets. */
export const MESSAGE_SIZE_MAX = 65535

/** More than MESSAGE_SIZE_MAX octets were written. */
export class TooLargeError extends Error {
  readonly code = 'SHOAL_TOO_LARGE'

  constructor() {
    super(`more than ${MESSAGE_SIZE_MAX} octets`)
    this.name = 'TooLargeError'
  }
}

/** Grows as needed and throws TooLargeError above MESSAGE_SIZE_MAX. Set `length` back to write over something. */
export class OctetWriter {
  bytes: Uint8Array
  length = 0
  /** Set while a message is composed: names go through it. */
  compressor: NameCompressor | undefined

  constructor(sizeAtStart = 512) {
    this.bytes = new Uint8Array(sizeAtStart)
  }

  /** Makes room for `size` more octets. */
  reserve(size: number): void {
    const needed = this.length + size
    if (needed <= this.bytes.length) return
    if (needed > MESSAGE_SIZE_MAX) throw new TooLargeError()
    const larger = new Uint8Array(Math.min(MESSAGE_SIZE_MAX, Math.max(needed, this.bytes.length * 2)))
    larger.set(this.bytes.subarray(0, this.length))
    this.bytes = larger
  }

  u8(value: number): void {
    if (this.length + 1 > this.bytes.length) this.reserve(1)
    this.bytes[this.length++] = value
  }

  u16(value: number): void {
    if (this.length + 2 > this.bytes.length) this.reserve(2)
    this.bytes[this.length++] = value >>> 8
    this.bytes[this.length++] = value
  }

  u32(value: number): void {
    if (this.length + 4 > this.bytes.length) this.reserve(4)
    this.bytes[this.length++] = value >>> 24
    this.bytes[this.length++] = value >>> 16
    this.bytes[this.length++] = value >>> 8
    this.bytes[this.length++] = value
  }

  /** Overwrites two octets written before. */
  patch16(at: number, value: number): void {
    this.bytes[at] = value >>> 8
    this.bytes[at + 1] = value
  }

  octets(from: Uint8Array): void {
    this.reserve(from.length)
    this.bytes.set(from, this.length)
    this.length += from.length
  }

  /** `from[at .. end)`, without making a view. */
  slice(from: Uint8Array, at: number, end: number): void {
    this.reserve(end - at)
    for (let i = at; i < end; i++) this.bytes[this.length++] = from[i]!
  }

  /**
   * A name in wire form without pointers. Written as it is, or, in a message and where `compressible`, with its longest
   * known suffix as a pointer: of the same case if `sameCase`.
   */
  name(name: Uint8Array, at: number, compressible: boolean, sameCase: boolean): void {
    const size = nameSize(name, at, name.length)
    if (this.compressor === undefined || !compressible) this.slice(name, at, at + size)
    else {
      this.#reserveUpTo(size)
      this.length = this.compressor.put(this.bytes, this.length, name, at, sameCase)
      if (this.length > MESSAGE_SIZE_MAX) throw new TooLargeError()
    }
  }

  /** Like `reserve`, but near the limit the room may lie beyond it: what is written there counts only if it ends up shorter. */
  #reserveUpTo(size: number): void {
    if (this.length + size <= this.bytes.length) return
    if (this.length + size <= MESSAGE_SIZE_MAX) this.reserve(size)
    else {
      const larger = new Uint8Array(this.length + size)
      larger.set(this.bytes.subarray(0, this.length))
      this.bytes = larger
    }
  }

  /** A copy of what was written. */
  take(): Uint8Array {
    return this.bytes.slice(0, this.length)
  }
}
