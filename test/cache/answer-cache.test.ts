import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  AnswerCache,
  BYPASS,
  HIT,
  HIT_REFRESH,
  LOCKED,
  MISS,
  NOT_STORED,
  REFRESH_SECONDS_MAX,
  STALE_VERIFY,
  STORED,
  TOO_LARGE,
} from '../../src/cache/answer-cache.ts'
import {
  KIND_DENIAL,
  KIND_FIXED,
  KIND_LOCAL,
  KIND_NONE,
  KIND_SUCCESS,
  KIND_UNANSWERED,
  LOCK_WORD,
  layoutOf,
} from '../../src/cache/layout.ts'
import {
  acceptsRefresh,
  mayStore,
  mayStoreRefresh,
  NewEntry,
  STORE_BY_FAMILY,
  STORE_FOR_ALL,
  STORE_NEVER,
} from '../../src/cache/new-entry.ts'
import { CAPACITY_MAX, capacityOf, LOCAL_POLICY } from '../../src/cache/policy.ts'
import { LOCK_SECONDS_MAX } from '../../src/cache/shard-writer.ts'
import {
  READ_CLIENT,
  READ_CLOCK,
  READ_FAMILY,
  READ_MESSAGE,
  READ_METADATA,
  READ_OPTIONS,
  READ_TRANSPORT,
} from '../../src/chain/marks.ts'
import { FLAG_TC } from '../../src/wire/compose-reply.ts'
import { OCTETS_PER_CALL_NONE, octetsPerCall } from '../support/allocations.ts'
import {
  labels,
  parsedQuery,
  record,
  soaRecord,
  TYPE_A,
  TYPE_AAAA,
  TYPE_TXT,
  type WireQuery,
  wireReply,
} from '../support/wire-reply.ts'
import { aCache, composed, IPV4, IPV6, LOCAL, NO_SCOPE, put, ttlOf } from './a-cache.ts'

const RCODE_SERVFAIL = 2
const RCODE_NXDOMAIN = 3
const FLAG_CD = 0x0010
const FLAG_AD = 0x0020

function look(
  cache: AnswerCache,
  query: WireQuery | ReturnType<typeof parsedQuery>,
  now = 0,
  family = IPV4,
  scope = NO_SCOPE,
) {
  const parsed = 'parse' in query ? query : parsedQuery(query)
  return cache.lookup(parsed, scope, family, now)
}

