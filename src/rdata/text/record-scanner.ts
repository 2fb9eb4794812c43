/**
 * Scans entries as records: `[owner] [ttl] [class] type rdata`, TTL and class in either order. RFC 1035 section 5.1.
 * Remembers what an entry may leave out: the owner, the TTL ($TTL of RFC 2308 section 4, or the one before), the class.
 */
import { LOWER, lowerName, nameProblem, SAME, scanName } from '../../wire/name.ts'
import { scanRdata } from '../rdata.ts'
import { RdataError } from '../rdata-error.ts'
import { classNumber, typeMnemonics, typeNumber } from '../rr-types.ts'
import { Mnemonics } from './mnemonics.ts'
import { scanPeriod, TTL_MAX } from './period.ts'
import type { RecordSlice } from './record-slice.ts'
import { PLAIN, type TokenList } from './token-list.ts'

const CLASS_IN = 1
const CLASS_ANY = 255
const CLASS_NONE = 254
const TYPE_SOA = 6
const TYPE_OPT = 41
const TYPE_NXNAME = 128
const META_MIN = 128
const META_MAX = 255
const AT_SIGN = 0x40
const UNSET = -1
const WRONG = -1
const EXAMPLE = 'www 3600 IN A 192.0.2.1'

const types = new Mnemonics(typeMnemonics())
const classes = new Mnemonics([
  [1, 'IN'],
  [2, 'CS'],
  [3, 'CH'],
  [4, 'HS'],
])

export class RecordScanner {
  /** Wire form; undefined where relative names have nothing to be relative to. */
  origin: Uint8Array | undefined
  /** `$TTL`, or UNSET. */
  defaultTtl = UNSET
  /** The last TTL that was written, or UNSET. */
  lastTtl = UNSET
  /** What a TTL is when neither is known, or UNSET: then it is an error. */
  fallbackTtl = UNSET
  rrclass = CLASS_IN
  /** Owners keep their case. */
  keepCase = false
  /** The owner before: `owner[0 .. ownerSize)`. Size 0 when there was none, below 0 when it was wrong. */
  readonly owner = new Uint8Array(256)
  ownerSize = 0
  /** The last entry's TTL was taken from its SOA's MINIMUM, for want of another. */
  tookMinimum = false

  /** Forgets all it remembers of a file, for another one. */
  reset(): void {
    this.origin = undefined
    this.defaultTtl = UNSET
    this.lastTtl = UNSET
    this.fallbackTtl = UNSET
    this.rrclass = CLASS_IN
    this.ownerSize = 0
    this.tookMinimum = false
  }

  /** A scanner for an included file: starts with the same state, and changes its own. */
  fork(origin: Uint8Array | undefined): RecordScanner {
    const fork = new RecordScanner()
    fork.origin = origin
    fork.defaultTtl = this.defaultTtl
    fork.lastTtl = this.lastTtl
    fork.fallbackTtl = this.fallbackTtl
    fork.rrclass = this.rrclass
    fork.owner.set(this.owner)
    fork.ownerSize = this.ownerSize
    return fork
  }

  /**
   * Scans the entry in `tokens` and adds its record to `slice`. `blankOwner`: the entry starts with a blank. Returns false,
   * and adds nothing, when its owner is the one before and that was wrong. Throws RdataError, and then the slice is as it
   * was.
   */
  scan(tokens: TokenList, blankOwner: boolean, slice: RecordSlice): boolean {
    const { out } = slice
    const before = out.length
    tokens.origin = this.origin
    this.tookMinimum = false
    if (blankOwner && this.ownerSize < 0) return false
    if (!blankOwner) slice.lastBy = undefined
    try {
      if (blankOwner) {
        if (this.ownerSize === 0) throw new RdataError('the owner is left out, but no record came before', EXAMPLE, 0)
      } else this.#scanOwner(tokens)
      this.#scanRecord(tokens, blankOwner && slice.lastBy === this, slice)
      return true
    } catch (error) {
      out.length = before
      throw error
    }
  }

