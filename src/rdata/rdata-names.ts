/** Where the domain names are in an rdata: for composing replies and finding targets without parsing. Nothing here allocates or throws. */
import { NAME_COMPRESSED, NOT_A_NAME } from './field.ts'
import { fieldsOf } from './rdata.ts'
import { RR_TABLE } from './rr-table.ts'

/** The type has no name that may be compressed. */
export const NOT_COMPRESSIBLE = -1

/**
 * Octets before the first compressible name, by type (below 256), or NOT_COMPRESSIBLE. RFC 3597 section 4 allows
 * compression only in the types of RFC 1035, where names stand side by side after octets of fixed size.
 */
export const COMPRESSIBLE_AT: Int8Array = new Int8Array(256).fill(NOT_COMPRESSIBLE)
/** How many compressible names stand there, side by side; 0 where there are none. */
export const COMPRESSIBLE_COUNT: Uint8Array = new Uint8Array(256)

const probe = new Uint8Array(16)
for (const { type, rdata = [] } of RR_TABLE) {
  const first = rdata.findIndex(({ name }) => name === NAME_COMPRESSED)
  if (first < 0) continue
  let at = 0
  for (const field of rdata.slice(0, first)) at = field.end(probe, at, probe.length)
  COMPRESSIBLE_AT[type] = at
  COMPRESSIBLE_COUNT[type] = rdata.filter(({ name }) => name === NAME_COMPRESSED).length
}

/**
 * Offset of the `index`-th domain name (from 0) in the rdata `bytes[at .. end)` of this type, in wire form without
 * pointers; negative when it has no such name or is malformed. Names in HIP, IPSECKEY, AMTRELAY and A6, which stand there
 * or not as other fields say, are left out.
 */
export function rdataNameAt(type: number, bytes: Uint8Array, at: number, end: number, index: number): number {
  const fields = fieldsOf(type)
  if (fields === undefined) return -1
  let from = at
  let found = 0
  for (let i = 0; i < fields.length; i++) {
    const field = fields[i]!
    const next = field.end(bytes, from, end)
    if (next < 0) return -1
    if (field.name !== NOT_A_NAME && found++ === index) return from
    from = next
  }
  return -1
}