describe('key', () => {
  const stored: WireQuery = { name: 'www.example.', type: TYPE_A }
  const cases: { title: string; ask: WireQuery; scope?: number; want: number }[] = [
    { title: 'the same question', ask: stored, want: HIT },
    { title: 'another case', ask: { ...stored, name: 'WwW.eXaMple.' }, want: HIT },
    { title: 'another ID', ask: { ...stored, id: 1 }, want: HIT },
    { title: 'AD is not in the key', ask: { ...stored, flags: FLAG_AD }, want: HIT },
    { title: 'RD is not in the key', ask: { ...stored, rd: false }, want: HIT },
    { title: 'OPT without DO is not in the key', ask: { ...stored, udpSize: 4096 }, want: HIT },
    { title: 'another name', ask: { ...stored, name: 'wwx.example.' }, want: MISS },
    { title: 'a longer name', ask: { ...stored, name: 'a.www.example.' }, want: MISS },
    { title: 'another type', ask: { ...stored, type: TYPE_AAAA }, want: MISS },
    { title: 'another class', ask: { ...stored, class: 3 }, want: MISS },
    { title: 'DO', ask: { ...stored, dnssecOk: true }, want: MISS },
    { title: 'CD (CVE-2024-0874)', ask: { ...stored, flags: FLAG_CD }, want: MISS },
    { title: 'another block', ask: stored, scope: 8, want: MISS },
    { title: 'NOTIFY', ask: { ...stored, flags: 0x2000 }, want: BYPASS },
    { title: 'AXFR', ask: { ...stored, type: 252 }, want: BYPASS },
    { title: 'IXFR', ask: { ...stored, type: 251 }, want: BYPASS },
    {
      title: 'with a client subnet',
      ask: { ...stored, udpSize: 512, options: [0, 8, 0, 4, 0, 1, 0, 0] },
      want: BYPASS,
    },
  ]
  for (const { title, ask, scope = 7, want } of cases) {
    test(title, () => {
      const cache = aCache()
      assert.equal(put(cache, parsedQuery(stored), {}, { scope: 7 }), STORED)
      assert.equal(look(cache, ask, 0, IPV4, scope), want)
    })
  }

  test('all combinations of DO, CD, class and type are kept apart, in any order', () => {
    const cache = aCache()
    const queries: WireQuery[] = []
    for (const type of [TYPE_A, TYPE_AAAA]) {
      for (const rrclass of [1, 3]) {
        for (const dnssecOk of [false, true]) {
          for (const flags of [0, FLAG_CD]) queries.push({ name: 'x.example.', type, class: rrclass, dnssecOk, flags })
        }
      }
    }
    for (const [i, query] of queries.entries()) {
      put(cache, parsedQuery(query), { answers: [record(TYPE_A, [192, 0, 2, i])] })
    }
    for (const [i, query] of [...queries.entries()].reverse()) {
      const parsed = parsedQuery(query)
      assert.equal(look(cache, parsed), HIT)
      assert.equal(composed(cache, parsed)[parsed.questionEnd + 15], i)
    }
  })

  test('a query with TSIG or another record is passed by', () => {
    const query = parsedQuery()
    query.hasExtraRecords = true
    const cache = aCache()
    assert.equal(put(cache, query), NOT_STORED)
    assert.equal(look(cache, query), BYPASS)
  })

  test('equal hashes: the whole name decides (TOB-CDNS-8)', () => {
    const cache = aCache()
    const one = parsedQuery({ name: 'one.example.' })
    const other = parsedQuery({ name: 'two.example.' })
    one.hash = other.hash = 0x1234567
    put(cache, one, { answers: [record(TYPE_A, [192, 0, 2, 1])] })
    assert.equal(look(cache, other), MISS)
    put(cache, other, { answers: [record(TYPE_A, [192, 0, 2, 2])] })
    for (const [query, last] of [
      [one, 1],
      [other, 2],
    ] as const) {
      assert.equal(look(cache, query), HIT)
      assert.equal(composed(cache, query)[query.questionEnd + 15], last)
    }
  })

  for (const length of [1, 60, 143, 144, 145, 200, 255]) {
    test(`a name of ${length} octets, with zones beside it, is compared to its last octet`, () => {
      const sizes: number[] = []
      for (let left = length - 1; left > 0; left -= Math.min(64, left)) sizes.push(Math.min(64, left) - 1)
      if (sizes.at(-1) === 0) {
        sizes[sizes.length - 2]! -= 1
        sizes[sizes.length - 1]! += 1
      }
      const name = `${sizes.map((size, i) => String.fromCharCode(97 + i).repeat(size)).join('.')}.`
      const query = parsedQuery({ name })
      assert.equal(query.nameLength, length)
      const zones = new Map([
        [3, 9],
        [4, 8],
        [5, 7],
        [6, 6],
      ])
      const cache = aCache({ zones })
      put(cache, query, {
        ...LOCAL,
        zones: [
          [3, 9],
          [4, 8],
          [5, 7],
          [6, 6],
        ],
      })
      assert.equal(look(cache, query), HIT)
      assert.deepEqual(
        composed(cache, query).subarray(query.questionEnd),
        Uint8Array.from(record(TYPE_A, [192, 0, 2, 1], { ttl: 60 })),
      )
      if (length === 1) return
      const differs = parsedQuery({ name: `${name.slice(0, -2)}z.` })
      differs.hash = query.hash
      assert.equal(look(cache, differs), MISS)
    })
  }
})

describe("replies that vary by the client's family", () => {
  test('each family has its own, and a family without one misses', () => {
    const cache = aCache()
    const query = parsedQuery({ type: TYPE_AAAA })
    put(cache, query, { ...LOCAL, byFamily: true, answers: [record(TYPE_A, [4])] }, { family: IPV4 })
    assert.equal(look(cache, query, 0, IPV6), MISS)
    assert.equal(look(cache, query, 0, IPV4), HIT)
    put(cache, query, { ...LOCAL, byFamily: true, answers: [record(TYPE_A, [6])] }, { family: IPV6 })
    for (const family of [IPV4, IPV6]) {
      assert.equal(look(cache, query, 0, family), HIT)
      assert.equal(composed(cache, query).at(-1), family)
    }
  })
})

