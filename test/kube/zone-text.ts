/** All records of a store's zones as sorted lines, to compare two of them. Serials are left out. */
import { printRdata } from '../../src/rdata/rdata.ts'
import { typeName } from '../../src/rdata/rr-types.ts'
import { nameToText } from '../../src/wire/name.ts'
import { BatchReader } from '../../src/zone/change-batch.ts'
import type { ZoneStore } from '../../src/zone/zone-store.ts'

const TYPE_SOA = 6

export function zoneText(store: ZoneStore, sourceId: number, apexes: readonly string[]): string[] {
  const lines: string[] = []
  const reader = new BatchReader()
  for (const apex of apexes) {
    for (const batch of store.records(sourceId, apex)) {
      reader.start(batch)
      while (reader.next()) {
        if (reader.type === TYPE_SOA) continue
        const owner = nameToText(reader.owner(), 0)
        for (const rdata of reader.rdatas()) {
          lines.push(`${owner} ${reader.ttlSeconds} ${typeName(reader.type)} ${printRdata(reader.type, rdata)}`)
        }
      }
    }
  }
  return lines.sort()
}
