/**
 * Proofs of what isn't there, from the NSEC or NSEC3 records of a zone that was signed elsewhere (RFC 4035 section 3.1.3,
 * RFC 5155 section 7.2). Called with DO only. A zone with an NSEC3PARAM uses NSEC3, else one with NSEC uses that, else
 * there is nothing to prove.
 *
 *                      NSEC                                  NSEC3
 *   no such name       qname covered, wildcard covered       closest encloser, next closer covered, wildcard covered
 *   no such type       qname's (empty non-terminal: covered) qname's, or (opt-out) closest encloser and next closer
 *   wildcard answer    qname covered                         next closer covered
 *   wildcard, no type  wildcard's, qname covered             closest encloser, next closer covered, wildcard's
 *   referral, no DS    the cut's                             the cut's, or (opt-out) closest encloser and next closer
 *
 * Next closer: the ancestor of the qname one label below the closest encloser.
 */
import { REQUIRED, type ReplyWriter, SECTION_AUTHORITY } from '../wire/reply-writer.ts'
import type { ZoneAnswerer } from './answer.ts'
import { hashLabel } from './name-hash.ts'
import { copyOwner, findRRset, NODE_OCTETS_MASK, rdataOctet, rdatasAt, recordCount, unpackOctets } from './node.ts'
import { NSEC3_ITERATIONS_MAX, Nsec3Hasher } from './nsec3-hash.ts'
import { OffsetSet } from './offset-set.ts'
import { NSEC3_KEY_WORDS, ORDER_KEY_WORDS_MAX, readOrderKey, writeOrderKey } from './order-key.ts'
import { isKey, orderFloor, orderLast } from './order-tree.ts'
import { TYPE_NSEC, TYPE_NSEC3, TYPE_NSEC3PARAM } from './types.ts'
import { apexOctets, ZONE_APEX, ZONE_APEX_HASH, ZONE_APEX_NODE, ZONE_NSEC3, ZONE_ORDER } from './zone-block.ts'

const OWN_TTL = -1
/** NSEC3 records of another chain (other salt or iterations, while a zone changes them) that are stepped over to find one of ours. */
const OTHER_CHAIN_STEPS_MAX = 64
/** Ancestors hashed in search of one that has an NSEC3; only runs of insecure delegations under opt-out have more than two in a row. */
const ENCLOSERS_HASHED_MAX = 16
const HASH_SHA1 = 1

const NONE = 0
const NSEC = 1
const NSEC3 = 2

export class Denial {
  readonly #answerer: ZoneAnswerer
  readonly #key = new Int32Array(ORDER_KEY_WORDS_MAX)
  readonly #wildcard = new Uint8Array(260)
  readonly #wildcardLabels = new Uint8Array(130)
  /** Owner of the record being put. */
  readonly #owner = new Uint8Array(512)
  readonly #labelSizes = new Uint8Array(128)
  readonly #hasher = new Nsec3Hasher()
  readonly #step = new Int32Array(NSEC3_KEY_WORDS)
  /** RRsets that are in the reply already: one NSEC may prove two things. */
  readonly #put = new OffsetSet(64)

  constructor(answerer: ZoneAnswerer) {
    this.#answerer = answerer
  }

  /** A new reply: nothing is proved yet. */
  clear(): void {
    this.#put.clear()
  }

  /** NXDOMAIN. `encloser`: label index of the closest encloser in the name in hand. */
  proveNoName(writer: ReplyWriter, encloser: number): void {
    const kind = this.#kind()
    if (kind === NSEC) {
      this.#coverName(writer, 0)
      this.#coverWildcard(writer, encloser)
    } else if (kind === NSEC3) {
      const provable = this.#proveEncloser(writer, encloser)
      this.#hashWildcard(provable)
      this.#putCovering(writer)
    }
  }

  /** An answer from the wildcard at the closest encloser. */
  proveWildcard(writer: ReplyWriter, encloser: number): void {
    const kind = this.#kind()
    if (kind === NSEC) this.#coverName(writer, 0)
    else if (kind === NSEC3) {
      this.#hashName(encloser - 1)
      this.#putCovering(writer)
    }
  }

  /** The wildcard at the closest encloser stands for the name, but doesn't have the type. */
  proveWildcardNoData(writer: ReplyWriter, encloser: number): void {
    const kind = this.#kind()
    if (kind === NSEC) {
      this.#coverWildcard(writer, encloser)
      this.#coverName(writer, 0)
    } else if (kind === NSEC3) {
      const provable = this.#proveEncloser(writer, encloser)
      this.#hashWildcard(provable)
      this.#putMatching(writer)
    }
  }