describe('kinds', () => {
  test('local: no ageing, until a zone changes; all of its zones count', () => {
    const zones = new Map([
      [1, 10],
      [2, 20],
    ])
    const cache = aCache({ zones })
    const query = parsedQuery()
    put(cache, query, {
      ...LOCAL,
      ttl: 60,
      zones: [
        [1, 10],
        [2, 20],
      ],
    })
    assert.equal(look(cache, query, 1e6), HIT)
    assert.equal(ttlOf(composed(cache, query), query), 60)
    zones.set(2, 21)
    assert.equal(look(cache, query), MISS)
    put(cache, query, {
      ...LOCAL,
      zones: [
        [1, 10],
        [2, 21],
      ],
    })
    assert.equal(look(cache, query), HIT)
    zones.set(1, 11)
    assert.equal(look(cache, query), MISS)
  })

  test("a cached entry made of a zone's record too ends when the zone changes", () => {
    const zones = new Map([[1, 10]])
    const cache = aCache({ zones })
    const query = parsedQuery()
    put(cache, query, { kind: KIND_SUCCESS, zones: [[1, 10]] })
    assert.equal(look(cache, query), HIT)
    zones.set(1, 11)
    assert.equal(look(cache, query), MISS)
  })

  test('stored too late: the zone has changed while the chain ran', () => {
    const cache = aCache({ zones: new Map([[1, 11]]) })
    const query = parsedQuery()
    put(cache, query, { ...LOCAL, zones: [[1, 10]] })
    assert.equal(look(cache, query), MISS)
  })

  test('local and fixed: for one configuration only', () => {
    for (const kind of [KIND_LOCAL, KIND_FIXED]) {
      const cache = aCache()
      const query = parsedQuery()
      put(cache, query, { kind })
      assert.equal(look(cache, query), HIT)
      const after = AnswerCache.attach(cache.handle, {
        thread: 0,
        configGeneration: 2,
        generations: { generation: () => 0 },
      })
      assert.equal(look(after, query), MISS)
      put(after, query, { kind: KIND_SUCCESS })
      assert.equal(look(cache, query), HIT, 'cached ones go on')
    }
  })

  test('nothing that has no kind or no lifetime is stored', () => {
    const cache = aCache()
    assert.equal(put(cache, parsedQuery(), { kind: KIND_NONE }), NOT_STORED)
    assert.equal(put(cache, parsedQuery(), { kind: KIND_SUCCESS, ttl: 0 }), NOT_STORED)
    assert.equal(look(cache, {}), MISS)
  })
})

describe('ageing', () => {
  test('whole seconds are counted down, and the entry ends with them', () => {
    const cache = aCache()
    const query = parsedQuery()
    put(cache, query, { ttl: 5 }, { now: 100.5 })
    for (const [now, ttl] of [
      [100.5, 5],
      [101.4, 5],
      [101.5, 4],
      [104.5, 1],
      [105.4, 1],
    ] as const) {
      assert.equal(look(cache, query, now), HIT, `${now}`)
      assert.equal(ttlOf(composed(cache, query), query), ttl, `${now}`)
    }
    assert.equal(look(cache, query, 105.5), MISS)
  })

  test('every record of every section', () => {
    const cache = aCache()
    const query = parsedQuery({ udpSize: 1232 })
    const records = (ttl: number) => [
      record(TYPE_A, [1, 2, 3, 4], { ttl }),
      soaRecord('example.', { ttl }),
      record(TYPE_TXT, [0], { ttl, owner: [0] }),
    ]
    const [a, soa, txt] = records(30)
    put(cache, query, { ttl: 30, answers: [a!], authorities: [soa!], additionals: [txt!] })
    look(cache, query, 11)
    assert.deepEqual(composed(cache, query).slice(query.questionEnd, -11), Uint8Array.from(records(19).flat()))
  })

  test('keepttl: the TTL stays, the end does not', () => {
    const cache = aCache({ policy: { keepTtl: true } })
    const query = parsedQuery()
    put(cache, query, { ttl: 5 })
    assert.equal(look(cache, query, 4), HIT)
    assert.equal(ttlOf(composed(cache, query), query), 5)
    assert.equal(look(cache, query, 5), MISS)
  })

  test('a lifetime of 2^32-1 seconds', () => {
    const cache = aCache()
    const query = parsedQuery()
    put(cache, query, { ttl: 0xffffffff })
    assert.equal(look(cache, query, 1000), HIT)
    assert.equal(ttlOf(composed(cache, query), query), 0xffffffff - 1000)
  })
})

