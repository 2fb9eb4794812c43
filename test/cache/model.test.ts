import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type AnswerCache, HIT, HIT_REFRESH, MISS, STORED } from '../../src/cache/answer-cache.ts'
import { KIND_DENIAL, KIND_FIXED, KIND_LOCAL, KIND_SUCCESS, KIND_UNANSWERED } from '../../src/cache/layout.ts'
import type { CachePolicy } from '../../src/cache/policy.ts'
import type { ParsedQuery } from '../../src/wire/parsed-query.ts'
import { parsedQuery, record, soaRecord, TYPE_A, TYPE_TXT } from '../support/wire-reply.ts'
import { aCache, composed, IPV4, IPV6, put } from './a-cache.ts'
import { auditCache } from './audit-cache.ts'

/** What the model keeps of a reply. */
interface Kept {
  readonly kind: number
  readonly rcode: number
  readonly storedAt: number
  readonly ttl: number
  readonly zones: readonly (readonly [number, number])[]
  readonly mark: number
}

/** A cache as a few maps, with CoreDNS's rules written down once more. */
class Model {
  readonly #success = new Map<string, Kept>()
  readonly #denial = new Map<string, Kept>()
  readonly #unanswered = new Map<string, Kept>()
  readonly #varies = new Set<string>()
  readonly #policy: Partial<CachePolicy>
  readonly #zones: ReadonlyMap<number, number>

  constructor(policy: Partial<CachePolicy>, zones: ReadonlyMap<number, number>) {
    this.#policy = policy
    this.#zones = zones
  }

  store(key: string, family: number | undefined, kept: Kept, positive: boolean, isRefresh: boolean): void {
    const full = family === undefined ? key : `${key}/${family}`
    if (family !== undefined) this.#varies.add(key)
    const prefers = this.#policy.preferPositive === true
    const isCachedSuccess = kept.kind === KIND_SUCCESS
    if (isCachedSuccess && (prefers || isRefresh)) {
      this.#denial.delete(full)
      this.#unanswered.delete(full)
    }
    if (kept.kind === KIND_UNANSWERED && prefers) this.#unanswered.set(full, kept)
    else if (kept.kind === KIND_DENIAL || (!positive && kept.kind !== KIND_UNANSWERED && !isCachedSuccess)) {
      this.#denial.set(full, kept)
    } else this.#success.set(full, kept)
  }

  find(key: string, family: number, now: number): Kept | undefined {
    if (this.#varies.has(key)) {
      const found = this.#choose(`${key}/${family}`, now)
      if (found !== undefined) return found
    }
    return this.#choose(key, now)
  }

