/**
 * Builds the next version of one zone, operation by operation, out of readers' reach. The store shows it with one store of
 * the slot's root, or abandons it.
 */
import type { Allocator } from './allocator.ts'
import { BATCH_PUT, BatchReader } from './change-batch.ts'
import { Draft } from './draft.ts'
import { findLeaf, LEAF_COUNT_MASK, trieInsert, trieRemove, trieReplace } from './hash-trie.ts'
import { hashLabel } from './name-hash.ts'
import {
  equalOctets,
  findRRset,
  firstRRset,
  NODE_CHILDREN,
  NODE_CUT,
  NODE_DNAME,
  NODE_OCTETS_MASK,
  NODE_OWNER,
  NODE_WILDCARD,
  nextRRset,
  nodeWords,
  ownerWords,
  packOctets,
  RRSET_RECORDS_MAX,
  RRSET_TTL,
  rdataOctet,
  rdatasAt,
  recordCount,
  rrsetCount,
  signatureCount,
} from './node.ts'
import { ALL_SIGNATURES, NOT_OF_NSEC3, NodeBuilder, OF_NSEC3 } from './node-builder.ts'
import { NSEC3_KEY_WORDS, newNsec3Key, newOrderKey, readNsec3Label } from './order-key.ts'
import { isKey, orderFloor, orderInsert, orderRemove, orderReplace } from './order-tree.ts'
import { AT_HASH_MULTIPLIER, AT_WORD_COUNT } from './region.ts'
import { TYPE_NSEC, TYPE_NSEC3, TYPE_RRSIG, TYPE_SOA } from './types.ts'
import {
  apexLabels,
  apexOctets,
  ZONE_APEX,
  ZONE_APEX_HASH,
  ZONE_APEX_NODE,
  ZONE_CUT_COUNT,
  ZONE_FLAT,
  ZONE_HAS_SOA,
  ZONE_NAME_COUNT,
  ZONE_NAMES,
  ZONE_NEGATIVE_TTL,
  ZONE_NODE_COUNT,
  ZONE_NSEC3,
  ZONE_ORDER,
  ZONE_RECORD_COUNT,
  ZONE_SERIAL,
  ZONE_SHAPE,
  ZONE_SOURCE,
  ZONE_WILDCARD_COUNT,
} from './zone-block.ts'

const builder = new NodeBuilder()
const reader = new BatchReader()
// Of the operation in hand, as builder and reader: no writer keeps anything of it.
const ownerInHand = new Uint8Array(256)
const labelsInHand = new Uint8Array(128)
const hashesInHand = new Int32Array(129)
const nsec3Hash = new Int32Array(NSEC3_KEY_WORDS)

const NONE: ReadonlySet<string> = new Set()

export interface ZoneIdentity {
  readonly sourceId: number
  /** Wire form, lower-case. */
  readonly apex: Uint8Array
  readonly labelCount: number
  readonly apexHash: number
  /** ZONE_* bits that the form gives. */
  readonly flags: number
}

export class ZoneWriter {
  readonly draft: Draft
  /** The new version; readers don't know it yet. */
  readonly block: number
  readonly #words: Int32Array
  readonly #mask: number
  readonly #multiplier: number
  readonly #isFlat: boolean
  /** Owners (wire form, as latin1) with an RRset that was put a second time, when the zone is built anew. */
  repeated: ReadonlySet<string> = NONE
  #repeated: Set<string> | undefined
  readonly #isWhole: boolean
  #apexIndex = 0