describe('what a hit says', () => {
  const flags = (cache: AnswerCache, about: WireQuery) => {
    const query = parsedQuery(about)
    assert.equal(look(cache, query), HIT)
    const reply = composed(cache, query)
    return ((reply[2]! << 8) | reply[3]!).toString(16)
  }

  test('AD for who asks; AA, RA and RCODE as stored', () => {
    const cache = aCache()
    put(cache, parsedQuery(), { flags: 0x00a0 })
    assert.equal(flags(cache, {}), '8180')
    assert.equal(flags(cache, { flags: FLAG_AD }), '81a0')
    assert.equal(flags(cache, { rd: false }), '8080')
    put(cache, parsedQuery(), { flags: 0x04a0 })
    assert.equal(flags(cache, {}), '8580')
  })

  test('local: AA as stored', () => {
    const cache = aCache()
    put(cache, parsedQuery(), { ...LOCAL, flags: 0 })
    assert.equal(flags(cache, {}), '8100')
  })

  test("a truncated reply's TC is not stored", () => {
    const cache = aCache()
    put(cache, parsedQuery(), { flags: FLAG_TC })
    assert.equal(flags(cache, {}), '8100')
  })

  test('Extended DNS Errors are kept, for clients with EDNS', () => {
    const cache = aCache()
    const ede = [0, 15, 0, 3, 0, 9, 0x78]
    put(cache, parsedQuery(), { kind: KIND_DENIAL, rcode: RCODE_SERVFAIL, options: ede })
    const plain = parsedQuery()
    assert.equal(look(cache, plain), HIT)
    assert.equal(composed(cache, plain)[11], 0, 'no OPT')
    const edns = parsedQuery({ udpSize: 1232 })
    assert.equal(look(cache, edns), HIT)
    assert.deepEqual([...composed(cache, edns).slice(-ede.length)], ede)
    assert.equal(cache.rcode, RCODE_SERVFAIL)
  })

  test('cut to what the client takes, from the same entry', () => {
    const cache = aCache()
    const query = parsedQuery()
    put(cache, query, {
      answers: [
        ...Array.from({ length: 5 }, () => record(TYPE_TXT, [99, ...new Array<number>(99).fill(1)])),
        record(TYPE_A, [1, 2, 3, 4]),
      ],
    })
    assert.equal(look(cache, query), HIT)
    const cut = composed(cache, query, 512)
    assert.deepEqual([cut.length, cut[2]! & 2], [query.questionEnd, 2])
    assert.equal(look(cache, query), HIT)
    assert.equal(composed(cache, query, 1232).length, query.questionEnd + 5 * 112 + 16)
  })
})

describe('sizes', () => {
  for (const size of [0, 1, 100, 143, 144, 145, 300, 327, 328, 329, 1200, 4000, 4096]) {
    test(`a body of ${size} octets comes back as it was`, () => {
      const cache = aCache()
      const query = parsedQuery()
      const entry = new NewEntry()
      const octets = Uint8Array.from({ length: size + 7 }, (_, i) => (i * 31) & 255)
      entry.body.bytes = octets
      entry.body.bodyAt = 7
      entry.body.bodyLength = size
      entry.kind = KIND_LOCAL
      assert.equal(cache.store(query, entry, NO_SCOPE, IPV4, 0), STORED)
      assert.equal(look(cache, query), HIT)
      assert.deepEqual(composed(cache, query).subarray(query.questionEnd), octets.subarray(7))
    })
  }

  test('larger ones are not stored, and counted', () => {
    const cache = aCache()
    const query = parsedQuery()
    const answers = Array.from({ length: 300 }, () => record(TYPE_A, [1, 2, 3, 4]))
    assert.equal(put(cache, query, { answers }), TOO_LARGE)
    assert.equal(cache.figures().tooLarge, 1)
    assert.equal(look(cache, query), MISS)
  })

  test('an entry can be replaced by a longer and a shorter one, again and again', () => {
    const cache = aCache()
    const query = parsedQuery()
    for (let i = 0; i < 200; i++) {
      const answers = Array.from({ length: 1 + ((i * 37) % 200) }, (_, k) => record(TYPE_A, [1, 2, i, k]))
      assert.equal(put(cache, query, { ...LOCAL, answers }), STORED)
      assert.equal(look(cache, query), HIT)
      assert.deepEqual(composed(cache, query).subarray(query.questionEnd), Uint8Array.from(answers.flat()))
    }
    assert.deepEqual(cache.entries(), { success: 1, denial: 0 })
    assert.ok(cache.memory().used < 5000)
  })

  test("CoreDNS's rounding of capacities", () => {
    const cases = [
      [10_000, 9984],
      [10, 1024],
      [-5, 1024],
      [0, 1024],
      [1300, 1280],
      [5000, 4864],
      [1e9, CAPACITY_MAX],
    ] as const
    for (const [configured, want] of cases) assert.equal(capacityOf(configured), want)
  })
})

describe('success and denial', () => {
  const query = parsedQuery()
  const success = { kind: KIND_SUCCESS, ttl: 60 }
  const denial = { kind: KIND_DENIAL, rcode: RCODE_NXDOMAIN, ttl: 30 }
  const servfail = { kind: KIND_DENIAL, rcode: RCODE_SERVFAIL, ttl: 5 }
  const rcodeAt = (cache: AnswerCache, now: number) => {
    if (look(cache, query, now) !== HIT) return 'miss'
    composed(cache, query)
    return cache.rcode
  }

  test('a denial goes before a success while it lives', () => {
    const cache = aCache()
    put(cache, query, success)
    put(cache, query, denial)
    assert.equal(rcodeAt(cache, 1), RCODE_NXDOMAIN)
    assert.equal(rcodeAt(cache, 30), 0)
    assert.equal(cache.figures().hitsDenial, 1)
    assert.equal(cache.figures().hitsSuccess, 1)
  })

  test('a SERVFAIL does not hide a usable success', () => {
    const cache = aCache()
    put(cache, query, success)
    put(cache, query, servfail)
    assert.equal(rcodeAt(cache, 1), 0)
    assert.equal(rcodeAt(cache, 60), 'miss')
  })

  test('a SERVFAIL alone is a hit', () => {
    const cache = aCache()
    put(cache, query, servfail)
    assert.equal(rcodeAt(cache, 1), RCODE_SERVFAIL)
  })

  test("a positive refresh removes the denial; a client's miss does not", () => {
    const cache = aCache()
    put(cache, query, denial)
    put(cache, query, success)
    assert.equal(rcodeAt(cache, 1), RCODE_NXDOMAIN)
    put(cache, query, { ...success, isRefresh: true })
    assert.equal(rcodeAt(cache, 1), 0)
  })

  test('local denials are in the denial share, local answers in the success share', () => {
    const cache = aCache()
    put(cache, parsedQuery({ name: 'a.example.' }), LOCAL)
    put(cache, parsedQuery({ name: 'b.example.' }), { ...LOCAL, rcode: RCODE_NXDOMAIN })
    put(cache, parsedQuery({ name: 'c.example.' }), { ...LOCAL, authorities: [soaRecord('example.')] })
    assert.deepEqual(cache.entries(), { success: 1, denial: 2 })
  })
})

