/**
 * Records whose owners and targets are relative to a zone, so that they are worked out once and published in every zone.
 *
 * Names are the octets of their labels without the root, as a latin1 text (`\x03web\x07default\x03svc`); rdata is its octets
 * as a latin1 text too, where the target of SRV ends in front of the zone. Texts serve as keys and compare fast.
 */
import { parseAddress } from '../../../wire/address.ts'
import { LABEL_SIZE_MAX } from '../../../wire/parsed-query.ts'

export const TYPE_A = 1
export const TYPE_NS = 2
export const TYPE_CNAME = 5
export const TYPE_SOA = 6
export const TYPE_PTR = 12
export const TYPE_TXT = 16
export const TYPE_AAAA = 28
export const TYPE_SRV = 33

/** RRsets by type and owner. */
export class RelativeRecords {
  readonly #rrsets = new Map<string, string[]>()

  /** Adds a record; the same one may come several times. The RRset's TTL is the publisher's matter. */
  add(owner: string, type: number, rdata: string): void {
    const key = String.fromCharCode(type) + owner
    const rdatas = this.#rrsets.get(key)
    if (rdatas === undefined) this.#rrsets.set(key, [rdata])
    else rdatas.push(rdata)
  }

  /** A or AAAA; a text that is no address adds nothing. */
  addAddress(owner: string, address: string): void {
    const octets = packAddress(address)
    if (octets !== undefined) this.addOctets(owner, octets)
  }

  /** A or AAAA of 4 or 16 octets (latin1). */
  addOctets(owner: string, octets: string): void {
    this.add(owner, octets.length === 4 ? TYPE_A : TYPE_AAAA, octets)
  }

  has(owner: string, type: number): boolean {
    return this.#rrsets.has(String.fromCharCode(type) + owner)
  }

  *[Symbol.iterator](): Generator<RelativeRRset> {
    for (const [key, rdatas] of this.#rrsets) yield { owner: key.slice(1), type: key.charCodeAt(0), rdatas }
  }

  /** RRsets that are others here than in `before`; those that are only there have no rdatas. */
  *changesSince(before: RelativeRecords): Generator<RelativeRRset> {
    for (const rrset of before) {
      if (!this.#rrsets.has(String.fromCharCode(rrset.type) + rrset.owner)) yield { ...rrset, rdatas: [] }
    }
    for (const [key, rdatas] of this.#rrsets) {
      const old = before.#rrsets.get(key)
      if (old !== undefined && isSameSet(old, rdatas)) continue
      yield { owner: key.slice(1), type: key.charCodeAt(0), rdatas }
    }
  }
}

export interface RelativeRRset {
  readonly owner: string
  readonly type: number
  readonly rdatas: readonly string[]
}

export const NO_RECORDS: RelativeRecords = new RelativeRecords()

/** Labels put together to a relative name, first label first; undefined when one of them can't be a label. */
export function relativeName(...labels: readonly string[]): string | undefined {
  let name = ''
  for (const label of labels) {
    if (label.length === 0 || label.length > LABEL_SIZE_MAX || !isAscii(label)) return undefined
    name += String.fromCharCode(label.length) + label.toLowerCase()
  }
  return name
}

const ASCII = /^[\x21-\x7e]+$/

function isAscii(label: string): boolean {
  return ASCII.test(label)
}

/** SRV rdata with a relative target. */
export function srvRdata(weight: number, port: number, target: string): string {
  return `\0\0${String.fromCharCode(weight >>> 8, weight & 255, port >>> 8, port & 255)}${target}`
}

const octets = new Uint8Array(16)

/** 4 or 16 octets in network order as latin1, or undefined. IPv4 inside IPv6 is IPv4. */
export function packAddress(text: string): string | undefined {
  // Nearly all are IPv4, and each is packed several times.
  const packed = packIPv4(text)
  if (packed !== undefined) return packed
  const family = parseAddress(text, octets)
  if (family === 0 || text.includes('%')) return undefined
  if (family === 4) return latin1(octets.subarray(0, 4))
  let isMapped = octets[10] === 0xff && octets[11] === 0xff
  for (let i = 0; i < 10 && isMapped; i++) isMapped = octets[i] === 0
  return latin1(isMapped ? octets.subarray(12) : octets)
}

function packIPv4(text: string): string | undefined {
  let value = 0
  let digits = 0
  let part = 0
  let packed = 0
  for (let i = 0; i <= text.length; i++) {
    const code = i === text.length ? DOT : text.charCodeAt(i)
    if (code === DOT) {
      if (digits === 0 || value > 255 || part === 4) return undefined
      packed = (packed << 8) | value
      part++
      value = 0
      digits = 0
    } else {
      // Leading zeros mean octal to some: that is no address.
      if (code < 0x30 || code > 0x39 || digits === 3 || (digits > 0 && value === 0)) return undefined
      value = value * 10 + code - 0x30
      digits++
    }
  }
  if (part !== 4) return undefined
  return String.fromCharCode((packed >>> 24) & 255, (packed >>> 16) & 255, (packed >>> 8) & 255, packed & 255)
}

const DOT = 0x2e

export function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
}

function isSameSet(a: readonly string[], b: readonly string[]): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return isSameSorted([...a].sort(), [...b].sort())
  return true
}

function isSameSorted(a: readonly string[], b: readonly string[]): boolean {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}
