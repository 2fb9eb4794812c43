/**
 * The options in a plugin's block as a table: one row per option, its default written once, and the same errors
 * everywhere for an unknown property, a wrong number of words, a word of the wrong kind, a number out of range.
 *
 *   const OPTIONS = optionTable({
 *     lameduck: duration({ default: 0, example: 'lameduck 5s' }),
 *     max_fails: count({ default: 2, min: 0, example: 'max_fails 3' }),
 *     force_tcp: flag(),
 *     policy: choice(['random', 'round_robin'], { default: 'random' }),
 *     except: zones(),
 *   })
 *   const { lameduck, max_fails } = OPTIONS.parse(directive.block)
 *
 * An option that is written twice counts as written last, unless its row says otherwise. What no row can say is written
 * as a row of its own: `{ default, example, argsMin, argsMax, parse }`.
 */
import { CorefileError } from './corefile-error.ts'
import type { Property, Token } from './directive.ts'
import { parseGoDuration } from './go-duration.ts'
import { zonesOfArguments } from './zone-argument.ts'

export interface OptionRow<T> {
  readonly default: T
  /** A line that works, shown in every error about the option. */
  readonly example: string
  readonly argsMin: number
  readonly argsMax: number
  /** A second use in the block is an error. */
  readonly once?: boolean
  /** The option has a block of its own, which `parse` reads from `property.block`; elsewhere a block is an error. */
  readonly block?: boolean
  /** `before`: the value so far, for options that add up. The number of words was checked. */
  parse(args: readonly Token[], property: Property, before: T): T
}

type Rows = Readonly<Record<string, OptionRow<unknown>>>
export type OptionValues<R> = { readonly [K in keyof R]: R[K] extends OptionRow<infer T> ? T : never }

export interface OptionTable<R> {
  readonly names: readonly string[]
  readonly defaults: OptionValues<R>
  /** `start`: values to begin with in place of the defaults, for a directive that is repeated. Throws CorefileError. */
  parse(block: readonly Property[] | undefined, start?: OptionValues<R>): OptionValues<R>
}

/** Builds a table. Rows are keyed by the option's name. */
export function optionTable<const R extends Rows>(rows: R): OptionTable<R> {
  const known = new Map<string, OptionRow<unknown>>(Object.entries(rows) as [string, OptionRow<unknown>][])
  const names = [...known.keys()]
  const defaults = Object.fromEntries([...known].map(([name, row]) => [name, row.default])) as OptionValues<R>
  return {
    names,
    defaults,
    parse(block, start = defaults) {
      const values = new Map<string, unknown>(Object.entries(start))
      const seen = new Set<string>()
      for (const property of block ?? []) {
        const row = known.get(property.name)
        if (row === undefined) throw unknownProperty(property, names)
        const { args, at } = property
        if (row.once === true && seen.has(property.name)) {
          throw new CorefileError(at, `${property.name} already specified`, row.example)
        }
        seen.add(property.name)
        if (args.length < row.argsMin || args.length > row.argsMax) throw wrongArguments(property, row.example)
        if (property.block !== undefined && row.block !== true) throw unexpectedBlock(property, row.example)
        values.set(property.name, row.parse(args, property, values.get(property.name)))
      }
      return Object.fromEntries(values) as OptionValues<R>
    },
  }
}

/** A property that the table doesn't have, with the names that would do and, where one is close, a guess. */
export function unknownProperty(property: Property, known: readonly string[]): CorefileError {
  const guess = closestWord(property.name, known)
  const choice = known.length === 0 ? 'it takes no options' : `known are: ${known.join(', ')}`
  return new CorefileError(property.at, `unknown property '${property.name}' (${choice})`, guess)
}

/** Too few or too many words, in CoreDNS's words. `example`: a line that works. */
export function wrongArguments(line: Pick<Property, 'name' | 'at' | 'args'>, example: string): CorefileError {
  const last = line.args.at(-1) ?? { text: line.name, at: line.at }
  return new CorefileError(last.at, `Wrong argument count or unexpected line ending after '${last.text}'`, example)
}

/** A block behind a directive or property that has none, in CoreDNS's words. */
export function unexpectedBlock(line: Pick<Property, 'at' | 'block'>, example: string): CorefileError {
  return new CorefileError(line.block?.[0]?.at ?? line.at, "Unexpected token '{', expecting argument", example)
}

/** The word among `known` that differs least from `word`, if the difference is small. */
export function closestWord(word: string, known: readonly string[]): string | undefined {
  let best: string | undefined
  let bestDistance = Math.min(3, Math.ceil(word.length / 2))
  for (const candidate of known) {
    if (Math.abs(candidate.length - word.length) >= bestDistance) continue
    const distance = editDistance(word, candidate)
    if (distance < bestDistance) {
      best = candidate
      bestDistance = distance
    }
  }
  return best
}