describe('prefetch', () => {
  const policy = { prefetchAmount: 3, prefetchSeconds: 60, prefetchPercent: 10 }
  const query = parsedQuery()

  test('popular and near its end: once, until it has ended', () => {
    const cache = aCache({ policy })
    put(cache, query, { ttl: 100 })
    assert.deepEqual(
      [89, 89, 89, 89].map((now) => look(cache, query, now)),
      [HIT, HIT, HIT, HIT],
      'more than 10 % left',
    )
    assert.equal(look(cache, query, 90), HIT_REFRESH)
    assert.equal(ttlOf(composed(cache, query), query), 10)
    assert.equal(look(cache, query, 91), HIT, 'one at a time')
    put(cache, query, { ttl: 100, isRefresh: true }, { now: 92 })
    cache.endRefresh(query, NO_SCOPE, IPV4, 92, true)
    assert.equal(look(cache, query, 92), HIT)
    assert.equal(ttlOf(composed(cache, query), query), 100)
    assert.equal(look(cache, query, 185), HIT, 'the hits before a gap do not count')
    assert.equal(cache.figures().prefetches, 1)
  })

  test('hits are taken over by the refreshed entry', () => {
    const cache = aCache({ policy })
    put(cache, query, { ttl: 100 })
    for (const now of [60, 80]) look(cache, query, now)
    assert.equal(look(cache, query, 90), HIT_REFRESH)
    put(cache, query, { ttl: 10, isRefresh: true }, { now: 91 })
    assert.equal(look(cache, query, 100), HIT_REFRESH)
  })

  test('too few hits', () => {
    const cache = aCache({ policy })
    put(cache, query, { ttl: 100 })
    assert.deepEqual(
      [95, 96].map((now) => look(cache, query, now)),
      [HIT, HIT],
    )
    assert.equal(look(cache, query, 97), HIT_REFRESH)
  })

  test('a gap of more than DURATION starts the count anew', () => {
    const cache = aCache({ policy })
    put(cache, query, { ttl: 1000 })
    for (const now of [100, 101, 102]) look(cache, query, now)
    assert.deepEqual(
      [900, 901].map((now) => look(cache, query, now)),
      [HIT, HIT],
    )
    assert.equal(look(cache, query, 902), HIT_REFRESH)
  })

  test('a failed one may be tried again at once, a lost one after a while', () => {
    const cache = aCache({ policy })
    put(cache, query, { ttl: 1000 })
    for (const now of [900, 900]) look(cache, query, now)
    assert.equal(look(cache, query, 900), HIT_REFRESH)
    cache.endRefresh(query, NO_SCOPE, IPV4, 901, false)
    assert.equal(look(cache, query, 901), HIT_REFRESH)
    assert.equal(look(cache, query, 901 + REFRESH_SECONDS_MAX - 1), HIT)
    assert.equal(look(cache, query, 901.1 + REFRESH_SECONDS_MAX), HIT_REFRESH)
  })

  test('at 10 % of a second the last second counts', () => {
    const cache = aCache({ policy: { ...policy, prefetchAmount: 1 } })
    put(cache, query, { ttl: 5 })
    assert.equal(look(cache, query, 3), HIT)
    assert.equal(look(cache, query, 4), HIT_REFRESH)
  })

  test('never from a query without RD, from a pool thread, or of a local entry', () => {
    const cache = aCache({ policy: { ...policy, prefetchAmount: 1 } })
    put(cache, query, { ttl: 100 })
    assert.equal(look(cache, { rd: false }, 95), HIT)
    const inPool = AnswerCache.attach(cache.handle, {
      thread: 1,
      mayRefresh: false,
      configGeneration: 1,
      generations: { generation: () => 0 },
    })
    assert.equal(look(inPool, query, 95), HIT)
    put(cache, parsedQuery({ name: 'local.example.' }), { ...LOCAL, ttl: 100 })
    assert.equal(look(cache, { name: 'local.example.' }, 95), HIT)
    assert.equal(look(cache, query, 95), HIT_REFRESH)
  })
})

