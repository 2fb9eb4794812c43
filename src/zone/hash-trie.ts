/**
 * A persistent map from 32-bit hashes to words (node offsets, zone slots): a change copies the pages on its path and
 * gives a new root. Several entries may have the same hash; the reader tells them apart.
 *
 *   root ─► inner page: 64 pointers, chosen by 6 bits of the hash, from the top down
 *             pointer > 0: another inner page            pointer < 0: minus the offset of a leaf
 *             leaf of local depth d: shared by the 2^(6-d) pointers that agree in the first d bits, so that a full leaf
 *             splits in two; at d = 6 it becomes an inner page of its own
 *
 *   leaf     word 0: count | capacity << 8 | local depth << 16, then count pairs of hash and value
 *
 * A small map is one leaf. A look-up in a map of a million touches three inner pages and a leaf of two cache lines.
 */
import { assert } from '../assert.ts'
import type { Draft } from './draft.ts'

export const INNER_WORDS = 64
/** Bits of the hash that choose the pointer of the first inner page. */
export const FIRST_SHIFT = 26
export const LAST_SHIFT = 2
export const LEAF_COUNT_MASK = 255
/** Entries of a leaf that can still be split. A leaf whose entries agree in 30 bits grows on, to LEAF_ENTRIES_MAX. */
const LEAF_ENTRIES = 15
const LEAF_ENTRIES_MAX = 255
assert(LEAF_ENTRIES_MAX <= LEAF_COUNT_MASK)
/** Two neighbours that hold no more than this together become one leaf again. */
const MERGE_ENTRIES_MAX = 7

/** The leaf in which entries with this hash are, or 0. Garbage in gives garbage out, in bounded time. */
export function findLeaf(words: Int32Array, root: number, hash: number, mask: number): number {
  let page = root
  for (let shift = FIRST_SHIFT; page > 0 && shift >= LAST_SHIFT; shift -= 6) {
    page = words[(page & mask) + ((hash >>> shift) & 63)]!
  }
  return page < 0 ? -page & mask : 0
}

/** Adds an entry. Returns the new root. Throws StoreFullError. */
export function trieInsert(draft: Draft, root: number, hash: number, value: number): number {
  if (root === 0) {
    const leaf = newLeaf(draft, 3, 0)
    draft.words[leaf] = draft.words[leaf]! + 1
    draft.words[leaf + 1] = hash
    draft.words[leaf + 2] = value
    return -leaf
  }
  return insertAt(draft, root, FIRST_SHIFT, hash, value)
}

/** Puts `to` where `from` was. Returns the new root. */
export function trieReplace(draft: Draft, root: number, hash: number, from: number, to: number): number {
  return replaceAt(draft, root, FIRST_SHIFT, hash, from, to)
}

/** Takes an entry out. Returns the new root, 0 for the empty map. */
export function trieRemove(draft: Draft, root: number, hash: number, value: number): number {
  const { words } = draft
  const next = removeAt(draft, root, FIRST_SHIFT, hash, value)
  if (next < 0 && (words[-next]! & LEAF_COUNT_MASK) === 0) {
    draft.release(-next)
    return 0
  }
  return next
}

/** All values of the map, in no order that means anything. */
export function* trieValues(words: Int32Array, root: number): Generator<number> {
  if (root === 0) return
  if (root < 0) {
    for (let i = 0, count = words[-root]! & LEAF_COUNT_MASK; i < count; i++) yield words[-root + 2 + 2 * i]!
    return
  }
  for (let index = 0, previous = 0; index < INNER_WORDS; index++) {
    const child = words[root + index]!
    if (child !== previous) yield* trieValues(words, child)
    previous = child
  }
}

function leafWords(capacity: number): number {
  return 1 + 2 * capacity
}

function newLeaf(draft: Draft, capacity: number, depth: number): number {
  const leaf = draft.allocate(leafWords(capacity))
  draft.words[leaf] = (capacity << 8) | (depth << 16)
  return leaf
}

function leafCount(words: Int32Array, leaf: number): number {
  return words[leaf]! & LEAF_COUNT_MASK
}

