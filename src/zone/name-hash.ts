/**
 * Hashes of a name and of all its suffixes, in one pass from the root down: the hash of `www.example.org.` goes on from
 * that of `example.org.`. Seed and multiplier are the region's, random: without them nobody can choose names that collide.
 */

/**
 * `hashes[i]` becomes the hash of the name from label `i` on; `hashes[labelCount]` that of the root. `name`: wire form,
 * lower-case; `labels[i]`: where label i starts in it. Doesn't allocate.
 */
export function hashSuffixes(
  name: Uint8Array,
  labels: Uint8Array,
  labelCount: number,
  hashes: Int32Array,
  seed: number,
  multiplier: number,
): void {
  let hash = seed
  hashes[labelCount] = hash
  for (let i = labelCount - 1; i >= 0; i--) {
    hash = hashLabel(hash, name, labels[i]!, multiplier)
    hashes[i] = hash
  }
}

/** The hash of the name that has the label at `name[at]` before a name whose hash is `hash`. */
export function hashLabel(hash: number, name: Uint8Array, at: number, multiplier: number): number {
  const size = name[at]!
  const end = at + 1 + size
  let next = at + 1
  hash = Math.imul(hash ^ size, multiplier)
  hash ^= hash >>> 15
  for (; next + 4 <= end; next += 4) {
    const word = name[next]! | (name[next + 1]! << 8) | (name[next + 2]! << 16) | (name[next + 3]! << 24)
    hash = Math.imul(hash ^ word, multiplier)
    hash ^= hash >>> 15
  }
  if (next < end) {
    let word = name[next]!
    if (next + 1 < end) word |= name[next + 1]! << 8
    if (next + 2 < end) word |= name[next + 2]! << 16
    hash = Math.imul(hash ^ word, multiplier)
    hash ^= hash >>> 15
  }
  // The trie branches on the high bits first: let the low ones reach them.
  hash = Math.imul(hash, 0x2c1b3c6d)
  return hash ^ (hash >>> 15)
}
