/**
 * Keys that sort as the canonical order of names does (RFC 4034 section 6.1), as words that compare unsigned.
 *
 * The labels below the apex from the top down, each followed by a zero octet; inside a label 0 is written as 1 1 and 1 as
 * 1 2, so that the end of a label sorts before whatever may follow. Filled up with zeros to whole words: since no label is
 * empty, an ancestor sorts before its descendants. The key of an NSEC3 is its hash, five words.
 *
 * In the store a key is a block: number of words, the words, and for NSEC3 the node.
 */
import type { Draft } from './draft.ts'

/** Words of the longest key: 254 octets, each doubled, and as many ends of labels. */
export const ORDER_KEY_WORDS_MAX = 192
export const NSEC3_KEY_WORDS = 5
/** Octets of the first label of an NSEC3 owner: SHA-1 in base32hex. RFC 5155 section 3. */
export const NSEC3_LABEL_SIZE = 32

const scratch = new Int32Array(ORDER_KEY_WORDS_MAX)

/** Writes the key of `name`'s labels `first` to `apexIndex - 1` into `key`; returns its words. Doesn't allocate. */
export function writeOrderKey(
  name: Uint8Array,
  labels: Uint8Array,
  first: number,
  apexIndex: number,
  key: Int32Array,
): number {
  let count = 0
  let word = 0
  let shift = 24
  for (let i = apexIndex - 1; i >= first; i--) {
    const at = labels[i]!
    const size = name[at]!
    for (let k = 1; k <= size + 1; k++) {
      const octet = k <= size ? name[at + k]! : -1
      if (octet === 0 || octet === 1) {
        word |= 1 << shift
        shift -= 8
        if (shift < 0) {
          key[count++] = word
          word = 0
          shift = 24
        }
        word |= (octet + 1) << shift
      } else if (octet > 0) word |= octet << shift
      shift -= 8
      if (shift < 0) {
        key[count++] = word
        word = 0
        shift = 24
      }
    }
  }
  // The apex has no labels here: one word of zero, the lowest key of all.
  if (shift < 24 || count === 0) key[count++] = word
  return count
}

/** Turns a key back into the name below the apex, without the root: octets written to `name`. Bounded and harmless on garbage. */
export function readOrderKey(words: Int32Array, key: number, name: Uint8Array, labelStarts: Uint8Array): number {
  const size = Math.min(words[key]!, ORDER_KEY_WORDS_MAX) * 4
  // First pass: lengths, to know where the last label, which comes first in the name, will start.
  let total = 0
  let count = 0
  let length = 0
  for (let i = 0; i < size && count < 127; i++) {
    const octet = keyOctet(words, key, i)
    if (octet === 0) {
      if (length === 0) break
      total += length + 1
      labelStarts[count++] = length
      length = 0
    } else {
      if (octet === 1) i++
      length++
    }
  }
  if (total > 255) return 0
  let end = total
  for (let label = 0, i = 0; label < count; label++) {
    const labelSize = labelStarts[label]!
    let at = end - labelSize - 1
    end = at
    name[at++] = labelSize
    for (let k = 0; k < labelSize; k++) {
      const octet = keyOctet(words, key, i++)
      name[at++] = octet === 1 ? keyOctet(words, key, i++) - 1 : octet
    }
    i++
  }
  return total
}

function keyOctet(words: Int32Array, key: number, index: number): number {
  return (words[key + 1 + (index >>> 2)]! >>> (24 - ((index & 3) << 3))) & 0xff
}

/** A key block for the labels of `owner` below the apex. */
export function newOrderKey(draft: Draft, owner: Uint8Array, labels: Uint8Array, apexIndex: number): number {
  const count = writeOrderKey(owner, labels, 0, apexIndex, scratch)
  const key = draft.allocate(1 + count)
  draft.words[key] = count
  draft.words.set(scratch.subarray(0, count), key + 1)
  return key
}

/** A key block of an NSEC3 node. */
export function newNsec3Key(draft: Draft, hash: Int32Array, node: number): number {
  const key = draft.allocate(2 + NSEC3_KEY_WORDS)
  draft.words[key] = NSEC3_KEY_WORDS
  draft.words.set(hash.subarray(0, NSEC3_KEY_WORDS), key + 1)
  draft.words[key + 1 + NSEC3_KEY_WORDS] = node
  return key
}

/** Decodes the hash in the label at `owner[0]`, lower-case base32hex. False when it isn't one. RFC 4648 section 7. */
export function readNsec3Label(owner: Uint8Array, hash: Int32Array): boolean {
  if (owner[0] !== NSEC3_LABEL_SIZE) return false
  let bits = 0
  let held = 0
  let count = 0
  for (let i = 1; i <= NSEC3_LABEL_SIZE; i++) {
    const octet = owner[i]!
    const value = octet >= 0x30 && octet <= 0x39 ? octet - 0x30 : octet >= 0x61 && octet <= 0x76 ? octet - 0x57 : -1
    if (value < 0) return false
    const free = 32 - held
    if (free > 5) {
      bits |= value << (free - 5)
      held += 5
    } else {
      hash[count++] = bits | (value >>> (5 - free))
      held = 5 - free
      bits = held === 0 ? 0 : value << (32 - held)
    }
  }
  return true
}