function leafCapacity(words: Int32Array, leaf: number): number {
  return (words[leaf]! >>> 8) & 255
}

function leafDepth(words: Int32Array, leaf: number): number {
  return words[leaf]! >>> 16
}

/** Lets all pointers of an inner page that share a leaf of this depth point to `leaf`. */
function pointTo(words: Int32Array, inner: number, index: number, depth: number, leaf: number): void {
  const span = 64 >>> depth
  const first = inner + (index & ~(span - 1))
  for (let i = first; i < first + span; i++) words[i] = -leaf
}

function insertAt(draft: Draft, page: number, shift: number, hash: number, value: number): number {
  const { words } = draft
  if (page < 0) {
    const leaf = -page
    if (shift < LAST_SHIFT || leafCount(words, leaf) < LEAF_ENTRIES) return -addToLeaf(draft, leaf, hash, value)
    return insertAt(draft, innerFromLeaf(draft, leaf), shift, hash, value)
  }
  const inner = draft.own(page, INNER_WORDS)
  const index = (hash >>> shift) & 63
  let child = words[inner + index]!
  while (child < 0) {
    const depth = leafDepth(words, -child)
    if (leafCount(words, -child) < LEAF_ENTRIES || (depth === 6 && shift - 6 < LAST_SHIFT)) {
      const leaf = addToLeaf(draft, -child, hash, value)
      if (leaf !== -child) pointTo(words, inner, index, depth, leaf)
      return inner
    }
    if (depth === 6) {
      const below = innerFromLeaf(draft, -child)
      words[inner + index] = below
      child = below
    } else {
      splitLeaf(draft, inner, index, shift)
      child = words[inner + index]!
    }
  }
  words[inner + index] = insertAt(draft, child, shift - 6, hash, value)
  return inner
}

/** An inner page whose pointers all share this leaf. */
function innerFromLeaf(draft: Draft, leaf: number): number {
  const { words } = draft
  const inner = draft.allocate(INNER_WORDS)
  const own = draft.own(leaf, leafWords(leafCapacity(words, leaf)))
  words[own] = words[own]! & 0xffff
  words.fill(-own, inner, inner + INNER_WORDS)
  return inner
}

function splitLeaf(draft: Draft, inner: number, index: number, shift: number): void {
  const { words } = draft
  const leaf = -words[inner + index]!
  const depth = leafDepth(words, leaf) + 1
  const count = leafCount(words, leaf)
  const bit = 1 << (6 - depth)
  let ones = 0
  for (let i = 0; i < count; i++) if (((words[leaf + 1 + 2 * i]! >>> shift) & bit) !== 0) ones++
  const low = newLeaf(draft, capacityFor(count - ones), depth)
  const high = newLeaf(draft, capacityFor(ones), depth)
  for (let i = 0; i < count; i++) {
    const hash = words[leaf + 1 + 2 * i]!
    append(words, ((hash >>> shift) & bit) !== 0 ? high : low, hash, words[leaf + 2 + 2 * i]!)
  }
  pointTo(words, inner, index & ~bit, depth, low)
  pointTo(words, inner, index | bit, depth, high)
  draft.release(leaf)
}

/** Capacities fill 8, 16, 24 and 32 words. */
function capacityFor(count: number): number {
  return count <= 3
    ? 3
    : count <= 7
      ? 7
      : count <= 11
        ? 11
        : count <= LEAF_ENTRIES
          ? LEAF_ENTRIES
          : count <= 63
            ? 63
            : LEAF_ENTRIES_MAX
}

function append(words: Int32Array, leaf: number, hash: number, value: number): void {
  const count = leafCount(words, leaf)
  words[leaf + 1 + 2 * count] = hash
  words[leaf + 2 + 2 * count] = value
  words[leaf] = words[leaf]! + 1
}

function addToLeaf(draft: Draft, leaf: number, hash: number, value: number): number {
  const { words } = draft
  const count = leafCount(words, leaf)
  // 255 names of one zone that agree in 30 bits of a hash with a secret multiplier don't come by chance or by design.
  assert(count < LEAF_ENTRIES_MAX, 'too many names with one hash')
  let own = leaf
  if (count === leafCapacity(words, leaf)) own = resizeLeaf(draft, leaf, capacityFor(count + 1))
  else own = draft.own(leaf, leafWords(leafCapacity(words, leaf)))
  append(words, own, hash, value)
  return own
}

