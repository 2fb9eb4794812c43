/** `A-B-C-D.NAMESPACE.pod.ZONE`: which queries ask for a pod, and for which address. */
import { addressText, parseAddress } from '../../wire/address.ts'
import { textToName } from '../../wire/name.ts'
import type { ParsedQuery } from '../../wire/parsed-query.ts'

/** Labels in front of `pod.ZONE`. */
const LABELS = 2
const DASH = 0x2d

/** The names of pods below some zones. */
export class PodNames {
  readonly #suffixes: readonly { readonly octets: Uint8Array; readonly labelCount: number }[]

  /** `zones`: absolute, lower-case. */
  constructor(zones: readonly string[]) {
    this.#suffixes = zones.map((zone) => {
      const octets = textToName(zone === '.' ? 'pod.' : `pod.${zone}`)
      return { octets, labelCount: zone === '.' ? 1 : zone.split('.').length }
    })
  }

  /** Whether the qname has the form of a pod's name. Doesn't allocate. */
  holds({ name, labels, labelCount, nameLength }: ParsedQuery): boolean {
    for (let k = 0; k < this.#suffixes.length; k++) {
      const suffix = this.#suffixes[k]!
      if (labelCount !== suffix.labelCount + LABELS) continue
      const { octets } = suffix
      const at = labels[LABELS]!
      if (nameLength - at !== octets.length) continue
      let i = 0
      while (i < octets.length && octets[i] === name[at + i]) i++
      if (i === octets.length) return true
    }
    return false
  }
}

/** Whether the first label can be an IPv6 address with dashes: those have several spellings. Doesn't allocate. */
export function mayBeIPv6({ name }: ParsedQuery): boolean {
  const length = name[0]!
  let dashes = 0
  let doubled = false
  for (let i = 1; i <= length; i++) {
    const octet = name[i]!
    if (octet === DASH) {
      dashes++
      if (name[i - 1] === DASH && i > 1) doubled = true
    } else if (!(octet >= 0x30 && octet <= 0x39) && !(octet >= 0x61 && octet <= 0x66)) return false
  }
  return dashes >= 2 && (dashes !== 3 || doubled)
}

/** The address that a pod's label stands for, in its one form, or undefined. `label`: lower-case. */
export function podAddress(label: string): { readonly family: 4 | 6; readonly text: string } | undefined {
  const octets = new Uint8Array(16)
  const isIPv4 = label.split('-').length === 4 && !label.includes('--')
  const family = parseAddress(label.replaceAll('-', isIPv4 ? '.' : ':'), octets)
  if (family === 0) return undefined
  return { family, text: addressText(octets.subarray(0, family === 4 ? 4 : 16)) }
}
