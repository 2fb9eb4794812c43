/**
 * RFC 1034 section 4.3.2 over wire bytes: one query, one zone, the answer composed into a ReplyWriter.
 *
 *   answerName     walks from the apex to the qname: zone cut, DNAME, the node itself, or the closest encloser
 *     solveNode      the node exists (or a wildcard stands for it): CNAME, RRset, or NODATA
 *     solveReferral  a zone cut is in the way
 *     solveDNAME     the name is below a DNAME (RFC 6672)
 *     solveNegative  SOA, and with DO the proofs (denial.ts)
 *   A CNAME or DNAME whose target is in the zone starts over with the target, at most CNAME_CHAIN_MAX times.
 *
 * The zone never follows a CNAME out of itself; the chain does. Nothing here allocates or throws, and work per query is
 * bounded, also when the blocks it reads are being used for something else (region.ts tells how that is found out).
 */
import { HEADER_SIZE, type ParsedQuery } from '../wire/parsed-query.ts'
import {
  isCompressible,
  OPTIONAL,
  REQUIRED,
  type ReplyWriter,
  SECTION_ADDITIONAL,
  SECTION_ANSWER,
  SECTION_AUTHORITY,
} from '../wire/reply-writer.ts'
import { Denial } from './denial.ts'
import { findLeaf, LEAF_COUNT_MASK } from './hash-trie.ts'
import { hashLabel, hashSuffixes } from './name-hash.ts'
import {
  copyRdata,
  equalOctets,
  findRRset,
  firstRRset,
  NODE_CNAME,
  NODE_CUT,
  NODE_DNAME,
  NODE_OCTETS_MASK,
  NODE_OWNER,
  RRSET_SHAPE,
  RRSET_SIGNATURES_MAX,
  RRSET_TTL,
  rdataLength,
  rdatasAt,
  rrsetCount,
  signatureCount,
} from './node.ts'
import { OffsetSet } from './offset-set.ts'
import { ABSENT, ANSWERED, CNAME_LEAVES, DELEGATION, NODATA, NXDOMAIN_OUTCOME, UNAVAILABLE } from './outcomes.ts'
import { AT_HASH_MULTIPLIER, AT_HASH_SEED, AT_WORD_COUNT, AT_ZONE_TABLE } from './region.ts'
import {
  CLASS_IN,
  RCODE_NXDOMAIN,
  RCODE_SERVFAIL,
  RCODE_YXDOMAIN,
  TYPE_A,
  TYPE_AAAA,
  TYPE_ANY,
  TYPE_CNAME,
  TYPE_DNAME,
  TYPE_DS,
  TYPE_HTTPS,
  TYPE_MX,
  TYPE_NS,
  TYPE_NSEC,
  TYPE_RRSIG,
  TYPE_SOA,
  TYPE_SRV,
  TYPE_SVCB,
} from './types.ts'
import {
  apexLabels,
  apexOctets,
  ZONE_APEX,
  ZONE_APEX_NODE,
  ZONE_CUT_COUNT,
  ZONE_FLAT,
  ZONE_HAS_SOA,
  ZONE_MINIMAL,
  ZONE_NAMES,
  ZONE_NEGATIVE_TTL,
  ZONE_SHAPE,
  ZONE_SOURCE,
  ZONE_WILDCARD_COUNT,
} from './zone-block.ts'
import { hasApexAt, NO_ZONE, zoneAt } from './zone-table.ts'

/** CNAMEs and DNAMEs followed inside the zone for one query. BIND and Unbound stop at 11 too. */
export const CNAME_CHAIN_MAX = 11
/** Additional RRsets that may turn out not to fit before the rest isn't tried any more. */
const ADDITIONAL_MISSES_MAX = 8
/** Records that fit a message of 64 KiB. */
const MESSAGE_RECORDS_MAX = 5461
const NAME_OCTETS_MAX = 255
const LABELS_MAX = 127
/** `answerName` found a CNAME into the zone: start over with the name in hand. */
const FOLLOW = 0
/** For `putRRset`: the RRset's own TTL. */
const OWN_TTL = -1
const WILDCARD_LABEL = Uint8Array.of(1, 0x2a)

/** One per thread; it holds the scratch memory of one look-up. */
export class ZoneAnswerer {
  readonly words: Int32Array
  readonly mask: number
  /** After CNAME_LEAVES: the target, wire form, lower-case. Overwritten by the next answer. */
  readonly target = new Uint8Array(NAME_OCTETS_MAX + 1)
  targetLength = 0
  readonly multiplier: number
  readonly #seed: number

