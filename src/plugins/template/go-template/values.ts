/** What a template computes with: Go's values, as far as templates in a Corefile meet them. */

/** A Go struct: named fields and methods; a name that is neither is an error when the template runs. */
export interface GoStruct {
  readonly structName: string
  /** Undefined: there is no such field. */
  field(name: string): GoValue | undefined
  /** Undefined: there is no such method. */
  method?(name: string): GoFunction | undefined
}

/** A Go map with string keys. For a key that isn't there `index` gives `zero`, or `<no value>` when that is undefined; a field always `<no value>`. */
export class GoMap {
  readonly entries: ReadonlyMap<string, GoValue>
  readonly zero: GoValue | undefined

  constructor(entries: ReadonlyMap<string, GoValue>, zero: GoValue | undefined) {
    this.entries = entries
    this.zero = zero
  }
}

/** A number that Go would hold in a float64, though it may be whole. */
export class GoFloat {
  readonly value: number

  constructor(value: number) {
    this.value = value
  }
}

export type GoFunction = (...args: readonly GoValue[]) => GoValue

/** Integers are number (int) or bigint (uint64 and beyond 2^53); null is nil. */
export type GoValue =
  | string
  | number
  | bigint
  | boolean
  | null
  | GoFloat
  | readonly GoValue[]
  | GoMap
  | GoStruct
  | NoValue

/** What a missing key of a map of anything gives. */
export class NoValue {}
export const NO_VALUE: NoValue = new NoValue()

export function isStruct(value: GoValue): value is GoStruct {
  return typeof value === 'object' && value !== null && 'structName' in value
}

/** `if`, `with`, `and`, `or`, `not`: false for zero, nil and what is empty; structs are true. */
export function isTrue(value: GoValue): boolean {
  if (value === null || value instanceof NoValue) return false
  if (value instanceof GoFloat) return value.value !== 0
  if (value instanceof GoMap) return value.entries.size > 0
  if (Array.isArray(value)) return value.length > 0
  if (isStruct(value)) return true
  return Boolean(value)
}

export function typeOf(value: GoValue): string {
  if (value === null || value instanceof NoValue) return '<nil>'
  if (value instanceof GoFloat) return 'float64'
  if (value instanceof GoMap) return value.zero === undefined ? 'map[string]interface {}' : 'map[string]string'
  if (Array.isArray(value)) return '[]string'
  if (isStruct(value)) return value.structName
  switch (typeof value) {
    case 'string':
      return 'string'
    case 'boolean':
      return 'bool'
    case 'bigint':
      return 'uint64'
    default:
      return 'int'
  }
}

export function isInteger(value: GoValue | undefined): value is number | bigint {
  return typeof value === 'number' || typeof value === 'bigint'
}
