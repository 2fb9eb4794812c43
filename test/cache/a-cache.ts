/** What cache tests share: queries, replies and a cache, made briefly. */
import { AnswerCache, type AttachOptions } from '../../src/cache/answer-cache.ts'
import { KIND_DENIAL, KIND_LOCAL, KIND_SUCCESS, PAYLOAD_SIZE_MAX } from '../../src/cache/layout.ts'
import { NewEntry } from '../../src/cache/new-entry.ts'
import { type CachePolicy, LOCAL_POLICY } from '../../src/cache/policy.ts'
import type { ParsedQuery } from '../../src/wire/parsed-query.ts'
import { record, soaRecord, TYPE_A, type WireSections, wireReply } from '../support/wire-reply.ts'

export const NO_SCOPE = 0
export const IPV4 = 4
export const IPV6 = 6

export interface CacheSetting extends Partial<Omit<AttachOptions, 'generations'>> {
  readonly policy?: Partial<CachePolicy>
  /** Generation of each zone, by reference; 0 when not there. Change it to change a zone. */
  readonly zones?: Map<number, number>
}

export function aCache(setting: CacheSetting = {}): AnswerCache {
  const { policy, zones, ...options } = setting
  return AnswerCache.create(
    { ...LOCAL_POLICY, successCapacity: 1024, denialCapacity: 1024, ...policy },
    {
      thread: 0,
      configGeneration: 1,
      generations: { generation: (zone) => zones?.get(zone) ?? 0 },
      ...options,
    },
  )
}

export interface EntrySetting extends WireSections {
  readonly kind?: number
  readonly rcode?: number
  readonly flags?: number
  readonly ttl?: number
  readonly zones?: readonly (readonly [number, number])[]
  readonly byFamily?: boolean
  readonly isRefresh?: boolean
  readonly options?: readonly number[]
}

const entry = new NewEntry()

/** Stores a reply to `query`: one A record unless the setting says otherwise. Returns what `store` returns. */
export function put(
  cache: AnswerCache,
  query: ParsedQuery,
  setting: EntrySetting = {},
  about: { readonly now?: number; readonly scope?: number; readonly family?: number } = {},
): number {
  const { kind = KIND_SUCCESS, rcode = 0, ttl = 60, zones = [], options = [] } = setting
  const isDenial = rcode !== 0 || kind === KIND_DENIAL
  const sections: WireSections =
    setting.answers !== undefined || setting.authorities !== undefined || setting.additionals !== undefined
      ? setting
      : isDenial
        ? { authorities: [soaRecord('example.', { ttl })] }
        : { answers: [record(TYPE_A, [192, 0, 2, 1], { ttl })] }
  const message = wireReply(query, sections, { rcode, flags: setting.flags ?? 0x0400 })
  entry.body.setMessage(message, 0, message.length, query.questionEnd)
  entry.body.rcode = rcode
  entry.body.options = Uint8Array.from(options)
  entry.body.optionsAt = 0
  entry.body.optionsLength = options.length
  entry.kind = kind
  entry.lifetimeSeconds = ttl
  entry.zoneCount = zones.length
  for (const [i, [zone, generation]] of zones.entries()) {
    entry.zones[i] = zone
    entry.generations[i] = generation
  }
  entry.byFamily = setting.byFamily ?? false
  entry.isRefresh = setting.isRefresh ?? false
  return cache.store(query, entry, about.scope ?? NO_SCOPE, about.family ?? IPV4, about.now ?? 0)
}

export const LOCAL = { kind: KIND_LOCAL } as const

/** The composed reply of the entry that the last lookup found. */
export function composed(cache: AnswerCache, query: ParsedQuery, sizeMax = 65_535): Uint8Array {
  const out = new Uint8Array(Math.max(sizeMax, PAYLOAD_SIZE_MAX))
  return out.slice(0, cache.compose(query, out, 0, sizeMax))
}

/** TTL of the first record of a composed reply whose owner is a pointer. */
export function ttlOf(reply: Uint8Array, query: ParsedQuery): number {
  return new DataView(reply.buffer, reply.byteOffset).getUint32(query.questionEnd + 6)
}
