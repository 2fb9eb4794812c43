/** Steps over the records of a message without reading them. For bytes from the network; nothing here allocates or throws. */
import { MALFORMED, skipName } from './name.ts'

/** Offset just past the record at `bytes[at]`, or MALFORMED when it reaches past `end`. */
export function skipRecord(bytes: Uint8Array, at: number, end: number): number {
  const fixed = skipName(bytes, at, end)
  if (fixed < 0 || fixed + 10 > end) return MALFORMED
  const next = fixed + 10 + ((bytes[fixed + 8]! << 8) | bytes[fixed + 9]!)
  return next <= end ? next : MALFORMED
}

/** Type of the record at `bytes[at]`, whose bounds `skipRecord` has checked. */
export function recordType(bytes: Uint8Array, at: number, end: number): number {
  const fixed = skipName(bytes, at, end)
  return (bytes[fixed]! << 8) | bytes[fixed + 1]!
}
