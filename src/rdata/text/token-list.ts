/**
 * The tokens of one entry of a master file, as places in the octets they were read from: nothing is copied. Escapes are
 * still in there; what a token means decides how they are read.
 */
import { NAME_TOO_LONG, nameProblem, scanName } from '../../wire/name.ts'
import type { OctetWriter } from '../../wire/octet-writer.ts'
import { RdataError } from '../rdata-error.ts'

/** A token outside quotes. */
export const PLAIN = 0
/** Was in quotes: the place is between them. */
export const QUOTED = 1

const BACKSLASH = 0x5c
const ZERO = 0x30

/** Tokens of one entry are at most this many: an rdata has 65,535 octets, and none is written longer than octet by octet. */
export const TOKENS_MAX = 70_000

export class TokenList {
  /** Where the tokens lie. */
  source: Uint8Array = new Uint8Array(0)
  starts = new Int32Array(64)
  ends = new Int32Array(64)
  kinds = new Uint8Array(64)
  count = 0
  /** Index of the next token to be taken. */
  next = 0
  /** Origin of relative names, in wire form; undefined where there is none. */
  origin: Uint8Array | undefined = undefined

  reset(source: Uint8Array): void {
    this.source = source
    this.count = 0
    this.next = 0
  }

  /** Adds a token; false when there are TOKENS_MAX already. */
  push(start: number, end: number, kind: number): boolean {
    if (this.count === this.starts.length) {
      if (this.count >= TOKENS_MAX) return false
      this.#grow()
    }
    this.starts[this.count] = start
    this.ends[this.count] = end
    this.kinds[this.count++] = kind
    return true
  }

  #grow(): void {
    const size = Math.min(TOKENS_MAX, this.starts.length * 2)
    const { starts, ends, kinds } = this
    this.starts = new Int32Array(size)
    this.ends = new Int32Array(size)
    this.kinds = new Uint8Array(size)
    this.starts.set(starts)
    this.ends.set(ends)
    this.kinds.set(kinds)
  }

  get more(): boolean {
    return this.next < this.count
  }

  /** Takes the next token and returns its index. `what` is what should be there. */
  take(what: string): number {
    if (this.next >= this.count) throw new RdataError(`${what} is missing`, undefined, this.count)
    return this.next++
  }

  /** The token's text as it was written, without quotes around it. */
  text(index: number): string {
    return Buffer.from(
      this.source.buffer,
      this.source.byteOffset + this.starts[index]!,
      this.ends[index]! - this.starts[index]!,
    ).toString('utf8')
  }

  /** An error about a token: `"text" problem`. */
  error(index: number, problem: string, hint?: string): RdataError {
    const text = this.text(index)
    return new RdataError(`"${text.length > 64 ? `${text.slice(0, 64)}...` : text}" ${problem}`, hint, index)
  }

  /** Whether the token is in quotes that open right behind the token before it: the value of `key="value"`. */
  isAttached(index: number): boolean {
    return (
      index > 0 &&
      index < this.count &&
      this.kinds[index] === QUOTED &&
      this.kinds[index - 1] === PLAIN &&
      this.starts[index]! - 1 === this.ends[index - 1]!
    )
  }

  /** Whether the token is this one character, outside quotes. */
  is(index: number, octet: number): boolean {
    return (
      this.kinds[index] === PLAIN &&
      this.ends[index]! - this.starts[index]! === 1 &&
      this.source[this.starts[index]!] === octet
    )
  }

  /** Takes a decimal number from 0 to `max`. */
  number(max: number, what: string): number {
    const index = this.take(what)
    const value = this.decimal(index)
    if (value < 0 || value > max) throw this.error(index, `is not ${what}, a number from 0 to ${max}`)
    return value
  }

  /** The token as a decimal number, or -1 when it is none (or above 2^53). */
  decimal(index: number): number {
    const { source } = this
    const start = this.starts[index]!
    const end = this.ends[index]!
    if (start === end || end - start > 15) return -1
    let value = 0
    for (let i = start; i < end; i++) {
      const digit = source[i]! - ZERO
      if (digit < 0 || digit > 9) return -1
      value = value * 10 + digit
    }
    return value
  }

  /** Takes a domain name and writes it: relative to the origin, `@` for the origin itself. */
  name(out: OctetWriter, what: string): void {
    const index = this.take(what)
    const start = this.starts[index]!
    const end = this.ends[index]!
    out.reserve(256)
    const size =
      end - start === 1 && this.source[start] === 0x40 && this.kinds[index] === PLAIN && this.origin !== undefined
        ? copyOrigin(this.origin, out)
        : scanName(this.source, start, end, out.bytes, out.length, this.origin)
    if (size < 0) throw this.error(index, `is not ${what}: ${nameProblem(size)}`)
    out.length += size
  }

  /**
   * Writes the token's octets, escapes undone (`\DDD` and `\X`, RFC 1035 section 5.1). Returns how many there are, at
   * most `max`; throws for more and for bad escapes.
   */
  string(index: number, out: OctetWriter, max: number, what: string): number {
    const { source } = this
    const end = this.ends[index]!
    const from = out.length
    out.reserve(end - this.starts[index]!)
    for (let i = this.starts[index]!; i < end; i++) {
      let octet = source[i]!
      if (octet === BACKSLASH) {
        const size = escapeSize(source, i, end)
        if (size === 0)
          throw this.error(index, 'has a bad escape: write \\DDD with DDD from 000 to 255, or \\ and the character')
        octet =
          size === 4
            ? (source[i + 1]! - ZERO) * 100 + (source[i + 2]! - ZERO) * 10 + (source[i + 3]! - ZERO)
            : source[i + 1]!
        i += size - 1
      }
      out.u8(octet)
    }
    const size = out.length - from
    if (size > max) throw this.error(index, `is longer than ${what} of ${max} octets can be`)
    return size
  }
}

function copyOrigin(origin: Uint8Array, out: OctetWriter): number {
  if (origin.length > 255) return NAME_TOO_LONG
  out.bytes.set(origin, out.length)
  return origin.length
}

/** Octets of the escape at `source[at]`: 2 for `\X`, 4 for `\DDD`, 0 for a bad one. */
export function escapeSize(source: Uint8Array, at: number, end: number): 0 | 2 | 4 {
  if (at + 1 >= end) return 0
  const first = source[at + 1]! - ZERO
  if (first < 0 || first > 9) return 2
  if (at + 3 >= end) return 0
  const tens = source[at + 2]! - ZERO
  const ones = source[at + 3]! - ZERO
  if (tens < 0 || tens > 9 || ones < 0 || ones > 9) return 0
  return first * 100 + tens * 10 + ones > 255 ? 0 : 4
}
