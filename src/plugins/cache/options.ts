/** What a `cache` directive says. Errors in CoreDNS's words, with the place and a line that works. */

import { CAPACITY_DEFAULT, CAPACITY_MAX, type CachePolicy } from '../../cache/policy.ts'
import type { ParseContext } from '../../chain/plugin.ts'
import { CorefileError } from '../../corefile/corefile-error.ts'
import type { Directive, Property, Token } from '../../corefile/directive.ts'
import { type OptionRow, optionTable, parseCount, parseMs, wrongArguments } from '../../corefile/option-table.ts'
import { NameError, normalizeZone } from '../../wire/name.ts'
import { expectOnce } from '../usage.ts'

/** What one share keeps, and for how long. */
export interface ShareOptions {
  readonly capacity: number
  /** Seconds that a reply is kept at most, and at least. */
  readonly ttlMax: number
  readonly ttlMin: number
}

export interface CacheOptions {
  /** Names outside these zones pass; absent: outside the block's. */
  readonly zones?: readonly string[]
  readonly success: ShareOptions
  readonly denial: ShareOptions
  /** Seconds that SERVFAIL and NOTIMP are kept; 0: not at all. */
  readonly servfailSeconds: number
  /** Zones whose successes, or denials, are not kept. */
  readonly successExcept: readonly string[]
  readonly denialExcept: readonly string[]
  /** For `src/cache`: what it does on hits. */
  readonly policy: CachePolicy
}

const TTL_MAX_SUCCESS = 3600
const TTL_MAX_DENIAL = 1800
const TTL_MIN = 5
const TTL_LIMIT = 0xffffffff
const SERVFAIL_MS_MAX = 300_000
const RECHECK_MS_MAX = 300_000

interface ShareValues {
  readonly capacity: number
  readonly ttlMax: number | undefined
  readonly ttlMin: number
}

interface StaleValues {
  readonly staleMs: number
  readonly verify: boolean
  readonly verifyMs: number
  readonly ttlSeconds: number
  readonly recheckMs: number
}

const OPTIONS = optionTable({
  success: share('success 5000 3600 5'),
  denial: share('denial 2500 1800 5'),
  prefetch: {
    default: { amount: 0, ms: 60_000, percent: 10 },
    example: 'prefetch 10 1m 10%',
    argsMin: 1,
    argsMax: 3,
    parse: parsePrefetch,
  },
  serve_stale: {
    default: undefined as StaleValues | undefined,
    example: 'serve_stale 1h immediate 30s',
    argsMin: 0,
    argsMax: 5,
    parse: parseServeStale,
  },
  serve_stale_policy: {
    default: false,
    example: 'serve_stale_policy prefer_positive',
    argsMin: 0,
    argsMax: Number.POSITIVE_INFINITY,
    once: true,
    parse: parsePolicy,
  },
  servfail: { default: TTL_MIN * 1000, example: 'servfail 5s', argsMin: 1, argsMax: 1, parse: parseServfail },
  disable: {
    default: { success: [], denial: [] } as { readonly success: readonly string[]; readonly denial: readonly string[] },
    example: 'disable denial example.org',
    argsMin: 1,
    argsMax: Number.POSITIVE_INFINITY,
    parse: parseDisable,
  },
  keepttl: { default: false, example: 'keepttl', argsMin: 0, argsMax: 0, parse: () => true },
})

