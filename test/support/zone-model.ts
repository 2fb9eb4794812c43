/**
 * A zone as a map of objects, and RFC 1034 section 4.3.2 over it with no thought for speed: what the record store is
 * compared with. Names are wire form as latin1 text, lower-case.
 */
import { createHash } from 'node:crypto'

export interface ModelRRset {
  readonly ttlSeconds: number
  /** Latin1. */
  readonly rdatas: readonly string[]
}

export interface ModelRecord {
  readonly owner: string
  readonly type: number
  readonly ttlSeconds: number
  readonly rdata: string
}

export interface ModelAnswer {
  readonly outcome: 'answered' | 'nodata' | 'nxdomain' | 'delegation' | 'leaves' | 'unavailable' | 'absent'
  readonly rcode: number
  readonly authoritative: boolean
  readonly answer: ModelRecord[]
  readonly authority: ModelRecord[]
  readonly additional: ModelRecord[]
  readonly target?: string
}

const A = 1
const NS = 2
const CNAME = 5
const SOA = 6
const MX = 15
const AAAA = 28
const SRV = 33
const DNAME = 39
const DS = 43
const RRSIG = 46
const NSEC = 47
const NSEC3 = 50
const NSEC3PARAM = 51
const SVCB = 64
const HTTPS = 65
const ANY = 255

/** As in src/zone/answer.ts. */
const CNAMES_MAX = 11

export function parentOf(name: string): string {
  return name.slice(1 + name.charCodeAt(0))
}

export function isBelow(name: string, ancestor: string): boolean {
  for (let at = name; ; at = parentOf(at)) {
    if (at === ancestor) return at !== name
    if (at === '\0') return false
  }
}

export function isAtOrBelow(name: string, ancestor: string): boolean {
  return name === ancestor || isBelow(name, ancestor)
}

export function labelsOf(name: string): string[] {
  const labels: string[] = []
  for (let at = 0; name.charCodeAt(at) !== 0; at += 1 + name.charCodeAt(at)) {
    labels.push(name.slice(at + 1, at + 1 + name.charCodeAt(at)))
  }
  return labels
}

/** RFC 4034 section 6.1. */
export function canonicalOrder(a: string, b: string): number {
  const x = labelsOf(a).reverse()
  const y = labelsOf(b).reverse()
  for (let i = 0; i < Math.min(x.length, y.length); i++) {
    if (x[i] !== y[i]) return Buffer.compare(Buffer.from(x[i]!, 'latin1'), Buffer.from(y[i]!, 'latin1'))
  }
  return x.length - y.length
}

const BASE32HEX = '0123456789abcdefghijklmnopqrstuv'

export function nsec3Label(name: string, iterations: number, salt: Buffer): string {
  let hash = createHash('sha1').update(Buffer.from(name, 'latin1')).update(salt).digest()
  for (let i = 0; i < iterations; i++) hash = createHash('sha1').update(hash).update(salt).digest()
  let text = ''
  let bits = 0n
  for (const octet of hash) bits = (bits << 8n) | BigInt(octet)
  for (let i = 31; i >= 0; i--) text += BASE32HEX[Number((bits >> BigInt(5 * i)) & 31n)]
  return text
}

export class ZoneModel {
  readonly apex: string
  readonly form: 'zone' | 'flat'
  readonly minimal: boolean
  readonly owners = new Map<string, Map<number, ModelRRset>>()
  /** Derived, made again after a change. */
  #names: Set<string> | undefined

  constructor(apex: string, form: 'zone' | 'flat' = 'zone', minimal = false) {
    this.apex = apex
    this.form = form
    this.minimal = minimal
  }

  copy(): ZoneModel {
    const copy = new ZoneModel(this.apex, this.form, this.minimal)
    for (const [owner, types] of this.owners) copy.owners.set(owner, new Map(types))
    return copy
  }

  put(owner: string, type: number, ttlSeconds: number, rdatas: readonly string[]): void {
    this.#names = undefined
    let kept = [...new Set(rdatas)]
    if (type === SOA || type === CNAME || type === DNAME) kept = kept.slice(0, 1)
    if (kept.length === 0) {
      this.delete(owner, type)
      return
    }
    const types = this.owners.get(owner) ?? new Map<number, ModelRRset>()
    this.owners.set(owner, types)
    types.set(type, { ttlSeconds, rdatas: kept })
  }

  delete(owner: string, type: number): void {
    this.#names = undefined
    const types = this.owners.get(owner)
    types?.delete(type)
    if (types?.size === 0) this.owners.delete(owner)
  }

