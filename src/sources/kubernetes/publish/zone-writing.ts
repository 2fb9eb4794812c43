/** Writes records that are relative to a zone into that zone: the same records go into every zone that a plugin serves. */
import { textToName } from '../../../wire/name.ts'
import { NAME_SIZE_MAX } from '../../../wire/parsed-query.ts'
import type { ZoneHandle, ZoneTransaction } from '../../../zone/zone-change.ts'
import { TYPE_NS, TYPE_PTR, TYPE_SOA, TYPE_SRV, TYPE_TXT } from '../model/relative-records.ts'
import { STALE_OWNER, STALE_RDATA } from '../model/stale-mark.ts'
import type { Edition } from './cluster-view.ts'

/** Octets of SRV rdata in front of its target. */
const SRV_TARGET_AT = 6
const SCRATCH_SIZE = 16 * 1024
/** Longer texts are written faster by the runtime. */
const LOOP_LENGTH_MAX = 12
const NOTHING = new Uint8Array(0)
/** RFC 1035 section 3.3.13: refresh, retry, expire; CoreDNS's. */
const SOA_TIMES = [7200, 1800, 86400] as const

/** One zone, and the transaction that is open on it. */
export class WrittenZone {
  readonly apex: Uint8Array
  /** The apex without the root, as latin1. */
  readonly suffix: string
  readonly #handle: ZoneHandle
  readonly #ttlSeconds: number
  /** What the targets of NS are below: the zone itself, or the primary zone for names of addresses. */
  readonly #serverApex: Uint8Array
  /** What the targets of PTR are below. */
  readonly #primaryApex: Uint8Array
  readonly #server: string
  readonly #mailbox: string
  #transaction: ZoneTransaction | undefined
  /** The open transaction builds the zone anew. */
  #isNew = false
  /** What is served has the mark. */
  #isStale = false

  constructor(
    handle: ZoneHandle,
    about: {
      readonly primaryZone: string
      readonly serverZone: string
      /** The SOA's primary server, relative to `serverZone`. */
      readonly server: string
      /** The SOA's mailbox, relative to the zone. */
      readonly mailbox: string
      readonly ttlSeconds: number
    },
  ) {
    this.#handle = handle
    this.apex = textToName(handle.apex)
    this.suffix = Buffer.from(this.apex).toString('latin1', 0, this.apex.length - 1)
    this.#primaryApex = textToName(about.primaryZone)
    this.#serverApex = textToName(about.serverZone)
    this.#server = about.server
    this.#mailbox = about.mailbox
    this.#ttlSeconds = about.ttlSeconds
  }

  /** The zone is built anew; what is served stays until `commit`. */
  replace(): void {
    this.#transaction = this.#handle.replace()
    this.#isNew = true
  }

  /** Something was written since the last commit. */
  get isOpen(): boolean {
    return this.#transaction !== undefined
  }

  /**
   * Replaces an RRset, or deletes it when there are no rdatas. Names that would be too long in this zone are left out. A
   * promise when the caller should wait before the next.
   */
  put(
    owner: string,
    type: number,
    rdatas: readonly string[],
    ttlSeconds = this.#ttlSeconds,
  ): Promise<void> | undefined {
    // The transaction copies what it is given, so all of it can be put together in one place.
    scratch.clear()
    const name = scratch.joined(owner, this.apex, NAME_SIZE_MAX)
    if (name === undefined) return undefined
    this.#transaction ??= this.#handle.patch()
    const whole: Uint8Array[] = []
    for (const rdata of rdatas) {
      const each = this.#complete(type, rdata)
      if (each !== undefined) whole.push(each)
    }
    const goesOn =
      whole.length === 0 ? this.#transaction.delete(name, type) : this.#transaction.put(name, type, ttlSeconds, whole)
    return goesOn ? undefined : this.#transaction.drained()
  }

