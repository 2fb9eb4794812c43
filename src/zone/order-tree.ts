/**
 * A persistent B+ tree over key blocks (order-key.ts): a change copies the pages on its path and gives a new root.
 *
 *   page, 64 words    word 0: entries | kind << 16
 *     leaf            pairs:   first word of the key, key block
 *     inner           triples: first word of the lowest key below, that key block, page
 *
 * The first word of a key stands in the page, so that most comparisons don't have to fetch the key.
 */
import { assert } from '../assert.ts'
import type { Draft } from './draft.ts'

const PAGE_WORDS = 64
const INNER = 1 << 16
const COUNT_MASK = 0xff
const LEAF_ENTRIES_MAX = 31
const INNER_ENTRIES_MAX = 21
assert(1 + 2 * LEAF_ENTRIES_MAX <= PAGE_WORDS && 1 + 3 * INNER_ENTRIES_MAX <= PAGE_WORDS)
/** Deeper than any tree of this region can be: a bound for readers that follow garbage. */
const DEPTH_MAX = 12

/** Less than 0, 0 or more as key a sorts before, at or after key b. */
function compareKeys(a: Int32Array, aAt: number, aCount: number, b: Int32Array, bAt: number, bCount: number): number {
  const count = Math.min(aCount, bCount, 256)
  for (let i = 0; i < count; i++) {
    const x = a[aAt + i]!
    const y = b[bAt + i]!
    if (x !== y) return (x ^ 0x80000000) < (y ^ 0x80000000) ? -1 : 1
  }
  return aCount - bCount
}

/** The index of the last entry of a page whose key is at or before the given one, or -1. */
function findEntry(
  words: Int32Array,
  page: number,
  mask: number,
  key: Int32Array,
  keyAt: number,
  keyCount: number,
): number {
  const step = (words[page]! & INNER) !== 0 ? 3 : 2
  let low = 0
  let high = Math.min(words[page]! & COUNT_MASK, LEAF_ENTRIES_MAX)
  const first = key[keyAt]! ^ 0x80000000
  while (low < high) {
    const middle = (low + high) >>> 1
    const at = page + 1 + middle * step
    const prefix = words[at]! ^ 0x80000000
    let order = prefix < first ? -1 : prefix > first ? 1 : 0
    if (order === 0) {
      const other = words[at + 1]! & mask
      order = compareKeys(words, other + 1, words[other]!, key, keyAt, keyCount)
    }
    if (order <= 0) low = middle + 1
    else high = middle
  }
  return low - 1
}

/** The key block of the entry at or before the given key, or 0 when there is none. `key[0 .. keyCount)`. Doesn't allocate. */
export function orderFloor(words: Int32Array, root: number, mask: number, key: Int32Array, keyCount: number): number {
  let page = root & mask
  for (let depth = 0; depth < DEPTH_MAX && page !== 0; depth++) {
    const index = findEntry(words, page, mask, key, 0, keyCount)
    if (index < 0) return 0
    if ((words[page]! & INNER) === 0) return words[page + 2 + 2 * index]! & mask
    page = words[page + 3 + 3 * index]! & mask
  }
  return 0
}

/** The key block of the last entry, or 0. */
export function orderLast(words: Int32Array, root: number, mask: number): number {
  let page = root & mask
  for (let depth = 0; depth < DEPTH_MAX && page !== 0; depth++) {
    const index = Math.min(words[page]! & COUNT_MASK, LEAF_ENTRIES_MAX) - 1
    if (index < 0) return 0
    if ((words[page]! & INNER) === 0) return words[page + 2 + 2 * index]! & mask
    page = words[page + 3 + 3 * index]! & mask
  }
  return 0
}

/** Whether the key block has exactly this key. */
export function isKey(words: Int32Array, block: number, key: Int32Array, keyCount: number): boolean {
  return words[block] === keyCount && compareKeys(words, block + 1, keyCount, key, 0, keyCount) === 0
}

/** Key blocks in order. */
export function* orderKeys(words: Int32Array, root: number): Generator<number> {
  if (root === 0) return
  const count = words[root]! & COUNT_MASK
  if ((words[root]! & INNER) === 0) for (let i = 0; i < count; i++) yield words[root + 2 + 2 * i]!
  else for (let i = 0; i < count; i++) yield* orderKeys(words, words[root + 3 + 3 * i]!)
}

/** All pages, lower ones first: for whoever frees the tree. */
export function* orderPages(words: Int32Array, root: number): Generator<number> {
  if (root === 0) return
  if ((words[root]! & INNER) !== 0) {
    for (let i = 0, count = words[root]! & COUNT_MASK; i < count; i++)
      yield* orderPages(words, words[root + 3 + 3 * i]!)
  }
  yield root
}

/** Adds a key block whose key isn't there yet. Returns the new root. Throws StoreFullError. */
export function orderInsert(draft: Draft, root: number, key: number): number {
  const { words } = draft
  if (root === 0) {
    const leaf = draft.allocate(PAGE_WORDS)
    words[leaf] = 0
    insertEntry(words, leaf, 0, key, 0)
    return leaf
  }
  const { page, split } = insertAt(draft, root, key)
  if (split === 0) return page
  const above = draft.allocate(PAGE_WORDS)
  words[above] = INNER
  insertEntry(words, above, 0, words[page + 2]!, page)
  insertEntry(words, above, 1, words[split + 2]!, split)
  return above
}