describe('stale answers', () => {
  const query = parsedQuery()
  const staleSeconds = 3600

  test('not without serve_stale', () => {
    const cache = aCache()
    put(cache, query, { ttl: 10 })
    assert.equal(look(cache, query, 10), MISS)
  })

  test('immediate: TTL 0, one refresh at a time, until the time is over', () => {
    const cache = aCache({ policy: { staleSeconds } })
    put(cache, query, { ttl: 10 })
    assert.equal(look(cache, query, 9), HIT)
    assert.equal(cache.isStale, false)
    assert.equal(look(cache, query, 10), HIT_REFRESH)
    assert.equal(cache.isStale, true)
    assert.equal(ttlOf(composed(cache, query), query), 0)
    assert.equal(look(cache, query, 11), HIT)
    cache.endRefresh(query, NO_SCOPE, IPV4, 12, false)
    assert.equal(look(cache, query, 12), HIT_REFRESH)
    assert.equal(look(cache, query, 10 + staleSeconds - 1), HIT_REFRESH)
    assert.equal(look(cache, query, 10 + staleSeconds), MISS)
    assert.equal(cache.figures().servedStale, 4)
    assert.equal(cache.figures().prefetches, 3)
  })

  test('the TTL of a stale reply, which keepttl does not change', () => {
    for (const [policy, want] of [
      [{ staleTtlSeconds: 30 }, 30],
      [{ staleTtlSeconds: 30, keepTtl: true }, 30],
      [{ keepTtl: true }, 10],
      [{}, 0],
    ] as const) {
      const cache = aCache({ policy: { staleSeconds, ...policy } })
      put(cache, query, { ttl: 10 })
      look(cache, query, 20)
      assert.equal(ttlOf(composed(cache, query), query), want)
    }
  })

  test('FAILURE_RECHECK: no other try before it is over', () => {
    const cache = aCache({ policy: { staleSeconds, staleRecheckSeconds: 30 } })
    put(cache, query, { ttl: 10 })
    assert.equal(look(cache, query, 20), HIT_REFRESH)
    cache.endRefresh(query, NO_SCOPE, IPV4, 21, false)
    assert.deepEqual(
      [22, 30, 50.8].map((now) => look(cache, query, now)),
      [HIT, HIT, HIT],
    )
    assert.equal(look(cache, query, 51.1), HIT_REFRESH)
    put(cache, query, { ttl: 10, isRefresh: true }, { now: 52 })
    cache.endRefresh(query, NO_SCOPE, IPV4, 52, true)
    assert.equal(look(cache, query, 53), HIT)
    assert.equal(look(cache, query, 62), HIT_REFRESH, 'a success ends the pause')
  })

  test('verify: every query asks first, without recheck', () => {
    const cache = aCache({ policy: { staleSeconds, staleVerify: true } })
    put(cache, query, { ttl: 10 })
    assert.deepEqual(
      [10, 11].map((now) => look(cache, query, now)),
      [STALE_VERIFY, STALE_VERIFY],
    )
    assert.equal(cache.figures().servedStale, 0)
    cache.endRefresh(query, NO_SCOPE, IPV4, 12, false)
    assert.equal(cache.lookupStale(query, NO_SCOPE, IPV4, 12), HIT)
    assert.equal(ttlOf(composed(cache, query), query), 0)
    assert.equal(cache.figures().servedStale, 1)
    assert.equal(cache.lookupStale(query, NO_SCOPE, IPV4, 10 + staleSeconds), MISS)
  })

  test('verify with recheck: stale at once while a try is in flight or has just failed', () => {
    const cache = aCache({ policy: { staleSeconds, staleVerify: true, staleRecheckSeconds: 5 } })
    put(cache, query, { ttl: 10 })
    assert.equal(look(cache, query, 10), STALE_VERIFY)
    assert.equal(look(cache, query, 10), HIT)
    cache.endRefresh(query, NO_SCOPE, IPV4, 11, false)
    assert.equal(look(cache, query, 15.8), HIT)
    assert.equal(look(cache, query, 16.1), STALE_VERIFY)
  })

  test('a denial is served stale too', () => {
    const cache = aCache({ policy: { staleSeconds } })
    put(cache, query, { kind: KIND_DENIAL, rcode: RCODE_NXDOMAIN, ttl: 10 })
    assert.equal(look(cache, query, 11), HIT_REFRESH)
    composed(cache, query)
    assert.equal(cache.rcode, RCODE_NXDOMAIN)
  })

  test('a query without RD is answered but starts nothing', () => {
    const cache = aCache({ policy: { staleSeconds } })
    put(cache, query, { ttl: 10 })
    assert.equal(look(cache, { rd: false }, 20), HIT)
    assert.equal(look(cache, {}, 20), HIT_REFRESH)
  })

  test('what is stored of a refresh, and what replaces the stale answer (RFC 8767 section 4)', () => {
    const cases = [
      { rcode: 0, kind: KIND_SUCCESS, answers: 1, want: true, prefer: true },
      { rcode: 0, kind: KIND_DENIAL, answers: 0, want: true, prefer: false },
      { rcode: 0, kind: KIND_UNANSWERED, answers: 0, want: true, prefer: false },
      { rcode: RCODE_NXDOMAIN, kind: KIND_DENIAL, answers: 0, want: true, prefer: false },
      { rcode: RCODE_NXDOMAIN, kind: KIND_NONE, answers: 1, want: false, prefer: false },
      { rcode: RCODE_SERVFAIL, kind: KIND_DENIAL, answers: 0, want: false, prefer: false },
      { rcode: 5, kind: KIND_NONE, answers: 0, want: false, prefer: false },
      { rcode: 0, kind: KIND_SUCCESS, answers: 1, tc: true, want: false, prefer: false },
    ]
    for (const { rcode, kind, answers, tc = false, want, prefer } of cases) {
      const entry = new NewEntry()
      entry.kind = kind
      entry.body.rcode = rcode
      entry.body.answerCount = answers
      entry.body.flags = tc ? FLAG_TC : 0
      const positive = { ...LOCAL_POLICY, preferPositive: true }
      assert.equal(acceptsRefresh(LOCAL_POLICY, entry), want)
      assert.equal(acceptsRefresh(positive, entry), prefer)
      assert.equal(mayStoreRefresh(LOCAL_POLICY, entry, true), want)
      assert.equal(mayStoreRefresh(LOCAL_POLICY, entry, false), true, 'a prefetch stores what it gets')
      assert.equal(mayStoreRefresh(positive, entry, true), true)
    }
  })
})

