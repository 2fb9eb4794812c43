/** Functions that expr-lang brings. Those on dates are left out: what a query is answered must not depend on the clock. */
import { ExpressionError } from './expression-error.ts'
import {
  Budget,
  equal,
  isArray,
  isMap,
  type Kind,
  kindOf,
  printed,
  SIZE_MAX,
  type Signature,
  type Value,
} from './values.ts'

/** Which argument of these is a predicate, evaluated for each element. */
export const PREDICATE_ARGUMENTS: ReadonlyMap<string, number> = new Map([
  ['all', 1],
  ['none', 1],
  ['any', 1],
  ['one', 1],
  ['filter', 1],
  ['map', 1],
  ['find', 1],
  ['findIndex', 1],
  ['findLast', 1],
  ['findLastIndex', 1],
  ['count', 1],
  ['sum', 1],
  ['groupBy', 1],
  ['sortBy', 1],
  ['reduce', 1],
])

/** Known to expr-lang and not offered here. */
export const UNSUPPORTED: ReadonlySet<string> = new Set(['now', 'duration', 'date', 'timezone'])

export interface Builtin extends Signature {
  run(args: readonly Value[]): Value
}

type Row = readonly [
  name: string,
  parameters: readonly Kind[],
  optional: number,
  result: Kind,
  run: (...args: never[]) => Value,
]

const ROWS: readonly Row[] = [
  ['len', ['any'], 0, 'int', length],
  ['abs', ['number'], 0, 'number', (n: number) => Math.abs(n)],
  ['ceil', ['number'], 0, 'float', (n: number) => Math.ceil(n)],
  ['floor', ['number'], 0, 'float', (n: number) => Math.floor(n)],
  // Half away from zero, as Go rounds.
  ['round', ['number'], 0, 'float', (n: number) => Math.sign(n) * Math.round(Math.abs(n))],
  ['int', ['any'], 0, 'int', toInt],
  ['float', ['any'], 0, 'float', toFloat],
  ['string', ['any'], 0, 'string', (value: Value) => printed(value)],
  ['trim', ['string', 'string'], 1, 'string', trim],
  ['trimPrefix', ['string', 'string'], 1, 'string', (s: string, p = ' ') => (s.startsWith(p) ? s.slice(p.length) : s)],
  [
    'trimSuffix',
    ['string', 'string'],
    1,
    'string',
    (s: string, p = ' ') => (p !== '' && s.endsWith(p) ? s.slice(0, -p.length) : s),
  ],
  ['upper', ['string'], 0, 'string', (s: string) => s.toUpperCase()],
  ['lower', ['string'], 0, 'string', (s: string) => s.toLowerCase()],
  ['split', ['string', 'string', 'int'], 1, 'array', (s: string, by: string, n = -1) => split(s, by, n, false)],
  ['splitAfter', ['string', 'string', 'int'], 1, 'array', (s: string, by: string, n = -1) => split(s, by, n, true)],
  ['replace', ['string', 'string', 'string', 'int'], 1, 'string', replace],
  ['repeat', ['string', 'int'], 0, 'string', repeat],
  ['join', ['array', 'string'], 1, 'string', join],
  ['indexOf', ['string', 'string'], 0, 'int', (s: string, part: string) => s.indexOf(part)],
  ['lastIndexOf', ['string', 'string'], 0, 'int', (s: string, part: string) => s.lastIndexOf(part)],
  ['hasPrefix', ['string', 'string'], 0, 'bool', (s: string, part: string) => s.startsWith(part)],
  ['hasSuffix', ['string', 'string'], 0, 'bool', (s: string, part: string) => s.endsWith(part)],
  ['max', ['any'], 0, 'number', (...args: Value[]) => numbers(args).reduce((a, b) => Math.max(a, b))],
  ['min', ['any'], 0, 'number', (...args: Value[]) => numbers(args).reduce((a, b) => Math.min(a, b))],
  ['mean', ['any'], 0, 'float', (...args: Value[]) => mean(numbers(args))],
  ['median', ['any'], 0, 'float', (...args: Value[]) => median(numbers(args))],
  ['toJSON', ['any'], 0, 'string', (value: Value) => text_(JSON.stringify(toPlain(value, new Budget(), 0), null, 2))],
  ['fromJSON', ['string'], 0, 'any', fromJson],
  ['toBase64', ['string'], 0, 'string', (s: string) => text_(Buffer.from(s, 'utf8').toString('base64'))],
  ['fromBase64', ['string'], 0, 'string', (s: string) => Buffer.from(s, 'base64').toString('utf8')],
  ['first', ['array'], 0, 'any', (items: readonly Value[]) => items[0] ?? null],
  ['last', ['array'], 0, 'any', (items: readonly Value[]) => items.at(-1) ?? null],
  ['get', ['any', 'any'], 0, 'any', get],
  ['take', ['array', 'int'], 0, 'array', (items: readonly Value[], n: number) => items.slice(0, atLeast(n, 0, 'take'))],
  ['keys', ['map'], 0, 'array', (map: ReadonlyMap<string, Value>) => [...map.keys()].sort()],
  [
    'values',
    ['map'],
    0,
    'array',
    (map: ReadonlyMap<string, Value>) => [...map.keys()].sort().map((key) => map.get(key)!),
  ],
  [
    'toPairs',
    ['map'],
    0,
    'array',
    (map: ReadonlyMap<string, Value>) => [...map.keys()].sort().map((key) => [key, map.get(key)!]),
  ],
  ['fromPairs', ['array'], 0, 'map', fromPairs],
  ['reverse', ['array'], 0, 'array', (items: readonly Value[]) => [...items].reverse()],
  ['uniq', ['array'], 0, 'array', uniq],
  ['concat', ['array'], 0, 'array', (...lists: (readonly Value[])[]) => bounded(lists.flat() as Value[])],
  ['flatten', ['array'], 0, 'array', flatten],
  ['sort', ['array', 'string'], 1, 'array', (items: readonly Value[], order = 'asc') => sorted(items, items, order)],
  ['bitand', ['int', 'int'], 0, 'int', (a: number, b: number) => bits(a, b, (x, y) => x & y)],
  ['bitor', ['int', 'int'], 0, 'int', (a: number, b: number) => bits(a, b, (x, y) => x | y)],
  ['bitxor', ['int', 'int'], 0, 'int', (a: number, b: number) => bits(a, b, (x, y) => x ^ y)],
  ['bitnand', ['int', 'int'], 0, 'int', (a: number, b: number) => bits(a, b, (x, y) => x & ~y)],
  ['bitnot', ['int'], 0, 'int', (a: number) => bits(a, 0, (x) => ~x)],
  ['bitshl', ['int', 'int'], 0, 'int', (a: number, b: number) => bits(a, shift(b), (x, y) => x << y)],
  ['bitshr', ['int', 'int'], 0, 'int', (a: number, b: number) => bits(a, shift(b), (x, y) => x >> y)],
  [
    'bitushr',
    ['int', 'int'],
    0,
    'int',
    (a: number, b: number) => bits(a, shift(b), (x, y) => BigInt.asUintN(64, x) >> y),
  ],
]

