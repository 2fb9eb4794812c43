/** What may go into a zone: checked once, where records are published, so that no store and no reader has to. */
import { isWithin } from '../wire/name.ts'
import { NAME_SIZE_MAX } from '../wire/parsed-query.ts'
import type { PackedRRset } from './packed-rrset.ts'
import {
  TYPE_CNAME,
  TYPE_DNAME,
  TYPE_HTTPS,
  TYPE_MX,
  TYPE_NS,
  TYPE_NSEC,
  TYPE_NSEC3,
  TYPE_NSEC3PARAM,
  TYPE_RRSIG,
  TYPE_SOA,
  TYPE_SRV,
  TYPE_SVCB,
} from './types.ts'
import { ZoneDataError } from './zone-data-error.ts'

const TYPE_PTR = 12
/** Below this number of records comparing each with each is cheaper than a set. */
const COMPARE_ALL_MAX = 8

/**
 * Takes duplicates out of the RRset (RFC 2181 section 5), and all but the first record of a type that has one per owner
 * (RFC 1034 section 3.6.2, RFC 6672 section 2.4). Throws ZoneDataError for an owner outside the zone, and for rdata that isn't what the look-up
 * relies on for its type.
 */
export function checkRRset(apex: Uint8Array, rrset: PackedRRset): void {
  const { bytes, ownerAt, ownerLength, type, count, rdataAt, rdataLength } = rrset
  if (ownerLength > NAME_SIZE_MAX || !isWithin(bytes, ownerAt, ownerLength, apex))
    throw new ZoneDataError('an owner outside the zone')
  for (let i = 0; i < count; i++) {
    const size = rdataLength[i]!
    if (size > 0xffff) throw new ZoneDataError(`rdata of ${size} octets`)
    const at = rdataAt[i]!
    if (!isWellFormed(type, bytes, at, at + size)) throw new ZoneDataError(`malformed rdata of type ${type}`)
  }
  if (count < 2) return
  if (type === TYPE_SOA || type === TYPE_CNAME || type === TYPE_DNAME) rrset.count = 1
  else dropDuplicates(rrset)
}

function dropDuplicates(rrset: PackedRRset): void {
  const { bytes, count, rdataAt, rdataLength } = rrset
  const seen = count > COMPARE_ALL_MAX ? new Set<string>() : undefined
  const octets = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  rrset.count = 0
  for (let i = 0; i < count; i++) {
    const at = rdataAt[i]!
    const length = rdataLength[i]!
    if (seen === undefined) {
      if (hasRdata(rrset, at, length)) continue
    } else {
      const text = octets.toString('latin1', at, at + length)
      if (seen.has(text)) continue
      seen.add(text)
    }
    rrset.push(at, length)
  }
}

function hasRdata({ bytes, count, rdataAt, rdataLength }: PackedRRset, at: number, length: number): boolean {
  for (let i = 0; i < count; i++) {
    if (rdataLength[i] !== length) continue
    const other = rdataAt[i]!
    let k = 0
    while (k < length && bytes[at + k] === bytes[other + k]) k++
    if (k === length) return true
  }
  return false
}

/** Whether the rdata `bytes[at .. end)` has the parts that answering reads: names, and the fields around them. */
function isWellFormed(type: number, bytes: Uint8Array, at: number, end: number): boolean {
  const size = end - at
  switch (type) {
    case TYPE_NS:
    case TYPE_CNAME:
    case TYPE_DNAME:
    case TYPE_PTR:
      return nameEnd(bytes, at, end) === end
    case TYPE_MX:
      return nameEnd(bytes, at + 2, end) === end
    case TYPE_SRV:
      return nameEnd(bytes, at + 6, end) === end
    case TYPE_SOA: {
      const mname = nameEnd(bytes, at, end)
      const rname = mname < 0 ? -1 : nameEnd(bytes, mname, end)
      return rname > 0 && rname + 20 === end
    }
    case TYPE_SVCB:
    case TYPE_HTTPS:
      return nameEnd(bytes, at + 2, end) > 0
    case TYPE_RRSIG:
      return nameEnd(bytes, at + 18, end) > 0
    case TYPE_NSEC:
      return nameEnd(bytes, at, end) > 0
    case TYPE_NSEC3: {
      const salt = bytes[at + 4]!
      return size >= 6 && size > 5 + salt && size >= 6 + salt + bytes[at + 5 + salt]!
    }
    case TYPE_NSEC3PARAM:
      return size >= 5 && size === 5 + bytes[at + 4]!
    default:
      return true
  }
}

/** Offset past the name at `from`, or -1. */
function nameEnd(bytes: Uint8Array, from: number, end: number): number {
  let at = from
  while (at < end) {
    const size = bytes[at]!
    if (size > 63 || at + size - from >= NAME_SIZE_MAX) return -1
    at += size + 1
    if (size === 0) return at <= end ? at : -1
  }
  return -1
}
