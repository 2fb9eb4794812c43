/**
 * Builds the next version of a node from its last one and one change of an RRset. The writer's side of `node.ts`.
 *
 * RRSIG is one RRset to those who publish it and many to those who answer: here its records are dealt out to the RRsets
 * that they cover, and stay there when that RRset is replaced.
 */
import type { BatchReader } from './change-batch.ts'
import type { Draft } from './draft.ts'
import {
  firstRRset,
  NODE_APEX,
  NODE_CHILDREN,
  NODE_CNAME,
  NODE_CUT,
  NODE_DNAME,
  NODE_OWNER,
  NODE_RRSETS_SHIFT,
  NODE_WILDCARD,
  nextRdata,
  nextRRset,
  ownerWords,
  packOctets,
  RRSET_HEADER_WORDS,
  RRSET_INSIDE_WORDS_MAX,
  RRSET_RECORDS_MAX,
  RRSET_SHAPE,
  RRSET_SIGNATURES_MAX,
  RRSET_TTL,
  RRSETS_PER_NODE_MAX,
  rdatasAt,
  rdataWords,
  recordCount,
  rrsetCount,
  signatureCount,
  storeRdata,
} from './node.ts'
import { TYPE_CNAME, TYPE_DNAME, TYPE_NS, TYPE_NSEC3, TYPE_RRSIG } from './types.ts'
import { ZoneDataError } from './zone-data-error.ts'

/** Which records of a RRSIG change a node takes. */
export const ALL_SIGNATURES = 0
export const NOT_OF_NSEC3 = 1
export const OF_NSEC3 = 2

/** One builder per writer: it keeps its scratch memory. */
export class NodeBuilder {
  #build = new Int32Array(4096)
  #at = 0
  #rrsets = 0
  /** Records of the change that one RRset takes, by index. */
  #chosen = new Int32Array(64)
  #chosenCount = 0