/** These take any number of arguments of their last kind. */
export const VARIADIC: ReadonlySet<string> = new Set(['max', 'min', 'mean', 'median', 'concat'])

export const BUILTINS: ReadonlyMap<string, Builtin> = new Map(
  ROWS.map(([name, parameters, optional, result, run]) => [
    name,
    { parameters, optional, result, run: (args: readonly Value[]) => run(...(args as never[])) },
  ]),
)

function length(value: Value): number {
  if (typeof value === 'string') return [...value].length
  if (isArray(value)) return value.length
  if (isMap(value)) return value.size
  throw new ExpressionError(`invalid argument for len (type ${kindOf(value)})`)
}

function toInt(value: Value): number {
  if (typeof value === 'number') return Math.trunc(value)
  if (typeof value === 'string' && /^[+-]?[0-9]+$/.test(value) && Number.isSafeInteger(Number(value)))
    return Number(value)
  if (typeof value === 'string') throw new ExpressionError(`invalid operation: int(${value})`)
  throw new ExpressionError(`invalid argument for int (type ${kindOf(value)})`)
}

function toFloat(value: Value): number {
  if (typeof value === 'number') return value
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : Number.NaN
  if (Number.isNaN(number)) throw new ExpressionError(`invalid operation: float(${printed(value)})`)
  return number
}

function trim(text: string, characters?: string): string {
  if (characters === undefined) return text.trim()
  const set = new Set(characters)
  const chars = [...text]
  let from = 0
  let to = chars.length
  while (from < to && set.has(chars[from]!)) from++
  while (to > from && set.has(chars[to - 1]!)) to--
  return chars.slice(from, to).join('')
}

/** Go's SplitN and SplitAfterN: the last part keeps the rest. */
function split(text: string, by: string, limit: number, keeps: boolean): string[] {
  if (limit === 0) return []
  const parts = by === '' ? [...text] : text.split(by)
  const count = limit < 0 ? parts.length : Math.min(limit, parts.length)
  const head = parts.slice(0, count - 1)
  const rest = parts.slice(count - 1).join(by)
  return keeps ? [...head.map((part) => part + by), rest] : [...head, rest]
}

function replace(text: string, from: string, to: string, limit = -1): string {
  if (from === '') throw new ExpressionError('replace needs something to look for')
  const parts = text.split(from)
  const count = limit < 0 ? parts.length - 1 : Math.min(limit, parts.length - 1)
  if (count * to.length > SIZE_MAX) throw new ExpressionError('memory budget exceeded')
  const result = parts.slice(0, count + 1).join(to)
  const rest = parts.slice(count + 1)
  return text_(rest.length === 0 ? result : [result, ...rest].join(from))
}

function repeat(text: string, count: number): string {
  if (atLeast(count, 0, 'repeat') * text.length > SIZE_MAX) throw new ExpressionError('memory budget exceeded')
  return text.repeat(count)
}