export function parseCache(directives: readonly Directive[], context: ParseContext): CacheOptions {
  const directive = expectOnce(directives)
  const [first] = directive.args
  const ttl = first === undefined ? undefined : parseTtlMax(first)
  const words = ttl === undefined ? directive.args : directive.args.slice(1)
  const values = OPTIONS.parse(directive.block)
  const policyAt = directive.block?.find(({ name }) => name === 'serve_stale_policy')
  const stale = values.serve_stale
  if (policyAt !== undefined && stale === undefined) {
    throw new CorefileError(policyAt.at, 'serve_stale_policy requires serve_stale', 'serve_stale 1h')
  }
  const success = shareOptions(values.success, ttl ?? TTL_MAX_SUCCESS)
  const denial = shareOptions(values.denial, ttl ?? TTL_MAX_DENIAL)
  for (const { name, at } of directive.block ?? []) {
    const capacity = name === 'success' ? success.capacity : name === 'denial' ? denial.capacity : 0
    if (capacity > CAPACITY_MAX) context.warn(at, `a cache of ${capacity} answers is taken as ${CAPACITY_MAX}`)
  }
  return {
    ...(words.length === 0 ? {} : { zones: context.origins(words) }),
    success,
    denial,
    servfailSeconds: Math.floor(values.servfail / 1000),
    successExcept: values.disable.success,
    denialExcept: values.disable.denial,
    policy: {
      successCapacity: success.capacity,
      denialCapacity: denial.capacity,
      prefetchAmount: values.prefetch.amount,
      prefetchSeconds: values.prefetch.ms / 1000,
      prefetchPercent: values.prefetch.percent,
      staleSeconds: (stale?.staleMs ?? 0) / 1000,
      staleVerify: stale?.verify ?? false,
      staleVerifyMs: stale?.verifyMs ?? 0,
      staleTtlSeconds: stale?.ttlSeconds ?? 0,
      staleRecheckSeconds: (stale?.recheckMs ?? 0) / 1000,
      preferPositive: values.serve_stale_policy,
      keepTtl: values.keepttl,
    },
  }
}

/** The directive's first word, if it is a number: maximum of both shares. Any other word is a zone. */
function parseTtlMax(word: Token): number | undefined {
  if (!/^[+-]?[0-9]+$/.test(word.text) || !Number.isSafeInteger(Number(word.text))) return undefined
  return positiveTtl(word, 'cache 30')
}

function positiveTtl(word: Token, example: string): number {
  const ttl = parseCount(word, { example })
  if (ttl <= 0) throw new CorefileError(word.at, `cache TTL can not be zero or negative: ${ttl}`, example)
  return Math.min(ttl, TTL_LIMIT)
}

/** `success CAPACITY [TTL [MINTTL]]`; words after that are ignored, as CoreDNS does. */
function share(example: string): OptionRow<ShareValues> {
  return {
    default: { capacity: CAPACITY_DEFAULT, ttlMax: undefined, ttlMin: TTL_MIN },
    example,
    argsMin: 1,
    argsMax: Number.POSITIVE_INFINITY,
    parse([capacity, ttl, ttlMin], _property, before) {
      const values = { ...before, capacity: parseCount(capacity!, { example }) }
      if (ttl === undefined) return values
      const ttlMax = positiveTtl(ttl, example)
      if (ttlMin === undefined) return { ...values, ttlMax }
      const least = parseCount(ttlMin, { example })
      if (least < 0) throw new CorefileError(ttlMin.at, `cache min TTL can not be negative: ${least}`, example)
      return { ...values, ttlMax, ttlMin: Math.min(least, TTL_LIMIT) }
    },
  }
}

function shareOptions({ capacity, ttlMax, ttlMin }: ShareValues, ttlMaxDefault: number): ShareOptions {
  return { capacity, ttlMax: ttlMax ?? ttlMaxDefault, ttlMin }
}

interface PrefetchValues {
  readonly amount: number
  readonly ms: number
  readonly percent: number
}

function parsePrefetch(
  [amountWord, gapWord, percentWord]: readonly Token[],
  _property: Property,
  before: PrefetchValues,
): PrefetchValues {
  const example = 'prefetch 10 1m 10%'
  const amount = parseCount(amountWord!, { example })
  if (amount < 0) {
    throw new CorefileError(amountWord!.at, `prefetch amount should be positive: ${amount}`, example)
  }
  const ms = gapWord === undefined ? before.ms : parseMs(gapWord, { example })
  if (percentWord === undefined) return { ...before, amount, ms }
  const { text, at } = percentWord
  if (!text.endsWith('%')) {
    throw new CorefileError(at, `last character of percentage should be \`%\`, but is: "${text.at(-1) ?? ''}"`, example)
  }
  const percent = parseCount({ text: text.slice(0, -1), at }, { example })
  if (percent < 10 || percent > 90) {
    throw new CorefileError(at, `percentage should fall in range [10, 90]: ${percent}`, example)
  }
  return { amount, ms, percent }
}

