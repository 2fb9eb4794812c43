/** Zone files into the store: owners larger than a slice, RRsets whose records lie apart. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { printRecord } from '../../src/rdata/record-text.ts'
import { hasChanged, loadZone } from '../../src/sources/zone-file/load-zone.ts'
import { BatchReader } from '../../src/zone/change-batch.ts'
import { ZonePublishing } from '../../src/zone/zone-publisher.ts'
import { ZoneStore } from '../../src/zone/zone-store.ts'
import { Random, SEED } from '../support/random.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const folder = temporaryFolder()

const HEAD = ['example. 60 IN SOA a.example. b.example. 1 2 3 4 5', 'example. 60 IN NS a.example.']

/** The records that the store has after it loaded these lines, sorted: the same whether the thread waited for the file or not. */
async function load(lines: readonly string[]): Promise<string[]> {
  const path = join(folder, 'db')
  writeFileSync(path, `${[...HEAD, ...lines].join('\n')}\n`)
  const found = await loaded(path, false)
  assert.deepEqual(await loaded(path, true), found)
  return found
}

async function loaded(path: string, blocking: boolean): Promise<string[]> {
  const store = ZoneStore.create({ bytesMax: 2 ** 26 })
  const zone = new ZonePublishing({ store, send: () => undefined }).forSource(1).zone('example.')
  const { stamp } = await loadZone(path, zone, { blocking })
  assert.equal(await hasChanged(stamp), false)
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

test('small files: $INCLUDE, $GENERATE and RRsets whose records lie apart', async () => {
  writeFileSync(join(folder, 'more'), 'more 60 IN A 192.0.2.9\n')
  assert.deepEqual(
    await load(['$INCLUDE more', '$generate 1-3 h$ 60 IN A 192.0.2.$', 'www.example. 60 IN A 192.0.2.1']),
    [
      ...HEAD,
      'more.example. 60 IN A 192.0.2.9',
      ...[1, 2, 3].map((i) => `h${i}.example. 60 IN A 192.0.2.${i}`),
      'www.example. 60 IN A 192.0.2.1',
    ].sort(),
  )
  const apart = ['a.example. 60 IN A 192.0.2.1', 'b.example. 60 IN A 192.0.2.2', 'a.example. 60 IN A 192.0.2.3']
  assert.deepEqual(await load(apart), [...HEAD, ...apart].sort())
})

for (const blocking of [false, true]) {
  const how = blocking ? 'read at once' : 'read between others'
  test(`a file that is no zone, is missing, or is a folder changes nothing (${how})`, async () => {
    const store = ZoneStore.create({ bytesMax: 2 ** 26 })
    const zone = new ZonePublishing({ store, send: () => undefined }).forSource(1).zone('example.')
    const path = join(folder, 'bad')
    const good = `${HEAD.join('\n')}\n`
    writeFileSync(path, good)
    const loading = loadZone(path, zone, { blocking })
    assert.equal(loading instanceof Promise, !blocking)
    await loading
    writeFileSync(path, `${good}www.example. 60 IN A nonsense\n`)
    await assert.rejects(async () => loadZone(path, zone, { blocking }), /bad:3/)
    writeFileSync(path, 'www.example. 60 IN A 192.0.2.1\n')
    await assert.rejects(async () => loadZone(path, zone, { blocking }), /no SOA record/)
    await assert.rejects(async () => loadZone(join(folder, 'none'), zone, { blocking }), { code: 'ENOENT' })
    await assert.rejects(async () => loadZone(folder, zone, { blocking }), { code: 'EISDIR' })
    writeFileSync(path, good)
    const again = await loadZone(path, zone, { blocking, unlessSerial: 1 })
    assert.equal(again.outcome, 'unchanged')
    assert.equal([...store.zones()][0]!.records, 2)
  })
}