function resizeLeaf(draft: Draft, leaf: number, capacity: number): number {
  const { words } = draft
  const count = leafCount(words, leaf)
  const larger = newLeaf(draft, capacity, leafDepth(words, leaf))
  words.copyWithin(larger + 1, leaf + 1, leaf + 1 + 2 * count)
  words[larger] = words[larger]! | count
  draft.release(leaf)
  return larger
}

function replaceAt(draft: Draft, page: number, shift: number, hash: number, from: number, to: number): number {
  const { words } = draft
  if (page < 0) {
    const own = draft.own(-page, leafWords(leafCapacity(words, -page)))
    words[own + 2 + 2 * indexOf(words, own, hash, from)] = to
    return -own
  }
  const inner = draft.own(page, INNER_WORDS)
  const index = (hash >>> shift) & 63
  const child = words[inner + index]!
  const next = replaceAt(draft, child, shift - 6, hash, from, to)
  if (next < 0) pointTo(words, inner, index, leafDepth(words, -next), -next)
  else words[inner + index] = next
  return inner
}

function indexOf(words: Int32Array, leaf: number, hash: number, value: number): number {
  for (let i = 0, count = leafCount(words, leaf); i < count; i++) {
    if (words[leaf + 1 + 2 * i] === hash && words[leaf + 2 + 2 * i] === value) return i
  }
  throw new Error('no such entry in the hash trie')
}

function removeAt(draft: Draft, page: number, shift: number, hash: number, value: number): number {
  const { words } = draft
  if (page < 0) {
    let own = draft.own(-page, leafWords(leafCapacity(words, -page)))
    const count = leafCount(words, own)
    const at = own + 1 + 2 * indexOf(words, own, hash, value)
    const last = own + 1 + 2 * (count - 1)
    words[at] = words[last]!
    words[at + 1] = words[last + 1]!
    words[own] = words[own]! - 1
    // Shrinks with a step between, so that one name coming and going doesn't copy a leaf each time.
    if (capacityFor(count) < leafCapacity(words, own)) own = resizeLeaf(draft, own, capacityFor(count))
    return -own
  }
  const inner = draft.own(page, INNER_WORDS)
  const index = (hash >>> shift) & 63
  const next = removeAt(draft, words[inner + index]!, shift - 6, hash, value)
  if (next > 0) {
    words[inner + index] = next
    return inner
  }
  // A page below that shrank to one leaf comes back as that leaf, with depth 6 here.
  if (words[inner + index]! > 0) {
    words[-next] = (words[-next]! & 0xffff) | (6 << 16)
    words[inner + index] = next
  } else pointTo(words, inner, index, leafDepth(words, -next), -next)
  return mergeLeaves(draft, inner, index)
}

/** Joins the leaf at `index` with its neighbour as long as both are nearly empty. Returns the page, or the leaf that is left. */
function mergeLeaves(draft: Draft, inner: number, index: number): number {
  const { words } = draft
  for (;;) {
    const leaf = -words[inner + index]!
    const depth = leafDepth(words, leaf)
    if (depth === 0) {
      draft.release(inner)
      return -leaf
    }
    const buddy = -words[inner + (index ^ (1 << (6 - depth)))]!
    if (buddy < 0 || leafDepth(words, buddy) !== depth) return inner
    const count = leafCount(words, leaf) + leafCount(words, buddy)
    if (count > MERGE_ENTRIES_MAX) return inner
    const merged = newLeaf(draft, capacityFor(count), depth - 1)
    for (const from of [leaf, buddy]) {
      for (let i = 0, entries = leafCount(words, from); i < entries; i++) {
        append(words, merged, words[from + 1 + 2 * i]!, words[from + 2 + 2 * i]!)
      }
    }
    pointTo(words, inner, index, depth - 1, merged)
    draft.release(leaf)
    draft.release(buddy)
  }
}
