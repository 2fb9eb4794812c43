/** Threads read while the writer changes: every answer is from one committed version, and never from an older one than before. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { textToName } from '../../src/wire/name.ts'
import type { ZoneTransaction } from '../../src/zone/zone-change.ts'
import { ZonePublishing } from '../../src/zone/zone-publisher.ts'
import { ZoneStore } from '../../src/zone/zone-store.ts'
import { Random, SEED } from '../support/random.ts'
import type { StoreReaderReport } from '../support/store-reader.ts'

const HOSTS = 60
const READERS = 2
const RUN_MS = 1500

function u32(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value)
}

/** All RRsets of version `version`; sizes differ from version to version, so that blocks move between size classes. */
function putVersion(transaction: ZoneTransaction, version: number, random: Random): void {
  const n = textToName
  const apex = n('example.')
  transaction.put(apex, 6, 300, [
    Buffer.concat([n('ns.example.'), n('host.example.'), u32(version), Buffer.alloc(16, 1)]),
  ])
  transaction.put(apex, 2, 300, [n('ns.example.')])
  transaction.put(n('ns.example.'), 1, 300, [u32(version)])
  transaction.put(
    apex,
    15,
    300,
    Array.from({ length: 5 }, (_, i) => Buffer.concat([Uint8Array.of(0, i), n(`h${i}.example.`)])),
  )
  for (let i = 0; i < HOSTS; i++) {
    transaction.put(n(`h${i}.example.`), 1, 300, [u32(version)])
    const text = Buffer.alloc(4 + random.below(200), 0x61)
    transaction.put(n(`h${i}.example.`), 16, 300, [Buffer.concat([Uint8Array.of(text.length + 4), text, u32(version)])])
    if ((i + version) % 3 === 0)
      transaction.put(n(`h${i}.example.`), 28, 300, [Buffer.concat([new Uint8Array(12), u32(version)])])
    else transaction.delete(n(`h${i}.example.`), 28)
  }
  // Names that come and go, so that the pages of the trie split and merge.
  for (let i = 0; i < 40; i++) {
    if ((version + i) % 2 === 0) transaction.put(n(`v${i}.t.example.`), 1, 300, [u32(version)])
    else transaction.delete(n(`v${i}.t.example.`), 1)
  }
}

test(`answers under change are from one version each (SEED=${SEED})`, async () => {
  const random = new Random(SEED)
  const store = ZoneStore.create({ bytesMax: 2 ** 25 })
  const publisher = new ZonePublishing({ store, send: () => undefined })
  const zone = publisher.forSource(1).zone('example.')
  const cells = new SharedArrayBuffer(16)
  const control = new Int32Array(cells)
  let version = 1
  const first = zone.replace()
  putVersion(first, version, random)
  await first.commit()
  Atomics.store(control, 2, version)
  const questions = [
    ...Array.from({ length: HOSTS }, (_, i) => ({
      qname: textToName(`h${i}.example.`),
      qtype: i % 2 === 0 ? 1 : 16,
      dnssecOk: false,
    })),
    ...Array.from({ length: 10 }, (_, i) => ({ qname: textToName(`none${i}.example.`), qtype: 1, dnssecOk: true })),
    ...Array.from({ length: 10 }, () => ({ qname: textToName('example.'), qtype: 15, dnssecOk: false })),
    ...Array.from({ length: 10 }, (_, i) => ({ qname: textToName(`v${i}.t.example.`), qtype: 1, dnssecOk: false })),
  ]
  const workers = Array.from(
    { length: READERS },
    () =>
      new Worker(new URL('../support/store-reader.ts', import.meta.url), {
        workerData: { region: store.region, cells, questions },
      }),
  )
  const reports = workers.map(async (worker) => (await once(worker, 'message'))[0] as StoreReaderReport)
  while (Atomics.load(control, 1) < READERS) await new Promise(setImmediate)
  const end = performance.now() + RUN_MS
  while (performance.now() < end) {
    version++
    const transaction = random.below(4) === 0 ? zone.replace() : zone.patch()
    putVersion(transaction, version, random)
    await transaction.commit()
    Atomics.store(control, 2, version)
    // Frees at once what was replaced, so that it is used again while readers may still be in it.
    store.reclaim()
    // Another source's zones come and go in the table that the readers search.
    const other = publisher.forSource(2).zone(`z${version % 50}.example.`, 'flat')
    if (version % 2 === 0) {
      const put = other.replace()
      put.put(textToName(`z${version % 50}.example.`), 1, 300, [u32(version)])
      await put.commit()
    } else await other.remove()
    if (version % 8 === 0) await new Promise(setImmediate)
  }
  Atomics.store(control, 0, 1)
  for (const report of await Promise.all(reports)) {
    assert.deepEqual(report.wrong, [])
    assert.ok(report.asked > 1000, `${report.asked} asked`)
    assert.ok(report.versions > 10, `${report.versions} versions seen`)
  }
  for (const worker of workers) await worker.terminate()
})
