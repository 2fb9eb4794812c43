/** The functions a template may call: Go's own, and `parseInt`, which CoreDNS adds. */
import { printValue, sprint, sprintf, sprintln } from './format.ts'
import {
  GoFloat,
  type GoFunction,
  GoMap,
  type GoValue,
  isInteger,
  isTrue,
  NO_VALUE,
  NoValue,
  typeOf,
} from './values.ts'

/** A function that may leave arguments unevaluated is no value: `and` and `or` are the executor's. */
export const FUNCTIONS: ReadonlyMap<string, GoFunction> = new Map<string, GoFunction>([
  ['and', (...args) => args.find((arg) => !isTrue(arg)) ?? args.at(-1)!],
  ['or', (...args) => args.find((arg) => isTrue(arg)) ?? args.at(-1)!],
  ['not', (arg) => !isTrue(only(arg))],
  ['len', length],
  ['index', index],
  ['slice', slice],
  ['print', (...args) => sprint(args)],
  ['println', (...args) => sprintln(args)],
  ['printf', (format, ...args) => sprintf(text(format), args)],
  ['html', (...args) => escapeHtml(sprint(args))],
  ['js', (...args) => escapeJs(sprint(args))],
  ['urlquery', (...args) => encodeURIComponent(sprint(args)).replaceAll('%20', '+')],
  ['eq', equalAny],
  ['ne', (a, b) => !equal(a, b)],
  ['lt', (a, b) => compare(a, b) < 0],
  ['le', (a, b) => compare(a, b) <= 0],
  ['gt', (a, b) => compare(a, b) > 0],
  ['ge', (a, b) => compare(a, b) >= 0],
  ['parseInt', parseUint],
])

/** How many arguments a function takes: at least, at most. */
export const ARGUMENT_COUNTS: ReadonlyMap<string, readonly [number, number]> = new Map([
  ['and', [1, Number.POSITIVE_INFINITY]],
  ['or', [1, Number.POSITIVE_INFINITY]],
  ['not', [1, 1]],
  ['len', [1, 1]],
  ['index', [1, Number.POSITIVE_INFINITY]],
  ['slice', [1, 4]],
  ['printf', [1, Number.POSITIVE_INFINITY]],
  ['eq', [1, Number.POSITIVE_INFINITY]],
  ['ne', [2, 2]],
  ['lt', [2, 2]],
  ['le', [2, 2]],
  ['gt', [2, 2]],
  ['ge', [2, 2]],
  ['parseInt', [3, 3]],
])

function only(arg: GoValue | undefined): GoValue {
  return arg ?? null
}

function text(value: GoValue | undefined): string {
  if (typeof value !== 'string') throw new Error(`wrong type for value; expected string; got ${typeOf(value ?? null)}`)
  return value
}

function integer(value: GoValue | undefined): number {
  if (!isInteger(value)) throw new Error(`cannot index slice/array with type ${typeOf(value ?? null)}`)
  return Number(value)
}

function length(value: GoValue | undefined): number {
  if (typeof value === 'string') return Buffer.byteLength(value)
  if (Array.isArray(value)) return value.length
  if (value instanceof GoMap) return value.entries.size
  throw new Error(value === null || value === undefined ? 'len of nil pointer' : `len of type ${typeOf(value)}`)
}

/** `index x 1 2` is x[1][2]. */
function index(collection: GoValue | undefined, ...keys: readonly GoValue[]): GoValue {
  let value = collection ?? null
  for (const key of keys) {
    if (value instanceof GoMap) {
      if (typeof key !== 'string') throw new Error(`value has type ${typeOf(key)}; should be string`)
      value = value.entries.get(key) ?? value.zero ?? NO_VALUE
    } else if (Array.isArray(value) || typeof value === 'string') {
      const at = integer(key)
      const size = typeof value === 'string' ? Buffer.byteLength(value) : value.length
      if (at < 0 || at >= size) throw new Error(`index out of range: ${at}`)
      value = typeof value === 'string' ? Buffer.from(value)[at]! : (value as readonly GoValue[])[at]!
    } else if (value === null || value instanceof NoValue) throw new Error('index of untyped nil')
    else throw new Error(`can't index item of type ${typeOf(value)}`)
  }
  return value
}

function slice(collection: GoValue | undefined, ...bounds: readonly GoValue[]): GoValue {
  const [from, to] = bounds.map(integer)
  const size = length(collection)
  const start = from ?? 0
  const end = to ?? size
  for (const bound of [start, end]) if (bound < 0 || bound > size) throw new Error(`index out of range: ${bound}`)
  if (start > end) throw new Error(`invalid slice index: ${start} > ${end}`)
  if (typeof collection === 'string') return Buffer.from(collection).subarray(start, end).toString()
  if (Array.isArray(collection)) return collection.slice(start, end)
  throw new Error(`can't slice item of type ${typeOf(collection ?? null)}`)
}