  /** The zone block being answered from. */
  zone = 0
  /** Index of the label of the name in hand where the apex starts. */
  apexIndex = 0
  /** The name in hand: the qname, then the targets of CNAMEs. */
  name: Uint8Array
  labels: Uint8Array
  labelCount = 0
  readonly hashes = new Int32Array(LABELS_MAX + 2)
  /** Where the apex starts in the question: its offset in the message; 0 for the root, which no pointer is worth. */
  #apexOffset = 0
  /** CNAMEs followed so far; 0 means that the name in hand is the qname. */
  #chased = 0
  readonly #chaseName = new Uint8Array(NAME_OCTETS_MAX + 1)
  readonly #chaseLabels = new Uint8Array(LABELS_MAX + 2)
  /** Names already followed, one per 256 octets, to end loops. */
  readonly #visited = new Uint8Array((CNAME_CHAIN_MAX + 1) * 256)

  /** Names of the chain that a wildcard's CNAME stood for: index in `#visited` << 8 | label index of the closest encloser. */
  readonly #wildcardSteps = new Int32Array(CNAME_CHAIN_MAX + 1)
  #wildcardCount = 0
  readonly #proofName = new Uint8Array(NAME_OCTETS_MAX + 1)
  readonly #proofLabels = new Uint8Array(LABELS_MAX + 2)

  /** A name from rdata: glue, mail exchangers. */
  readonly #otherName = new Uint8Array(NAME_OCTETS_MAX + 1)
  readonly #otherLabels = new Uint8Array(LABELS_MAX + 2)
  #otherLength = 0
  #otherCount = 0
  readonly #wildcardName = new Uint8Array(NAME_OCTETS_MAX + 3)
  /** An rdata on its way through name compression, or to be looked into. */
  readonly #rdata = new Uint8Array(0xffff + 8)
  /** A message of 64 KiB holds at most 4,096 records with an address, so this is never more than half full. */
  readonly #additional = new OffsetSet(8192)
  readonly #dnames = new OffsetSet(64)
  readonly #denial: Denial

  constructor(words: Int32Array) {
    this.words = words
    this.mask = words[AT_WORD_COUNT]! - 1
    this.#seed = words[AT_HASH_SEED]!
    this.multiplier = words[AT_HASH_MULTIPLIER]!
    this.name = this.#chaseName
    this.labels = this.#chaseLabels
    this.#denial = new Denial(this)
  }

