/** Proofs of what isn't there, case by case; model-comparison.test.ts has the same over random zones. */
import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { nameToText, textToName } from '../../src/wire/name.ts'
import { ReplyWriter } from '../../src/wire/reply-writer.ts'
import { NSEC3_ITERATIONS_MAX } from '../../src/zone/nsec3-hash.ts'
import { ZonePublishing } from '../../src/zone/zone-publisher.ts'
import { ZoneStore } from '../../src/zone/zone-store.ts'
import { OCTETS_PER_CALL_NONE, octetsPerCall } from '../support/allocations.ts'
import { type Signing, signed } from '../support/random-zone.ts'
import { askStore, queryFor, rrsetsOf } from '../support/store-zones.ts'
import { nsec3Label, parentOf, ZoneModel } from '../support/zone-model.ts'

const SALT = Buffer.from('c0ffee', 'hex')
const LINES = [
  'example. 3600 SOA ns.example. host.example. 7 7200 3600 1209600 120',
  'example. 600 NS ns.example.',
  'ns.example. 600 A 192.0.2.1',
  'a.example. 60 A 192.0.2.2',
  'b.ent.example. 60 A 192.0.2.3',
  'alias.example. 60 CNAME gone.example.',
  '*.wild.example. 60 A 192.0.2.4',
  'host.wild.example. 60 A 192.0.2.5',
  '*.cwild.example. 60 CNAME a.example.',
  'signed.example. 60 NS ns.elsewhere.test.',
  'signed.example. 60 DS 1 8 2 0A0B',
  'unsigned.example. 60 NS ns.unsigned.example.',
  'ns.unsigned.example. 60 A 192.0.2.6',
  'x.only.example. 60 NS ns.elsewhere.test.',
]

function model(signing: Signing, iterations = 0, salt = SALT): ZoneModel {
  const latin = (octets: Uint8Array) => Buffer.from(octets).toString('latin1')
  const zone = new ZoneModel(latin(textToName('example.')), 'zone', true)
  for (const { owner, type, ttlSeconds, rdatas } of rrsetsOf(LINES, '.')) {
    zone.put(latin(owner), type, ttlSeconds, rdatas.map(latin))
  }
  return signed(zone, signing, salt, iterations)
}

async function load(zone: ZoneModel): Promise<ZoneStore> {
  const store = ZoneStore.create({ bytesMax: 2 ** 22 })
  const octets = (text: string) => Uint8Array.from(Buffer.from(text, 'latin1'))
  const transaction = new ZonePublishing({ store, send: () => undefined })
    .forSource(1)
    .zone('example.', 'zone', true)
    .replace()
  for (const [owner, types] of zone.owners) {
    for (const [type, { ttlSeconds, rdatas }] of types)
      transaction.put(octets(owner), type, ttlSeconds, rdatas.map(octets))
  }
  await transaction.commit()
  return store
}

/** Owners of NSEC and NSEC3 in authority; those of NSEC3 as the name that hashes to them. */
function proofs(store: ZoneStore, question: string, zone: ZoneModel, iterations = 0, salt = SALT): string[] {
  const names = new Map<string, string>()
  for (const owner of zone.names)
    names.set(nsec3Label(owner, iterations, salt), nameToText(Buffer.from(owner, 'latin1'), 0))
  const answer = askStore(store, question, { dnssecOk: true })!
  const signatures = answer.authority.filter((line) => / RRSIG NSEC3? /.test(line))
  const owners = answer.authority
    .filter((line) => / NSEC3? /.test(line) && !line.includes(' RRSIG NSEC'))
    .map((line) => line.split(' ')[0]!)
  assert.equal(signatures.length, owners.length, 'each with its signature')
  return owners.map((owner) => names.get(owner.split('.')[0]!) ?? owner)
}

interface Case {
  readonly title: string
  readonly ask: string
  /** Owners of the NSEC records, in the order they are put. */
  readonly nsec: readonly string[]
  /** Names whose NSEC3 have to match; what is covered is known from the model only. */
  readonly nsec3: readonly string[]
  readonly optOut?: readonly string[]
  /** How many more NSEC3 cover something, at most: two may be covered by one. */
  readonly covering: number
}