  #scanOwner(tokens: TokenList): void {
    const index = tokens.take('an owner')
    const { owner, origin } = this
    const start = tokens.starts[index]!
    const end = tokens.ends[index]!
    let size: number
    if (
      origin !== undefined &&
      end - start === 1 &&
      tokens.source[start] === AT_SIGN &&
      tokens.kinds[index] === PLAIN
    ) {
      owner.set(origin)
      size = origin.length
      if (!this.keepCase) lowerName(owner, 0, size)
    } else size = scanName(tokens.source, start, end, owner, 0, origin, this.keepCase ? SAME : LOWER)
    if (size < 0) {
      this.ownerSize = WRONG
      throw tokens.error(index, `is not an owner: ${nameProblem(size)}`)
    }
    this.ownerSize = size
  }

  /** `sameOwner`: the slice's last record has this owner. */
  #scanRecord(tokens: TokenList, sameOwner: boolean, slice: RecordSlice): void {
    const { out, count } = slice
    let ttl = UNSET
    let rrclass = UNSET
    let type: number
    for (;;) {
      const index = tokens.take('an RR type')
      const start = tokens.starts[index]!
      const end = tokens.ends[index]!
      const first = tokens.source[start]!
      if (first >= 0x30 && first <= 0x39 && ttl === UNSET) {
        ttl = scanPeriod(tokens.source, start, end)
        if (ttl < 0 || ttl > TTL_MAX)
          throw tokens.error(index, `is not a TTL, a number of seconds up to ${TTL_MAX}`, EXAMPLE)
        continue
      }
      type = types.find(tokens.source, start, end)
      if (type >= 0) break
      const found = rrclass === UNSET ? this.#classOf(tokens, index) : UNSET
      if (found !== UNSET) {
        rrclass = found
        continue
      }
      type = typeNumber(tokens.text(index)) ?? UNSET
      if (type >= 0) break
      throw tokens.error(
        index,
        `is not ${ttl === UNSET ? 'a TTL, ' : ''}${rrclass === UNSET ? 'a class or ' : ''}an RR type`,
        EXAMPLE,
      )
    }
    if (isMeta(type)) throw tokens.error(tokens.next - 1, 'is a type for messages, not for zones')
    slice.ownerSizes[count] = this.ownerSize
    if (sameOwner) slice.ownerAts[count] = slice.ownerAts[count - 1]!
    else {
      slice.ownerAts[count] = out.length
      out.slice(this.owner, 0, this.ownerSize)
    }
    const rdataAt = out.length
    scanRdata(type, tokens, out)
    slice.types[count] = type
    slice.classes[count] = rrclass === UNSET ? this.rrclass : rrclass
    slice.ttls[count] = this.#ttlOf(ttl, type, slice)
    slice.rdataAts[count] = rdataAt
    slice.rdataSizes[count] = out.length - rdataAt
    if (rrclass !== UNSET) this.rrclass = rrclass
    slice.count = count + 1
    slice.lastBy = this
  }

  #classOf(tokens: TokenList, index: number): number {
    const known = classes.find(tokens.source, tokens.starts[index]!, tokens.ends[index]!)
    if (known >= 0) return known
    const found = classNumber(tokens.text(index)) ?? UNSET
    return found === CLASS_ANY || found === CLASS_NONE || found === 0 ? UNSET : found
  }

  #ttlOf(written: number, type: number, slice: RecordSlice): number {
    if (written !== UNSET) {
      this.lastTtl = written
      return written
    }
    if (this.defaultTtl !== UNSET) return this.defaultTtl
    if (this.lastTtl !== UNSET) return this.lastTtl
    if (this.fallbackTtl !== UNSET) return this.fallbackTtl
    if (type !== TYPE_SOA)
      throw new RdataError('no TTL: neither here, nor in a record before, nor by $TTL', '$TTL 3600', 0)
    const { bytes, length } = slice.out
    const minimum =
      ((bytes[length - 4]! << 24) | (bytes[length - 3]! << 16) | (bytes[length - 2]! << 8) | bytes[length - 1]!) >>> 0
    this.tookMinimum = true
    this.lastTtl = Math.min(minimum, TTL_MAX)
    return this.lastTtl
  }
}

/** Types that no zone holds: OPT, and all from 128 to 255 (RFC 6895 section 3.1). */
function isMeta(type: number): boolean {
  return type === TYPE_OPT || type === TYPE_NXNAME || (type >= META_MIN && type <= META_MAX) || type === 0
}
