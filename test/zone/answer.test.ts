/** One look-up, rule by rule. What a zone of this kind has to answer, in presentation format. */
import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { textToName } from '../../src/wire/name.ts'
import {
  ABSENT,
  ANSWERED,
  CNAME_LEAVES,
  DELEGATION,
  NODATA,
  NXDOMAIN_OUTCOME,
  UNAVAILABLE,
  ZoneStore,
} from '../../src/zone/zone-store.ts'
import { askStore, replaceZone, type StoreAnswer } from '../support/store-zones.ts'

const SOA_LINE = 'example. 3600 SOA ns1.example. hostmaster.example. 7 7200 3600 1209600 120'
const SOA = 'example. 120 SOA ns1.example. hostmaster.example. 7 7200 3600 1209600 120'
const NS = ['example. 600 NS ns1.example.', 'example. 600 NS ns.elsewhere.test.']
const LONG = 'l'.repeat(63)

const ZONE = [
  SOA_LINE,
  ...NS,
  'ns1.example. 600 A 192.0.2.1',
  'ns1.example. 600 AAAA 2001:db8::1',
  'www.example. 300 A 192.0.2.10',
  'www.example. 300 A 192.0.2.11',
  'www.example. 300 A 192.0.2.10',
  'www.example. 300 TXT "hello"',
  'a.ent.example. 300 A 192.0.2.12',
  'alias.example. 60 CNAME www.example.',
  'alias2.example. 60 CNAME alias.example.',
  'out.example. 60 CNAME WWW.elsewhere.test.',
  'dangling.example. 60 CNAME absent.example.',
  'nodata.example. 60 CNAME ns1.example.',
  'self.example. 60 CNAME self.example.',
  'loop1.example. 60 CNAME loop2.example.',
  'loop2.example. 60 CNAME loop1.example.',
  'cut.example. 60 CNAME host.sub.example.',
  ...Array.from({ length: 20 }, (_, i) => `c${i}.example. 60 CNAME c${i + 1}.example.`),
  'c20.example. 60 A 192.0.2.20',
  'mail.example. 60 MX 10 mx1.example.',
  'mail.example. 60 MX 20 mx2.example.',
  'mail.example. 60 MX 20 mx1.example.',
  'mail.example. 60 MX 30 mx.elsewhere.test.',
  'mx1.example. 60 A 192.0.2.25',
  'mx2.example. 60 AAAA 2001:db8::25',
  '_sip._udp.example. 60 SRV 0 1 5060 ns1.example.',
  '*.wild.example. 300 A 192.0.2.30',
  '*.wild.example. 300 MX 5 ns1.example.',
  'host1.wild.example. 300 TXT "not wild"',
  'sub.ent.wild.example. 300 TXT "blocks"',
  '*.alias.example. 60 CNAME www.example.',
  'under.*.star.example. 300 A 192.0.2.31',
  '*.deep.alias3.example. 60 CNAME x.wild.example.',
  'sub.example. 900 NS ns.sub.example.',
  'sub.example. 900 NS ns1.example.',
  'sub.example. 900 NS ns.elsewhere.test.',
  'sub.example. 900 DS 1 8 2 0102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F20',
  'ns.sub.example. 900 A 192.0.2.40',
  'ns.sub.example. 900 AAAA 2001:db8::40',
  'occluded.sub.example. 900 TXT "below the cut"',
  'nods.example. 900 NS ns.elsewhere.test.',
  'dname.example. 450 DNAME target.example.',
  'dname.example. 450 A 192.0.2.50',
  'x.target.example. 450 A 192.0.2.51',
  `long.example. 450 DNAME ${LONG}.${LONG}.${LONG}.example.`,
  'away.example. 450 DNAME elsewhere.test.',
  'svc.example. 60 HTTPS 1 . alpn=h2',
  'svc.example. 60 A 192.0.2.60',
  'svc2.example. 60 SVCB 1 svc.example. port=1',
  'svc3.example. 60 HTTPS 0 svc.example.',
  'generic.example. 60 TYPE65280 \\# 3 010203',
  '__proto__.example. 60 A 192.0.2.70',
  'a\\.b.example. 60 A 192.0.2.71',
  '\\000.example. 60 A 192.0.2.72',
  `${'a.'.repeat(100)}example. 60 A 192.0.2.73`,
]