  /** Shows what was written, under the edition's serial; nothing if nothing was. Resolves when every process serves it. */
  async commit({ serial, isStale }: Edition): Promise<void> {
    const hasMark = this.#isStale && !this.#isNew
    if (isStale !== hasMark) void this.put(STALE_OWNER, TYPE_TXT, isStale ? STALE_RDATA : [])
    const transaction = this.#transaction
    if (transaction === undefined) return
    this.#transaction = undefined
    this.#isNew = false
    try {
      transaction.put(this.apex, TYPE_SOA, this.#ttlSeconds, [this.#soa(serial)])
      await transaction.commit()
      this.#isStale = isStale
    } catch (error) {
      transaction.abort()
      throw error
    }
  }

  abort(): void {
    this.#transaction?.abort()
    this.#transaction = undefined
    this.#isNew = false
  }

  #complete(type: number, rdata: string): Uint8Array | undefined {
    if (type === TYPE_NS) return scratch.joined(rdata, this.#serverApex, NAME_SIZE_MAX)
    if (type === TYPE_PTR) return scratch.joined(rdata, this.#primaryApex, NAME_SIZE_MAX)
    // Relative targets end in a letter or digit; those that are whole end in the root.
    if (type === TYPE_SRV && rdata.length > SRV_TARGET_AT && rdata.endsWith('\0')) {
      return scratch.joined(rdata, NOTHING, SRV_TARGET_AT + NAME_SIZE_MAX)
    }
    if (type === TYPE_SRV) return scratch.joined(rdata, this.apex, SRV_TARGET_AT + NAME_SIZE_MAX)
    return scratch.joined(rdata, NOTHING, Number.POSITIVE_INFINITY)
  }

  #soa(serial: number): Uint8Array {
    scratch.clear()
    const mname = scratch.joined(this.#server, this.#serverApex, NAME_SIZE_MAX) ?? this.#serverApex
    const rname = scratch.joined(this.#mailbox, this.apex, NAME_SIZE_MAX) ?? this.apex
    const numbers = Buffer.alloc(20)
    for (const [i, value] of [serial, ...SOA_TIMES, this.#ttlSeconds].entries())
      numbers.writeUInt32BE(value >>> 0, 4 * i)
    return Buffer.concat([mname, rname, numbers])
  }
}

/** The longest of the zones that a name is in, and the name's part below it. `name`: relative to the root. */
export function longestZone(
  name: string,
  zones: readonly WrittenZone[],
): { readonly zone: WrittenZone; readonly owner: string } | undefined {
  let best: WrittenZone | undefined
  let bestAt = -1
  for (const zone of zones) {
    const at = ownerLengthBelow(name, zone.suffix)
    if (at < 0 || (best !== undefined && at >= bestAt)) continue
    best = zone
    bestAt = at
  }
  return best === undefined ? undefined : { zone: best, owner: name.slice(0, bestAt) }
}

/** Octets of `owner` in front of a zone's `suffix`, or -1 when it isn't below it. */
function ownerLengthBelow(owner: string, suffix: string): number {
  for (let at = 0; at <= owner.length; at += owner.charCodeAt(at) + 1) {
    if (owner.length - at === suffix.length && owner.endsWith(suffix)) return at
    if (owner.length - at < suffix.length) return -1
  }
  return -1
}

/** Octets of one RRset, one name or rdata behind the other. */
class Scratch {
  #bytes = Buffer.alloc(SCRATCH_SIZE)
  #at = 0

  /** What was put together before may be written over. */
  clear(): void {
    this.#at = 0
  }

  /** `head` (latin1) and `tail`, or undefined when that is longer than `sizeMax`. Valid until `clear`. */
  joined(head: string, tail: Uint8Array, sizeMax: number): Uint8Array | undefined {
    const { length } = head
    const size = length + tail.length
    if (size > sizeMax) return undefined
    // Views of the old memory stay what they are.
    if (this.#at + size > this.#bytes.length) {
      this.#bytes = Buffer.alloc(Math.max(size, 2 * this.#bytes.length))
      this.#at = 0
    }
    const bytes = this.#bytes
    const from = this.#at
    if (length > LOOP_LENGTH_MAX) bytes.write(head, from, 'latin1')
    else for (let i = 0; i < length; i++) bytes[from + i] = head.charCodeAt(i)
    bytes.set(tail, from + length)
    this.#at += size
    return bytes.subarray(from, from + size)
  }
}

const scratch = new Scratch()