  get(owner: string, type: number): ModelRRset | undefined {
    return this.owners.get(owner)?.get(type)
  }

  /** Names that exist: owners and, in a zone, all names between them and the apex. Owners of NSEC3 don't count. */
  get names(): Set<string> {
    if (this.#names !== undefined) return this.#names
    const names = new Set<string>([this.apex])
    for (const [owner, types] of this.owners) {
      if ([...types.keys()].every((type) => type === NSEC3 || (type === RRSIG && this.#signs(owner, NSEC3)))) continue
      if (this.form === 'flat') names.add(owner)
      else for (let name = owner; name !== this.apex; name = parentOf(name)) names.add(name)
    }
    this.#names = names
    return names
  }

  #signs(owner: string, covered: number): boolean {
    const rrsigs = this.get(owner, RRSIG)?.rdatas ?? []
    return rrsigs.every((rdata) => coveredBy(rdata) === covered)
  }

  answer(qname: string, qtype: number, dnssecOk: boolean): ModelAnswer {
    return new Answering(this, qtype, dnssecOk).run(qname)
  }
}

function coveredBy(rrsig: string): number {
  return (rrsig.charCodeAt(0) << 8) | rrsig.charCodeAt(1)
}

class Answering {
  readonly zone: ZoneModel
  readonly qtype: number
  readonly dnssecOk: boolean
  readonly answer: ModelRecord[] = []
  readonly authority: ModelRecord[] = []
  readonly additional: ModelRecord[] = []
  rcode = 0
  authoritative = true
  target: string | undefined

  constructor(zone: ZoneModel, qtype: number, dnssecOk: boolean) {
    this.zone = zone
    this.qtype = qtype
    this.dnssecOk = dnssecOk
  }

  run(qname: string): ModelAnswer {
    const { zone } = this
    const outcome =
      zone.form === 'flat'
        ? this.flat(qname)
        : zone.get(zone.apex, SOA) === undefined
          ? 'unavailable'
          : this.zoned(qname)
    const { rcode, authoritative, answer, authority, additional, target } = this
    const base = { outcome, rcode, authoritative, answer, authority, additional }
    return target === undefined ? base : { ...base, target }
  }

  /** Records of an RRset with another owner, and their signatures. */
  records(owner: string, type: number, as: string, signed: boolean, ttl?: number): ModelRecord[] {
    const rrset = this.zone.get(owner, type)
    if (rrset === undefined) return []
    const ttlSeconds = ttl ?? rrset.ttlSeconds
    const records = rrset.rdatas.map((rdata) => ({ owner: as, type, ttlSeconds, rdata }))
    if (signed) {
      for (const rdata of this.zone.get(owner, RRSIG)?.rdatas ?? []) {
        if (coveredBy(rdata) === type) records.push({ owner: as, type: RRSIG, ttlSeconds, rdata })
      }
    }
    return records
  }

  put(section: ModelRecord[], records: ModelRecord[]): void {
    for (const record of records) {
      if (
        !section.some(
          (other) => other.owner === record.owner && other.type === record.type && other.rdata === record.rdata,
        )
      ) {
        section.push(record)
      }
    }
  }

  failed(): ModelAnswer['outcome'] {
    this.rcode = 2
    this.authoritative = false
    for (const section of [this.answer, this.authority, this.additional]) section.length = 0
    return 'answered'
  }

  flat(qname: string): ModelAnswer['outcome'] {
    const { zone, qtype } = this
    const wildcard = qname === zone.apex ? undefined : `\x01*${parentOf(qname)}`
    const owners = [qname, wildcard].filter((owner) => owner !== undefined && zone.owners.has(owner)) as string[]
    if (owners.length === 0) return 'absent'
    for (const owner of owners) {
      const type = qtype === ANY ? [...zone.owners.get(owner)!.keys()][0]! : qtype
      if (zone.get(owner, type) === undefined) continue
      this.put(this.answer, this.records(owner, type, qname, this.dnssecOk))
      return 'answered'
    }
    return 'nodata'
  }

  zoned(qname: string): ModelAnswer['outcome'] {
    const { zone, qtype, dnssecOk } = this
    const { names } = zone
    const seen = new Set<string>()
    let name = qname
    for (let followed = 0; ; followed++) {
      if (!isAtOrBelow(name, zone.apex)) {
        this.target = name
        return 'leaves'
      }
      if (followed > CNAMES_MAX) return 'answered'
      // RFC 1034 section 3.6.2.
      if (seen.has(name)) return this.failed()
      seen.add(name)
      // From the apex down: the first cut or DNAME in the way.
      const path: string[] = []
      for (let at = name; ; at = parentOf(at)) {
        path.unshift(at)
        if (at === zone.apex) break
      }
      let next: string | undefined
      let ended: ModelAnswer['outcome'] | undefined
      for (const at of path) {
        if (!names.has(at)) break
        if (at !== zone.apex && zone.get(at, NS) !== undefined && !(at === name && qtype === DS)) {
          if (followed === 0) this.authoritative = false
          this.refer(at)
          ended = 'delegation'
          break
        }
        const dname = zone.get(at, DNAME)
        if (dname !== undefined && at !== name) {
          this.put(this.answer, this.records(at, DNAME, at, dnssecOk))
          const prefix = name.slice(0, name.length - at.length)
          if (prefix.length + dname.rdatas[0]!.length > 255) {
            this.rcode = 6
            return 'answered'
          }
          const target = prefix + dname.rdatas[0]!
          this.put(this.answer, [{ owner: name, type: CNAME, ttlSeconds: dname.ttlSeconds, rdata: target }])
          if (qtype === CNAME || qtype === ANY) return 'answered'
          next = target.toLowerCase()
          break
        }
      }
      if (ended !== undefined) return ended
      if (next !== undefined) {
        name = next
        continue
      }
      let owner = name
      let encloser: string | undefined
      if (!names.has(name)) {
        encloser = parentOf(name)
        while (!names.has(encloser)) encloser = parentOf(encloser)
        owner = `\x01*${encloser}`
        if (!names.has(owner)) {
          this.rcode = 3
          this.negative()
          if (dnssecOk) this.proveNoName(name, encloser)
          return 'nxdomain'
        }
      }
      if (zone.get(owner, CNAME) !== undefined && ![CNAME, ANY, RRSIG, NSEC].includes(qtype)) {
        this.put(this.answer, this.records(owner, CNAME, name, dnssecOk))
        if (encloser !== undefined && dnssecOk) this.proveWildcard(name, encloser)
        name = zone.get(owner, CNAME)!.rdatas[0]!.toLowerCase()
        continue
      }
      if (qtype === RRSIG) {
        const rrsig = zone.get(owner, RRSIG)
        if (rrsig?.rdatas.some((rdata) => coveredBy(rdata) !== NSEC3)) {
          for (const rdata of rrsig.rdatas) {
            const ttlSeconds = zone.get(owner, coveredBy(rdata))?.ttlSeconds ?? rrsig.ttlSeconds
            this.put(this.answer, [{ owner: name, type: RRSIG, ttlSeconds, rdata }])
          }
          return 'answered'
        }
      } else {
        const type = qtype === ANY ? this.anyType(owner) : qtype
        if (type !== undefined && type !== NSEC3 && zone.get(owner, type) !== undefined) {
          this.put(this.answer, this.records(owner, type, name, dnssecOk))
          if (encloser !== undefined && dnssecOk) this.proveWildcard(name, encloser)
          if (!zone.minimal && !(owner === zone.apex && type === NS)) {
            this.put(this.authority, this.records(zone.apex, NS, zone.apex, dnssecOk))
          }
          this.addAddresses(owner, qtype, name)
          return 'answered'
        }
      }
      this.negative()
      if (dnssecOk) {
        if (encloser !== undefined) this.proveWildcardNoType(name, encloser)
        else this.proveNoType(name)
      }
      return 'nodata'
    }
  }

  /** Any one type will do (RFC 8482); the caller compares ANY by other means. */
  anyType(owner: string): number | undefined {
    const types = [...(this.zone.owners.get(owner)?.keys() ?? [])].filter((type) => type !== RRSIG && type !== NSEC3)
    return types.find((type) => type !== NSEC) ?? types[0]
  }

  negative(): void {
    const { zone } = this
    const soa = zone.get(zone.apex, SOA)!
    const minimum = Buffer.from(soa.rdatas[0]!.slice(-4), 'latin1').readUInt32BE()
    this.put(this.authority, this.records(zone.apex, SOA, zone.apex, this.dnssecOk, Math.min(soa.ttlSeconds, minimum)))
  }

  refer(cut: string): void {
    const { zone, dnssecOk } = this
    this.put(this.authority, this.records(cut, NS, cut, false))
    if (dnssecOk) {
      const isSigned = zone.get(cut, RRSIG)?.rdatas.some((rdata) => coveredBy(rdata) === DS) === true
      if (zone.get(cut, DS) !== undefined && isSigned) this.put(this.authority, this.records(cut, DS, cut, true))
      else this.proveNoType(cut)
    }
    const targets = zone.get(cut, NS)!.rdatas.map((rdata) => rdata.toLowerCase())
    for (const below of [true, false]) {
      for (const target of targets) {
        if (isAtOrBelow(target, cut) !== below || !isAtOrBelow(target, zone.apex)) continue
        for (const type of [A, AAAA]) this.put(this.additional, this.records(target, type, target, false))
      }
    }
  }

  addAddresses(owner: string, qtype: number, name: string): void {
    const { zone, dnssecOk } = this
    const offset = new Map([
      [NS, 0],
      [MX, 2],
      [SRV, 6],
      [SVCB, 2],
      [HTTPS, 2],
    ]).get(qtype)
    if (offset === undefined) return
    for (const rdata of zone.get(owner, qtype)!.rdatas) {
      let end = offset
      while (rdata.charCodeAt(end) !== 0) end += 1 + rdata.charCodeAt(end)
      let target = rdata.slice(offset, end + 1).toLowerCase()
      const isService = qtype === SVCB || qtype === HTTPS
      const isAlias = isService && rdata.startsWith('\0\0')
      if (isService && !isAlias && target === '\0') target = name
      if (!isAtOrBelow(target, zone.apex)) continue
      for (const type of isAlias ? [A, AAAA, qtype] : [A, AAAA]) {
        this.put(this.additional, this.records(target, type, target, dnssecOk))
      }
    }
  }

  // Proofs, by looking at every NSEC or NSEC3 of the zone.

  parameters(): { iterations: number; salt: Buffer } | undefined {
    const rdata = this.zone.get(this.zone.apex, NSEC3PARAM)?.rdatas.find((octets) => octets.startsWith('\x01\x00'))
    if (rdata === undefined) return undefined
    const octets = Buffer.from(rdata, 'latin1')
    return { iterations: octets.readUInt16BE(2), salt: octets.subarray(5) }
  }

  proveNoName(name: string, encloser: string): void {
    if (this.parameters() !== undefined) {
      const provable = this.proveEncloser(name, encloser)
      this.coverHash(`\x01*${provable}`)
    } else {
      this.coverName(name)
      this.coverName(`\x01*${encloser}`)
    }
  }

  proveWildcard(name: string, encloser: string): void {
    if (this.parameters() !== undefined) this.coverHash(nextCloser(name, encloser))
    else this.coverName(name)
  }

  proveWildcardNoType(name: string, encloser: string): void {
    if (this.parameters() !== undefined) {
      const provable = this.proveEncloser(name, encloser)
      this.matchHash(`\x01*${provable}`)
    } else {
      this.coverName(`\x01*${encloser}`)
      this.coverName(name)
    }
  }

  proveNoType(name: string): void {
    if (this.parameters() === undefined) this.coverName(name)
    else if (!this.matchHash(name)) this.proveEncloser(name, parentOf(name))
  }

  proveEncloser(name: string, closest: string): string {
    let encloser = closest
    while (!this.matchHash(encloser)) encloser = parentOf(encloser)
    this.coverHash(nextCloser(name, encloser))
    return encloser
  }

  coverName(name: string): void {
    const owners = [...this.zone.owners.keys()]
      .filter((owner) => this.zone.get(owner, NSEC) !== undefined)
      .sort(canonicalOrder)
    if (owners.length === 0) return
    const owner = owners.filter((other) => canonicalOrder(other, name) <= 0).at(-1) ?? owners.at(-1)!
    this.put(this.authority, this.records(owner, NSEC, owner, true))
  }

  hashOwners(): string[] {
    return [...this.zone.owners.keys()].filter((owner) => this.zone.get(owner, NSEC3) !== undefined).sort()
  }

  hashOwner(name: string): string {
    const { iterations, salt } = this.parameters()!
    return ` ${nsec3Label(name, iterations, salt)}${this.zone.apex}`
  }

  matchHash(name: string): boolean {
    const owner = this.hashOwner(name)
    if (this.zone.get(owner, NSEC3) === undefined) return false
    this.put(this.authority, this.records(owner, NSEC3, owner, true))
    return true
  }

  coverHash(name: string): void {
    const hash = this.hashOwner(name)
    const owners = this.hashOwners()
    const owner = owners.filter((other) => other <= hash).at(-1) ?? owners.at(-1)
    if (owner !== undefined) this.put(this.authority, this.records(owner, NSEC3, owner, true))
  }
}

function nextCloser(name: string, encloser: string): string {
  let at = name
  while (parentOf(at) !== encloser) at = parentOf(at)
  return at
}
