/** Zone files into the store: owners larger than a slice, RRsets whose records lie apart. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { printRecord } from '../../src/rdata/record-text.ts'
import { loadZone } from '../../src/sources/zone-file/load-zone.ts'
import { BatchReader } from '../../src/zone/change-batch.ts'
import { ZonePublishing } from '../../src/zone/zone-publisher.ts'
import { ZoneStore } from '../../src/zone/zone-store.ts'
import { Random, SEED } from '../support/random.ts'

const folder = mkdtempSync(join(tmpdir(), 'shoal-load-zone-'))
after(() => rmSync(folder, { recursive: true }))

const HEAD = ['example. 60 IN SOA a.example. b.example. 1 2 3 4 5', 'example. 60 IN NS a.example.']

/** The records that the store has after it loaded these lines, sorted. */
async function load(lines: readonly string[]): Promise<string[]> {
  const path = join(folder, 'db')
  writeFileSync(path, `${[...HEAD, ...lines].join('\n')}\n`)
  const store = ZoneStore.create({ bytesMax: 2 ** 26 })
  await loadZone(path, new ZonePublishing({ store, send: () => undefined }).forSource(1).zone('example.'))
  const reader = new BatchReader()
  const found: string[] = []
  for (const batch of store.records(1, 'example.')) {
    reader.start(batch)
    while (reader.next()) {
      const { type, ttlSeconds } = reader
      const owner = reader.owner()
      for (const rdata of reader.rdatas()) found.push(printRecord({ owner, type, rrclass: 1, ttlSeconds, rdata }))
    }
  }
  return found.sort()
}

test('an owner with more records than a slice holds, its types by turns', async () => {
  const lines = Array.from({ length: 6000 }, (_, i) =>
    i % 2 === 0
      ? `www.example. 60 IN A 192.0.${i >> 8}.${i & 255}`
      : `www.example. 60 IN TXT "${'x'.repeat(i % 100)} ${i}"`,
  )
  assert.deepEqual(await load(lines), [...HEAD, ...lines].sort())
})

test(`records in any order make the same zone (SEED=${SEED})`, async () => {
  const random = new Random(SEED)
  const lines: string[] = []
  for (let i = 0; i < 300; i++) {
    const owner = `${'a.'.repeat(random.below(3))}n${i}.example.`
    for (let k = random.below(4); k >= 0; k--) lines.push(`${owner} 60 IN A 192.0.2.${k}`)
    for (let k = random.below(3); k > 0; k--) lines.push(`${owner} 60 IN MX ${k} mail.example.`)
    if (random.below(3) === 0) lines.push(`${owner} 60 IN TXT "${i}"`)
  }
  const shuffled = lines
    .map((line) => ({ line, key: random.next() }))
    .sort((a, b) => a.key - b.key)
    .map(({ line }) => line)
  const want = [...HEAD, ...lines].sort()
  assert.deepEqual(await load(lines), want)
  assert.deepEqual(await load(shuffled), want)
})
