/** Zones that come and go while the server runs (`auto`), as zone labels of metrics. */
import { composeQuery } from '../../wire/compose-query.ts'
import { nameToText } from '../../wire/name.ts'
import { ParsedQuery } from '../../wire/parsed-query.ts'
import { NO_ZONE, type ZoneStore } from '../../zone/zone-store.ts'

export class LoadedZones {
  readonly #store: Pick<ZoneStore, 'findZone'>
  readonly #sourceIds: readonly number[]
  /** Source of the zone that `find` returned last. */
  #found = 0

  constructor(store: Pick<ZoneStore, 'findZone'>, sourceIds: readonly number[]) {
    this.#store = store
    this.#sourceIds = sourceIds
  }

  get isEmpty(): boolean {
    return this.#sourceIds.length === 0
  }

  /** The zone that holds the qname, or NO_ZONE. Doesn't allocate. */
  find(query: ParsedQuery): number {
    for (let i = 0; i < this.#sourceIds.length; i++) {
      const zone = this.#store.findZone(this.#sourceIds[i]!, query)
      if (zone === NO_ZONE) continue
      this.#found = this.#sourceIds[i]!
      return zone
    }
    return NO_ZONE
  }

  /** Apex of the zone just found for `query`: the shortest name at or above the qname that the store finds it for. */
  apex(zone: number, query: ParsedQuery): string {
    const { name, labels, labelCount } = query
    for (let depth = 0; depth < labelCount; depth++) {
      const apex = nameToText(name, labels[labelCount - depth]!)
      const bytes = composeQuery(query, { qname: apex, qtype: TYPE_SOA, qclass: query.qclass })
      const probe = new ParsedQuery()
      probe.parse(bytes, 0, bytes.length)
      if (this.#store.findZone(this.#found, probe) === zone) return apex
    }
    return nameToText(name, 0)
  }
}

const TYPE_SOA = 6