  /** Hashes of all suffixes of a query's qname. */
  hashQuery(query: ParsedQuery): void {
    hashSuffixes(query.name, query.labels, query.labelCount, this.hashes, this.#seed, this.multiplier)
  }

  /** Answers from this zone block. The qname is at or below its apex. Returns an outcome. */
  answer(zone: number, query: ParsedQuery, writer: ReplyWriter): number {
    const { words } = this
    this.zone = zone
    this.name = query.name
    this.labels = query.labels
    this.labelCount = query.labelCount
    this.#chased = 0
    this.apexIndex = query.labelCount - apexLabels(words, zone)
    this.hashQuery(query)
    if (this.apexIndex < 0) return UNAVAILABLE
    this.#apexOffset = this.apexIndex === this.labelCount ? 0 : HEADER_SIZE + query.labels[this.apexIndex]!
    const shape = words[zone + ZONE_SHAPE]!
    writer.authoritative = true
    if ((shape & ZONE_FLAT) !== 0) return this.#answerFlat(query, writer)
    if ((shape & ZONE_HAS_SOA) === 0) return UNAVAILABLE
    this.#denial.clear()
    this.#dnames.clear()
    this.#wildcardCount = 0
    for (let i = 0; i <= CNAME_CHAIN_MAX; i++) {
      const outcome = this.#answerName(query, writer)
      if (outcome === FOLLOW) continue
      this.#putWildcardProofs(writer)
      return outcome
    }
    return ANSWERED
  }

  /** The node of the name in hand without its first `index` labels, or 0. */
  findNode(index: number): number {
    if (index === this.apexIndex) return this.words[this.zone + ZONE_APEX_NODE]! & this.mask
    const at = this.labels[index]!
    return this.find(this.hashes[index]!, this.name, at, this.labels[this.apexIndex]! - at)
  }

  /** The node whose owner below the apex is `name[at .. at + octets)`, or 0. */
  find(hash: number, name: Uint8Array, at: number, octets: number): number {
    const { words, mask } = this
    const leaf = findLeaf(words, words[this.zone + ZONE_NAMES]!, hash, mask)
    if (leaf === 0) return 0
    for (let i = leaf + 1, end = i + 2 * (words[leaf]! & LEAF_COUNT_MASK); i < end; i += 2) {
      if (words[i] !== hash) continue
      const node = words[i + 1]! & mask
      if ((words[node]! & NODE_OCTETS_MASK) === octets && equalOctets(words, node + NODE_OWNER, name, at, octets))
        return node
    }
    return 0
  }

  #answerName(query: ParsedQuery, writer: ReplyWriter): number {
    const { words, apexIndex } = this
    let encloser = apexIndex
    let node = words[this.zone + ZONE_APEX_NODE]! & this.mask
    if (words[this.zone + ZONE_CUT_COUNT] === 0) {
      // Nothing can be in the way: the exact name first.
      const exact = apexIndex === 0 ? node : this.findNode(0)
      if (exact !== 0) return this.#solveNode(exact, 0, query, writer)
      for (let i = apexIndex - 1; i > 0; i--) {
        const next = this.findNode(i)
        if (next === 0) break
        node = next
        encloser = i
      }
    } else {
      for (let i = apexIndex; i >= 0; i--) {
        const next = i === apexIndex ? node : this.findNode(i)
        if (next === 0) break
        node = next
        encloser = i
        const flags = words[next]!
        if ((flags & (NODE_CUT | NODE_DNAME)) === 0) continue
        if ((flags & NODE_CUT) !== 0 && (i > 0 || query.qtype !== TYPE_DS))
          return this.#solveReferral(next, i, query, writer)
        if ((flags & NODE_DNAME) !== 0 && i > 0) return this.#solveDNAME(next, i, query, writer)
      }
      if (encloser === 0) return this.#solveNode(node, 0, query, writer)
    }
    // RFC 4592: only the wildcard at the closest encloser counts.
    if (words[this.zone + ZONE_WILDCARD_COUNT]! > 0) {
      const wildcard = this.findWildcard(encloser)
      if (wildcard !== 0) return this.#solveNode(wildcard, encloser, query, writer)
    }
    writer.rcode = RCODE_NXDOMAIN
    this.#putSOA(query, writer)
    if (query.dnssecOk) this.#denial.proveNoName(writer, encloser)
    return NXDOMAIN_OUTCOME
  }

  /** The node of `*.` before the name in hand without its first `encloser` labels, or 0. */
  findWildcard(encloser: number): number {
    const { labels, apexIndex } = this
    const at = labels[encloser]!
    const octets = labels[apexIndex]! - at
    const name = this.#wildcardName
    name[0] = 1
    name[1] = 0x2a
    for (let i = 0; i < octets; i++) name[2 + i] = this.name[at + i]!
    return this.find(hashLabel(this.hashes[encloser]!, WILDCARD_LABEL, 0, this.multiplier), name, 0, octets + 2)
  }

  /** The name exists, or a wildcard at the encloser (its label index; 0 means no wildcard) stands for it. */
  #solveNode(node: number, wildcardEncloser: number, query: ParsedQuery, writer: ReplyWriter): number {
    const { words } = this
    const { qtype, dnssecOk } = query
    if (qtype === TYPE_RRSIG) {
      this.setOwner(writer, 0)
      if (this.#putAllSignatures(writer, node, dnssecOk && wildcardEncloser === 0)) return ANSWERED
    } else {
      if ((words[node]! & NODE_CNAME) !== 0 && qtype !== TYPE_CNAME && qtype !== TYPE_ANY && qtype !== TYPE_NSEC) {
        return this.#solveCNAME(node, wildcardEncloser, query, writer)
      }
      const rrset = qtype === TYPE_ANY ? this.#firstRRset(node) : findRRset(words, node, qtype)
      if (rrset !== 0) {
        if (qtype !== TYPE_DNAME || wildcardEncloser > 0 || this.#dnames.add(rrset)) {
          this.setOwner(writer, 0)
          this.putRRset(writer, SECTION_ANSWER, rrset, OWN_TTL, REQUIRED, dnssecOk)
        }
        if (wildcardEncloser > 0 && dnssecOk) this.#denial.proveWildcard(writer, wildcardEncloser)
        this.#putWildcardProofs(writer)
        this.#putApexNS(query, writer, rrset)
        this.#solveAdditional(rrset, qtype, query, writer)
        return ANSWERED
      }
    }
    this.#putSOA(query, writer)
    if (dnssecOk) {
      if (wildcardEncloser > 0) this.#denial.proveWildcardNoData(writer, wildcardEncloser)
      else this.#denial.proveNoType(writer, 0)
    }
    return NODATA
  }

