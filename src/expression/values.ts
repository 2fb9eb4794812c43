/** What expressions compute with, and what is known of it before they run. */
import { ExpressionError } from './expression-error.ts'

export type Value = string | number | boolean | null | readonly Value[] | ReadonlyMap<string, Value>

/** `any`: only known when it runs. `number` stands for an integer or a float. */
export type Kind = 'int' | 'float' | 'number' | 'string' | 'bool' | 'nil' | 'array' | 'map' | 'any'

/** A function that expressions may call. */
export interface Signature {
  readonly parameters: readonly Kind[]
  /** How many of the parameters may be left out, from the end. */
  readonly optional?: number
  readonly result: Kind
}

/** Names that an expression may use: functions, or variables of a kind. */
export type Names = ReadonlyMap<string, Signature | Kind>

/** Where a running expression gets them from. A throw ends it with that error. */
export interface Scope {
  variable(name: string): Value
  call(name: string, args: readonly Value[]): Value
}

export function isMap(value: Value): value is ReadonlyMap<string, Value> {
  return value instanceof Map
}

export function isArray(value: Value): value is readonly Value[] {
  return Array.isArray(value)
}

export function kindOf(value: Value): Kind {
  if (value === null) return 'nil'
  if (isArray(value)) return 'array'
  if (isMap(value)) return 'map'
  switch (typeof value) {
    case 'string':
      return 'string'
    case 'boolean':
      return 'bool'
    default:
      return Number.isInteger(value) ? 'int' : 'float'
  }
}

export function isNumeric(kind: Kind): boolean {
  return kind === 'int' || kind === 'float' || kind === 'number' || kind === 'any'
}

/** Whether a value of kind `given` can be used where `wanted` is. */
export function fits(given: Kind, wanted: Kind): boolean {
  if (given === 'any' || wanted === 'any' || given === wanted) return true
  if (wanted === 'number' || wanted === 'float') return isNumeric(given)
  return wanted === 'int' && given === 'number'
}

/** Characters and elements that one value may grow to, and that are looked at in one go. */
export const SIZE_MAX = 100_000

/**
 * What is left of SIZE_MAX, for who goes through a value. A few steps make a value that holds itself twice, twice, twice:
 * small in memory, and without an end.
 */
export class Budget {
  #left = SIZE_MAX

  /** An element `depth` levels inside, or characters. Throws ExpressionError when there is no more. */
  take(depth: number, size = 1): void {
    // What lies deep costs more, so that nothing can be nested deeper than the stack.
    this.#left -= size + depth
    if (this.#left < 0) throw new ExpressionError('memory budget exceeded')
  }
}

/** As Go prints it: what `string(x)` gives. Throws ExpressionError for more than SIZE_MAX characters or elements. */
export function printed(value: Value): string {
  return printInside(value, new Budget(), 0)
}

function printInside(value: Value, budget: Budget, depth: number): string {
  budget.take(depth, typeof value === 'string' ? value.length : 1)
  if (value === null) return '<nil>'
  if (isArray(value)) return `[${value.map((each) => printInside(each, budget, depth + 1)).join(' ')}]`
  if (isMap(value))
    return `map[${[...value.keys()]
      .sort()
      .map((key) => `${key}:${printInside(value.get(key)!, budget, depth + 1)}`)
      .join(' ')}]`
  return String(value)
}

/** Equality of expr-lang: numbers by value, arrays and maps by what they hold. Throws ExpressionError above SIZE_MAX elements. */
export function equal(a: Value, b: Value): boolean {
  return isArray(a) || isMap(a) ? equalInside(a, b, new Budget(), 0) : a === b
}

function equalInside(a: Value, b: Value, budget: Budget, depth: number): boolean {
  budget.take(depth)
  if (isArray(a) && isArray(b)) {
    return a.length === b.length && a.every((each, i) => equalInside(each, b[i]!, budget, depth + 1))
  }
  if (isMap(a) && isMap(b)) {
    return (
      a.size === b.size &&
      [...a].every(([key, each]) => b.has(key) && equalInside(each, b.get(key)!, budget, depth + 1))
    )
  }
  return a === b
}
