/**
 * Which eviction keeps the hit ratio of normal traffic beside a flood of names that are asked once.
 *
 *   node native-free-bench/cache-eviction.ts
 *
 * Normal traffic: names by Zipf's law (s = 1), some of them new over time. Flood: nine names that never come again for
 * each normal query, stored in the same share (the worst case: answers to them are positive, a wildcard's for example).
 * The models hold as many entries as a share of the default cache; `answer cache` is the real one. Printed: hit ratio
 * of the normal traffic, alone and beside the flood, in percent.
 */
import { AnswerCache, HIT } from '../src/cache/answer-cache.ts'
import { KIND_LOCAL } from '../src/cache/layout.ts'
import { NewEntry } from '../src/cache/new-entry.ts'
import { CAPACITY_DEFAULT, capacityOf, LOCAL_POLICY } from '../src/cache/policy.ts'
import { ParsedQuery } from '../src/wire/parsed-query.ts'

const CAPACITY = capacityOf(CAPACITY_DEFAULT)
const QUERIES = 400_000
const FLOOD_PER_QUERY = 9
/** Only the second half counts: the caches are warm then. */
const WARM = QUERIES / 2

interface Cache {
  /** Whether the key was there; it is afterwards, unless the cache refuses it. */
  ask(key: number): boolean
}

/** Doubly linked list over a Map's order would do for LRU; for the others the queue is an array ring. */
function lru(): Cache {
  const map = new Map<number, true>()
  return {
    ask(key) {
      const hit = map.delete(key)
      map.set(key, true)
      if (map.size > CAPACITY) map.delete(map.keys().next().value!)
      return hit
    },
  }
}

function random(): Cache {
  const keys: number[] = []
  const at = new Map<number, number>()
  return {
    ask(key) {
      if (at.has(key)) return true
      if (keys.length < CAPACITY) {
        at.set(key, keys.length)
        keys.push(key)
        return false
      }
      const victim = Math.floor(rng() * CAPACITY)
      at.delete(keys[victim]!)
      keys[victim] = key
      at.set(key, victim)
      return false
    },
  }
}

function sieve(): Cache {
  const slot = new Map<number, number>()
  const keys = new Int32Array(CAPACITY)
  const newer = new Int32Array(CAPACITY).fill(-1)
  const older = new Int32Array(CAPACITY).fill(-1)
  const visited = new Uint8Array(CAPACITY)
  let head = -1
  let tail = -1
  let hand = -1
  let count = 0
  return {
    ask(key) {
      const known = slot.get(key)
      if (known !== undefined) {
        visited[known] = 1
        return true
      }
      let free = count
      if (count < CAPACITY) count++
      else {
        let at = hand === -1 ? tail : hand
        while (visited[at] === 1) {
          visited[at] = 0
          at = newer[at] === -1 ? tail : newer[at]!
        }
        hand = newer[at]!
        slot.delete(keys[at]!)
        if (older[at] !== -1) newer[older[at]!] = newer[at]!
        else tail = newer[at]!
        if (newer[at] !== -1) older[newer[at]!] = older[at]!
        else head = older[at]!
        free = at
      }
      keys[free] = key
      visited[free] = 0
      older[free] = head
      newer[free] = -1
      if (head !== -1) newer[head] = free
      head = free
      if (tail === -1) tail = free
      slot.set(key, free)
      return false
    },
  }
}

function s3fifo(promoteAt: number, smallPart = 0.1): Cache {
  const visits = new Map<number, number>()
  const small: number[] = []
  const main: number[] = []
  let smallHead = 0
  let mainHead = 0
  const ghosts = new Set<number>()
  const smallMax = Math.floor(CAPACITY * smallPart)
  const evict = () => {
    for (;;) {
      if (small.length - smallHead > smallMax || main.length === mainHead) {
        const key = small[smallHead++]!
        if (visits.get(key)! >= promoteAt) {
          visits.set(key, 0)
          main.push(key)
          continue
        }
        visits.delete(key)
        ghosts.add(key)
        if (ghosts.size > CAPACITY) ghosts.delete(ghosts.keys().next().value!)
        return
      }
      const key = main[mainHead++]!
      const count = visits.get(key)!
      if (count > 0) {
        visits.set(key, count - 1)
        main.push(key)
        continue
      }
      visits.delete(key)
      return
    }
  }
  return {
    ask(key) {
      const count = visits.get(key)
      if (count !== undefined) {
        if (count < 3) visits.set(key, count + 1)
        return true
      }
      if (visits.size >= CAPACITY) evict()
      visits.set(key, 0)
      if (ghosts.delete(key)) main.push(key)
      else small.push(key)
      if (smallHead > 1 << 20) {
        small.splice(0, smallHead)
        smallHead = 0
      }
      if (mainHead > 1 << 20) {
        main.splice(0, mainHead)
        mainHead = 0
      }
      return false
    },
  }
}