  /**
   * The node after the change: `change` puts or deletes one RRset. `old`: the node, or 0. `owner[ownerAt ..]`: `octets` octets of the owner
   * below the apex. Returns a new block, or 0 when nothing is left (no RRsets, no children). The old block is still there.
   */
  build(
    draft: Draft,
    old: number,
    owner: Uint8Array,
    ownerAt: number,
    octets: number,
    change: BatchReader,
    isPut: boolean,
    signatures: number,
    hasFlags: boolean,
  ): number {
    const { words } = draft
    const { type } = change
    this.#at = 0
    this.#rrsets = 0
    const count = isPut ? change.count : 0
    let found = false
    if (old !== 0) {
      let rrset = firstRRset(words, old)
      for (let left = rrsetCount(words, old); left > 0; left--) {
        const rrsetType = words[rrset]! & 0xffff
        if (type === TYPE_RRSIG && rrsetType !== TYPE_RRSIG) {
          this.#chooseCovering(change, count, rrsetType, signatures)
          if (this.#chosenCount === 0 && signatureCount(words, rrset) === 0) this.#copyRRset(words, rrset)
          else if (signatures === OF_NSEC3 && rrsetType !== TYPE_NSEC3) this.#copyRRset(words, rrset)
          else {
            // Signatures alone have no RRset's TTL to take, so they bring their own.
            const ttl = recordCount(words, rrset) > 0 ? words[rrset + RRSET_TTL]! : change.ttlSeconds
            this.#emit(draft, change, rrsetType, ttl, rrset, recordCount(words, rrset), 0, false, this.#chosenCount)
          }
        } else if (rrsetType === type) {
          found = true
          this.#chooseAll(count)
          this.#emit(
            draft,
            change,
            type,
            count > 0 ? change.ttlSeconds : words[rrset + RRSET_TTL]!,
            rrset,
            0,
            signatureCount(words, rrset),
            true,
            count,
          )
        } else this.#copyRRset(words, rrset)
        rrset = nextRRset(words, rrset)
      }
    }
    if (type === TYPE_RRSIG) this.#emitUncovered(draft, change, count, old, signatures)
    else if (!found && count > 0) {
      this.#chooseAll(count)
      this.#emit(draft, change, type, change.ttlSeconds, 0, 0, 0, true, count)
    }
    const children = old === 0 ? 0 : words[old + NODE_CHILDREN]!
    if (this.#rrsets === 0 && children === 0 && octets > 0) return 0
    if (this.#rrsets > RRSETS_PER_NODE_MAX)
      throw new ZoneDataError(`more than ${RRSETS_PER_NODE_MAX} types at one owner`)
    return this.finish(draft, owner, ownerAt, octets, children, hasFlags)
  }

  /** Starts a node of a new owner: `add` its RRsets, then `finish`. */
  start(): void {
    this.#at = 0
    this.#rrsets = 0
  }

  /** Whether `add` can take an RRset of this type: none of it is there, and there is room. */
  takes(type: number): boolean {
    const build = this.#build
    for (let at = 0; at < this.#at; at += build[at + RRSET_SHAPE]! & 0xffff) {
      if ((build[at]! & 0xffff) === type) return false
    }
    return this.#rrsets < RRSETS_PER_NODE_MAX
  }

  /** Adds the put in `change`, which has 1 to RRSET_RECORDS_MAX records. */
  add(draft: Draft, change: BatchReader): void {
    const { bytes, count, rdataAt, rdataLength } = change
    const start = this.#at
    this.#reserve(RRSET_HEADER_WORDS)
    this.#at += RRSET_HEADER_WORDS
    for (let i = 0; i < count; i++) this.#storeRdata(bytes, rdataAt[i]!, rdataLength[i]!)
    this.#close(draft, start, change.type, change.ttlSeconds, count, 0)
  }

  /** A node without RRsets. */
  empty(draft: Draft, owner: Uint8Array, ownerAt: number, octets: number): number {
    this.start()
    return this.finish(draft, owner, ownerAt, octets, 0, true)
  }

  /** The node of what was built, in a new block. */
  finish(
    draft: Draft,
    owner: Uint8Array,
    ownerAt: number,
    octets: number,
    children: number,
    hasFlags: boolean,
  ): number {
    const { words } = draft
    const head = NODE_OWNER + ownerWords(octets)
    const node = draft.allocate(head + this.#at)
    words[node + NODE_CHILDREN] = children
    packOctets(words, node + NODE_OWNER, owner, ownerAt, octets)
    copyWords(this.#build, 0, words, node + head, this.#at)
    let flags = octets === 0 ? NODE_APEX : owner[ownerAt] === 1 && owner[ownerAt + 1] === 0x2a ? NODE_WILDCARD : 0
    if (hasFlags) flags |= this.#typeFlags(octets)
    words[node] = octets | flags | (this.#rrsets << NODE_RRSETS_SHIFT)
    return node
  }

  /** What the types of the RRsets that were built say about the node. */
  #typeFlags(octets: number): number {
    const build = this.#build
    let flags = 0
    for (let at = 0; at < this.#at; at += build[at + RRSET_SHAPE]! & 0xffff) {
      const head = build[at]!
      if (head >>> 16 === 0) continue
      const type = head & 0xffff
      if (type === TYPE_NS && octets > 0) flags |= NODE_CUT
      else if (type === TYPE_DNAME) flags |= NODE_DNAME
      else if (type === TYPE_CNAME) flags |= NODE_CNAME
    }
    return flags
  }

  /** Signatures that cover no RRset of the node, as RRsets without records. */
  #emitUncovered(draft: Draft, change: BatchReader, count: number, old: number, signatures: number): void {
    const { words } = draft
    const done = new Set<number>()
    if (old !== 0) {
      let rrset = firstRRset(words, old)
      for (let left = rrsetCount(words, old); left > 0; left--) {
        done.add(words[rrset]! & 0xffff)
        rrset = nextRRset(words, rrset)
      }
    }
    for (let i = 0; i < count; i++) {
      const covered = coveredType(change, i)
      if (done.has(covered) || !takes(signatures, covered)) continue
      done.add(covered)
      this.#chooseCovering(change, count, covered, signatures)
      this.#emit(draft, change, covered, change.ttlSeconds, 0, 0, 0, false, this.#chosenCount)
    }
  }

  #chooseAll(count: number): void {
    this.#reserveChosen(count)
    for (let i = 0; i < count; i++) this.#chosen[i] = i
    this.#chosenCount = count
  }

  #chooseCovering(change: BatchReader, count: number, type: number, signatures: number): void {
    this.#reserveChosen(count)
    this.#chosenCount = 0
    if (!takes(signatures, type)) return
    for (let i = 0; i < count; i++) if (coveredType(change, i) === type) this.#chosen[this.#chosenCount++] = i
  }

  #reserveChosen(count: number): void {
    if (count > this.#chosen.length) this.#chosen = new Int32Array(count * 2)
  }

  #copyRRset(words: Int32Array, rrset: number): void {
    const size = nextRRset(words, rrset) - rrset
    this.#reserve(size)
    copyWords(words, rrset, this.#build, this.#at, size)
    this.#at += size
    this.#rrsets++
  }

  /**
   * One RRset from old rdatas and those chosen of the change: `oldRecords` of the old records and `oldSignatures` of the
   * old signatures stay; the `chosen` records of the change become records (`asRecords`) or signatures.
   */
  #emit(
    draft: Draft,
    change: BatchReader,
    type: number,
    ttlSeconds: number,
    old: number,
    oldRecords: number,
    oldSignatures: number,
    asRecords: boolean,
    chosen: number,
  ): void {
    const { words } = draft
    const records = asRecords ? chosen : oldRecords
    const signatures = asRecords ? oldSignatures : chosen
    if (records > RRSET_RECORDS_MAX) throw new ZoneDataError(`more than ${RRSET_RECORDS_MAX} records in one RRset`)
    if (signatures > RRSET_SIGNATURES_MAX)
      throw new ZoneDataError(`more than ${RRSET_SIGNATURES_MAX} signatures of one RRset`)
    const outside = old !== 0 && words[old + RRSET_SHAPE]! < 0 ? words[old + RRSET_HEADER_WORDS]! : 0
    if (records + signatures > 0) {
      const start = this.#at
      this.#reserve(RRSET_HEADER_WORDS)
      this.#at += RRSET_HEADER_WORDS
      const oldAt = old === 0 ? 0 : rdatasAt(words, old, -1)
      if (asRecords) {
        this.#storeChosen(change)
        this.#copyRdatas(words, skipRdatas(words, oldAt, old === 0 ? 0 : recordCount(words, old)), oldSignatures)
      } else {
        this.#copyRdatas(words, oldAt, oldRecords)
        this.#storeChosen(change)
      }
      this.#close(draft, start, type, ttlSeconds, records, signatures)
    }
    if (outside !== 0) draft.release(outside)
  }

