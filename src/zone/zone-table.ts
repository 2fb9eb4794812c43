/**
 * The table of zones: (source, apex) to the zone's slot, as a trie of hashes, and beside it a bit for each number of
 * labels that some apex has, so that a look-up by suffixes asks only where there can be one.
 */
import { findLeaf, LEAF_COUNT_MASK } from './hash-trie.ts'
import { equalOctets } from './node.ts'
import { AT_APEX_DEPTHS, AT_WORD_COUNT, ZONE_SLOT_WORDS, zoneSlotsAt } from './region.ts'
import { apexOctets, SLOT_INCARNATION, SLOT_ROOT, ZONE_APEX, ZONE_SOURCE, zoneReference } from './zone-block.ts'

/** No zone of this source holds the name. */
export const NO_ZONE = -1

/** The hash of (source, apex). */
export function zoneHash(apexHash: number, sourceId: number): number {
  const hash = Math.imul(apexHash ^ Math.imul(sourceId, 0x9e3779b1), 0x85ebca6b)
  return hash ^ (hash >>> 15)
}

/** Whether some zone, of whatever source, has or had an apex of so many labels. */
export function hasApexAt(words: Int32Array, labelCount: number): boolean {
  return (words[AT_APEX_DEPTHS + (labelCount >>> 5)]! & (1 << (labelCount & 31))) !== 0
}

export function noteApexAt(words: Int32Array, labelCount: number): void {
  const at = AT_APEX_DEPTHS + (labelCount >>> 5)
  words[at] = words[at]! | (1 << (labelCount & 31))
}

/** The reference of this source's zone with the apex `name[at .. end)`, whose hash is given, or NO_ZONE. Doesn't allocate. */
export function zoneAt(
  words: Int32Array,
  table: number,
  sourceId: number,
  name: Uint8Array,
  at: number,
  end: number,
  apexHash: number,
): number {
  const mask = words[AT_WORD_COUNT]! - 1
  const slotsAt = zoneSlotsAt(words[AT_WORD_COUNT]!)
  const hash = zoneHash(apexHash, sourceId)
  const leaf = findLeaf(words, table, hash, mask)
  if (leaf === 0) return NO_ZONE
  for (let i = leaf + 1, entriesEnd = i + 2 * (words[leaf]! & LEAF_COUNT_MASK); i < entriesEnd; i += 2) {
    if (words[i] !== hash) continue
    const slot = words[i + 1]! & 0xfffff
    const slotAt = slotsAt + slot * ZONE_SLOT_WORDS
    const zone = Atomics.load(words, slotAt + SLOT_ROOT) & mask
    if (zone === 0 || words[zone + ZONE_SOURCE] !== sourceId || apexOctets(words, zone) !== end - at) continue
    if (equalOctets(words, zone + ZONE_APEX, name, at, end - at)) {
      return zoneReference(slot, words[slotAt + SLOT_INCARNATION]!)
    }
  }
  return NO_ZONE
}