interface Case {
  readonly title: string
  readonly ask: string
  readonly outcome: number
  readonly rcode?: number
  readonly aa?: boolean
  readonly answer?: readonly string[]
  readonly authority?: readonly string[]
  readonly additional?: readonly string[]
  readonly target?: string
}

const NXDOMAIN = 3
const YXDOMAIN = 6
const REFERRAL = [
  'sub.example. 900 NS ns.sub.example.',
  'sub.example. 900 NS ns1.example.',
  'sub.example. 900 NS ns.elsewhere.test.',
]
const GLUE = [
  'ns.sub.example. 900 A 192.0.2.40',
  'ns.sub.example. 900 AAAA 2001:db8::40',
  'ns1.example. 600 A 192.0.2.1',
  'ns1.example. 600 AAAA 2001:db8::1',
]
const WWW = ['www.example. 300 A 192.0.2.10', 'www.example. 300 A 192.0.2.11']

const cases: readonly Case[] = [
  {
    title: 'RFC 1034 4.3.2 step 3a: the RRset that was asked for, without the duplicate (RFC 2181 5)',
    ask: 'www.example. A',
    outcome: ANSWERED,
    answer: WWW,
    authority: NS,
  },
  {
    title: 'RFC 2308 2.2: NODATA has the SOA with its MINIMUM as TTL',
    ask: 'www.example. AAAA',
    outcome: NODATA,
    authority: [SOA],
  },
  {
    title: 'RFC 2308 2.1: NXDOMAIN has the SOA',
    ask: 'absent.example. A',
    outcome: NXDOMAIN_OUTCOME,
    rcode: NXDOMAIN,
    authority: [SOA],
  },
  {
    title: 'RFC 4592 2.2.2: an empty non-terminal is NODATA',
    ask: 'ent.example. A',
    outcome: NODATA,
    authority: [SOA],
  },
  {
    title: 'RFC 8020: below a name that exists without children is NXDOMAIN',
    ask: 'below.www.example. A',
    outcome: NXDOMAIN_OUTCOME,
    rcode: NXDOMAIN,
    authority: [SOA],
  },
  { title: 'the SOA itself keeps its TTL', ask: 'example. SOA', outcome: ANSWERED, answer: [SOA_LINE], authority: NS },
  {
    title: 'NS of the apex are the answer, with addresses',
    ask: 'example. NS',
    outcome: ANSWERED,
    answer: NS,
    additional: ['ns1.example. 600 A 192.0.2.1', 'ns1.example. 600 AAAA 2001:db8::1'],
  },
  {
    title: 'RFC 1034 4.3.2 step 3a: a CNAME is followed inside the zone',
    ask: 'alias2.example. A',
    outcome: ANSWERED,
    answer: ['alias2.example. 60 CNAME alias.example.', 'alias.example. 60 CNAME www.example.', ...WWW],
    authority: NS,
  },
  {
    title: 'RFC 1034 3.6.2: a CNAME that was asked for is not followed',
    ask: 'alias2.example. CNAME',
    outcome: ANSWERED,
    answer: ['alias2.example. 60 CNAME alias.example.'],
    authority: NS,
  },
  {
    title: 'a CNAME out of the zone is where the zone stops',
    ask: 'out.example. A',
    outcome: CNAME_LEAVES,
    answer: ['out.example. 60 CNAME www.elsewhere.test.'],
    target: 'www.elsewhere.test.',
  },
  {
    title: 'RFC 6604 3: NXDOMAIN of the last name of a chain is the RCODE',
    ask: 'dangling.example. A',
    outcome: NXDOMAIN_OUTCOME,
    rcode: NXDOMAIN,
    answer: ['dangling.example. 60 CNAME absent.example.'],
    authority: [SOA],
  },
  {
    title: 'RFC 2308 2.2: NODATA at the end of a chain',
    ask: 'nodata.example. TXT',
    outcome: NODATA,
    answer: ['nodata.example. 60 CNAME ns1.example.'],
    authority: [SOA],
  },
  {
    title: 'RFC 1034 3.6.2: a CNAME to itself is an error',
    ask: 'self.example. A',
    outcome: ANSWERED,
    rcode: 2,
    aa: false,
  },
  {
    title: 'RFC 1034 3.6.2: a ring of CNAMEs is an error',
    ask: 'loop1.example. A',
    outcome: ANSWERED,
    rcode: 2,
    aa: false,
  },
  {
    title: 'a chain longer than CNAME_CHAIN_MAX is cut there',
    ask: 'c0.example. A',
    outcome: ANSWERED,
    answer: Array.from({ length: 12 }, (_, i) => `c${i}.example. 60 CNAME c${i + 1}.example.`),
  },
  {
    title: 'a chain of CNAME_CHAIN_MAX is followed to its end',
    ask: 'c9.example. A',
    outcome: ANSWERED,
    answer: [
      ...Array.from({ length: 11 }, (_, i) => `c${i + 9}.example. 60 CNAME c${i + 10}.example.`),
      'c20.example. 60 A 192.0.2.20',
    ],
    authority: NS,
  },
  {
    title: 'a CNAME into a delegation: the CNAME, the referral, and AA for the qname',
    ask: 'cut.example. A',
    outcome: DELEGATION,
    answer: ['cut.example. 60 CNAME host.sub.example.'],
    authority: REFERRAL,
    additional: GLUE,
  },
  {
    title: 'RFC 1035 3.3.9: addresses of mail exchangers, each once',
    ask: 'mail.example. MX',
    outcome: ANSWERED,
    answer: [
      'mail.example. 60 MX 10 mx1.example.',
      'mail.example. 60 MX 20 mx2.example.',
      'mail.example. 60 MX 20 mx1.example.',
      'mail.example. 60 MX 30 mx.elsewhere.test.',
    ],
    authority: NS,
    additional: ['mx1.example. 60 A 192.0.2.25', 'mx2.example. 60 AAAA 2001:db8::25'],
  },
  {
    title: 'RFC 2782: addresses of SRV targets',
    ask: '_sip._udp.example. SRV',
    outcome: ANSWERED,
    answer: ['_sip._udp.example. 60 SRV 0 1 5060 ns1.example.'],
    authority: NS,
    additional: ['ns1.example. 600 A 192.0.2.1', 'ns1.example. 600 AAAA 2001:db8::1'],
  },
  {
    title: 'RFC 4592 2.2.1: a wildcard answers for an absent name',
    ask: 'a.b.wild.example. A',
    outcome: ANSWERED,
    answer: ['a.b.wild.example. 300 A 192.0.2.30'],
    authority: NS,
  },
  {
    title: 'RFC 4592 2.2.1: additional for a wildcard answer',
    ask: 'x.wild.example. MX',
    outcome: ANSWERED,
    answer: ['x.wild.example. 300 MX 5 ns1.example.'],
    authority: NS,
    additional: ['ns1.example. 600 A 192.0.2.1', 'ns1.example. 600 AAAA 2001:db8::1'],
  },
  {
    title: 'RFC 4592 2.2.1: the wildcard has no such type',
    ask: 'a.wild.example. TXT',
    outcome: NODATA,
    authority: [SOA],
  },
  {
    title: 'RFC 4592 2.2.1: a name that exists blocks the wildcard',
    ask: 'host1.wild.example. A',
    outcome: NODATA,
    authority: [SOA],
  },
  {
    title: 'RFC 4592 2.2.2: an empty non-terminal blocks the wildcard for itself',
    ask: 'ent.wild.example. A',
    outcome: NODATA,
    authority: [SOA],
  },
  {
    title: 'RFC 4592 2.2.2: and for names below it',
    ask: 'x.ent.wild.example. A',
    outcome: NXDOMAIN_OUTCOME,
    rcode: NXDOMAIN,
    authority: [SOA],
  },
  {
    title: 'RFC 4592 2.3: the wildcard asked for by its own name',
    ask: '*.wild.example. A',
    outcome: ANSWERED,
    answer: ['*.wild.example. 300 A 192.0.2.30'],
    authority: NS,
  },
  {
    title: 'RFC 4592 2.3: no wildcard below a wildcard',
    ask: 'x.*.wild.example. A',
    outcome: NXDOMAIN_OUTCOME,
    rcode: NXDOMAIN,
    authority: [SOA],
  },
  {
    title: 'RFC 4592 2.2.2: a wildcard that is an empty non-terminal covers, and has no data',
    ask: 'x.star.example. A',
    outcome: NODATA,
    authority: [SOA],
  },
  {
    title: 'RFC 4592 3.3.1: the wildcard does not cover its own parent',
    ask: 'wild.example. A',
    outcome: NODATA,
    authority: [SOA],
  },
  {
    title: 'RFC 4592 3.3.3: a CNAME at a wildcard',
    ask: 'x.alias.example. A',
    outcome: ANSWERED,
    answer: ['x.alias.example. 60 CNAME www.example.', ...WWW],
    authority: NS,
  },
  {
    title: 'a wildcard CNAME to another wildcard',
    ask: 'x.deep.alias3.example. A',
    outcome: ANSWERED,
    answer: ['x.deep.alias3.example. 60 CNAME x.wild.example.', 'x.wild.example. 300 A 192.0.2.30'],
    authority: NS,
  },
  {
    title: 'RFC 1034 4.3.2 step 3b: below a zone cut is a referral, glue first for servers below the cut',
    ask: 'host.sub.example. A',
    outcome: DELEGATION,
    aa: false,
    authority: REFERRAL,
    additional: GLUE,
  },
  {
    title: 'RFC 1034 4.3.2 step 3b: at the cut too, whatever the type',
    ask: 'sub.example. NS',
    outcome: DELEGATION,
    aa: false,
    authority: REFERRAL,
    additional: GLUE,
  },
  {
    title: 'RFC 2136 7.18: a name below the cut is not of this zone, though it is in the data',
    ask: 'occluded.sub.example. TXT',
    outcome: DELEGATION,
    aa: false,
    authority: REFERRAL,
    additional: GLUE,
  },
  {
    title: 'RFC 2181 5.4.1: glue is not an answer',
    ask: 'ns.sub.example. A',
    outcome: DELEGATION,
    aa: false,
    authority: REFERRAL,
    additional: GLUE,
  },
  {
    title: "RFC 4035 3.1.4.1: the DS at a cut is the parent's",
    ask: 'sub.example. DS',
    outcome: ANSWERED,
    answer: ['sub.example. 900 DS 1 8 2 0102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F20'],
    authority: NS,
  },
  {
    title: 'RFC 4035 3.1.4.1: no DS at the cut is NODATA of the parent',
    ask: 'nods.example. DS',
    outcome: NODATA,
    authority: [SOA],
  },
  {
    title: "a DS below the cut is the child's business",
    ask: 'x.sub.example. DS',
    outcome: DELEGATION,
    aa: false,
    authority: REFERRAL,
    additional: GLUE,
  },
  { title: 'a DS at the apex, whose parent is not here', ask: 'example. DS', outcome: NODATA, authority: [SOA] },
  {
    title: 'RFC 6672 3.1: DNAME, a CNAME made from it with its TTL, and the answer',
    ask: 'x.dname.example. A',
    outcome: ANSWERED,
    answer: [
      'dname.example. 450 DNAME target.example.',
      'x.dname.example. 450 CNAME x.target.example.',
      'x.target.example. 450 A 192.0.2.51',
    ],
    authority: NS,
  },
  {
    title: 'RFC 6672 2.2: the DNAME does not apply to its own owner',
    ask: 'dname.example. A',
    outcome: ANSWERED,
    answer: ['dname.example. 450 A 192.0.2.50'],
    authority: NS,
  },
  {
    title: 'RFC 6672 2.2: the DNAME at its owner',
    ask: 'dname.example. DNAME',
    outcome: ANSWERED,
    answer: ['dname.example. 450 DNAME target.example.'],
    authority: NS,
  },
  {
    title: 'RFC 6672 3.2: asked for the CNAME, the synthesised one is the answer',
    ask: 'x.dname.example. CNAME',
    outcome: ANSWERED,
    answer: ['dname.example. 450 DNAME target.example.', 'x.dname.example. 450 CNAME x.target.example.'],
  },
  {
    title: 'RFC 6672 3.2: the new name does not exist',
    ask: 'y.dname.example. A',
    outcome: NXDOMAIN_OUTCOME,
    rcode: NXDOMAIN,
    answer: ['dname.example. 450 DNAME target.example.', 'y.dname.example. 450 CNAME y.target.example.'],
    authority: [SOA],
  },
  {
    title: 'RFC 6672 2.2: the new name is too long: YXDOMAIN with the DNAME',
    ask: `${'x'.repeat(60)}.long.example. A`,
    outcome: ANSWERED,
    rcode: YXDOMAIN,
    answer: [`long.example. 450 DNAME ${LONG}.${LONG}.${LONG}.example.`],
  },
  {
    title: 'RFC 6672: a DNAME out of the zone',
    ask: 'x.y.away.example. A',
    outcome: CNAME_LEAVES,
    answer: ['away.example. 450 DNAME elsewhere.test.', 'x.y.away.example. 450 CNAME x.y.elsewhere.test.'],
    target: 'x.y.elsewhere.test.',
  },
  {
    title: 'RFC 9460 2.5.2: the root as target means the owner, whose addresses are added',
    ask: 'svc.example. HTTPS',
    outcome: ANSWERED,
    answer: ['svc.example. 60 HTTPS 1 . alpn="h2"'],
    authority: NS,
    additional: ['svc.example. 60 A 192.0.2.60'],
  },
  {
    title: 'RFC 9460 4.1: addresses of the target',
    ask: 'svc2.example. SVCB',
    outcome: ANSWERED,
    answer: ['svc2.example. 60 SVCB 1 svc.example. port="1"'],
    authority: NS,
    additional: ['svc.example. 60 A 192.0.2.60'],
  },
  {
    title: "RFC 9460 4.1: AliasMode: the target's own records too",
    ask: 'svc3.example. HTTPS',
    outcome: ANSWERED,
    answer: ['svc3.example. 60 HTTPS 0 svc.example.'],
    authority: NS,
    additional: ['svc.example. 60 A 192.0.2.60', 'svc.example. 60 HTTPS 1 . alpn="h2"'],
  },
  {
    title: 'RFC 8482 4.1: ANY gets one RRset',
    ask: 'www.example. ANY',
    outcome: ANSWERED,
    answer: WWW,
    authority: NS,
  },
  {
    title: 'RFC 8482: ANY at an alias gets the alias',
    ask: 'alias.example. ANY',
    outcome: ANSWERED,
    answer: ['alias.example. 60 CNAME www.example.'],
    authority: NS,
  },
  { title: 'ANY at an empty non-terminal', ask: 'ent.example. ANY', outcome: NODATA, authority: [SOA] },
  {
    title: 'RFC 3597: types unknown are given as they are',
    ask: 'generic.example. TYPE65280',
    outcome: ANSWERED,
    answer: ['generic.example. 60 TYPE65280 \\# 3 010203'],
    authority: NS,
  },
  {
    title: '__proto__ is a legal label',
    ask: '__proto__.example. A',
    outcome: ANSWERED,
    answer: ['__proto__.example. 60 A 192.0.2.70'],
    authority: NS,
  },
  {
    title: 'a dot inside a label',
    ask: 'a\\.b.example. A',
    outcome: ANSWERED,
    answer: ['a\\.b.example. 60 A 192.0.2.71'],
    authority: NS,
  },
  { title: 'and as two labels', ask: 'a.b.example. A', outcome: NXDOMAIN_OUTCOME, rcode: NXDOMAIN, authority: [SOA] },
  {
    title: 'a zero octet in a label',
    ask: '\\000.example. A',
    outcome: ANSWERED,
    answer: ['\\000.example. 60 A 192.0.2.72'],
    authority: NS,
  },
  {
    title: 'a hundred labels deep',
    ask: `${'a.'.repeat(100)}example. A`,
    outcome: ANSWERED,
    answer: [`${'a.'.repeat(100)}example. 60 A 192.0.2.73`],
    authority: NS,
  },
  {
    title: '123 labels of absent name below a hundred of empty non-terminals',
    ask: `${'a.'.repeat(120)}example. A`,
    outcome: NXDOMAIN_OUTCOME,
    rcode: NXDOMAIN,
    authority: [SOA],
  },
]