const cases: readonly Case[] = [
  {
    title: 'RFC 4035 3.1.3.2, RFC 5155 7.2.2: no such name: the name and the wildcard',
    ask: 'nope.example. A',
    nsec: ['b.ent.example.', 'example.'],
    nsec3: ['example.'],
    covering: 2,
  },
  {
    title: 'RFC 4035 3.1.3.1, RFC 5155 7.2.3: no such type: the name itself',
    ask: 'a.example. TXT',
    nsec: ['a.example.'],
    nsec3: ['a.example.'],
    covering: 0,
  },
  {
    title: 'RFC 4035 3.1.3.2: an empty non-terminal is between two owners; RFC 5155 7.1: it has an NSEC3 of its own',
    ask: 'ent.example. A',
    nsec: ['*.cwild.example.'],
    nsec3: ['ent.example.'],
    covering: 0,
  },
  {
    title: 'RFC 4035 3.1.3.3, RFC 5155 7.2.6: an answer from a wildcard: the name is not there',
    ask: 'x.wild.example. A',
    nsec: ['host.wild.example.'],
    nsec3: [],
    covering: 1,
  },
  {
    title: 'RFC 4035 3.1.3.4, RFC 5155 7.2.5: the wildcard has no such type',
    ask: 'x.wild.example. TXT',
    nsec: ['*.wild.example.', 'host.wild.example.'],
    nsec3: ['wild.example.', '*.wild.example.'],
    covering: 1,
  },
  {
    title: 'RFC 4592 3.3.3: a wildcard CNAME, proved behind the answer it leads to',
    ask: 'x.cwild.example. A',
    nsec: ['*.cwild.example.'],
    nsec3: [],
    covering: 1,
  },
  {
    title: 'the end of a chain is what is denied',
    ask: 'alias.example. A',
    nsec: ['b.ent.example.', 'example.'],
    nsec3: ['example.'],
    covering: 2,
  },
  {
    title: 'RFC 4035 3.1.4: a referral with DS needs no proof',
    ask: 'x.signed.example. A',
    nsec: [],
    nsec3: [],
    covering: 0,
  },
  {
    title: 'RFC 4035 3.1.4, RFC 5155 7.2.7: a referral without DS; with opt-out the closest encloser stands for it',
    ask: 'x.unsigned.example. A',
    nsec: ['unsigned.example.'],
    nsec3: ['unsigned.example.'],
    optOut: ['example.'],
    covering: 1,
  },
  {
    title: 'RFC 4035 3.1.4.1, RFC 5155 7.2.4: no DS at the cut',
    ask: 'unsigned.example. DS',
    nsec: ['unsigned.example.'],
    nsec3: ['unsigned.example.'],
    optOut: ['example.'],
    covering: 1,
  },
  {
    title: 'RFC 5155 7.2.1: an empty non-terminal that opt-out leaves without NSEC3: the closest provable encloser',
    ask: 'only.example. A',
    nsec: ['ns.example.'],
    nsec3: ['only.example.'],
    optOut: ['example.'],
    covering: 1,
  },
]

for (const signing of ['NSEC', 'NSEC3', 'opt-out'] as const) {
  let store: ZoneStore
  const zone = model(signing)
  before(async () => {
    store = await load(zone)
  })
  for (const { title, ask, nsec, nsec3, optOut, covering } of cases) {
    test(`${signing}: ${title}`, () => {
      const got = proofs(store, ask, zone)
      if (signing === 'NSEC') {
        assert.deepEqual(got, nsec)
        return
      }
      const matching = (signing === 'opt-out' ? optOut : undefined) ?? nsec3
      for (const name of matching) assert.ok(got.includes(name), `${name} in ${got}`)
      assert.ok(got.length <= matching.length + covering, `${got}`)
      if (matching.length + covering === 0) assert.deepEqual(got, [])
    })
  }
  test(`${signing}: without DO there are no proofs and no signatures`, () => {
    for (const { ask } of cases) {
      const { answer, authority, additional } = askStore(store, ask)!
      assert.ok(![...answer, ...authority, ...additional].some((line) => / (RRSIG|NSEC3?) /.test(line)))
    }
  })
}