  /** Writes the header of the RRset whose rdatas were written behind it; large ones go into a block of their own. */
  #close(draft: Draft, start: number, type: number, ttlSeconds: number, records: number, signatures: number): void {
    const build = this.#build
    build[start] = type | (records << 16)
    build[start + RRSET_TTL] = ttlSeconds
    let size = this.#at - start
    let isOutside = 0
    if (size > RRSET_HEADER_WORDS + RRSET_INSIDE_WORDS_MAX) {
      const block = draft.allocate(size - RRSET_HEADER_WORDS)
      draft.words.set(build.subarray(start + RRSET_HEADER_WORDS, this.#at), block)
      build[start + RRSET_HEADER_WORDS] = block
      size = RRSET_HEADER_WORDS + 1
      this.#at = start + size
      isOutside = 1 << 31
    }
    build[start + RRSET_SHAPE] = size | (signatures << 16) | isOutside
    this.#rrsets++
  }

  #storeChosen(change: BatchReader): void {
    for (let k = 0; k < this.#chosenCount; k++) {
      const i = this.#chosen[k]!
      this.#storeRdata(change.bytes, change.rdataAt[i]!, change.rdataLength[i]!)
    }
  }

  #storeRdata(bytes: Uint8Array, at: number, length: number): void {
    this.#reserve(rdataWords(length))
    this.#at = storeRdata(this.#build, this.#at, bytes, at, length)
  }

  #copyRdatas(words: Int32Array, from: number, count: number): void {
    if (count === 0) return
    const size = skipRdatas(words, from, count) - from
    this.#reserve(size)
    copyWords(words, from, this.#build, this.#at, size)
    this.#at += size
  }

  #reserve(size: number): void {
    if (this.#at + size <= this.#build.length) return
    const larger = new Int32Array(Math.max(this.#build.length * 2, this.#at + size))
    larger.set(this.#build.subarray(0, this.#at))
    this.#build = larger
  }
}

/** Words up to which a loop beats `set(subarray())`, which makes a view. */
const LOOP_WORDS_MAX = 64

function copyWords(from: Int32Array, at: number, to: Int32Array, toAt: number, size: number): void {
  if (size > LOOP_WORDS_MAX) to.set(from.subarray(at, at + size), toAt)
  else for (let i = 0; i < size; i++) to[toAt + i] = from[at + i]!
}

function skipRdatas(words: Int32Array, at: number, count: number): number {
  let next = at
  for (let i = 0; i < count; i++) next = nextRdata(words, next)
  return next
}

function coveredType(change: BatchReader, index: number): number {
  const at = change.rdataAt[index]!
  return (change.bytes[at]! << 8) | change.bytes[at + 1]!
}

function takes(signatures: number, covered: number): boolean {
  return signatures === ALL_SIGNATURES || (signatures === OF_NSEC3) === (covered === TYPE_NSEC3)
}
