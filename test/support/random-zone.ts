/** Random zones for comparing the record store with the model: small alphabets, so that names meet, and fake signatures. */

import type { Random } from './random.ts'
import { canonicalOrder, isBelow, labelsOf, nsec3Label, parentOf, ZoneModel } from './zone-model.ts'

export type Signing = 'unsigned' | 'NSEC' | 'NSEC3' | 'opt-out'

/** Octets that an escape, a hash or a `Map` may stumble over are labels like any other. */
const LABELS = ['a', 'b', 'c', 'd', '*', 'ns', '__proto__', '\0\x01', 'a.b', '\xff', 'constructor', 'x'.repeat(63)]
export const QTYPES = [1, 1, 2, 5, 6, 15, 16, 28, 33, 39, 43, 46, 47, 50, 64, 65, 99]

export function wire(...labels: string[]): string {
  return labels.map((label) => String.fromCharCode(label.length) + label).join('')
}

export function randomName(random: Random, apex: string, depthMax = 4): string {
  let name = apex
  for (let depth = random.below(depthMax + 1); depth > 0; depth--) {
    const label = LABELS[Math.min(random.below(LABELS.length), random.below(LABELS.length))]!
    if (name.length + label.length + 1 > 255) break
    name = wire(label) + name
  }
  return name
}

function randomTarget(random: Random, apex: string): string {
  return random.below(5) === 0 ? `${wire('elsewhere', 'test')}\0` : randomName(random, apex)
}

function u16(value: number): string {
  return String.fromCharCode((value >> 8) & 255, value & 255)
}

function u32(value: number): string {
  return u16(value >>> 16) + u16(value & 0xffff)
}

/** A zone with SOA and NS at the apex and some random RRsets. */
export function randomZone(random: Random, apex: string, rrsets: number): ZoneModel {
  const zone = new ZoneModel(apex, 'zone', random.below(3) === 0)
  zone.put(apex, 6, 100 + random.below(1000), [
    `${wire('ns')}${apex}${wire('host')}${apex}${u32(1)}${u32(2)}${u32(3)}${u32(4)}${u32(random.below(2000))}`,
  ])
  zone.put(apex, 2, 300, [wire('ns') + apex, `${wire('ns', 'elsewhere', 'test')}\0`])
  for (let i = 0; i < rrsets; i++) changeOne(random, zone)
  return zone
}

/** Puts or deletes one random RRset, besides those of the apex that a zone needs. */
export function changeOne(random: Random, zone: ZoneModel): void {
  const { apex } = zone
  const owner = randomName(random, apex)
  const ttlSeconds = 60 * (1 + random.below(9))
  const some = (make: () => string): string[] => Array.from({ length: 1 + random.below(3) }, make)
  if (random.below(4) === 0) {
    const owners = [...zone.owners.keys()].filter((name) => name !== apex)
    if (owners.length > 0) {
      const gone = random.of(owners)
      zone.delete(gone, random.of([...zone.owners.get(gone)!.keys()]))
    }
    return
  }
  switch (random.below(12)) {
    case 0:
      if (owner !== apex) zone.put(owner, 5, ttlSeconds, [randomTarget(random, apex)])
      break
    case 1:
      if (owner !== apex) {
        zone.put(
          owner,
          2,
          ttlSeconds,
          some(() => (random.below(2) === 0 ? wire('ns') + owner : randomTarget(random, apex)).slice(-255)).filter(
            isName,
          ),
        )
        const glue = wire('ns') + owner
        if (glue.length <= 255)
          zone.put(
            glue,
            1,
            ttlSeconds,
            some(() => u32(random.next())),
          )
        if (random.below(2) === 0)
          zone.put(owner, 43, ttlSeconds, [`${u16(random.below(65536))}\x08\x02${u32(random.next())}`])
      }
      break
    case 2:
      zone.put(
        owner,
        15,
        ttlSeconds,
        some(() => u16(random.below(3)) + randomTarget(random, apex)),
      )
      break
    case 3:
      zone.put(
        owner,
        33,
        ttlSeconds,
        some(() => u16(0) + u16(1) + u16(53) + randomTarget(random, apex)),
      )
      break
    case 4:
      zone.put(
        owner,
        28,
        ttlSeconds,
        some(() => u32(0x20010db8) + u32(0) + u32(0) + u32(random.next())),
      )
      break
    case 5:
      if (random.below(3) === 0) zone.put(owner, 39, ttlSeconds, [randomTarget(random, apex)])
      break
    case 6:
      zone.put(
        owner,
        65,
        ttlSeconds,
        some(() => u16(random.below(2)) + (random.below(3) === 0 ? '\0' : randomTarget(random, apex))),
      )
      break
    case 7:
      zone.put(
        owner,
        16,
        ttlSeconds,
        some(() => wire('t'.repeat(random.below(random.below(20) === 0 ? 255 : 20)))),
      )
      break
    default:
      zone.put(
        owner,
        1,
        ttlSeconds,
        some(() => u32(0xc0000200 | random.below(256))),
      )
  }
}