  /** The name in hand without its first `index` labels exists, but doesn't have the type. */
  proveNoType(writer: ReplyWriter, index: number): void {
    const kind = this.#kind()
    if (kind === NSEC) this.#coverName(writer, index)
    else if (kind === NSEC3) {
      this.#hashName(index)
      if (!this.#putMatching(writer)) this.#proveEncloser(writer, index + 1)
    }
  }

  /** How this zone proves what isn't there; for NSEC3 the hasher is made ready. */
  #kind(): number {
    const { words, zone, mask } = this.#answerer
    if (words[zone + ZONE_NSEC3] !== 0) {
      const parameters = findRRset(words, words[zone + ZONE_APEX_NODE]! & mask, TYPE_NSEC3PARAM)
      if (parameters !== 0)
        return this.#readParameters(rdatasAt(words, parameters, mask), recordCount(words, parameters)) ? NSEC3 : NONE
    }
    return words[zone + ZONE_ORDER] !== 0 ? NSEC : NONE
  }

  /** Takes the first chain that this server can use. RFC 5155 section 4.1.2: flags other than 0 mean a chain that isn't whole. */
  #readParameters(first: number, count: number): boolean {
    const { words } = this.#answerer
    const hasher = this.#hasher
    let rdata = first
    for (let left = Math.min(count, 16); left > 0; left--) {
      const iterations = (rdataOctet(words, rdata, 2) << 8) | rdataOctet(words, rdata, 3)
      if (
        rdataOctet(words, rdata, 0) === HASH_SHA1 &&
        rdataOctet(words, rdata, 1) === 0 &&
        iterations <= NSEC3_ITERATIONS_MAX
      ) {
        hasher.iterations = iterations
        hasher.saltLength = rdataOctet(words, rdata, 4)
        for (let i = 0; i < hasher.saltLength; i++) hasher.salt[i] = rdataOctet(words, rdata, 5 + i)
        return true
      }
      rdata += ((words[rdata]! & 0xffff) + 5) >>> 2
    }
    return false
  }

  /** NSEC of the name in hand without its first `index` labels, or the one that covers it. */
  #coverName(writer: ReplyWriter, index: number): void {
    const { name, labels, apexIndex } = this.#answerer
    this.#putFloor(writer, writeOrderKey(name, labels, index, apexIndex, this.#key))
  }

  #coverWildcard(writer: ReplyWriter, encloser: number): void {
    this.#readWildcard(encloser)
    const apexIndex = this.#answerer.apexIndex - encloser + 1
    this.#putFloor(writer, writeOrderKey(this.#wildcard, this.#wildcardLabels, 0, apexIndex, this.#key))
  }

  /** `*.` before the name in hand without its first `encloser` labels. Returns its octets. */
  #readWildcard(encloser: number): number {
    const { name, labels, labelCount } = this.#answerer
    const from = labels[encloser]!
    const octets = labels[labelCount]! + 1 - from
    this.#wildcard[0] = 1
    this.#wildcard[1] = 0x2a
    for (let i = 0; i < octets; i++) this.#wildcard[2 + i] = name[from + i]!
    this.#wildcardLabels[0] = 0
    for (let i = encloser; i <= labelCount; i++) this.#wildcardLabels[i - encloser + 1] = labels[i]! - from + 2
    return octets + 2
  }

  /** Puts the NSEC at or before `#key`. */
  #putFloor(writer: ReplyWriter, keyWords: number): void {
    const { words, zone, mask, multiplier } = this.#answerer
    const root = words[zone + ZONE_ORDER]!
    let block = orderFloor(words, root, mask, this.#key, keyWords)
    // Before the first: the last one covers it, its next name is the first. RFC 4034 section 4.1.1.
    if (block === 0) block = orderLast(words, root, mask)
    if (block === 0) return
    const owner = this.#owner
    const octets = readOrderKey(words, block, owner, this.#labelSizes)
    let node = words[zone + ZONE_APEX_NODE]! & mask
    if (octets > 0) {
      // Labels of the owner, from the left: their starts go where the sizes were.
      const starts = this.#labelSizes
      let count = 0
      for (let at = 0; at < octets && count < 127; at += owner[at]! + 1) starts[count++] = at
      let hash = words[zone + ZONE_APEX_HASH]!
      for (let i = count - 1; i >= 0; i--) hash = hashLabel(hash, owner, starts[i]!, multiplier)
      node = this.#answerer.find(hash, owner, 0, octets)
    }
    if (node !== 0) this.#putOf(writer, node, octets, TYPE_NSEC)
  }

  /** Puts the RRset of a node whose owner below the apex is in `#owner`. */
  #putOf(writer: ReplyWriter, node: number, octets: number, type: number): void {
    const { words, zone } = this.#answerer
    const rrset = findRRset(words, node, type)
    if (rrset === 0 || !this.#put.add(rrset)) return
    unpackOctets(words, zone + ZONE_APEX, apexOctets(words, zone), this.#owner, octets)
    writer.ownerName(this.#owner, 0)
    this.#answerer.putRRset(writer, SECTION_AUTHORITY, rrset, OWN_TTL, REQUIRED, true)
  }

  #hashName(index: number): void {
    const { name, labels, labelCount } = this.#answerer
    const at = labels[index]!
    this.#hasher.hashName(name, at, labels[labelCount]! + 1 - at)
  }

  #hashWildcard(encloser: number): void {
    this.#hasher.hashName(this.#wildcard, 0, this.#readWildcard(encloser))
  }

  /**
   * RFC 5155 section 7.2.1: the NSEC3 of the closest encloser that has one, and the one that covers the next closer name.
   * Returns its label index.
   */
  #proveEncloser(writer: ReplyWriter, closest: number): number {
    const { apexIndex } = this.#answerer
    let encloser = Math.min(closest, apexIndex)
    for (let tries = 1; ; tries++) {
      this.#hashName(encloser)
      if (this.#putMatching(writer) || encloser >= apexIndex) break
      encloser = tries < ENCLOSERS_HASHED_MAX ? encloser + 1 : apexIndex
    }
    if (encloser > 0) {
      this.#hashName(encloser - 1)
      this.#putCovering(writer)
    }
    return encloser
  }

  /** Puts the NSEC3 whose owner is the hash in hand. False when there is none. */
  #putMatching(writer: ReplyWriter): boolean {
    const { words, zone, mask } = this.#answerer
    const { hash } = this.#hasher
    const block = orderFloor(words, words[zone + ZONE_NSEC3]!, mask, hash, NSEC3_KEY_WORDS)
    if (block === 0 || !isKey(words, block, hash, NSEC3_KEY_WORDS)) return false
    const node = words[block + 1 + NSEC3_KEY_WORDS]! & mask
    if (!this.#isOfChain(node)) return false
    this.#putNsec3(writer, node)
    return true
  }

  /** Puts the NSEC3 that covers the hash in hand, or matches it. */
  #putCovering(writer: ReplyWriter): void {
    const { words, zone, mask } = this.#answerer
    const root = words[zone + ZONE_NSEC3]!
    const step = this.#step
    for (let i = 0; i < NSEC3_KEY_WORDS; i++) step[i] = this.#hasher.hash[i]!
    for (let tries = 0; tries < OTHER_CHAIN_STEPS_MAX; tries++) {
      let block = orderFloor(words, root, mask, step, NSEC3_KEY_WORDS)
      // Before the first: the last one covers it, the chain is a ring.
      if (block === 0) block = orderLast(words, root, mask)
      if (block === 0) return
      const node = words[block + 1 + NSEC3_KEY_WORDS]! & mask
      if (this.#isOfChain(node)) {
        this.#putNsec3(writer, node)
        return
      }
      // On with what is before that one: its hash less one.
      for (let i = 0; i < NSEC3_KEY_WORDS; i++) step[i] = words[block + 1 + i]!
      for (let i = NSEC3_KEY_WORDS - 1; i >= 0; i--) {
        step[i] = step[i]! - 1
        if (step[i] !== -1) break
      }
    }
  }

  /** Whether an NSEC3 has the salt and iterations in use. */
  #isOfChain(node: number): boolean {
    const { words, mask } = this.#answerer
    const hasher = this.#hasher
    const rrset = findRRset(words, node, TYPE_NSEC3)
    if (rrset === 0) return false
    const rdata = rdatasAt(words, rrset, mask)
    if (((rdataOctet(words, rdata, 2) << 8) | rdataOctet(words, rdata, 3)) !== hasher.iterations) return false
    if (rdataOctet(words, rdata, 4) !== hasher.saltLength) return false
    for (let i = 0; i < hasher.saltLength; i++) if (rdataOctet(words, rdata, 5 + i) !== hasher.salt[i]) return false
    return true
  }

  #putNsec3(writer: ReplyWriter, node: number): void {
    const { words } = this.#answerer
    copyOwner(words, node, this.#owner, 0)
    this.#putOf(writer, node, words[node]! & NODE_OCTETS_MASK, TYPE_NSEC3)
  }
}
