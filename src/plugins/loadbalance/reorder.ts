/**
 * Reorders replies on the event loop, on wire bytes.
 *
 * Addresses are shuffled inside their RRset by swapping rdata of equal length (with its TTL), so that every name and every
 * compression pointer stays where it is. Two kinds of replies are rewritten: answers whose records are not yet in the
 * order CNAME, others, addresses, MX, and answers with several MX. Signatures stay with what they cover.
 *
 *   1 record per section   returned at once
 *   only addresses to do   swapped in place
 *   the rest               rewritten (`recompose.ts`), never longer than before
 */
import { readFile } from 'node:fs/promises'
import type { Client, FrontContext, FrontPart } from '../../chain/plugin.ts'
import { type Cidr, cidrContains } from '../../corefile/cidr.ts'
import type { Logger } from '../../observe/logger.ts'
import { expandName, lowerName } from '../../wire/name.ts'
import type { ParsedQuery } from '../../wire/parsed-query.ts'
import { every } from '../every.ts'
import type { LoadbalanceOptions } from './index.ts'
import { Random } from './random.ts'
import { recompose } from './recompose.ts'
import { fixedAts, isSameName, ownerEnd, RECORDS_MAX, rdataSizes, readRecords, types } from './record-table.ts'
import { parseWeights, WEIGHT_DEFAULT, WeightTable } from './weight-file.ts'

const TYPE_A = 1
const TYPE_CNAME = 5
const TYPE_MX = 15
const TYPE_AAAA = 28
const TYPE_SRV = 33
const TYPE_DNAME = 39
const TYPE_RRSIG = 46
const QTYPE_IXFR = 251
const QTYPE_AXFR = 252

/** Octets of class, TTL and rdata length. */
const CLASS_BEFORE_RDATA = 8

/** Octets of a weight file that are read. */
const WEIGHT_FILE_SIZE_MAX = 16 << 20

/** Blocks have it in common: to seed one takes a system call. */
const sharedRandom = new Random()

const order = new Uint16Array(RECORDS_MAX)
/** Where the rdata of the run's records lies. */
const runAts = new Uint16Array(RECORDS_MAX)
const ownerName = new Uint8Array(256)
const addressOctets = new Uint8Array(16)

/** A finisher, and for `weighted` the timer that reads the file again. */
export function openReorder(
  options: LoadbalanceOptions,
  context: Pick<FrontContext, 'log' | 'onClose'>,
  random = sharedRandom,
): FrontPart | Promise<FrontPart> {
  if (options.policy === 'weighted') return openWeighted(options, context, random)
  return finisher(new Reorder(random, options.prefer, undefined))
}

async function openWeighted(
  { file: path, reloadMs }: Extract<LoadbalanceOptions, { policy: 'weighted' }>,
  { log, onClose }: Pick<FrontContext, 'log' | 'onClose'>,
  random: Random,
): Promise<FrontPart> {
  const reorder = new Reorder(random, [], new WeightTable([]))
  const file = new WeightFile(path, log, (table) => {
    reorder.weights = table
  })
  await file.read()
  if (reloadMs > 0) onClose(every(reloadMs, () => void file.read()))
  return finisher(reorder)
}

function finisher(reorder: Reorder): FrontPart {
  return { finish: (query, client, reply, start, length) => reorder.finish(query, client, reply, start, length) }
}

/** Reads weights when the file's content changed; what can't be read is logged, and the old weights stay. */
class WeightFile {
  readonly #path: string
  readonly #log: Logger
  readonly #use: (table: WeightTable) => void
  #text: string | undefined

  constructor(path: string, log: Logger, use: (table: WeightTable) => void) {
    this.#path = path
    this.#log = log
    this.#use = use
  }

