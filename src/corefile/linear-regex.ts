/**
 * Regular expressions of a Corefile: Go's syntax (RE2), matched in time linear in the text, whoever wrote the pattern
 * or the text. The engine is loaded when the first pattern is compiled.
 */
import { createRequire } from 'node:module'
import type { RE2JS } from 're2js'

/** Characters of a pattern, as CoreDNS limits them. */
export const PATTERN_LENGTH_MAX = 10_000

/** Why a pattern can't be used, in Go's words: `error parsing regexp: missing closing ): ...`. */
export class RegexError extends Error {
  readonly code = 'SHOAL_REGEX'
  constructor(problem: string) {
    super(problem)
    this.name = 'RegexError'
  }
}

/** Where a pattern matched. */
export interface RegexMatch {
  /** UTF-16 index in the text. */
  readonly index: number
  /** Group 0 is the whole match; a group that took no part is undefined. */
  readonly groups: readonly (string | undefined)[]
}

/** A compiled pattern; it has no state, so one may be used from everywhere in a thread. */
export class LinearRegex {
  readonly source: string
  /** Capturing groups, without group 0. */
  readonly groupCount: number
  /** Number of each named group, `(?P<name>…)`. */
  readonly groupNames: ReadonlyMap<string, number>
  readonly #compiled: RE2JS

  /** Use `compileRegex`. */
  constructor(source: string, compiled: RE2JS) {
    this.source = source
    this.#compiled = compiled
    this.groupCount = compiled.groupCount()
    this.groupNames = new Map(Object.entries(compiled.namedGroups()))
  }

  /** Whether the pattern matches somewhere in the text. */
  test(text: string): boolean {
    return this.#compiled.test(text)
  }

  /** The leftmost match, at `from` or later. */
  match(text: string, from = 0): RegexMatch | undefined {
    const matcher = this.#compiled.matcher(text)
    if (!(from === 0 ? matcher.find() : matcher.find(from))) return undefined
    const groups: (string | undefined)[] = []
    for (let group = 0; group <= this.groupCount; group++) groups.push(matcher.group(group) ?? undefined)
    return { index: matcher.start(), groups }
  }

  /**
   * The text with every match replaced. `replacement` as Go's ReplaceAllString: `$1`, `${1}`, `${name}`; `$1x` is the
   * group named "1x"; a group that doesn't exist is empty; `$$` is a dollar.
   */
  replaceAll(text: string, replacement: string): string {
    let result = ''
    let from = 0
    let emptyAllowedAt = 0
    while (from <= text.length) {
      const found = this.match(text, from)
      if (found === undefined) break
      const matched = found.groups[0]!
      // As in Go: an empty match that touches the match before it doesn't count.
      if (matched !== '' || found.index >= emptyAllowedAt) {
        result += text.slice(from, found.index) + this.expand(replacement, found.groups)
      } else result += text.slice(from, found.index)
      if (matched === '') {
        const width = (text.codePointAt(found.index) ?? 0) > 0xffff ? 2 : 1
        result += text.slice(found.index, found.index + width)
        from = found.index + width
        emptyAllowedAt = from
      } else {
        from = found.index + matched.length
        emptyAllowedAt = from + 1
      }
    }
    return from < text.length ? result + text.slice(from) : result
  }

  /** `template` with its `$…` filled from the groups of a match, as Go's Expand. */
  expand(template: string, groups: readonly (string | undefined)[]): string {
    return template.replace(/\$(?:\$|\{(\w+)\}|(\w+))/g, (whole, braced?: string, bare?: string) => {
      const name = braced ?? bare
      if (name === undefined) return whole === '$$' ? '$' : whole
      const number = /^[0-9]{1,6}$/.test(name) ? Number(name) : this.groupNames.get(name)
      return (number === undefined ? undefined : groups[number]) ?? ''
    })
  }
}

let engine: typeof RE2JS | undefined

/** Throws RegexError for a pattern that is too long or wrong. Blocks for some milliseconds when the engine is loaded. */
export function compileRegex(pattern: string): LinearRegex {
  if (pattern.length > PATTERN_LENGTH_MAX) {
    throw new RegexError(`regex pattern exceeds limit of ${PATTERN_LENGTH_MAX} characters: it has ${pattern.length}`)
  }
  engine ??= (createRequire(import.meta.url)('re2js') as typeof import('re2js')).RE2JS
  try {
    return new LinearRegex(pattern, engine.compile(pattern))
  } catch (error) {
    throw new RegexError((error as Error).message.replace(/^error parsing regexp:? ?/i, 'error parsing regexp: '))
  }
}
