/**
 * One version of one zone: the block that a zone slot points to. A commit makes a new one; what hangs below it doesn't change.
 *
 *   word  field
 *      0  names: root of the hash trie from owner to node
 *      1  apex node, or 0
 *      2  NSEC owners in canonical order: root of an order tree, or 0
 *      3  NSEC3 nodes in hash order: root of an order tree, or 0
 *      4  flags ZONE_* (8 bits) | labels of the apex (8 bits) | octets of the apex in wire form (8 bits)
 *      5  source
 *      6  hash of the apex
 *      7  TTL of negative answers: the lesser of the SOA's TTL and MINIMUM (RFC 2308 section 5)
 *      8  serial
 *      9  names, empty non-terminals not counted
 *     10  RRs, signatures included
 *     11  nodes with a zone cut or a DNAME
 *     12  nodes that are wildcards
 *     13  names in the trie, empty non-terminals included
 *     14  apex in wire form, lower-case
 *
 * A zone slot, 8 words, has the words that change in place:
 *
 *   word  field
 *      0  generation: goes up with every commit, and never comes back to an earlier value
 *      1  zone block, or 0 when the slot has no zone
 *      2  incarnation: which zone since the start had this slot (11 bits), the high part of a zone's reference
 *      3  state: bit 0 unavailable
 *      4  next free slot + 1
 */
import { assert } from '../assert.ts'
import { AT_WORD_COUNT, ZONE_SLOT_WORDS, ZONE_SLOTS_MAX, zoneSlotsAt } from './region.ts'

export const ZONE_NAMES = 0
export const ZONE_APEX_NODE = 1
export const ZONE_ORDER = 2
export const ZONE_NSEC3 = 3
export const ZONE_SHAPE = 4
export const ZONE_SOURCE = 5
export const ZONE_APEX_HASH = 6
export const ZONE_NEGATIVE_TTL = 7
export const ZONE_SERIAL = 8
export const ZONE_NAME_COUNT = 9
export const ZONE_RECORD_COUNT = 10
export const ZONE_CUT_COUNT = 11
export const ZONE_WILDCARD_COUNT = 12
export const ZONE_NODE_COUNT = 13
export const ZONE_APEX = 14

/** Names without a zone around them. */
export const ZONE_FLAT = 1
/** The apex has an SOA. */
export const ZONE_HAS_SOA = 2
/** Positive answers carry no apex NS in authority. */
export const ZONE_MINIMAL = 4

export const SLOT_GENERATION = 0
export const SLOT_ROOT = 1
export const SLOT_INCARNATION = 2
export const SLOT_STATE = 3
export const SLOT_NEXT_FREE = 4
assert(SLOT_NEXT_FREE < ZONE_SLOT_WORDS)

export const STATE_UNAVAILABLE = 1

const SLOT_BITS = 20
const INCARNATION_MASK = 0x7ff
assert(1 << SLOT_BITS === ZONE_SLOTS_MAX)

/** Where slot number `slot` starts. */
export function slotAt(words: Int32Array, slot: number): number {
  return zoneSlotsAt(words[AT_WORD_COUNT]!) + slot * ZONE_SLOT_WORDS
}

/** The reference that others hold of a zone: never negative. */
export function zoneReference(slot: number, incarnation: number): number {
  return slot | ((incarnation & INCARNATION_MASK) << SLOT_BITS)
}

export function referenceSlot(zone: number): number {
  return zone & (ZONE_SLOTS_MAX - 1)
}

export function referenceIncarnation(zone: number): number {
  return (zone >>> SLOT_BITS) & INCARNATION_MASK
}

export function apexLabels(words: Int32Array, zone: number): number {
  return (words[zone + ZONE_SHAPE]! >>> 8) & 0xff
}

export function apexOctets(words: Int32Array, zone: number): number {
  return (words[zone + ZONE_SHAPE]! >>> 16) & 0xff
}
