/**
 * Where the records of a reply lie, in tables that are made once per thread: offsets count from the message's start.
 * Filled anew by each `readRecords`; nothing here allocates or throws.
 */

import { LOWER } from '../../wire/name.ts'
import { LABELS_MAX } from '../../wire/parsed-query.ts'

/** A message of 65,535 octets holds no more records: each takes 11 at least. */
export const RECORDS_MAX = 5960

export const owners = new Uint16Array(RECORDS_MAX)
export const types = new Uint16Array(RECORDS_MAX)
/** Where the ten octets of type, class, TTL and rdata length begin. */
export const fixedAts = new Uint16Array(RECORDS_MAX)
export const rdataSizes = new Uint16Array(RECORDS_MAX)

/** The message can't be read to its end. */
export const UNREADABLE = -1
const HOPS_MAX = 16

/** Reads all records after the question. Returns how many there are, or UNREADABLE. */
export function readRecords(message: Uint8Array, start: number, length: number, questionEnd: number): number {
  const count =
    ((message[start + 6]! << 8) | message[start + 7]!) +
    ((message[start + 8]! << 8) | message[start + 9]!) +
    ((message[start + 10]! << 8) | message[start + 11]!)
  if (count > RECORDS_MAX) return UNREADABLE
  let at = questionEnd
  for (let i = 0; i < count; i++) {
    owners[i] = at
    at = ownerEnd(message, start, length, at)
    if (at < 0) return UNREADABLE
    if (at + 10 > length) return UNREADABLE
    const p = start + at
    fixedAts[i] = at
    types[i] = (message[p]! << 8) | message[p + 1]!
    const size = (message[p + 8]! << 8) | message[p + 9]!
    rdataSizes[i] = size
    at += 10 + size
    if (at > length) return UNREADABLE
  }
  return count
}

/** Whether the names at offsets `a` and `b` are the same, however they are written. Ignores case; bounded work. */
export function isSameName(message: Uint8Array, start: number, length: number, a: number, b: number): boolean {
  let i = a
  let j = b
  for (let labels = 0; labels <= LABELS_MAX; labels++) {
    i = followPointers(message, start, length, i)
    j = followPointers(message, start, length, j)
    if (i === j) return i >= 0
    if (i < 0 || j < 0) return false
    const size = message[start + i]!
    if (size !== message[start + j]! || i + size >= length || j + size >= length) return false
    if (size === 0) return true
    for (let k = 1; k <= size; k++) if (LOWER[message[start + i + k]!] !== LOWER[message[start + j + k]!]) return false
    i += size + 1
    j += size + 1
  }
  return false
}

/** Where the label at `at` really is, or UNREADABLE. */
function followPointers(message: Uint8Array, start: number, length: number, from: number): number {
  let at = from
  for (let hops = 0; hops <= HOPS_MAX; hops++) {
    if (at >= length) return UNREADABLE
    if (message[start + at]! < 0xc0) return at
    if (at + 1 >= length) return UNREADABLE
    at = ((message[start + at]! & 0x3f) << 8) | message[start + at + 1]!
  }
  return UNREADABLE
}

/** Offset past the owner at `at`, or UNREADABLE. */
export function ownerEnd(message: Uint8Array, start: number, length: number, from: number): number {
  let at = from
  for (;;) {
    if (at >= length) return UNREADABLE
    const octet = message[start + at]!
    if (octet >= 0xc0) return at + 2
    if (octet > 63) return UNREADABLE
    at += octet + 1
    if (octet === 0) return at
  }
}