interface Ranged {
  readonly min?: number
  readonly max?: number
}

/** An option without words: true when it is there. */
export function flag(): OptionRow<boolean> {
  return { default: false, example: '', argsMin: 0, argsMax: 0, parse: () => true }
}

/** One whole number. */
export function count(row: Ranged & { readonly default: number; readonly example: string }): OptionRow<number> {
  return {
    default: row.default,
    example: row.example,
    argsMin: 1,
    argsMax: 1,
    parse: ([word]) => parseCount(word!, { min: 0, ...row }),
  }
}

/** One duration, in milliseconds. `min` and `max` in milliseconds too. */
export function duration(row: Ranged & { readonly default: number; readonly example: string }): OptionRow<number> {
  return {
    default: row.default,
    example: row.example,
    argsMin: 1,
    argsMax: 1,
    parse: ([word]) => parseMs(word!, { min: 0, ...row }),
  }
}

/** One word out of a list. */
export function choice<const W extends string>(
  words: readonly W[],
  row: { readonly default: NoInfer<W>; readonly example?: string },
): OptionRow<W> {
  const example = row.example ?? words[0]!
  return {
    default: row.default,
    example,
    argsMin: 1,
    argsMax: 1,
    parse([word]) {
      const found = words.find((each) => each === word!.text)
      if (found === undefined) {
        throw new CorefileError(word!.at, `"${word!.text}" is not one of: ${words.join(', ')}`, example)
      }
      return found
    },
  }
}

/** One word as it stands, or undefined when the option isn't there. */
export function text(example: string): OptionRow<string | undefined> {
  return { default: undefined, example, argsMin: 1, argsMax: 1, parse: ([word]) => word!.text }
}

/** One or more words as they stand. Repeats add up. */
export function words(example: string): OptionRow<readonly string[]> {
  return {
    default: [],
    example,
    argsMin: 1,
    argsMax: Number.POSITIVE_INFINITY,
    parse: (args, _property, before) => [...before, ...args.map((arg) => arg.text)],
  }
}

/** One or more zones (networks as their reverse zones). Repeats add up. */
export function zones(example = 'except example.org'): OptionRow<readonly string[]> {
  return {
    default: [],
    example,
    argsMin: 1,
    argsMax: Number.POSITIVE_INFINITY,
    parse: (args, _property, before) => [...before, ...zonesOfArguments(args)],
  }
}

/** `fallthrough [ZONES…]`: undefined when not there, all names without zones. */
export function fallthrough(): OptionRow<readonly string[] | undefined> {
  return {
    default: undefined,
    example: 'fallthrough example.org',
    argsMin: 0,
    argsMax: Number.POSITIVE_INFINITY,
    parse: (args) => (args.length === 0 ? ['.'] : zonesOfArguments(args)),
  }
}

/** A whole number, or a CorefileError in Go's words. */
export function parseCount(word: Token, row: Ranged & { readonly example?: string }): number {
  const hint = row.example
  if (!/^[+-]?[0-9]+$/.test(word.text) || !Number.isSafeInteger(Number(word.text))) {
    const why = /^[+-]?[0-9]+$/.test(word.text) ? 'value out of range' : 'invalid syntax'
    throw new CorefileError(word.at, `"${word.text}" is not a whole number: ${why}`, hint)
  }
  return withinRange(Number(word.text), word, row, String)
}

/** A duration in milliseconds, or a CorefileError in Go's words. */
export function parseMs(word: Token, row: Ranged & { readonly example?: string }): number {
  const ms = parseGoDuration(word.text)
  if (ms === undefined) {
    const unitless = /^[0-9]+$/.test(word.text)
    throw new CorefileError(
      word.at,
      unitless ? `time: missing unit in duration "${word.text}"` : `time: invalid duration "${word.text}"`,
      row.example ?? (unitless ? `${word.text}s` : undefined),
    )
  }
  return withinRange(ms, word, row, (limit) => `${limit / 1000}s`)
}

function withinRange(
  value: number,
  word: Token,
  { min, max, example }: Ranged & { readonly example?: string },
  print: (limit: number) => string,
): number {
  if (min !== undefined && value < min) {
    throw new CorefileError(word.at, `"${word.text}" is less than ${print(min)}`, example)
  }
  if (max !== undefined && value > max) {
    throw new CorefileError(word.at, `"${word.text}" is more than ${print(max)}`, example)
  }
  return value
}

/** Characters to add, drop, change, or swap with the next, to get from one word to the other. */
function editDistance(a: string, b: string): number {
  let before: number[] = []
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const change = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      const swap = a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? (before[j - 2] ?? change) + 1 : change
      next.push(Math.min(change, swap, row[j]! + 1, next[j - 1]! + 1))
    }
    before = row
    row = next
  }
  return row[b.length]!
}