let store: ZoneStore
before(async () => {
  store = ZoneStore.create({ bytesMax: 2 ** 24 })
  await replaceZone(store, 'example.', ZONE)
})

/** Names of owners in replies are lower-case here: the decoder sees to it. */
function sections({ answer, authority, additional }: StoreAnswer): unknown {
  return { answer, authority, additional }
}

for (const { title, ask, ...want } of cases) {
  test(title, () => {
    const got = askStore(store, ask)!
    assert.deepEqual(sections(got), {
      answer: want.answer ?? [],
      authority: want.authority ?? [],
      additional: want.additional ?? [],
    })
    assert.equal(got.outcome, want.outcome)
    assert.equal(got.rcode, want.rcode ?? 0)
    assert.equal(got.aa, want.aa ?? true)
    assert.equal(got.tc, false)
    if (want.target !== undefined) {
      assert.deepEqual(Buffer.from(store.target.subarray(0, store.targetLength)), Buffer.from(textToName(want.target)))
    }
  })
}

test('the longest zone answers, and for DS at its apex the one above', async () => {
  const own = ZoneStore.create({ bytesMax: 2 ** 22 })
  await replaceZone(own, 'example.', [
    SOA_LINE,
    'child.example. 60 NS ns.elsewhere.test.',
    'child.example. 60 DS 1 8 2 0A',
  ])
  await replaceZone(own, 'child.example.', [
    'child.example. 60 SOA a. b. 1 2 3 4 5',
    'www.child.example. 60 A 192.0.2.1',
  ])
  assert.deepEqual(askStore(own, 'www.child.example. A')!.answer, ['www.child.example. 60 A 192.0.2.1'])
  assert.deepEqual(askStore(own, 'child.example. DS')!.answer, ['child.example. 60 DS 1 8 2 0A'])
  assert.equal(askStore(own, 'child.example. TXT')!.authority[0], 'child.example. 5 SOA a. b. 1 2 3 4 5')
  assert.equal(askStore(own, 'child.example. TXT', { sourceId: 2 }), undefined, 'another source has no such zone')
  assert.equal(askStore(own, 'elsewhere. A'), undefined)
})

