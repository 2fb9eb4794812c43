/**
 * A thread that stores and looks up in a shared cache for a while, and checks every body it gets. Bodies tell which
 * question they belong to and are filled by a rule, so that a body of two entries would be noticed.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { AnswerCache, type AnswerCacheHandle, HIT } from '../../src/cache/answer-cache.ts'
import { KIND_DENIAL, KIND_SUCCESS } from '../../src/cache/layout.ts'
import { NewEntry } from '../../src/cache/new-entry.ts'
import { ParsedQuery } from '../../src/wire/parsed-query.ts'
import { wireQuery } from '../support/wire-reply.ts'

export interface HammerTask {
  readonly handle: AnswerCacheHandle
  readonly thread: number
  readonly seed: number
  readonly names: number
  readonly milliseconds: number
  /** Of 100 operations. */
  readonly stores: number
}

export interface HammerResult {
  readonly hits: number
  readonly stored: number
  readonly wrong: string | undefined
}

export const HASH_SEED = 4711
const BODY_MIN = 8
const BODY_SPAN = 1500

/** `body`: number of the name, length, then octets that follow from a third number. */
function fillBody(body: Uint8Array, name: number, length: number, filler: number): void {
  const view = new DataView(body.buffer, body.byteOffset)
  view.setUint16(0, name)
  view.setUint16(2, length)
  view.setUint32(4, filler)
  for (let i = BODY_MIN; i < length; i++) body[i] = filler + Math.imul(i, 167)
}

function whatIsWrong(body: Uint8Array, name: number): string | undefined {
  const view = new DataView(body.buffer, body.byteOffset, body.length)
  if (body.length < BODY_MIN) return `a body of ${body.length} octets`
  if (view.getUint16(0) !== name) return `the body of name ${view.getUint16(0)} for name ${name}`
  if (view.getUint16(2) !== body.length) return `${body.length} octets of a body of ${view.getUint16(2)}`
  const filler = view.getUint32(4)
  for (let i = BODY_MIN; i < body.length; i++) {
    if (body[i] !== ((filler + Math.imul(i, 167)) & 255)) return `octet ${i} of ${body.length} is from elsewhere`
  }
  return undefined
}

export function hammer({ handle, thread, seed, names, milliseconds, stores }: HammerTask): HammerResult {
  const cache = AnswerCache.attach(handle, {
    thread,
    configGeneration: 1,
    generations: {
      generation(zone) {
        if (zone !== 77) throw new Error(`asked for zone ${zone}`)
        return 5
      },
    },
  })
  const queries = Array.from({ length: names }, (_, i) => {
    const query = new ParsedQuery(HASH_SEED)
    const bytes = wireQuery({ name: `n${i}.example.` })
    query.parse(bytes, 0, bytes.length)
    return query
  })
  const entry = new NewEntry()
  const body = new Uint8Array(BODY_MIN + BODY_SPAN)
  entry.body.bytes = body
  entry.lifetimeSeconds = 100
  entry.zoneCount = 1
  entry.zones[0] = 77
  entry.generations[0] = 5
  const out = new Uint8Array(4096)
  let state = seed | 0
  const random = (below: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0
    return (state >>> 8) % below
  }
  const until = performance.now() + milliseconds
  let hits = 0
  let stored = 0
  for (let round = 0; ; round++) {
    if (round % 256 === 0 && performance.now() > until) break
    const name = random(names)
    const query = queries[name]!
    if (random(100) < stores) {
      const length = BODY_MIN + (random(3) === 0 ? random(BODY_SPAN) : random(150))
      fillBody(body, name, length, random(1 << 24))
      entry.body.bodyLength = length
      entry.kind = random(2) === 0 ? KIND_SUCCESS : KIND_DENIAL
      entry.isRefresh = random(3) === 0
      if (cache.store(query, entry, 0, 4, 1) === 1) stored++
    } else if (cache.lookup(query, 0, 4, 2) === HIT) {
      const length = cache.compose(query, out, 0, 4096)
      if (length === 0) continue
      hits++
      const wrong = whatIsWrong(out.subarray(query.questionEnd, length), name)
      if (wrong !== undefined) return { hits, stored, wrong }
    }
  }
  return { hits, stored, wrong: undefined }
}

if (parentPort !== null && workerData !== null && 'handle' in (workerData as object)) {
  parentPort.postMessage(hammer(workerData as HammerTask))
}
