import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Workload } from '../workloads/workload.ts'

/** Writes the workload's zones as master files into the folder; gives the path of each. */
export function writeZones(folder: string, { zones }: Workload): (origin: string) => string {
  mkdirSync(folder, { recursive: true })
  const fileOf = (origin: string) => join(folder, `${origin}zone`)
  for (const { origin, records } of zones) {
    const head = [
      '$TTL 300',
      `$ORIGIN ${origin}`,
      '@ SOA ns hostmaster 1 7200 3600 1209600 300',
      '@ NS ns',
      'ns A 192.0.2.53',
    ]
    writeFileSync(fileOf(origin), `${[...head, ...records()].join('\n')}\n`)
  }
  return fileOf
}
