/** What may go into a zone: checked once, where records are published, so that no store and no reader has to. */
import { NAME_SIZE_MAX } from '../wire/parsed-query.ts'
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
 * The RRset's rdatas without duplicates (RFC 2181 section 5), and only the first of a type that has one record per owner
 * (RFC 1034 section 3.6.2, RFC 6672 section 2.4). Throws ZoneDataError for an owner outside the zone, and for rdata that isn't what the look-up
 * relies on for its type.
 */
export function checkRRset(
  apex: Uint8Array,
  owner: Uint8Array,
  type: number,
  rdatas: readonly Uint8Array[],
): readonly Uint8Array[] {
  checkOwner(apex, owner)
  for (const rdata of rdatas) {
    if (rdata.length > 0xffff) throw new ZoneDataError(`rdata of ${rdata.length} octets`)
    if (!isWellFormed(type, rdata)) throw new ZoneDataError(`malformed rdata of type ${type}`)
  }
  if (rdatas.length < 2) return rdatas
  if (type === TYPE_SOA || type === TYPE_CNAME || type === TYPE_DNAME) return [rdatas[0]!]
  return withoutDuplicates(rdatas)
}

function checkOwner(apex: Uint8Array, owner: Uint8Array): void {
  let at = 0
  const from = owner.length - apex.length
  while (at < from && owner[at] !== 0) at += owner[at]! + 1
  if (at !== from || owner.length > NAME_SIZE_MAX) throw new ZoneDataError('an owner outside the zone')
  for (let i = 0; i < apex.length; i++)
    if (owner[from + i] !== apex[i]) throw new ZoneDataError('an owner outside the zone')
}

function withoutDuplicates(rdatas: readonly Uint8Array[]): readonly Uint8Array[] {
  if (rdatas.length <= COMPARE_ALL_MAX) {
    return rdatas.filter((rdata, i) => !rdatas.some((other, k) => k < i && Buffer.compare(rdata, other) === 0))
  }
  const seen = new Set<string>()
  return rdatas.filter((rdata) => {
    const text = Buffer.from(rdata.buffer, rdata.byteOffset, rdata.length).toString('latin1')
    if (seen.has(text)) return false
    seen.add(text)
    return true
  })
}

/** Whether rdata has the parts that answering reads: names, and the fields around them. */
function isWellFormed(type: number, rdata: Uint8Array): boolean {
  switch (type) {
    case TYPE_NS:
    case TYPE_CNAME:
    case TYPE_DNAME:
    case TYPE_PTR:
      return nameEnd(rdata, 0) === rdata.length
    case TYPE_MX:
      return nameEnd(rdata, 2) === rdata.length
    case TYPE_SRV:
      return nameEnd(rdata, 6) === rdata.length
    case TYPE_SOA: {
      const mname = nameEnd(rdata, 0)
      const rname = mname < 0 ? -1 : nameEnd(rdata, mname)
      return rname > 0 && rname + 20 === rdata.length
    }
    case TYPE_SVCB:
    case TYPE_HTTPS:
      return nameEnd(rdata, 2) > 0
    case TYPE_RRSIG:
      return nameEnd(rdata, 18) > 0
    case TYPE_NSEC:
      return nameEnd(rdata, 0) > 0
    case TYPE_NSEC3:
      return rdata.length >= 6 && rdata.length > 5 + rdata[4]! && rdata.length >= 6 + rdata[4]! + rdata[5 + rdata[4]!]!
    case TYPE_NSEC3PARAM:
      return rdata.length >= 5 && rdata.length === 5 + rdata[4]!
    default:
      return true
  }
}

function nameEnd(rdata: Uint8Array, from: number): number {
  let at = from
  while (at < rdata.length) {
    const size = rdata[at]!
    if (size > 63 || at + size - from >= NAME_SIZE_MAX) return -1
    at += size + 1
    if (size === 0) return at
  }
  return -1
}