test('the root can be a zone', async () => {
  const own = ZoneStore.create({ bytesMax: 2 ** 22 })
  await replaceZone(own, '.', ['. 60 SOA a. b. 1 2 3 4 5', '. 60 NS a.', 'a. 60 A 192.0.2.1', '*. 60 TXT "any"'])
  assert.deepEqual(askStore(own, '. NS')!.answer, ['. 60 NS a.'])
  assert.deepEqual(askStore(own, '. NS')!.additional, ['a. 60 A 192.0.2.1'])
  assert.deepEqual(askStore(own, 'x.y. TXT')!.answer, ['x.y. 60 TXT "any"'])
  assert.deepEqual(askStore(own, 'a. AAAA')!.authority, ['. 5 SOA a. b. 1 2 3 4 5'])
})

test('minimal zones leave the apex NS out of authority', async () => {
  const own = ZoneStore.create({ bytesMax: 2 ** 22 })
  await replaceZone(own, 'example.', [SOA_LINE, ...NS, 'www.example. 1 A 192.0.2.1'], { minimal: true })
  assert.deepEqual(askStore(own, 'www.example. A')!.authority, [])
  assert.deepEqual(askStore(own, 'example. NS')!.answer, NS)
})

test('flat zones: the exact name, then a wildcard for one label, type by type; no SOA, no cuts', async () => {
  const own = ZoneStore.create({ bytesMax: 2 ** 22 })
  const lines = [
    'a.example. 1 A 192.0.2.1',
    'b.c.example. 1 A 192.0.2.2',
    '*.example. 1 A 192.0.2.3',
    '*.example. 1 AAAA 2001:db8::3',
    'sub.test. 1 NS ns.test.',
    '1.2.0.192.in-addr.arpa. 1 PTR a.example.',
  ]
  await replaceZone(own, '.', lines, { form: 'flat' })
  const ask = (question: string) => {
    const { outcome, answer, authority } = askStore(own, question)!
    return { outcome, answer, authority }
  }
  assert.deepEqual(ask('a.example. A'), { outcome: ANSWERED, answer: ['a.example. 1 A 192.0.2.1'], authority: [] })
  assert.deepEqual(ask('a.example. AAAA'), {
    outcome: ANSWERED,
    answer: ['a.example. 1 AAAA 2001:db8::3'],
    authority: [],
  })
  assert.deepEqual(ask('a.example. MX'), { outcome: NODATA, answer: [], authority: [] })
  assert.deepEqual(ask('x.example. A'), { outcome: ANSWERED, answer: ['x.example. 1 A 192.0.2.3'], authority: [] })
  assert.deepEqual(ask('x.example. MX'), { outcome: NODATA, answer: [], authority: [] })
  assert.deepEqual(ask('x.y.example. A'), { outcome: ABSENT, answer: [], authority: [] })
  assert.deepEqual(ask('b.c.example. AAAA'), { outcome: NODATA, answer: [], authority: [] })
  assert.deepEqual(ask('d.c.example. A'), { outcome: ABSENT, answer: [], authority: [] })
  assert.deepEqual(ask('test. A'), { outcome: ABSENT, answer: [], authority: [] }, 'no empty non-terminals')
  assert.deepEqual(ask('x.sub.test. A'), { outcome: ABSENT, answer: [], authority: [] })
  assert.deepEqual(ask('1.2.0.192.in-addr.arpa. PTR').answer, ['1.2.0.192.in-addr.arpa. 1 PTR a.example.'])
})

