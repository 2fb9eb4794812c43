/** What expressions compute with, and what is known of it before they run. */

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

/** As Go prints it: what `string(x)` gives. */
export function printed(value: Value): string {
  if (value === null) return '<nil>'
  if (isArray(value)) return `[${value.map(printed).join(' ')}]`
  if (isMap(value))
    return `map[${[...value.keys()]
      .sort()
      .map((key) => `${key}:${printed(value.get(key)!)}`)
      .join(' ')}]`
  return String(value)
}

/** Equality of expr-lang: numbers by value, arrays and maps by what they hold. */
export function equal(a: Value, b: Value): boolean {
  if (isArray(a) && isArray(b)) return a.length === b.length && a.every((each, i) => equal(each, b[i]!))
  if (isMap(a) && isMap(b)) {
    return a.size === b.size && [...a].every(([key, each]) => b.has(key) && equal(each, b.get(key)!))
  }
  return a === b
}
