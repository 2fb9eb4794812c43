/** The record store answers as the plain model does: random zones, random patches, every kind of signing. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nameToText } from '../../src/wire/name.ts'
import { ReplyWriter } from '../../src/wire/reply-writer.ts'
import type { ZoneTransaction } from '../../src/zone/zone-change.ts'
import { ZonePublishing } from '../../src/zone/zone-publisher.ts'
import { NO_ZONE, ZoneStore } from '../../src/zone/zone-store.ts'
import { decodeReply } from '../support/decode-reply.ts'
import { Random, SEED } from '../support/random.ts'
import { changeOne, QTYPES, randomQname, randomZone, type Signing, signed, wire } from '../support/random-zone.ts'
import { queryFor } from '../support/store-zones.ts'
import type { ModelRecord, ZoneModel } from '../support/zone-model.ts'

const OUTCOMES = ['', 'answered', 'nodata', 'nxdomain', 'delegation', 'leaves', 'unavailable', 'absent']

const writer = new ReplyWriter()
const out = new Uint8Array(65535)

function latin(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, 'latin1'))
}

function lines(records: readonly ModelRecord[]): string[] {
  return records
    .map(
      ({ owner, type, ttlSeconds, rdata }) =>
        `${JSON.stringify(owner)} ${type} ${ttlSeconds} ${Buffer.from(rdata, 'latin1').toString('hex')}`,
    )
    .sort()
}

/** Asks the store and compares all that the reply says with the model. */
function compare(store: ZoneStore, zone: ZoneModel, qname: string, qtype: number, dnssecOk: boolean): void {
  const query = queryFor(latin(qname), qtype, { dnssecOk })
  const reference = store.findZone(1, query)
  assert.notEqual(reference, NO_ZONE)
  writer.begin(query, out, 0, 65535)
  const outcome = OUTCOMES[store.answer(reference, query, writer)]
  const reply = decodeReply(out.subarray(0, writer.end()))
  const got = {
    outcome,
    rcode: reply.rcode,
    authoritative: reply.authoritative,
    sections: reply.sections.map((records) =>
      lines(records.map((record) => ({ ...record, rdata: Buffer.from(record.rdata, 'hex').toString('latin1') }))),
    ),
    ...(outcome === 'leaves'
      ? { target: Buffer.from(store.target.subarray(0, store.targetLength)).toString('latin1') }
      : {}),
  }
  const model = zone.answer(qname, qtype, dnssecOk)
  const want = {
    outcome: model.outcome,
    rcode: model.rcode,
    authoritative: model.authoritative,
    sections: [lines(model.answer), lines(model.authority), lines(model.additional)],
    ...(model.target === undefined ? {} : { target: model.target }),
  }
  assert.deepEqual(got, want, `${JSON.stringify(qname)} ${qtype}${dnssecOk ? ' +dnssec' : ''}, SEED=${SEED}`)
}

/** What makes `after` of `before`, in an order that means nothing. */
export function putDifference(
  transaction: ZoneTransaction,
  before: ZoneModel | undefined,
  after: ZoneModel,
  random: Random,
): void {
  const operations: (() => void)[] = []
  for (const [owner, types] of before?.owners ?? []) {
    for (const type of types.keys()) {
      if (after.get(owner, type) === undefined) operations.push(() => transaction.delete(latin(owner), type))
    }
  }
  for (const [owner, types] of after.owners) {
    for (const [type, rrset] of types) {
      const old = before?.get(owner, type)
      if (old !== undefined && old.ttlSeconds === rrset.ttlSeconds && old.rdatas.join() === rrset.rdatas.join())
        continue
      operations.push(() => transaction.put(latin(owner), type, rrset.ttlSeconds, rrset.rdatas.map(latin)))
    }
  }
  for (let i = operations.length - 1; i > 0; i--) {
    const k = random.below(i + 1)
    const operation = operations[i]!
    operations[i] = operations[k]!
    operations[k] = operation
  }
  for (const operation of operations) operation()
}

const signings: Signing[] = ['unsigned', 'NSEC', 'NSEC3', 'opt-out']
for (const signing of signings) {
  test(`answers of random ${signing} zones are those of the model, also after patches (SEED=${SEED})`, async () => {
    const random = new Random(SEED)
    for (let round = 0; round < 6; round++) {
      const store = ZoneStore.create({ bytesMax: 2 ** 24 })
      const apex = round % 3 === 0 ? '\0' : `${wire('example')}\0`
      const publisher = new ZonePublishing({ store, send: () => undefined }).forSource(1)
      let plain = randomZone(random, apex, 5 + random.below(60))
      let zone = signed(plain, signing)
      const handle = publisher.zone(nameToText(latin(apex), 0), 'zone', zone.minimal)
      const first = handle.replace()
      putDifference(first, undefined, zone, random)
      await first.commit()
      for (let patch = 0; patch < 5; patch++) {
        for (let i = 0; i < 120; i++)
          compare(store, zone, randomQname(random, zone), random.of(QTYPES), random.below(2) === 0)
        const next = plain.copy()
        for (let i = 1 + random.below(15); i > 0; i--) changeOne(random, next)
        const nextSigned = signed(next, signing)
        const transaction = handle.patch()
        putDifference(transaction, zone, nextSigned, random)
        // Until the commit the old version answers.
        compare(store, zone, randomQname(random, zone), 1, false)
        await transaction.commit()
        plain = next
        zone = nextSigned
      }
      store.reclaim()
      await handle.remove()
      store.reclaim()
      assert.equal(store.memory().used, 0, 'all memory comes back')
    }
  })
}