  /** `base`: the version to go on from (a patch), or 0 (a replacement, or a zone that is new). */
  constructor(words: Int32Array, allocator: Allocator, identity: ZoneIdentity, base: number) {
    this.#words = words
    this.#mask = words[AT_WORD_COUNT]! - 1
    this.#multiplier = words[AT_HASH_MULTIPLIER]!
    allocator.assertRoom(0)
    this.#isWhole = base === 0
    this.draft = new Draft(words, allocator, this.#isWhole)
    const size = ZONE_APEX + ownerWords(identity.apex.length)
    const block = this.draft.allocate(size)
    this.block = block
    this.#isFlat = (identity.flags & ZONE_FLAT) !== 0
    if (base !== 0) {
      words.copyWithin(block, base, base + size)
      this.draft.retired.push(base)
    } else {
      words.fill(0, block, block + size)
      words[block + ZONE_SHAPE] = identity.flags | (identity.labelCount << 8) | (identity.apex.length << 16)
      words[block + ZONE_SOURCE] = identity.sourceId
      words[block + ZONE_APEX_HASH] = identity.apexHash
      packOctets(words, block + ZONE_APEX, identity.apex, 0, identity.apex.length)
      words[block + ZONE_APEX_NODE] = builder.empty(this.draft, identity.apex, 0, 0)
      words[block + ZONE_NODE_COUNT] = 1
    }
  }

  /** Applies all operations of a batch. Owners outside the zone are passed over. Throws StoreFullError, ZoneDataError, RangeError. */
  apply(batch: Uint8Array): void {
    reader.start(batch)
    let isInside = false
    for (let more = reader.next(); more; ) {
      if (!reader.isSameOwner) isInside = this.#readOwner()
      if (!isInside) {
        more = reader.next()
        continue
      }
      // The RRset's octets, twice at most: in the scratch's block and in the node.
      this.draft.allocator.assertRoom(batch.length)
      const old = this.#find(0)
      if (old === 0 && isOrdinary()) {
        more = this.#addNode()
        continue
      }
      const isPut = reader.operation === BATCH_PUT
      if (reader.type === TYPE_NSEC3) this.#changeNsec3(isPut)
      else {
        if (reader.type === TYPE_RRSIG) this.#changeNsec3(isPut)
        this.#changeNode(old, isPut, reader.type === TYPE_RRSIG ? NOT_OF_NSEC3 : ALL_SIGNATURES)
      }
      more = reader.next()
    }
  }

  /** Octets of the owner in hand below the apex. */
  get #octets(): number {
    return reader.ownerLength - apexOctets(this.#words, this.block)
  }

  /** Copies the reader's owner and hashes its suffixes down from the apex. False when it isn't in the zone. */
  #readOwner(): boolean {
    const words = this.#words
    const { bytes, ownerAt, ownerLength, labelCount } = reader
    const apexLength = apexOctets(words, this.block)
    const apexIndex = labelCount - apexLabels(words, this.block)
    const octets = ownerLength - apexLength
    if (apexIndex < 0 || octets < 0) return false
    const owner = ownerInHand
    for (let i = 0; i < ownerLength; i++) owner[i] = bytes[ownerAt + i]!
    if (!equalOctets(words, this.block + ZONE_APEX, owner, octets, apexLength)) return false
    for (let i = 0, at = 0; i <= labelCount; i++) {
      labelsInHand[i] = at
      at += owner[at]! + 1
    }
    // Equal octets may still start in the middle of a label.
    if (labelsInHand[apexIndex] !== octets) return false
    let hash = words[this.block + ZONE_APEX_HASH]!
    hashesInHand[apexIndex] = hash
    for (let i = apexIndex - 1; i >= 0; i--) {
      hash = hashLabel(hash, owner, labelsInHand[i]!, this.#multiplier)
      hashesInHand[i] = hash
    }
    this.#apexIndex = apexIndex
    return true
  }

  /** The node of the owner in hand without its first `index` labels, or 0. */
  #find(index: number): number {
    const words = this.#words
    if (index === this.#apexIndex) return words[this.block + ZONE_APEX_NODE]!
    const hash = hashesInHand[index]!
    const leaf = findLeaf(words, words[this.block + ZONE_NAMES]!, hash, this.#mask)
    if (leaf === 0) return 0
    const at = labelsInHand[index]!
    const octets = labelsInHand[this.#apexIndex]! - at
    for (let i = leaf + 1, end = i + 2 * (words[leaf]! & LEAF_COUNT_MASK); i < end; i += 2) {
      if (words[i] !== hash) continue
      const node = words[i + 1]!
      if (
        (words[node]! & NODE_OCTETS_MASK) === octets &&
        equalOctets(words, node + NODE_OWNER, ownerInHand, at, octets)
      )
        return node
    }
    return 0
  }

  /**
   * Makes the node of a new owner from the put in the reader and those that follow for the same owner. Returns whether
   * there is a further operation; it is in the reader then.
   */
  #addNode(): boolean {
    const { draft } = this
    const octets = this.#octets
    let hasNsec = false
    builder.start()
    try {
      do {
        builder.add(draft, reader)
        if (reader.type === TYPE_NSEC) hasNsec = true
        if (!reader.next()) return false
      } while (reader.isSameOwner && isOrdinary() && builder.takes(reader.type))
      return true
    } finally {
      // After an error too: what the draft has is freed with it.
      const node = builder.finish(draft, ownerInHand, 0, octets, 0, !this.#isFlat)
      this.#count(node, 1)
      if (hasNsec) this.#changeOrder(0, node)
      this.#insert(0, node)
    }
  }

  #changeNode(old: number, isPut: boolean, signatures: number): void {
    const { draft, block } = this
    const words = this.#words
    if (isPut) this.#noteRepeated(old)
    if (old === 0 && (!isPut || reader.count === 0)) return
    const node = builder.build(draft, old, ownerInHand, 0, this.#octets, reader, isPut, signatures, !this.#isFlat)
    this.#count(old, -1)
    this.#count(node, 1)
    if (reader.type === TYPE_NSEC) this.#changeOrder(old, node)
    if (this.#apexIndex === 0) {
      words[block + ZONE_APEX_NODE] = node
      draft.release(old)
      if (reader.type === TYPE_SOA) this.#readSOA(node)
    } else if (old === 0) {
      if (node !== 0) this.#insert(0, node)
    } else if (node === 0) this.#remove(0, old)
    else {
      words[block + ZONE_NAMES] = trieReplace(draft, words[block + ZONE_NAMES]!, hashesInHand[0]!, old, node)
      draft.release(old)
    }
  }

  #noteRepeated(old: number): void {
    if (!this.#isWhole || old === 0 || !hasRRset(this.#words, old, reader.type)) return
    this.#repeated ??= new Set()
    this.repeated = this.#repeated
    this.#repeated.add(Buffer.from(ownerInHand.subarray(0, reader.ownerLength)).toString('latin1'))
  }

  /** Adds a node, and its parents up to one that exists: empty non-terminals. RFC 4592 section 2.2.2. */
  #insert(index: number, node: number): void {
    const { draft, block } = this
    const words = this.#words
    let child = node
    for (let i = index; ; i++) {
      words[block + ZONE_NAMES] = trieInsert(draft, words[block + ZONE_NAMES]!, hashesInHand[i]!, child)
      words[block + ZONE_NODE_COUNT]!++
      if ((words[child]! & NODE_WILDCARD) !== 0) words[block + ZONE_WILDCARD_COUNT]!++
      if (this.#isFlat) return
      const parent = this.#find(i + 1)
      if (parent !== 0) {
        this.#addChildren(i + 1, parent, 1)
        return
      }
      const at = labelsInHand[i + 1]!
      child = builder.empty(draft, ownerInHand, at, labelsInHand[this.#apexIndex]! - at)
      words[child + NODE_CHILDREN] = 1
    }
  }

  /** Takes a node out, and its parents as far as nothing else holds them. */
  #remove(index: number, node: number): void {
    const { draft, block } = this
    const words = this.#words
    let gone = node
    for (let i = index; ; i++) {
      words[block + ZONE_NAMES] = trieRemove(draft, words[block + ZONE_NAMES]!, hashesInHand[i]!, gone)
      words[block + ZONE_NODE_COUNT]!--
      if ((words[gone]! & NODE_WILDCARD) !== 0) words[block + ZONE_WILDCARD_COUNT]!--
      draft.release(gone)
      if (this.#isFlat) return
      const parent = this.#find(i + 1)
      const isLast = words[parent + NODE_CHILDREN] === 1 && rrsetCount(words, parent) === 0 && i + 1 < this.#apexIndex
      if (!isLast) {
        this.#addChildren(i + 1, parent, -1)
        return
      }
      gone = parent
    }
  }

  #addChildren(index: number, parent: number, difference: number): void {
    const { draft, block } = this
    const words = this.#words
    const own = draft.isFresh(parent) ? parent : draft.own(parent, nodeWords(words, parent))
    words[own + NODE_CHILDREN]! += difference
    if (own === parent) return
    if (index === this.#apexIndex) words[block + ZONE_APEX_NODE] = own
    else words[block + ZONE_NAMES] = trieReplace(draft, words[block + ZONE_NAMES]!, hashesInHand[index]!, parent, own)
  }

  /** Adds the node to the zone's figures, or takes it out of them. */
  #count(node: number, sign: number): void {
    if (node === 0) return
    const { block } = this
    const words = this.#words
    let rrset = firstRRset(words, node)
    const rrsets = rrsetCount(words, node)
    for (let left = rrsets; left > 0; left--) {
      words[block + ZONE_RECORD_COUNT]! += sign * (recordCount(words, rrset) + signatureCount(words, rrset))
      rrset = nextRRset(words, rrset)
    }
    if (rrsets > 0) words[block + ZONE_NAME_COUNT]! += sign
    if ((words[node]! & (NODE_CUT | NODE_DNAME)) !== 0) words[block + ZONE_CUT_COUNT]! += sign
  }

  #readSOA(node: number): void {
    const { block } = this
    const words = this.#words
    const soa = findRRset(words, node, TYPE_SOA)
    if (soa === 0) {
      words[block + ZONE_SHAPE] = words[block + ZONE_SHAPE]! & ~ZONE_HAS_SOA
      return
    }
    const rdata = rdatasAt(words, soa, -1)
    const length = words[rdata]! & 0xffff
    const ttlSeconds = words[soa + RRSET_TTL]! >>> 0
    const minimum = read32(words, rdata, length - 4)
    words[block + ZONE_SHAPE] = words[block + ZONE_SHAPE]! | ZONE_HAS_SOA
    words[block + ZONE_NEGATIVE_TTL] = Math.min(ttlSeconds, minimum)
    words[block + ZONE_SERIAL] = read32(words, rdata, length - 20)
  }

  /** Keeps the canonical order of owners with NSEC. */
  #changeOrder(old: number, node: number): void {
    const { draft, block } = this
    const words = this.#words
    const had = old !== 0 && findRRset(words, old, TYPE_NSEC) !== 0
    const has = node !== 0 && findRRset(words, node, TYPE_NSEC) !== 0
    if (had === has) return
    const key = newOrderKey(draft, ownerInHand, labelsInHand, this.#apexIndex)
    if (has) words[block + ZONE_ORDER] = orderInsert(draft, words[block + ZONE_ORDER]!, key)
    else {
      const { root, old: gone } = orderRemove(draft, words[block + ZONE_ORDER]!, key)
      words[block + ZONE_ORDER] = root
      draft.release(gone)
      draft.release(key)
    }
  }

  /** Whether the owner in hand can be that of an NSEC3: one label below the apex, a hash in base32hex; it is then in `#hash`. */
  #isNsec3Owner(): boolean {
    return this.#apexIndex === 1 && readNsec3Label(ownerInHand, nsec3Hash)
  }

  /** NSEC3 nodes live beside the zone's names, in the order of their hashes: nobody can ask for them by name. RFC 5155 section 7.2.8. */
  #changeNsec3(isPut: boolean): void {
    if (!this.#isNsec3Owner()) return
    const { draft, block } = this
    const words = this.#words
    const root = words[block + ZONE_NSEC3]!
    const floor = orderFloor(words, root, this.#mask, nsec3Hash, NSEC3_KEY_WORDS)
    const oldKey = floor !== 0 && isKey(words, floor, nsec3Hash, NSEC3_KEY_WORDS) ? floor : 0
    const old = oldKey === 0 ? 0 : words[oldKey + 1 + NSEC3_KEY_WORDS]!
    if (isPut) this.#noteRepeated(old)
    if (old === 0 && (!isPut || reader.count === 0)) return
    const node = builder.build(draft, old, ownerInHand, 0, this.#octets, reader, isPut, OF_NSEC3, false)
    this.#count(old, -1)
    this.#count(node, 1)
    if (node === 0) {
      if (oldKey === 0) return
      const removed = orderRemove(draft, root, oldKey)
      words[block + ZONE_NSEC3] = removed.root
      draft.release(oldKey)
    } else {
      const key = newNsec3Key(draft, nsec3Hash, node)
      if (oldKey === 0) words[block + ZONE_NSEC3] = orderInsert(draft, root, key)
      else {
        words[block + ZONE_NSEC3] = orderReplace(draft, root, key).root
        draft.release(oldKey)
      }
    }
    if (old !== 0) draft.release(old)
  }
}

/** Whether the operation in the reader is a put of records that belong to their owner alone, and to nothing else in the zone. */
function isOrdinary(): boolean {
  const { operation, type, count } = reader
  return (
    operation === BATCH_PUT && count > 0 && count <= RRSET_RECORDS_MAX && type !== TYPE_RRSIG && type !== TYPE_NSEC3
  )
}

/** Whether the node has records of this type; for RRSIG, any signatures. */
function hasRRset(words: Int32Array, node: number, type: number): boolean {
  if (type !== TYPE_RRSIG) return findRRset(words, node, type) !== 0
  let rrset = firstRRset(words, node)
  for (let left = rrsetCount(words, node); left > 0; left--) {
    if (signatureCount(words, rrset) > 0) return true
    rrset = nextRRset(words, rrset)
  }
  return false
}

/** 32 bits of an rdata, unsigned; 0 when it is too short. */
function read32(words: Int32Array, rdata: number, index: number): number {
  if (index < 0) return 0
  return (
    ((rdataOctet(words, rdata, index) << 24) |
      (rdataOctet(words, rdata, index + 1) << 16) |
      (rdataOctet(words, rdata, index + 2) << 8) |
      rdataOctet(words, rdata, index + 3)) >>>
    0
  )
}