describe('prefer_positive', () => {
  const query = parsedQuery()
  const policy = { staleSeconds: 3600, preferPositive: true }
  const success = { kind: KIND_SUCCESS, ttl: 10 }
  const denial = { kind: KIND_DENIAL, rcode: RCODE_NXDOMAIN, ttl: 30 }
  const referral = { kind: KIND_UNANSWERED, ttl: 5, answers: [], authorities: [record(2, labels('ns.example.'))] }
  const found = (cache: AnswerCache, now: number) => {
    const code = look(cache, query, now)
    if (code === MISS) return 'miss'
    const reply = composed(cache, query)
    return `${code === HIT_REFRESH ? 'refresh ' : ''}${cache.rcode === 3 ? 'denial' : reply[7] === 0 ? 'referral' : 'answer'}`
  }

  test('a positive answer, stale too, goes before a fresh denial', () => {
    const cache = aCache({ policy })
    put(cache, query, success)
    put(cache, query, denial)
    assert.equal(found(cache, 5), 'answer')
    assert.equal(found(cache, 15), 'refresh answer')
  })

  test('without the policy the denial hides it', () => {
    const cache = aCache({ policy: { staleSeconds: 3600 } })
    put(cache, query, success)
    put(cache, query, denial)
    assert.equal(found(cache, 5), 'denial')
  })

  test('a reply that answers nothing is kept beside the last good answer', () => {
    const cache = aCache({ policy })
    put(cache, query, success)
    put(cache, query, referral, { now: 11 })
    assert.equal(found(cache, 12), 'refresh answer')
  })

  test('alone it is an answer like any other, but a denial goes before it', () => {
    const cache = aCache({ policy })
    put(cache, query, referral)
    assert.equal(found(cache, 1), 'referral')
    put(cache, query, denial)
    assert.equal(found(cache, 1), 'denial')
  })

  test('a new positive answer ends denial and referral', () => {
    const cache = aCache({ policy })
    put(cache, query, denial)
    put(cache, query, referral)
    put(cache, query, success)
    assert.equal(found(cache, 1), 'answer')
    assert.equal(found(cache, 9), 'answer')
    assert.equal(found(cache, 4000), 'miss', 'neither the denial nor the referral is left')
  })

  test("without the policy a reply that answers nothing takes the answer's place", () => {
    const cache = aCache({ policy: { staleSeconds: 3600 } })
    put(cache, query, success)
    put(cache, query, referral)
    assert.equal(found(cache, 1), 'referral')
  })
})