type Basic = 'bool' | 'number' | 'string' | 'other'

function basicKind(value: GoValue): Basic {
  if (typeof value === 'boolean') return 'bool'
  if (typeof value === 'string') return 'string'
  return isInteger(value) || value instanceof GoFloat ? 'number' : 'other'
}

/** `eq a b c`: a is equal to one of the others. */
function equalAny(first: GoValue | undefined, ...others: readonly GoValue[]): boolean {
  if (others.length === 0) throw new Error('missing argument for comparison')
  return others.some((other) => equal(first, other))
}

function equal(a: GoValue = null, b: GoValue = null): boolean {
  if (basicKind(a) !== basicKind(b)) {
    // Against nil everything compares, and is different.
    if (isNil(a) || isNil(b)) return false
    throw new Error(`incompatible types for comparison: ${typeOf(a)} and ${typeOf(b)}`)
  }
  if (basicKind(a) === 'other') {
    if (isNil(a) || isNil(b)) return isNil(a) && isNil(b)
    throw new Error(`non-comparable type ${typeOf(a)}: ${printValue(a)}`)
  }
  if (basicKind(a) !== 'number') return a === b
  if (a instanceof GoFloat !== b instanceof GoFloat) throw new Error('incompatible types for comparison')
  return isInteger(a) && isInteger(b) ? BigInt(a) === BigInt(b) : numeric(a) === numeric(b)
}

function isNil(value: GoValue): boolean {
  return value === null || value instanceof NoValue
}

function compare(a: GoValue = null, b: GoValue = null): number {
  const kind = basicKind(a)
  if (kind !== basicKind(b)) throw new Error('incompatible types for comparison')
  if (kind === 'bool' || kind === 'other') throw new Error('invalid type for comparison')
  if (kind === 'string') return Buffer.compare(Buffer.from(a as string), Buffer.from(b as string))
  if (a instanceof GoFloat !== b instanceof GoFloat) throw new Error('incompatible types for comparison')
  if (isInteger(a) && isInteger(b)) return BigInt(a) < BigInt(b) ? -1 : BigInt(a) > BigInt(b) ? 1 : 0
  return numeric(a) - numeric(b)
}

function numeric(value: GoValue): number {
  return value instanceof GoFloat ? value.value : Number(value)
}

/** strconv.ParseUint(text, base, bits). */
function parseUint(
  value: GoValue | undefined,
  baseValue: GoValue | undefined,
  bitsValue: GoValue | undefined,
): GoValue {
  const source = text(value)
  const base = integer(baseValue)
  const bits = integer(bitsValue)
  const fail = (why: string): never => {
    throw new Error(`strconv.ParseUint: parsing ${JSON.stringify(source)}: ${why}`)
  }
  if (source === '') fail('invalid syntax')
  let digits = source.toLowerCase()
  let radix = base
  if (base === 0) {
    const prefix = /^0([xob])/.exec(digits)?.[1]
    radix = prefix === 'x' ? 16 : prefix === 'b' ? 2 : prefix === 'o' || /^0./.test(digits) ? 8 : 10
    digits = prefix === undefined ? digits : digits.slice(2)
    digits = digits.replaceAll('_', '')
  } else if (base < 2 || base > 36) fail(`invalid base ${base}`)
  if (bits < 0 || bits > 64) fail(`invalid bit size ${bits}`)
  const max = (1n << BigInt(bits === 0 ? 64 : bits)) - 1n
  let total = 0n
  for (const char of digits) {
    const digit = Number.parseInt(char, 36)
    if (Number.isNaN(digit) || digit >= radix) fail('invalid syntax')
    total = total * BigInt(radix) + BigInt(digit)
    if (total > max) fail('value out of range')
  }
  if (digits === '') fail('invalid syntax')
  return total
}

const HTML_ESCAPES: ReadonlyMap<string, string> = new Map([
  ['"', '&#34;'],
  ["'", '&#39;'],
  ['&', '&amp;'],
  ['<', '&lt;'],
  ['>', '&gt;'],
  ['\0', '\uFFFD'],
])

function escapeHtml(source: string): string {
  return Array.from(source, (char) => HTML_ESCAPES.get(char) ?? char).join('')
}

function escapeJs(source: string): string {
  return Array.from(source, (char) => {
    if ('\\\'"'.includes(char)) return `\\${char}`
    if (char >= ' ' && !'<>&=\u2028\u2029'.includes(char)) return char
    return `\\u${char.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}`
  }).join('')
}