  /** All that may be found where entries are evicted: what stood before another may be gone. */
  candidates(key: string, family: number, now: number): Kept[] {
    return [key, `${key}/${family}`]
      .flatMap((full) => [this.#success.get(full), this.#denial.get(full), this.#unanswered.get(full)])
      .filter((kept) => this.#usable(kept, now) !== undefined) as Kept[]
  }

  #choose(key: string, now: number): Kept | undefined {
    const success = this.#usable(this.#success.get(key), now)
    const denial = this.#usable(this.#denial.get(key), now)
    const unanswered = this.#usable(this.#unanswered.get(key), now)
    const { preferPositive, staleSeconds = 0 } = this.#policy
    if (preferPositive && staleSeconds > 0 && success !== undefined && success.kind !== KIND_UNANSWERED) return success
    if (denial !== undefined && denial.rcode !== 2) return denial
    return success ?? unanswered ?? denial
  }

  #usable(kept: Kept | undefined, now: number): Kept | undefined {
    if (kept === undefined) return undefined
    if (kept.zones.some(([zone, generation]) => this.#zones.get(zone) !== generation)) return undefined
    if (kept.kind === KIND_LOCAL || kept.kind === KIND_FIXED) return kept
    const left = kept.ttl - Math.floor(now - kept.storedAt)
    return left > 0 || -left < (this.#policy.staleSeconds ?? 0) ? kept : undefined
  }
}

interface Drawn {
  readonly random: (below: number) => number
  readonly seed: number
}

function drawn(): Drawn {
  const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
  console.log(`SEED=${seed}`)
  let state = seed | 0
  return {
    seed,
    random(below) {
      state = (Math.imul(state, 1664525) + 1013904223) | 0
      return (state >>> 8) % below
    },
  }
}

/** Runs random operations on a cache and the model. `exact`: nothing is evicted, so a miss must be a miss in both. */
function run(policy: Partial<CachePolicy>, names: number, rounds: number, exact: boolean): AnswerCache {
  const { random, seed } = drawn()
  const zones = new Map(Array.from({ length: 6 }, (_, i): [number, number] => [i, 1]))
  const cache = aCache({ policy, zones })
  const model = new Model(policy, zones)
  const queries: ParsedQuery[] = Array.from({ length: names }, (_, i) =>
    parsedQuery({
      name:
        i % 7 === 0
          ? `${'x'.repeat(60)}.${'y'.repeat(60)}.${'z'.repeat(60)}.n${i >> 1}.example.`
          : `n${i >> 1}.example.`,
      type: i % 3 === 0 ? TYPE_A : 28,
      dnssecOk: i % 2 === 0,
      flags: i % 5 === 0 ? 0x10 : 0,
    }),
  )
  let now = 1000
  let hits = 0
  for (let round = 0; round < rounds; round++) {
    const about = `SEED=${seed} round ${round}`
    const number = random(names)
    const query = queries[number]!
    const scope = random(2)
    const family = random(2) === 0 ? IPV4 : IPV6
    const key = `${number}/${scope}`
    const what = random(100)
    if (what < 2) now += random(40) / 4
    else if (what < 4) {
      const zone = random(6)
      zones.set(zone, zones.get(zone)! + 1)
    } else if (what < 45) {
      const kind = [KIND_LOCAL, KIND_FIXED, KIND_SUCCESS, KIND_DENIAL, KIND_UNANSWERED][random(5)]!
      const positive = kind === KIND_SUCCESS || (kind !== KIND_DENIAL && random(2) === 0)
      const rcode = kind === KIND_DENIAL ? [0, 3, 2, 4][random(4)]! : 0
      const ttl = 1 + random(60)
      const mark = random(1 << 16)
      const byFamily = kind !== KIND_SUCCESS && random(8) === 0
      const isRefresh = random(3) === 0
      const used =
        random(4) === 0 ? [random(6), random(6)].map((zone): [number, number] => [zone, zones.get(zone)!]) : []
      const size = random(10) === 0 ? random(240) : random(20)
      const text = record(TYPE_TXT, [2 + size, mark >>> 8, mark & 255, ...new Array<number>(size).fill(7)], { ttl })
      const sections =
        kind === KIND_UNANSWERED || !positive
          ? { answers: [], authorities: [soaRecord('example.', { ttl })], additionals: [text] }
          : { answers: [text] }
      const result = put(
        cache,
        query,
        { kind, rcode, ttl, byFamily, isRefresh, zones: used, ...sections },
        { now, scope, family },
      )
      assert.equal(result, STORED, about)
      const kept = { kind, rcode, storedAt: now, ttl, zones: used, mark }
      model.store(key, byFamily ? family : undefined, kept, positive, isRefresh)
    } else {
      const want = model.find(key, family, now)
      const code = cache.lookup(query, scope, family, now)
      if (want === undefined) {
        assert.equal(code, MISS, about)
        continue
      }
      if (code === MISS && !exact) continue
      assert.ok(code === HIT || code === HIT_REFRESH, about)
      const reply = composed(cache, query)
      hits++
      const isTextFirst = reply[7] === 1
      // The text record is the last of the reply, or its only one; its mark stands at its start.
      const textSize = readTextAt(reply, query, isTextFirst)
      const mark = (reply[textSize + 1]! << 8) | reply[textSize + 2]!
      const allowed = exact ? [want] : model.candidates(key, family, now)
      const found = allowed.find((kept) => kept.mark === mark)
      assert.ok(found !== undefined, `${about}: mark ${mark}, not ${want.mark}`)
      assert.equal(cache.rcode, found.rcode, about)
    }
  }
  assert.ok(hits > rounds / 20)
  const { evictionsSuccess, evictionsDenial } = cache.figures()
  assert.equal(evictionsSuccess + evictionsDenial === 0, exact)
  auditCache(cache)
  return cache
}

/** Offset of the TXT record's rdata. */
function readTextAt(_reply: Uint8Array, query: ParsedQuery, isFirst: boolean): number {
  if (isFirst) return query.questionEnd + 12
  const soa = soaRecord('example.').length
  return query.questionEnd + soa + 12
}

test('as the model, where everything fits', () => {
  run({}, 24, 25_000, true)
  run({ staleSeconds: 20 }, 24, 15_000, true)
  const prefetch = { prefetchAmount: 3, prefetchSeconds: 5, prefetchPercent: 50 }
  run({ staleSeconds: 20, preferPositive: true, ...prefetch }, 24, 15_000, true)
})

test('as the model or a miss, where entries are evicted', () => {
  const cache = run({ staleSeconds: 20, preferPositive: true }, 3000, 60_000, false)
  assert.ok(cache.figures().evictionsSuccess > 100)
})