test('marks: what was read decides who may get the reply', () => {
  const cases = [
    [KIND_LOCAL, 0, STORE_FOR_ALL],
    [KIND_LOCAL, READ_FAMILY, STORE_BY_FAMILY],
    [KIND_LOCAL, READ_CLIENT, STORE_NEVER],
    [KIND_LOCAL, READ_FAMILY | READ_CLIENT, STORE_NEVER],
    [KIND_LOCAL, READ_TRANSPORT, STORE_NEVER],
    [KIND_LOCAL, READ_OPTIONS, STORE_NEVER],
    [KIND_LOCAL, READ_METADATA, STORE_NEVER],
    [KIND_LOCAL, READ_MESSAGE, STORE_NEVER],
    [KIND_LOCAL, READ_CLOCK, STORE_NEVER],
    [KIND_FIXED, READ_CLOCK, STORE_NEVER],
    [KIND_SUCCESS, READ_CLOCK, STORE_FOR_ALL],
    [KIND_DENIAL, READ_CLIENT, STORE_NEVER],
  ] as const
  for (const [kind, reads, want] of cases) assert.equal(mayStore(kind, reads), want)
})

describe('the lock', () => {
  test('a shard that another thread writes in is not waited for; one left locked is emptied and used again', () => {
    const cache = aCache()
    const query = parsedQuery()
    put(cache, query, LOCAL)
    const { shards, shardsAt, shardWords } = layoutOf(cache.policy, 1)
    const words = new Int32Array(cache.region)
    for (let shard = 0; shard < shards; shard++) words[shardsAt + shard * shardWords + LOCK_WORD] = 77
    assert.equal(look(cache, query), HIT, 'readers take no lock')
    assert.equal(put(cache, query, LOCAL, { now: 100 }), LOCKED)
    assert.equal(cache.figures().locked, 1)
    for (let i = 0; i < 100; i++) assert.equal(put(cache, query, LOCAL, { now: 101 }), LOCKED)
    assert.equal(put(cache, query, LOCAL, { now: 100 + LOCK_SECONDS_MAX - 0.1 }), LOCKED)
    assert.equal(put(cache, query, LOCAL, { now: 100 + LOCK_SECONDS_MAX }), STORED)
    assert.equal(look(cache, query, 111), HIT)
    assert.deepEqual(cache.entries(), { success: 1, denial: 0 })
  })

  test('one that changes hands is left alone', () => {
    const cache = aCache()
    const query = parsedQuery()
    const { shards, shardsAt, shardWords } = layoutOf(cache.policy, 1)
    const words = new Int32Array(cache.region)
    for (let i = 1; i < 200; i++) {
      for (let shard = 0; shard < shards; shard++) words[shardsAt + shard * shardWords + LOCK_WORD] = i
      assert.equal(put(cache, query, LOCAL, { now: i }), LOCKED)
    }
  })
})

test('counters are per server', () => {
  const cache = AnswerCache.create(LOCAL_POLICY, {
    thread: 0,
    configGeneration: 1,
    generations: { generation: () => 0 },
    servers: 2,
  })
  const query = parsedQuery()
  look(cache, query)
  cache.server = 1
  put(cache, query, LOCAL)
  look(cache, query)
  const { requests, misses, hitsSuccess, stored } = cache.figures(0)
  assert.deepEqual({ requests, misses, hitsSuccess, stored }, { requests: 1, misses: 1, hitsSuccess: 0, stored: 0 })
  assert.equal(cache.figures(1).hitsSuccess, 1)
  assert.equal(cache.figures(1).stored, 1)
})

test('lookup, compose and store allocate nothing', () => {
  const cache = aCache({
    zones: new Map([[1, 5]]),
    policy: { staleSeconds: 60, prefetchAmount: 5, prefetchSeconds: 60, prefetchPercent: 10 },
  })
  const query = parsedQuery({ udpSize: 1232 })
  const missing = parsedQuery({ name: 'missing.example.' })
  const out = new Uint8Array(4096)
  const entry = new NewEntry()
  const message = wireReply(query, { answers: Array.from({ length: 20 }, (_, i) => record(TYPE_A, [1, 2, 3, i])) })
  entry.body.setMessage(message, 0, message.length, query.questionEnd)
  entry.kind = KIND_SUCCESS
  entry.lifetimeSeconds = 100
  entry.zoneCount = 1
  entry.zones[0] = 1
  entry.generations[0] = 5
  const octets = octetsPerCall(() => {
    cache.store(query, entry, NO_SCOPE, IPV4, 10)
    cache.lookup(query, NO_SCOPE, IPV4, 60)
    cache.compose(query, out, 0, 1232)
    cache.lookup(query, NO_SCOPE, IPV4, 60)
    cache.compose(query, out, 0, 300)
    cache.lookup(missing, NO_SCOPE, IPV4, 60)
  })
  assert.ok(octets < OCTETS_PER_CALL_NONE, `${octets} octets`)
  assert.equal(cache.lookup(query, NO_SCOPE, IPV4, 60), HIT)
})