function text_(text: string): string {
  if (text.length > SIZE_MAX) throw new ExpressionError('memory budget exceeded')
  return text
}

function join(items: readonly Value[], by = ''): string {
  const texts = items.map(textItem)
  const size = texts.reduce((sum, text) => sum + text.length, by.length * texts.length)
  if (size > SIZE_MAX) throw new ExpressionError('memory budget exceeded')
  return texts.join(by)
}

/** The elements of elements, all the way down. */
function flatten(items: readonly Value[]): Value[] {
  const found: Value[] = []
  const budget = new Budget()
  const add = (list: readonly Value[], depth: number): void => {
    for (const item of list) {
      budget.take(depth)
      if (isArray(item)) add(item, depth + 1)
      else found.push(item)
    }
  }
  add(items, 0)
  return found
}

function bounded(items: Value[]): Value[] {
  if (items.length > SIZE_MAX) throw new ExpressionError('memory budget exceeded')
  return items
}

function textItem(value: Value): string {
  if (typeof value !== 'string') throw new ExpressionError(`cannot join ${kindOf(value)}`)
  return value
}

function atLeast(value: number, min: number, name: string): number {
  if (!Number.isInteger(value) || value < min) throw new ExpressionError(`invalid argument for ${name}: ${value}`)
  return value
}

function numbers(args: readonly Value[]): number[] {
  const flat = flatten(args)
  if (flat.length === 0) return [0]
  return flat.map((value) => {
    if (typeof value !== 'number') throw new ExpressionError(`invalid argument (type ${kindOf(value)})`)
    return value
  })
}

function mean(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0) / values.length
}

function median(values: readonly number[]): number {
  const order = [...values].sort((a, b) => a - b)
  const middle = order.length >> 1
  return order.length % 2 === 1 ? order[middle]! : (order[middle - 1]! + order[middle]!) / 2
}

function get(from: Value, key: Value): Value {
  if (isMap(from) && typeof key === 'string') return from.get(key) ?? null
  if (isArray(from) && typeof key === 'number') return from.at(key) ?? null
  return null
}

function fromPairs(pairs: readonly Value[]): Value {
  return new Map(
    pairs.map((pair) => {
      if (!isArray(pair) || pair.length !== 2) throw new ExpressionError('invalid pair: it needs a key and a value')
      return [printed(pair[0]!), pair[1]!]
    }),
  )
}

function uniq(items: readonly Value[]): Value[] {
  const found: Value[] = []
  const simple = new Set<Value>()
  for (const item of items) {
    if (isArray(item) || isMap(item)) {
      if (!found.some((each) => equal(each, item))) found.push(item)
    } else if (!simple.has(item)) {
      simple.add(item)
      found.push(item)
    }
  }
  return found
}

/** `items` in the order of `keys`. */
export function sorted(items: readonly Value[], keys: readonly Value[], order: string): Value[] {
  if (order !== 'asc' && order !== 'desc')
    throw new ExpressionError(`invalid sort order ${order}, expected asc or desc`)
  const direction = order === 'asc' ? 1 : -1
  return items
    .map((item, i) => ({ item, key: keys[i]! }))
    .sort((a, b) => direction * compare(a.key, b.key))
    .map(({ item }) => item)
}

/** Order of numbers or strings; other values have none. */
export function compare(a: Value, b: Value): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b
  if (typeof a === 'string' && typeof b === 'string') return a < b ? -1 : a > b ? 1 : 0
  throw new ExpressionError(`cannot compare ${kindOf(a)} and ${kindOf(b)}`)
}

function shift(count: number): number {
  if (count < 0) throw new ExpressionError(`invalid operation: negative shift count ${count}`)
  return Math.min(count, 64)
}

/** On 64 bits, as Go's int. */
function bits(a: number, b: number, operation: (a: bigint, b: bigint) => bigint): number {
  return Number(BigInt.asIntN(64, operation(BigInt(Math.trunc(a)), BigInt(Math.trunc(b)))))
}

function toPlain(value: Value, budget: Budget, depth: number): unknown {
  budget.take(depth, typeof value === 'string' ? value.length : 1)
  if (isArray(value)) return value.map((each) => toPlain(each, budget, depth + 1))
  if (isMap(value)) {
    return Object.fromEntries([...value].map(([key, each]) => [key, toPlain(each, budget, depth + 1)]))
  }
  return value
}

function fromJson(text: string): Value {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new ExpressionError(`invalid JSON: ${(error as Error).message}`)
  }
  return fromPlain(value, new Budget(), 0)
}

function fromPlain(value: unknown, budget: Budget, depth: number): Value {
  budget.take(depth)
  if (Array.isArray(value)) return value.map((each) => fromPlain(each, budget, depth + 1))
  if (typeof value === 'object' && value !== null) {
    return new Map(Object.entries(value).map(([key, each]) => [key, fromPlain(each, budget, depth + 1)]))
  }
  return value as Value
}