  async read(): Promise<void> {
    try {
      const text = (await readFile(this.#path)).subarray(0, WEIGHT_FILE_SIZE_MAX).toString('utf8')
      if (text === this.#text) return
      this.#text = text
      this.#use(parseWeights(text, this.#path))
      this.#log.info(`Successfully reloaded weight file ${this.#path}`)
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException
      this.#log.error(code === undefined ? message : `weight file open error: ${this.#path}`)
    }
  }
}

export class Reorder {
  /** Weights by name; undefined for round robin. */
  weights: WeightTable | undefined
  readonly #random: Random
  readonly #prefer: readonly Cidr[]
  #runLength = 0
  #runType = 0
  #runOwnerAt = 0

  constructor(random: Random, prefer: readonly Cidr[], weights: WeightTable | undefined) {
    this.#random = random
    this.#prefer = prefer
    this.weights = weights
  }

  /** Reorders the reply in place and returns its length. Neither allocates nor throws. */
  finish(query: ParsedQuery, _client: Client, reply: Uint8Array, start: number, length: number): number {
    const ancount = (reply[start + 6]! << 8) | reply[start + 7]!
    const nscount = (reply[start + 8]! << 8) | reply[start + 9]!
    const arcount = (reply[start + 10]! << 8) | reply[start + 11]!
    // The usual reply: one answer, no authority, perhaps an OPT.
    if (ancount < 2 && nscount < 2 && arcount < 3) return length
    if (length < query.questionEnd || query.questionEnd === 0 || (reply[start + 3]! & 15) !== 0) return length
    const { qtype } = query
    if (qtype === QTYPE_AXFR || qtype === QTYPE_IXFR) return length
    const isWeighted = this.weights !== undefined
    if (isWeighted && qtype !== TYPE_A && qtype !== TYPE_AAAA && qtype !== TYPE_SRV) return length
    const additionalAt = ancount + nscount
    const count = additionalAt + arcount
    let at = query.questionEnd
    let rankBefore = 0
    let isSorted = true
    let mxCount = 0
    this.#runLength = 0
    for (let i = 0; i < count; i++) {
      // A run ends with its section, which is authority only where the second border is reached.
      if (i === ancount || i === additionalAt) this.#endRun(reply, start, length, i === ancount)
      const ownerAt = at
      const fixed = reply[start + at]! >= 0xc0 ? at + 2 : ownerEnd(reply, start, length, at)
      if (fixed < 0 || fixed + 10 > length) return length
      const p = start + fixed
      const type = (reply[p]! << 8) | reply[p + 1]!
      const size = (reply[p + 8]! << 8) | reply[p + 9]!
      at = fixed + 10 + size
      if (at > length) return length
      if (type === TYPE_A ? size === 4 : type === TYPE_AAAA && size === 16) {
        this.#addToRun(reply, start, length, ownerAt, type, fixed + 10, i < ancount || i >= additionalAt)
      } else this.#endRun(reply, start, length, i < ancount || i >= additionalAt)
      if (i < ancount) {
        const rank = rankOf(type, size >= 2 ? (reply[p + 10]! << 8) | reply[p + 11]! : 0)
        if (rank < rankBefore) isSorted = false
        rankBefore = rank
        if (type === TYPE_MX) mxCount++
      }
    }
    this.#endRun(reply, start, length, true)
    if (isSorted && (mxCount < 2 || isWeighted)) return length
    if (readRecords(reply, start, length, query.questionEnd) !== count) return length
    if (!this.#sortAnswers(reply, start, ancount, mxCount, !isWeighted)) return length
    return recompose(query, reply, start, length, order, ancount, nscount, count)
  }

  /** Takes an address into the run of addresses of one owner, type and class, or starts the next run with it. */
  #addToRun(
    reply: Uint8Array,
    start: number,
    length: number,
    ownerAt: number,
    type: number,
    rdataAt: number,
    isMainSection: boolean,
  ): void {
    if (this.#runLength > 0) {
      const a = start + this.#runOwnerAt
      const b = start + ownerAt
      const classAt = start + rdataAt - CLASS_BEFORE_RDATA
      const runClassAt = start + runAts[0]! - CLASS_BEFORE_RDATA
      const isSame =
        type === this.#runType &&
        reply[classAt] === reply[runClassAt] &&
        reply[classAt + 1] === reply[runClassAt + 1] &&
        // Mostly two equal pointers.
        ((reply[a]! >= 0xc0 && reply[a] === reply[b] && reply[a + 1] === reply[b + 1]) ||
          isSameName(reply, start, length, this.#runOwnerAt, ownerAt))
      if (isSame && this.#runLength < RECORDS_MAX) {
        runAts[this.#runLength++] = rdataAt
        return
      }
      this.#endRun(reply, start, length, isMainSection)
    }
    this.#runOwnerAt = ownerAt
    this.#runType = type
    runAts[0] = rdataAt
    this.#runLength = 1
  }

  /** Reorders the run. `isMainSection`: answer or additional; CoreDNS leaves the authority section to round robin alone. */
  #endRun(reply: Uint8Array, start: number, length: number, isMainSection: boolean): void {
    const count = this.#runLength
    this.#runLength = 0
    if (count < 2) return
    const size = this.#runType === TYPE_A ? 4 : 16
    if (this.weights === undefined) this.#shuffle(reply, start, count, size)
    else if (isMainSection) this.#pickFirst(reply, start, length, count, size, this.weights)
    if (isMainSection && this.#prefer.length > 0) this.#preferFirst(reply, start, count, size)
  }

  #shuffle(reply: Uint8Array, start: number, count: number, size: number): void {
    for (let i = 0; i < count - 1; i++) {
      const other = i + this.#random.below(count - i)
      if (other !== i) swap(reply, start, i, other, size)
    }
  }

  /** One address by weight goes to the front. */
  #pickFirst(
    reply: Uint8Array,
    start: number,
    length: number,
    count: number,
    size: number,
    weights: WeightTable,
  ): void {
    const nameSize = expandName(reply, start, start + length, start + this.#runOwnerAt, ownerName, 0)
    if (nameSize < 0) return
    lowerName(ownerName, 0, nameSize)
    const index = weights.find(ownerName, nameSize)
    let sum = 0
    for (let i = 0; i < count; i++) sum += weightOf(weights, index, reply, start + runAts[i]!, size)
    let rest = this.#random.below(sum)
    for (let i = 0; i < count; i++) {
      rest -= weightOf(weights, index, reply, start + runAts[i]!, size)
      if (rest >= 0) continue
      if (i > 0) swap(reply, start, 0, i, size)
      return
    }
  }

  /** Addresses inside the preferred networks go to the front, in the order of the networks. */
  #preferFirst(reply: Uint8Array, start: number, count: number, size: number): void {
    const family = size === 4 ? 4 : 6
    let next = 0
    for (let k = 0; k < this.#prefer.length; k++) {
      for (let i = next; i < count; i++) {
        const at = start + runAts[i]!
        for (let j = 0; j < size; j++) addressOctets[j] = reply[at + j]!
        if (!cidrContains(this.#prefer[k]!, family, addressOctets)) continue
        if (i !== next) swap(reply, start, i, next, size)
        next++
      }
    }
  }

  /**
   * Writes the order of the answer section into `order`: CNAME, others, addresses, MX. Returns whether it differs from what
   * is there. The record table holds the reply.
   */
  #sortAnswers(reply: Uint8Array, start: number, count: number, mxCount: number, shuffleMx: boolean): boolean {
    let filled = 0
    for (let rank = 0; rank <= RANK_MX; rank++) {
      for (let i = 0; i < count; i++) {
        const at = start + fixedAts[i]! + 10
        const covered = rdataSizes[i]! >= 2 ? (reply[at]! << 8) | reply[at + 1]! : 0
        if (rankOf(types[i]!, covered) === rank) order[filled++] = i
      }
    }
    if (shuffleMx && mxCount > 1) this.#shuffleMx(count)
    for (let i = 0; i < count; i++) if (order[i] !== i) return true
    return false
  }

  /** Shuffles the MX records among the places that MX records have in `order`. */
  #shuffleMx(count: number): void {
    let remaining = 0
    for (let i = 0; i < count; i++) if (types[order[i]!] === TYPE_MX) remaining++
    for (let i = 0; i < count; i++) {
      if (types[order[i]!] !== TYPE_MX) continue
      let skip = this.#random.below(remaining--)
      let other = i
      while (skip > 0) if (types[order[++other]!] === TYPE_MX) skip--
      const moved = order[i]!
      order[i] = order[other]!
      order[other] = moved
    }
  }
}

const RANK_OTHER = 1
const RANK_ADDRESS = 2
const RANK_MX = 3

/** Place of a type in the order; a signature has that of the type it covers (the first two octets of its rdata). */
function rankOf(ownType: number, covered: number): number {
  const type = ownType === TYPE_RRSIG ? covered : ownType
  // A DNAME stays in front of the CNAME that was made from it.
  if (type === TYPE_CNAME || type === TYPE_DNAME) return 0
  if (type === TYPE_A || type === TYPE_AAAA) return RANK_ADDRESS
  return type === TYPE_MX ? RANK_MX : RANK_OTHER
}

function weightOf(weights: WeightTable, index: number, reply: Uint8Array, at: number, size: number): number {
  return index < 0 ? WEIGHT_DEFAULT : weights.weightOf(index, reply, at, size)
}

/** Swaps TTL and rdata of two records of the run. */
function swap(reply: Uint8Array, start: number, a: number, b: number, size: number): void {
  let i = start + runAts[a]! - 6
  let j = start + runAts[b]! - 6
  // TTL, rdata length (equal), rdata.
  for (const end = i + 6 + size; i < end; i++, j++) {
    const octet = reply[i]!
    reply[i] = reply[j]!
    reply[j] = octet
  }
}
