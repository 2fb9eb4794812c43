/** Lines of hosts files as records by name: `192.0.2.1 name name…`, comments after `#`. What can't be read is passed over. */
import { ZoneSet } from '../../chain/zone-set.ts'
import { parseAddress } from '../../wire/address.ts'
import { labelCount, lowerName, textToName } from '../../wire/name.ts'
import { LABELS_MAX } from '../../wire/parsed-query.ts'

export interface HostRecords {
  /** Owner in wire form, lower-case. */
  readonly owner: Uint8Array
  /** A and AAAA rdata, and PTR targets. */
  readonly a: Uint8Array[]
  readonly aaaa: Uint8Array[]
  readonly ptr: Uint8Array[]
}

const labels = new Uint8Array(LABELS_MAX + 1)

export class HostTable {
  /** Addresses and reverse names that were read, as CoreDNS counts them. */
  entries = 0
  readonly #scope: ZoneSet
  readonly #reverse: boolean
  readonly #byOwner = new Map<string, HostRecords>()

  /** `scope`: zones whose names count. `reverse`: make PTR records. */
  constructor(scope: readonly string[], reverse: boolean) {
    this.#scope = new ZoneSet(scope)
    this.#reverse = reverse
  }

  values(): Iterable<HostRecords> {
    return this.#byOwner.values()
  }

  /** Adds what one line says. Never throws. */
  addLine(line: string): void {
    const comment = line.indexOf('#')
    const [addressText = '', ...names] = (comment < 0 ? line : line.slice(0, comment)).trim().split(/\s+/)
    if (names.length === 0) return
    const address = readAddress(addressText)
    if (address === undefined) return
    for (const text of names) {
      const name = readName(text)
      if (name === undefined || !this.#isInScope(name)) continue
      const records = this.#recordsOf(name)
      if (address.length === 4) records.a.push(address)
      else records.aaaa.push(address)
      this.entries++
      if (!this.#reverse || isWildcard(name)) continue
      this.#recordsOf(textToName(reverseName(address))).ptr.push(name)
      this.entries++
    }
  }

  #isInScope(name: Uint8Array): boolean {
    let count = 0
    let at = 0
    for (; name[at] !== 0; at += name[at]! + 1) labels[count++] = at
    labels[count] = at
    return this.#scope.longestOf(name, labels, count, name.length) >= 0
  }

  #recordsOf(owner: Uint8Array): HostRecords {
    const key = Buffer.from(owner).toString('latin1')
    let records = this.#byOwner.get(key)
    if (records === undefined) {
      records = { owner, a: [], aaaa: [], ptr: [] }
      this.#byOwner.set(key, records)
    }
    return records
  }
}

/** 4 or 16 octets; a `%zone` is dropped, and an IPv4 address inside IPv6 (::ffff:192.0.2.1) is IPv4. */
function readAddress(text: string): Uint8Array | undefined {
  const octets = new Uint8Array(16)
  const family = parseAddress(text, octets)
  if (family === 0) return undefined
  if (family === 4) return octets.slice(0, 4)
  const isMapped = octets.subarray(0, 10).every((octet) => octet === 0) && octets[10] === 255 && octets[11] === 255
  return isMapped ? octets.slice(12) : octets
}

function readName(text: string): Uint8Array | undefined {
  try {
    const name = textToName(text)
    lowerName(name, 0, name.length)
    return labelCount(name, 0) === 0 ? undefined : name
  } catch {
    return undefined
  }
}

function isWildcard(name: Uint8Array): boolean {
  return name[0] === 1 && name[1] === 0x2a
}

/** RFC 1035 section 3.5, RFC 3596 section 2.5. */
function reverseName(address: Uint8Array): string {
  if (address.length === 4) return `${[...address].reverse().join('.')}.in-addr.arpa.`
  const nibbles = [...address].flatMap((octet) => [octet >> 4, octet & 15])
  return `${nibbles
    .reverse()
    .map((nibble) => nibble.toString(16))
    .join('.')}.ip6.arpa.`
}