/** Puts another key block with the same key in the place of the one that is there. Returns the new root and the old block. */
export function orderReplace(draft: Draft, root: number, key: number): { readonly root: number; readonly old: number } {
  const { words } = draft
  const page = draft.own(root, PAGE_WORDS)
  const index = findEntry(words, page, -1, words, key + 1, words[key]!)
  assert(index >= 0)
  if ((words[page]! & INNER) === 0) {
    const old = words[page + 2 + 2 * index]!
    words[page + 2 + 2 * index] = key
    return { root: page, old }
  }
  const below = orderReplace(draft, words[page + 3 + 3 * index]!, key)
  setEntry(words, page, index, below.root)
  return { root: page, old: below.old }
}

/** Takes the entry with the key of the block `key` out. Returns the new root and the block that was there. */
export function orderRemove(draft: Draft, root: number, key: number): { readonly root: number; readonly old: number } {
  const { words } = draft
  const removed = removeAt(draft, root, key)
  let page = removed.root
  while (page !== 0 && (words[page]! & INNER) !== 0 && (words[page]! & COUNT_MASK) === 1) {
    const below = words[page + 3]!
    draft.release(page)
    page = below
  }
  return { root: page, old: removed.old }
}

function insertAt(draft: Draft, shared: number, key: number): { page: number; split: number } {
  const { words } = draft
  const page = draft.own(shared, PAGE_WORDS)
  const index = findEntry(words, page, -1, words, key + 1, words[key]!)
  if ((words[page]! & INNER) === 0) return insertOrSplit(draft, page, index + 1, key, 0)
  const at = Math.max(index, 0)
  const below = insertAt(draft, words[page + 3 + 3 * at]!, key)
  setEntry(words, page, at, below.page)
  if (below.split === 0) return { page, split: 0 }
  return insertOrSplit(draft, page, at + 1, words[below.split + 2]!, below.split)
}

function insertOrSplit(
  draft: Draft,
  page: number,
  index: number,
  key: number,
  child: number,
): { page: number; split: number } {
  const { words } = draft
  const isInner = (words[page]! & INNER) !== 0
  const count = words[page]! & COUNT_MASK
  const countMax = isInner ? INNER_ENTRIES_MAX : LEAF_ENTRIES_MAX
  if (count < countMax) {
    insertEntry(words, page, index, key, child)
    return { page, split: 0 }
  }
  const step = isInner ? 3 : 2
  // Keys mostly come in order: then full pages stay full, and only the new one is half empty.
  const keep = index === count ? count : count >>> 1
  const split = draft.allocate(PAGE_WORDS)
  words[split] = (words[page]! & INNER) | (count - keep)
  words.copyWithin(split + 1, page + 1 + keep * step, page + 1 + count * step)
  words[page] = (words[page]! & INNER) | keep
  if (index <= keep && keep < count) insertEntry(words, page, index, key, child)
  else insertEntry(words, split, index - keep, key, child)
  return { page, split }
}

function insertEntry(words: Int32Array, page: number, index: number, key: number, child: number): void {
  const step = (words[page]! & INNER) !== 0 ? 3 : 2
  const count = words[page]! & COUNT_MASK
  const at = page + 1 + index * step
  words.copyWithin(at + step, at, page + 1 + count * step)
  words[at] = words[key + 1]!
  words[at + 1] = key
  if (step === 3) words[at + 2] = child
  words[page] = words[page]! + 1
}

/** Lets entry `index` of an inner page stand for `child`. */
function setEntry(words: Int32Array, page: number, index: number, child: number): void {
  const at = page + 1 + 3 * index
  words[at] = words[child + 1]!
  words[at + 1] = words[child + 2]!
  words[at + 2] = child
}

function removeEntry(words: Int32Array, page: number, index: number): void {
  const step = (words[page]! & INNER) !== 0 ? 3 : 2
  const count = words[page]! & COUNT_MASK
  const at = page + 1 + index * step
  words.copyWithin(at, at + step, page + 1 + count * step)
  words[page] = words[page]! - 1
}

function removeAt(draft: Draft, shared: number, key: number): { root: number; old: number } {
  const { words } = draft
  const page = draft.own(shared, PAGE_WORDS)
  const index = findEntry(words, page, -1, words, key + 1, words[key]!)
  assert(index >= 0)
  let old: number
  if ((words[page]! & INNER) === 0) {
    old = words[page + 2 + 2 * index]!
    removeEntry(words, page, index)
  } else {
    const below = removeAt(draft, words[page + 3 + 3 * index]!, key)
    old = below.old
    if (below.root === 0) removeEntry(words, page, index)
    else {
      setEntry(words, page, index, below.root)
      mergeNeighbours(draft, page, index)
    }
  }
  if ((words[page]! & COUNT_MASK) > 0) return { root: page, old }
  draft.release(page)
  return { root: 0, old }
}

/** Joins the child at `index` with the one before or after it when both are less than half full. */
function mergeNeighbours(draft: Draft, page: number, index: number): void {
  const { words } = draft
  const count = words[page]! & COUNT_MASK
  for (const left of [index - 1, index]) {
    if (left < 0 || left + 1 >= count) continue
    const into = words[page + 3 + 3 * left]!
    const from = words[page + 3 + 3 * (left + 1)]!
    const isInner = (words[into]! & INNER) !== 0
    const intoCount = words[into]! & COUNT_MASK
    const fromCount = words[from]! & COUNT_MASK
    if (intoCount + fromCount > (isInner ? INNER_ENTRIES_MAX : LEAF_ENTRIES_MAX) >>> 1) continue
    const step = isInner ? 3 : 2
    const own = draft.own(into, PAGE_WORDS)
    words.copyWithin(own + 1 + intoCount * step, from + 1, from + 1 + fromCount * step)
    words[own] = words[own]! + fromCount
    draft.release(from)
    setEntry(words, page, left, own)
    removeEntry(words, page, left + 1)
    return
  }
}