  /** Follows the CNAME of a node: FOLLOW, or CNAME_LEAVES, or ANSWERED when the chain ends here. */
  #solveCNAME(node: number, wildcardEncloser: number, query: ParsedQuery, writer: ReplyWriter): number {
    const { words } = this
    const rrset = findRRset(words, node, TYPE_CNAME)
    if (rrset === 0) return UNAVAILABLE
    this.setOwner(writer, 0)
    const fits = this.putRRset(writer, SECTION_ANSWER, rrset, OWN_TTL, REQUIRED, query.dnssecOk)
    if (!fits) return ANSWERED
    // The proof goes into authority, which begins when the last answer is written.
    if (wildcardEncloser > 0 && query.dnssecOk)
      this.#wildcardSteps[this.#wildcardCount++] = (this.#chased << 8) | wildcardEncloser
    const cname = rdatasAt(words, rrset, this.mask)
    const length = Math.min(rdataLength(words, cname), NAME_OCTETS_MAX)
    copyRdata(words, cname, length, this.#rdata, 0)
    return this.#follow(this.#rdata, length, query.qtype, writer)
  }

  /** Goes on with a target: FOLLOW when it is in the zone, CNAME_LEAVES when it is in another, ANSWERED when the chain is too long or a loop. */
  #follow(target: Uint8Array, length: number, qtype: number, writer: ReplyWriter): number {
    // Before the name in hand changes: it may be the qname, which is the query's.
    this.#noteVisited()
    const count = readName(target, 0, length, this.#chaseName, this.#chaseLabels)
    if (count < 0) return UNAVAILABLE
    this.name = this.#chaseName
    this.labels = this.#chaseLabels
    this.labelCount = count
    this.#chased++
    const apexIndex = count - apexLabels(this.words, this.zone)
    hashSuffixes(this.name, this.labels, count, this.hashes, this.#seed, this.multiplier)
    if (!this.isInZone(this.#chaseName, this.#chaseLabels, apexIndex) || this.#hasNearerZone(apexIndex, qtype)) {
      this.targetLength = this.#chaseLabels[count]! + 1
      for (let i = 0; i < this.targetLength; i++) this.target[i] = this.#chaseName[i]!
      return CNAME_LEAVES
    }
    if (this.#chased > CNAME_CHAIN_MAX) return ANSWERED
    if (this.#isVisited()) return this.#solveLoop(writer)
    this.apexIndex = apexIndex
    return FOLLOW
  }

  /** RFC 1034 section 3.6.2: CNAME loops are signalled as an error. */
  #solveLoop(writer: ReplyWriter): number {
    writer.clear()
    writer.rcode = RCODE_SERVFAIL
    this.#wildcardCount = 0
    return ANSWERED
  }

  /** Whether the same source has a zone between the apex and the name in hand: RFC 1034 section 4.3.2, step 2, for a CNAME's target. */
  #hasNearerZone(apexIndex: number, qtype: number): boolean {
    const { words, labels, labelCount } = this
    // The DS of a zone's apex is the zone's above it.
    for (let i = qtype === TYPE_DS ? 1 : 0; i < apexIndex; i++) {
      if (!hasApexAt(words, labelCount - i)) continue
      const table = Atomics.load(words, AT_ZONE_TABLE)
      const source = words[this.zone + ZONE_SOURCE]!
      if (zoneAt(words, table, source, this.name, labels[i]!, labels[labelCount]! + 1, this.hashes[i]!) !== NO_ZONE)
        return true
    }
    return false
  }

  #noteVisited(): void {
    const at = this.#chased << 8
    const length = this.labels[this.labelCount]! + 1
    for (let i = 0; i < length; i++) this.#visited[at + i] = this.name[i]!
  }

  #isVisited(): boolean {
    const length = this.labels[this.labelCount]! + 1
    for (let k = 0; k < this.#chased; k++) {
      let i = 0
      while (i < length && this.#visited[(k << 8) + i] === this.name[i]) i++
      if (i === length) return true
    }
    return false
  }

  /** Whether a name whose label `apexIndex` would start the apex is in the zone. */
  isInZone(name: Uint8Array, labels: Uint8Array, apexIndex: number): boolean {
    if (apexIndex < 0) return false
    return equalOctets(this.words, this.zone + ZONE_APEX, name, labels[apexIndex]!, apexOctets(this.words, this.zone))
  }

  /** RFC 6672 section 3.2: the DNAME, a CNAME made from it, and on with the new name. */
  #solveDNAME(node: number, index: number, query: ParsedQuery, writer: ReplyWriter): number {
    const { words } = this
    const rrset = findRRset(words, node, TYPE_DNAME)
    if (rrset === 0) return UNAVAILABLE
    // A chain may come by the same DNAME again; the reply has it once.
    if (this.#dnames.add(rrset)) {
      this.setOwner(writer, index)
      if (!this.putRRset(writer, SECTION_ANSWER, rrset, OWN_TTL, REQUIRED, query.dnssecOk)) return ANSWERED
    }
    const rdata = this.#rdata
    const prefix = this.labels[index]!
    const dname = rdatasAt(words, rrset, this.mask)
    const length = rdataLength(words, dname)
    if (prefix + length > NAME_OCTETS_MAX) {
      writer.rcode = RCODE_YXDOMAIN
      return ANSWERED
    }
    for (let i = 0; i < prefix; i++) rdata[i] = this.name[i]!
    copyRdata(words, dname, length, rdata, prefix)
    this.setOwner(writer, 0)
    if (!writer.openRRset(SECTION_ANSWER)) return ANSWERED
    if (writer.beginRecord(TYPE_CNAME, CLASS_IN, words[rrset + RRSET_TTL]!)) {
      writer.putName(rdata, 0)
      writer.endRecord()
    }
    if (!writer.closeRRset(REQUIRED)) return ANSWERED
    if (query.qtype === TYPE_CNAME || query.qtype === TYPE_ANY) return ANSWERED
    return this.#follow(rdata, prefix + length, query.qtype, writer)
  }