function answerCache(): Cache {
  const cache = AnswerCache.create(
    { ...LOCAL_POLICY, successCapacity: CAPACITY_DEFAULT, denialCapacity: 0 },
    { thread: 0, configGeneration: 1, generations: { generation: () => 0 } },
  )
  const query = new ParsedQuery(Math.floor(Math.random() * 2 ** 31))
  const entry = new NewEntry()
  entry.kind = KIND_LOCAL
  entry.body.bytes = new Uint8Array(16)
  entry.body.bodyLength = 16
  entry.body.answerCount = 1
  return {
    ask(key) {
      const label = Buffer.from(String(key))
      const bytes = Uint8Array.from([0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, label.length, ...label, 0, 0, 1, 0, 1])
      query.parse(bytes, 0, bytes.length)
      if (cache.lookup(query, 0, 4, 0) === HIT) return true
      cache.store(query, entry, 0, 4, 0)
      return false
    },
  }
}

let state = 1
/** 0 to 1, the same for every cache. */
function rng(): number {
  state = (state + 0x6d2b79f5) | 0
  let mixed = Math.imul(state ^ (state >>> 15), state | 1)
  mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
}

function zipf(names: number): () => number {
  const sums = new Float64Array(names)
  let sum = 0
  for (let i = 0; i < names; i++) sums[i] = sum += 1 / (i + 1)
  return () => {
    const wanted = rng() * sum
    let low = 0
    let high = names - 1
    while (low < high) {
      const middle = (low + high) >>> 1
      if (sums[middle]! < wanted) low = middle + 1
      else high = middle
    }
    return low
  }
}

/**
 * Hit ratio of the normal queries in percent, over the second half of them. `floodFrom`: number of the normal query
 * with which the flood begins.
 */
function hitRatio(cache: Cache, names: number, newNames: number, floodFrom: number): number {
  state = 7
  const next = zipf(names)
  let hits = 0
  let floodKey = 1 << 28
  let newKey = 1 << 24
  for (let i = 0; i < QUERIES; i++) {
    // Some names are asked twice in a short time and then never again: pods and builds come and go.
    if (newNames > 0 && i % newNames === 0) cache.ask(newKey++)
    if (newNames > 0 && i % newNames === 50) cache.ask(newKey - 1)
    if (cache.ask(next()) && i >= WARM) hits++
    if (i >= floodFrom) for (let k = 0; k < FLOOD_PER_QUERY; k++) cache.ask(floodKey++)
  }
  return (100 * hits) / (QUERIES - WARM)
}

const caches: [string, () => Cache][] = [
  ['random (CoreDNS)', random],
  ['LRU', lru],
  ['SIEVE', sieve],
  ['S3-FIFO, promote at 1 hit', () => s3fifo(1)],
  ['S3-FIFO, promote at 2 hits', () => s3fifo(2)],
  ['S3-FIFO, small ring 25 %', () => s3fifo(1, 0.25)],
  ['answer cache', answerCache],
]
const traffics = [
  { title: '5,000 names', names: 5000, newNames: 0 },
  { title: '20,000 names', names: 20_000, newNames: 0 },
  { title: '100,000 names', names: 100_000, newNames: 0 },
  { title: '20,000 names, one in 100 new', names: 20_000, newNames: 100 },
]
console.log(`capacity ${CAPACITY}; ${QUERIES} normal queries, ${FLOOD_PER_QUERY} flood queries for each`)
for (const { title, names, newNames } of traffics) {
  console.log(`\n${title.padEnd(30)} alone   flood on warm  loss   flood on cold  loss`)
  for (const [name, make] of caches) {
    const alone = hitRatio(make(), names, newNames, QUERIES)
    const warm = hitRatio(make(), names, newNames, WARM)
    const cold = hitRatio(make(), names, newNames, 0)
    const loss = (beside: number) => `${beside.toFixed(2).padStart(10)} ${(alone - beside).toFixed(2).padStart(8)}`
    console.log(`${name.padEnd(30)} ${alone.toFixed(2).padStart(5)}  ${loss(warm)}  ${loss(cold)}`)
  }
}