test('RFC 5155 7.2.8: nobody can ask for an NSEC3 by name', async () => {
  const zone = model('NSEC3')
  const store = await load(zone)
  const owner = [...zone.owners.keys()].find((name) => zone.get(name, 50) !== undefined)!
  const answer = askStore(store, `${nameToText(Buffer.from(owner, 'latin1'), 0)} NSEC3`)!
  assert.deepEqual([answer.rcode, answer.answer], [3, []])
  assert.equal([...store.records(1, 'example.')].length, 1, 'but it is in the zone')
  assert.equal(parentOf(owner), zone.apex)
})

test('RFC 9276 3.2: up to NSEC3_ITERATIONS_MAX iterations are computed, with more there are no proofs', async () => {
  for (const iterations of [1, 12, NSEC3_ITERATIONS_MAX, NSEC3_ITERATIONS_MAX + 1]) {
    const zone = model('NSEC3', iterations)
    const store = await load(zone)
    const got = proofs(store, 'a.example. TXT', zone, iterations)
    assert.deepEqual(got, iterations > NSEC3_ITERATIONS_MAX ? [] : ['a.example.'])
  }
})

test('RFC 5155 4.1.2: two chains side by side: that of the first NSEC3PARAM that can be used answers', async () => {
  const one = model('NSEC3', 1)
  const other = model('NSEC3', 0, Buffer.from('99', 'hex'))
  // The second chain's records and parameters go in beside the first one's; a third set of parameters is not ready (flags).
  for (const [owner, types] of other.owners) {
    if (types.has(50)) for (const [type, { ttlSeconds, rdatas }] of types) one.put(owner, type, ttlSeconds, rdatas)
  }
  const parameters = [one.get(one.apex, 51)!.rdatas[0]!, other.get(other.apex, 51)!.rdatas[0]!]
  one.put(one.apex, 51, 0, ['\x01\x01\0\0\0', ...parameters])
  const store = await load(one)
  for (const { ask } of cases) {
    for (const line of askStore(store, ask, { dnssecOk: true })!.authority) {
      if (/ NSEC3 1 /.test(line)) assert.match(line, / NSEC3 1 0 1 C0FFEE /i)
    }
  }
  assert.deepEqual(proofs(store, 'a.example. TXT', one, 1), ['a.example.'])
})

test('a zone whose signatures were taken away by a patch proves nothing more', async () => {
  const store = await load(model('NSEC'))
  const patch = new ZonePublishing({ store, send: () => undefined }).forSource(1).zone('example.').patch()
  for (const owner of model('NSEC').owners.keys()) {
    for (const type of [46, 47]) patch.delete(Uint8Array.from(Buffer.from(owner, 'latin1')), type)
  }
  await patch.commit()
  const { authority } = askStore(store, 'nope.example. A', { dnssecOk: true })!
  assert.equal(authority.length, 1)
})

test('answering allocates nothing, proofs included', async () => {
  const writer = new ReplyWriter()
  const out = new Uint8Array(4096)
  for (const signing of ['NSEC', 'NSEC3'] as const) {
    const store = await load(model(signing))
    for (const ask of [
      'a.example. A',
      'nope.example. A',
      'x.cwild.example. A',
      'x.unsigned.example. A',
      'alias.example. MX',
    ]) {
      const query = queryFor(textToName(ask.split(' ')[0]!), 1, { dnssecOk: true })
      const octets = octetsPerCall(() => {
        const found = store.findZone(1, query)
        writer.begin(query, out, 0, 1232)
        store.answer(found, query, writer)
        writer.end()
      }, 50_000)
      assert.ok(octets < OCTETS_PER_CALL_NONE, `${signing} ${ask}: ${octets} octets`)
    }
  }
})