function isName(text: string): boolean {
  let at = 0
  while (at < text.length && text.charCodeAt(at) !== 0) at += text.charCodeAt(at) + 1
  return at === text.length - 1
}

/** The zone with signatures (fake) and a chain of NSEC or NSEC3 (right). */
export function signed(zone: ZoneModel, signing: Signing, salt = Buffer.from('ab', 'hex'), iterations = 1): ZoneModel {
  const copy = zone.copy()
  if (signing === 'unsigned') return copy
  const { apex } = zone
  const cuts = [...zone.owners.keys()].filter((name) => name !== apex && zone.get(name, 2) !== undefined)
  const covers = [...cuts, ...[...zone.owners.keys()].filter((name) => zone.get(name, 39) !== undefined)]
  const isOccluded = (name: string) => covers.some((cover) => isBelow(name, cover))
  const owners = [...zone.owners.keys()].filter((name) => !isOccluded(name)).sort(canonicalOrder)
  const types = new Map(
    owners.map((owner) => [
      owner,
      cuts.includes(owner) ? [43].filter((type) => zone.get(owner, type)) : [...zone.owners.get(owner)!.keys()],
    ]),
  )
  if (signing === 'NSEC') {
    for (const [i, owner] of owners.entries()) {
      copy.put(owner, 47, 60, [`${owners[(i + 1) % owners.length]!}\0\x01\x40`])
      types.get(owner)!.push(47)
    }
  } else {
    const hashed = new Set<string>()
    for (const owner of owners) {
      if (signing === 'opt-out' && cuts.includes(owner) && zone.get(owner, 43) === undefined) continue
      for (let name = owner; ; name = parentOf(name)) {
        hashed.add(name)
        if (name === apex) break
      }
    }
    hashed.add(apex)
    const labels = [...hashed].map((name) => nsec3Label(name, iterations, salt)).sort()
    const fields = `\x01${signing === 'opt-out' ? '\x01' : '\0'}${u16(iterations)}${String.fromCharCode(salt.length)}${salt.toString('latin1')}`
    for (const [i, label] of labels.entries()) {
      const next = base32(labels[(i + 1) % labels.length]!)
      const owner = wire(label) + apex
      copy.put(owner, 50, 60, [`${fields}\x14${next}\0\x01\x40`])
      copy.put(owner, 46, 60, [rrsig(50, 60, apex, owner)])
    }
    copy.put(apex, 51, 0, [`\x01\0${u16(iterations)}${String.fromCharCode(salt.length)}${salt.toString('latin1')}`])
    types.get(apex)!.push(51)
  }
  for (const [owner, covered] of types) {
    if (covered.length > 0)
      copy.put(
        owner,
        46,
        300,
        covered.map((type) => rrsig(type, copy.get(owner, type)!.ttlSeconds, apex, owner)),
      )
  }
  return copy
}

function rrsig(type: number, ttlSeconds: number, apex: string, owner: string): string {
  const signature = `${owner}${type}`.slice(-40)
  return `${u16(type)}\x08${String.fromCharCode(labelsOf(owner).length)}${u32(ttlSeconds)}${u32(2)}${u32(1)}${u16(7)}${apex}${signature}`
}

function base32(label: string): string {
  let bits = 0n
  for (const character of label) bits = (bits << 5n) | BigInt(Number.parseInt(character, 32))
  let text = ''
  for (let i = 19; i >= 0; i--) text += String.fromCharCode(Number((bits >> BigInt(8 * i)) & 255n))
  return text
}

/** Names worth asking: those of the zone, their parents and children, and random ones. */
export function randomQname(random: Random, zone: ZoneModel): string {
  const owners = [...zone.owners.keys()]
  const owner = random.of(owners)
  let name = owner
  switch (random.below(6)) {
    case 0:
      name = randomName(random, zone.apex, 5)
      break
    case 1:
      if (owner !== zone.apex) name = parentOf(owner)
      break
    case 2:
      name = wire(LABELS[random.below(6)]!) + owner
      break
    case 3:
      name = wire('zz', 'q') + owner
  }
  return name.length <= 255 ? name : owner
}