function parseServeStale(args: readonly Token[], property: Property): StaleValues {
  const [durationWord, modeWord, ...rest] = args
  const staleMs = durationWord === undefined ? 3_600_000 : parseMs(durationWord, { example: 'serve_stale 1h' })
  if (staleMs < 0) {
    throw new CorefileError(durationWord!.at, 'invalid negative duration for serve_stale', 'serve_stale 1h')
  }
  const values = { staleMs, verify: false, verifyMs: 0, ttlSeconds: 0, recheckMs: 0 }
  if (modeWord === undefined) return values
  const mode = modeWord.text.toLowerCase()
  if (mode === 'immediate') {
    const [ttl, recheck, more] = rest
    if (more !== undefined) throw wrongArguments(property, 'serve_stale 1h immediate 30s 30s')
    return { ...values, ttlSeconds: staleTtl(ttl), recheckMs: staleRecheck(recheck) }
  }
  if (mode !== 'verify') {
    throw new CorefileError(
      modeWord.at,
      `invalid value for serve_stale refresh mode: ${mode}`,
      'serve_stale 1h immediate',
    )
  }
  const [timeout, ttl, recheck] = rest
  const verifyMs = durationOf(timeout, 'serve_stale verify timeout', 'timeout for serve_stale verify')
  return { ...values, verify: true, verifyMs, ttlSeconds: staleTtl(ttl), recheckMs: staleRecheck(recheck) }
}

/** `what` of a duration that is none, `negative` of one below 0. 0 when the word is not there. */
function durationOf(word: Token | undefined, what: string, negative: string): number {
  if (word === undefined) return 0
  const example = 'serve_stale 1h verify 100ms 30s 30s'
  let ms: number
  try {
    ms = parseMs(word, { example })
  } catch (error) {
    if (!(error instanceof CorefileError)) throw error
    throw new CorefileError(word.at, `invalid ${what}: ${error.problem}`, example)
  }
  if (ms < 0) throw new CorefileError(word.at, `invalid negative ${negative}`, example)
  return ms
}

function staleTtl(word: Token | undefined): number {
  const ms = durationOf(word, 'serve_stale response TTL', 'response TTL for serve_stale')
  const example = 'serve_stale 1h immediate 30s'
  if (ms % 1000 !== 0) {
    throw new CorefileError(word!.at, 'serve_stale response TTL must be a whole number of seconds', example)
  }
  if (ms / 1000 > TTL_LIMIT) {
    throw new CorefileError(word!.at, 'serve_stale response TTL exceeds the DNS TTL range', example)
  }
  return ms / 1000
}

function staleRecheck(word: Token | undefined): number {
  const ms = durationOf(word, 'serve_stale failure recheck', 'failure recheck for serve_stale')
  if (ms > RECHECK_MS_MAX) {
    throw new CorefileError(
      word!.at,
      'serve_stale failure recheck cannot exceed 5 minutes',
      'serve_stale 1h immediate 30s 30s',
    )
  }
  return ms
}

function parsePolicy([word, more]: readonly Token[], property: Property): boolean {
  const example = 'serve_stale_policy prefer_positive'
  if (word === undefined || more !== undefined) throw wrongArguments(property, example)
  if (word.text.toLowerCase() === 'prefer_positive') return true
  throw new CorefileError(word.at, `invalid serve_stale_policy: ${word.text}`, example)
}

function parseServfail([word]: readonly Token[]): number {
  const ms = parseMs(word!, { example: 'servfail 5s' })
  if (ms < 0) throw new CorefileError(word!.at, 'invalid negative ttl for servfail', 'servfail 5s')
  if (ms > SERVFAIL_MS_MAX) {
    // RFC 2308 section 7.1.
    throw new CorefileError(word!.at, 'caching SERVFAIL responses over 5 minutes is not permitted', 'servfail 5m')
  }
  return ms
}

/** The last one of each kind counts. */
function parseDisable(
  [kind, ...zoneWords]: readonly Token[],
  _property: Property,
  before: { readonly success: readonly string[]; readonly denial: readonly string[] },
): { readonly success: readonly string[]; readonly denial: readonly string[] } {
  const zones = zoneWords.length === 0 ? ['.'] : zoneWords.map(disabledZone)
  if (kind!.text === 'success') return { ...before, success: zones }
  if (kind!.text === 'denial') return { ...before, denial: zones }
  throw new CorefileError(
    kind!.at,
    'cache type for disable must be "success" or "denial"',
    'disable denial example.org',
  )
}

function disabledZone({ text, at }: Token): string {
  try {
    return normalizeZone(text)
  } catch (error) {
    if (!(error instanceof NameError)) throw error
    throw new CorefileError(at, `invalid disabled zone: ${text}`, 'disable denial example.org')
  }
}
