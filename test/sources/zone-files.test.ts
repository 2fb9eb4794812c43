/** Many zone files at once. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { ZoneFiles } from '../../src/sources/zone-file/zone-files.ts'
import type { ZoneChange } from '../../src/zone/zone-change.ts'
import { ZonePublishing } from '../../src/zone/zone-publisher.ts'
import { ZoneStore } from '../../src/zone/zone-store.ts'
import { aLog } from '../support/front.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const folder = temporaryFolder()

const ZONES = 50
const settings = Array.from({ length: ZONES }, (_, i) => {
  const apex = `z${i}.example.`
  const path = join(folder, `db${i}`)
  writeFileSync(path, `${apex} 60 IN SOA ns h 1 2 3 4 5\n${apex} 60 IN NS ns\n`)
  return { apex, path, byMtime: false }
})

for (const isServing of [false, true]) {
  test(`files are read while commits wait for their round (${isServing ? 'serving' : 'at the start'})`, async () => {
    const store = ZoneStore.create({ bytesMax: 2 ** 26 })
    const waiting: (() => void)[] = []
    // A round of all processes that comes when every zone asks for it: in smaller groups it never would.
    const send = (change: ZoneChange): Promise<void> | undefined => {
      if (change.kind !== 'commit') return undefined
      return new Promise((resolve) => {
        waiting.push(resolve)
        if (waiting.length === ZONES) for (const end of waiting) end()
      })
    }
    const publisher = new ZonePublishing({ store, send }).forSource(1)
    const files = new ZoneFiles({ publisher, log: aLog(), server: { isServing } })
    const looks: string[] = []
    await files.addAll(settings, ({ apex }, { outcome }) => looks.push(`${apex} ${outcome}`))
    assert.deepEqual(looks.sort(), settings.map(({ apex }) => `${apex} loaded`).sort())
    assert.equal([...store.zones()].length, ZONES)
    await files.refresh()
    assert.equal(waiting.length, ZONES)
  })
}