test('a zone without SOA is unavailable, and so is one that said so; a commit ends it', async () => {
  const own = ZoneStore.create({ bytesMax: 2 ** 22 })
  await replaceZone(own, 'example.', ['www.example. 1 A 192.0.2.1'])
  assert.equal(askStore(own, 'www.example. A')!.outcome, UNAVAILABLE)
  await replaceZone(own, 'example.', [SOA_LINE, 'www.example. 1 A 192.0.2.1'])
  assert.equal(askStore(own, 'www.example. A')!.outcome, ANSWERED)
  own.apply({ kind: 'unavailable', sourceId: 1, apex: 'example.' })
  const answer = askStore(own, 'www.example. A')!
  assert.deepEqual(
    { outcome: answer.outcome, aa: answer.aa, size: answer.size },
    { outcome: UNAVAILABLE, aa: false, size: 12 + 13 + 4 },
  )
  await replaceZone(own, 'example.', [SOA_LINE])
  assert.equal(askStore(own, 'www.example. A')!.outcome, NXDOMAIN_OUTCOME)
  own.apply({ kind: 'unavailable', sourceId: 1, apex: 'new.' })
  assert.equal(askStore(own, 'x.new. A')!.outcome, UNAVAILABLE)
})

test('RFC 2181 9, RFC 9471: what has to be there and does not fit sets TC, what is extra is left out', async () => {
  const own = ZoneStore.create({ bytesMax: 2 ** 22 })
  const many = Array.from({ length: 40 }, (_, i) => `big.example. 60 A 192.0.2.${i}`)
  const mx = Array.from({ length: 10 }, (_, i) => `mail.example. 60 MX ${i} mx${i}.example.`)
  const hosts = Array.from({ length: 10 }, (_, i) => [
    `mx${i}.example. 60 A 192.0.2.${i}`,
    `mx${i}.example. 60 AAAA 2001:db8::${i}`,
  ]).flat()
  const ns = Array.from({ length: 12 }, (_, i) => `sub.example. 60 NS ns${i}.sub.example.`)
  const glue = Array.from({ length: 12 }, (_, i) => [
    `ns${i}.sub.example. 60 A 192.0.2.${i}`,
    `ns${i}.sub.example. 60 AAAA 2001:db8::${i}`,
  ]).flat()
  const sibling = [
    'side.example. 60 NS mx1.example.',
    ...Array.from({ length: 8 }, (_, i) => `side.example. 60 NS mx${i}.example.`),
  ]
  await replaceZone(own, 'example.', [SOA_LINE, ...NS, ...many, ...mx, ...hosts, ...ns, ...glue, ...sibling])
  const big = askStore(own, 'big.example. A', { size: 512 })!
  assert.deepEqual([big.tc, big.answer, big.authority], [true, [], []])
  assert.equal(askStore(own, 'big.example. A', { size: 1232 })!.answer.length, 40)
  const mail = askStore(own, 'mail.example. MX', { size: 512 })!
  assert.equal(mail.tc, false)
  assert.equal(mail.answer.length, 10)
  assert.ok(mail.additional.length > 0 && mail.additional.length < 20)
  const referral = askStore(own, 'x.sub.example. A', { size: 512 })!
  assert.equal(referral.tc, true, 'glue below the cut is missing')
  assert.equal(askStore(own, 'x.sub.example. A', { size: 1232 })!.tc, false)
  const side = askStore(own, 'x.side.example. A', { size: 300 })!
  assert.equal(side.tc, false, 'addresses of servers beside the cut are extra')
  assert.equal(askStore(own, 'x.side.example. A', { size: 100 })!.tc, true)
  for (let size = 40; size < 700; size++) {
    for (const question of ['mail.example. MX', 'x.sub.example. A', 'nope.example. A', 'x.side.example. A']) {
      const answer = askStore(own, question, { size })!
      assert.ok(answer.size <= size)
      if (answer.tc) assert.equal(answer.answer.length === 0 || answer.answer.length === 10, true)
    }
  }
})

test('the question keeps its case, and owners equal to the qname are pointers to it', async () => {
  const answer = askStore(store, 'WwW.ExAmPlE. A')!
  assert.equal(Buffer.from(answer.message.subarray(12, 24)).toString('latin1'), '\x03WwW\x07ExAmPlE')
  assert.deepEqual([...answer.message.subarray(12 + 13 + 4, 12 + 13 + 4 + 2)], [0xc0, 12])
})