  /** A referral: NS, with DO the DS or the proof that there is none, glue. RFC 1034 section 4.3.2 step 3b, RFC 4035 section 3.1.4, RFC 9471. */
  #solveReferral(node: number, index: number, query: ParsedQuery, writer: ReplyWriter): number {
    const { words } = this
    // AA tells about the qname: after a CNAME of ours it stays.
    if (this.#chased === 0) writer.authoritative = false
    const ns = findRRset(words, node, TYPE_NS)
    if (ns === 0) return UNAVAILABLE
    this.setOwner(writer, index)
    this.putRRset(writer, SECTION_AUTHORITY, ns, OWN_TTL, REQUIRED, false)
    if (query.dnssecOk) {
      const ds = findRRset(words, node, TYPE_DS)
      // Without signatures the zone isn't signed, and its DS can prove nothing: BIND, Knot and NSD leave it out too.
      if (ds !== 0 && signatureCount(words, ds) > 0) {
        this.setOwner(writer, index)
        this.putRRset(writer, SECTION_AUTHORITY, ds, OWN_TTL, REQUIRED, true)
      } else this.#denial.proveNoType(writer, index)
    }
    this.#additional.clear()
    this.#putWildcardProofs(writer)
    // Glue for servers below the cut is part of the referral; addresses of others in the zone are a courtesy.
    for (let pass = 0; pass < 2; pass++) {
      let rdata = rdatasAt(words, ns, this.mask)
      let misses = 0
      for (
        let left = Math.min(words[ns]! >>> 16, MESSAGE_RECORDS_MAX);
        left > 0 && misses < ADDITIONAL_MISSES_MAX && !writer.truncated;
        left--
      ) {
        const length = words[rdata]! & 0xffff
        if (this.#readOther(rdata, 0)) {
          const isBelow = this.#otherIsBelow(index)
          if (isBelow === (pass === 0)) {
            const server = this.#findOther()
            if (server !== 0) {
              const required = isBelow ? REQUIRED : OPTIONAL
              if (!this.#putAddress(writer, server, TYPE_A, required, false)) misses++
              if (!this.#putAddress(writer, server, TYPE_AAAA, required, false)) misses++
            }
          }
        }
        rdata += (length + 5) >>> 2
      }
    }
    return DELEGATION
  }

  /** Whether the other name is at or below the name in hand without its first `index` labels. */
  #otherIsBelow(index: number): boolean {
    const from = this.labels[index]!
    const suffix = this.labels[this.labelCount]! + 1 - from
    const otherIndex = this.#otherCount - (this.labelCount - index)
    if (otherIndex < 0) return false
    const at = this.#otherLabels[otherIndex]!
    if (this.#otherLength - at !== suffix) return false
    for (let i = 0; i < suffix; i++) if (this.#otherName[at + i] !== this.name[from + i]) return false
    return true
  }

  /** Reads the name at octet `offset` of an rdata into the other name. */
  #readOther(rdata: number, offset: number): boolean {
    const length = Math.min(rdataLength(this.words, rdata), offset + NAME_OCTETS_MAX)
    copyRdata(this.words, rdata, length, this.#rdata, 0)
    const count = readName(this.#rdata, offset, length, this.#otherName, this.#otherLabels)
    if (count < 0) return false
    this.#otherCount = count
    this.#otherLength = this.#otherLabels[count]! + 1
    return true
  }

  /** The node of the other name, or 0; no wildcards, no CNAMEs. */
  #findOther(): number {
    const { words, zone } = this
    const apexIndex = this.#otherCount - apexLabels(words, zone)
    const labels = this.#otherLabels
    if (!this.isInZone(this.#otherName, labels, apexIndex)) return 0
    if (apexIndex === 0) return words[zone + ZONE_APEX_NODE]! & this.mask
    // The apex's hash is that of the name in hand from its apex on.
    let hash = this.hashes[this.apexIndex]!
    for (let i = apexIndex - 1; i >= 0; i--) hash = hashLabel(hash, this.#otherName, labels[i]!, this.multiplier)
    return this.find(hash, this.#otherName, 0, labels[apexIndex]!)
  }

  /** Puts the other name's RRset of this type into additional. True unless it didn't fit. */
  #putAddress(writer: ReplyWriter, node: number, type: number, required: boolean, signatures: boolean): boolean {
    const rrset = findRRset(this.words, node, type)
    if (rrset === 0 || !this.#additional.add(rrset)) return true
    writer.ownerName(this.#otherName, 0)
    return this.putRRset(writer, SECTION_ADDITIONAL, rrset, OWN_TTL, required, signatures)
  }

  /** Addresses of the names that the answer's rdata mentions. RFC 1035 section 3.3, RFC 2782, RFC 9460 section 4.1. */
  #solveAdditional(rrset: number, qtype: number, query: ParsedQuery, writer: ReplyWriter): void {
    if (qtype !== TYPE_NS && qtype !== TYPE_MX && qtype !== TYPE_SRV && qtype !== TYPE_SVCB && qtype !== TYPE_HTTPS)
      return
    const { words } = this
    this.#additional.clear()
    const offset = qtype === TYPE_NS ? 0 : qtype === TYPE_SRV ? 6 : 2
    const isService = qtype === TYPE_SVCB || qtype === TYPE_HTTPS
    let rdata = rdatasAt(words, rrset, this.mask)
    let misses = 0
    for (
      let left = Math.min(words[rrset]! >>> 16, MESSAGE_RECORDS_MAX);
      left > 0 && misses < ADDITIONAL_MISSES_MAX;
      left--
    ) {
      const length = words[rdata]! & 0xffff
      if (this.#readOther(rdata, offset)) {
        const isAlias = isService && this.#rdata[0] === 0 && this.#rdata[1] === 0
        // RFC 9460 section 2.5.2: in ServiceMode the root means the owner.
        if (isService && this.#otherCount === 0 && !isAlias) this.#otherIsNameInHand()
        const node = this.#findOther()
        if (node !== 0) {
          if (!this.#putAddress(writer, node, TYPE_A, OPTIONAL, query.dnssecOk)) misses++
          if (!this.#putAddress(writer, node, TYPE_AAAA, OPTIONAL, query.dnssecOk)) misses++
          if (isAlias && !this.#putAddress(writer, node, qtype, OPTIONAL, query.dnssecOk)) misses++
        }
      }
      rdata += (length + 5) >>> 2
    }
  }

  #otherIsNameInHand(): void {
    const count = this.labelCount
    for (let i = 0; i <= count; i++) this.#otherLabels[i] = this.labels[i]!
    const length = this.labels[count]! + 1
    for (let i = 0; i < length; i++) this.#otherName[i] = this.name[i]!
    this.#otherCount = count
    this.#otherLength = length
  }

  /** NS of the apex in authority of positive answers, as CoreDNS's `file` has it, where they fit. */
  #putApexNS(query: ParsedQuery, writer: ReplyWriter, rrset: number): void {
    const { words, zone } = this
    if ((words[zone + ZONE_SHAPE]! & ZONE_MINIMAL) !== 0 || writer.truncated) return
    const ns = findRRset(words, words[zone + ZONE_APEX_NODE]! & this.mask, TYPE_NS)
    if (ns === 0 || ns === rrset) return
    this.setOwner(writer, this.apexIndex)
    this.putRRset(writer, SECTION_AUTHORITY, ns, OWN_TTL, OPTIONAL, query.dnssecOk)
  }

  /** SOA of a negative answer, with the TTL of RFC 2308 section 3. */
  #putSOA(query: ParsedQuery, writer: ReplyWriter): void {
    const { words, zone } = this
    const soa = findRRset(words, words[zone + ZONE_APEX_NODE]! & this.mask, TYPE_SOA)
    if (soa === 0) return
    this.setOwner(writer, this.apexIndex)
    this.putRRset(writer, SECTION_AUTHORITY, soa, words[zone + ZONE_NEGATIVE_TTL]!, REQUIRED, query.dnssecOk)
  }

  /** Proofs for the names of the chain so far that a wildcard's CNAME stood for. */
  #putWildcardProofs(writer: ReplyWriter): void {
    const { name, labels, labelCount, apexIndex } = this
    for (let k = 0; k < this.#wildcardCount; k++) {
      const step = this.#wildcardSteps[k]!
      const from = (step >>> 8) << 8
      // The denial works on the name in hand.
      const count = readName(this.#visited, from, from + 256, this.#proofName, this.#proofLabels)
      this.name = this.#proofName
      this.labels = this.#proofLabels
      this.labelCount = count
      this.apexIndex = count - apexLabels(this.words, this.zone)
      this.#denial.proveWildcard(writer, step & 0xff)
    }
    this.#wildcardCount = 0
    this.name = name
    this.labels = labels
    this.labelCount = labelCount
    this.apexIndex = apexIndex
  }

  /** The owner of the next RRset is the name in hand without its first `index` labels. */
  setOwner(writer: ReplyWriter, index: number): void {
    if (this.#chased === 0) writer.ownerSuffix(index)
    else writer.ownerName(this.name, this.labels[index]!)
  }

  /** RFC 8482 section 4.1: one RRset stands for all. The first that isn't there for DNSSEC only, over TCP too. */
  #firstRRset(node: number): number {
    const { words } = this
    let rrset = firstRRset(words, node)
    let other = 0
    for (let left = rrsetCount(words, node); left > 0; left--) {
      const head = words[rrset]!
      if (head >>> 16 !== 0) {
        if ((head & 0xffff) !== TYPE_NSEC) return rrset
        other = rrset
      }
      rrset += words[rrset + RRSET_SHAPE]! & 0xffff
    }
    return other
  }

  /** Puts an RRset, its owner set before, and the signatures that cover it. Returns false when it doesn't fit. */
  putRRset(
    writer: ReplyWriter,
    section: number,
    rrset: number,
    ttlSeconds: number,
    required: boolean,
    signatures: boolean,
  ): boolean {
    if (!writer.openRRset(section)) return false
    const { words } = this
    const head = words[rrset]!
    const ttl = ttlSeconds === OWN_TTL ? words[rrset + RRSET_TTL]! : ttlSeconds
    const type = head & 0xffff
    let rdata = this.#putRdatas(writer, type, ttl, rdatasAt(words, rrset, this.mask), head >>> 16)
    if (signatures && rdata !== 0) {
      const count = (words[rrset + RRSET_SHAPE]! >>> 16) & RRSET_SIGNATURES_MAX
      if (count > 0) rdata = this.#putRdatas(writer, TYPE_RRSIG, ttl, rdata, count)
    }
    return writer.closeRRset(required)
  }

  /** All signatures of a node, for qtype RRSIG, but for those that came with a DNAME before. False when it has none. */
  #putAllSignatures(writer: ReplyWriter, node: number, mayBeThere: boolean): boolean {
    const { words } = this
    if (!writer.openRRset(SECTION_ANSWER)) return true
    let rrset = firstRRset(words, node)
    let found = false
    for (let left = rrsetCount(words, node); left > 0; left--) {
      const count = (words[rrset + RRSET_SHAPE]! >>> 16) & RRSET_SIGNATURES_MAX
      if (count > 0) {
        found = true
        const isThere = (words[rrset]! & 0xffff) === TYPE_DNAME && mayBeThere && !this.#dnames.add(rrset)
        let rdata = rdatasAt(words, rrset, this.mask)
        for (let k = words[rrset]! >>> 16; k > 0; k--) rdata += ((words[rdata]! & 0xffff) + 5) >>> 2
        if (!isThere && this.#putRdatas(writer, TYPE_RRSIG, words[rrset + RRSET_TTL]!, rdata, count) === 0) break
      }
      rrset += words[rrset + RRSET_SHAPE]! & 0xffff
    }
    writer.closeRRset(REQUIRED)
    return found
  }

  /** Puts `count` records with rdatas from `from` on. Returns the word after the last, or 0 when they don't fit. */
  #putRdatas(writer: ReplyWriter, type: number, ttl: number, from: number, count: number): number {
    const { words } = this
    const compress = isCompressible(type)
    let rdata = from
    for (let left = count; left > 0; left--) {
      if (!writer.beginRecord(type, CLASS_IN, ttl)) return 0
      const length = rdataLength(words, rdata)
      if (compress) {
        copyRdata(words, rdata, length, this.#rdata, 0)
        if (type === TYPE_NS || type === TYPE_CNAME) this.#putName(writer, 0, length)
        else if (type === TYPE_SOA) this.#putNamesOfSOA(writer, length)
        else writer.putRdata(type, this.#rdata, 0, length)
      } else {
        if (!writer.room(length)) return 0
        copyRdata(words, rdata, length, writer.out, writer.at)
        writer.at += length
      }
      writer.endRecord()
      rdata += (length + 5) >>> 2
    }
    return rdata
  }

  #putNamesOfSOA(writer: ReplyWriter, length: number): void {
    const mnameEnd = nameEnd(this.#rdata, 0, length)
    const rnameEnd = nameEnd(this.#rdata, mnameEnd, length)
    this.#putName(writer, 0, mnameEnd)
    this.#putName(writer, mnameEnd, rnameEnd)
    writer.putOctets(this.#rdata, rnameEnd, length - rnameEnd)
  }

  /**
   * Puts the name at `#rdata[at .. end)`. Most names in a zone end in its apex, and so does every qname that gets here:
   * those need no look for a match, only a pointer into the question.
   */
  #putName(writer: ReplyWriter, at: number, end: number): void {
    const { words, zone } = this
    const rdata = this.#rdata
    const apexAt = end - apexOctets(words, zone)
    let label = at
    while (label < apexAt) label += rdata[label]! + 1
    if (label === apexAt && this.#apexOffset > 0 && equalOctets(words, zone + ZONE_APEX, rdata, apexAt, end - apexAt)) {
      writer.putNameAbove(rdata, at, apexAt - at, this.#apexOffset)
    } else writer.putName(rdata, at)
  }

  /** `hosts`: the exact name, then a wildcard that covers one label; per type, as the address families are looked up one by one. */
  #answerFlat(query: ParsedQuery, writer: ReplyWriter): number {
    const { words } = this
    const exact = this.findNode(0)
    const wildcard = this.apexIndex > 0 && words[this.zone + ZONE_WILDCARD_COUNT]! > 0 ? this.findWildcard(1) : 0
    const isThere = (exact !== 0 && rrsetCount(words, exact) > 0) || wildcard !== 0
    if (!isThere) return ABSENT
    for (let k = 0; k < 2; k++) {
      const node = k === 0 ? exact : wildcard
      if (node === 0) continue
      const rrset = query.qtype === TYPE_ANY ? this.#firstRRset(node) : findRRset(words, node, query.qtype)
      if (rrset === 0) continue
      this.setOwner(writer, 0)
      this.putRRset(writer, SECTION_ANSWER, rrset, OWN_TTL, REQUIRED, query.dnssecOk)
      return ANSWERED
    }
    return NODATA
  }
}

/** Reads the uncompressed name at `bytes[at]`, lower-cased, and its labels. Returns its labels besides the root, or -1 when malformed. */
function readName(bytes: Uint8Array, at: number, end: number, name: Uint8Array, labels: Uint8Array): number {
  let length = 0
  let next = at
  for (let count = 0; count <= LABELS_MAX; count++) {
    if (next >= end) return -1
    const size = bytes[next]!
    if (size > 63 || next + size >= end || length + size + 1 > NAME_OCTETS_MAX) return -1
    labels[count] = length
    name[length++] = size
    next++
    if (size === 0) return count
    for (let i = 0; i < size; i++) {
      const octet = bytes[next++]!
      name[length++] = octet >= 0x41 && octet <= 0x5a ? octet | 0x20 : octet
    }
  }
  return -1
}

/** The offset past the name at `bytes[at]`; `end` when it isn't one. */
function nameEnd(bytes: Uint8Array, at: number, end: number): number {
  let next = at
  while (next < end && bytes[next] !== 0) next += bytes[next]! + 1
  return Math.min(next + 1, end)
}
