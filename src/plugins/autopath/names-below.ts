/** Names with at least so many labels in front of one of some zones. */
import { NOT_IN_SET, ZoneSet } from '../../chain/zone-set.ts'
import type { ParsedQuery } from '../../wire/parsed-query.ts'

export class NamesBelow {
  readonly #set: ZoneSet
  readonly #labelCounts: readonly number[]
  readonly #labelsMin: number

  /** `zones`: absolute, lower-case. */
  constructor(zones: readonly string[], labelsMin: number) {
    this.#set = new ZoneSet(zones)
    this.#labelCounts = zones.map((zone) => (zone === '.' ? 0 : zone.split('.').length - 1))
    this.#labelsMin = labelsMin
  }

  /** Doesn't allocate. */
  holds(query: ParsedQuery): boolean {
    const zone = this.#set.longest(query)
    return zone !== NOT_IN_SET && query.labelCount - this.#labelCounts[zone]! >= this.#labelsMin
  }
}
