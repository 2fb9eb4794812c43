/**
 * Splits a master file's octets into entries, and an entry into tokens. RFC 1035 section 5.1.
 *
 *   entry    tokens up to a line break outside parentheses; a comment runs from `;` to the end of its line
 *   token    octets up to a blank, `;`, `(`, `)` or `"` that no backslash stands before; or a text in quotes
 */
import { PLAIN, QUOTED, type TokenList } from './token-list.ts'

/** Outcomes of `entry`. The entry's tokens are in the list (none for an empty line), `at` is just past it. */
export const ENTRY_COMPLETE = 1
/** More octets are needed: nothing was taken. */
export const ENTRY_UNFINISHED = 0
export const LEX_NO_QUOTE = -1
export const LEX_NO_PAREN = -2
export const LEX_STRAY_PAREN = -3
export const LEX_TOO_MANY = -4

const TAB = 0x09
const NEWLINE = 0x0a
const RETURN = 0x0d
const SPACE = 0x20
const QUOTE = 0x22
const OPEN = 0x28
const CLOSE = 0x29
const SEMICOLON = 0x3b
const BACKSLASH = 0x5c

/** 1 for octets that can end or change a token outside quotes. */
const SPECIAL: Uint8Array = new Uint8Array(256)
for (const octet of [TAB, NEWLINE, RETURN, SPACE, QUOTE, OPEN, CLOSE, SEMICOLON, BACKSLASH]) SPECIAL[octet] = 1

export class Lexer {
  readonly tokens: TokenList
  /** After an entry: where the next one starts. After an error: where it was found. */
  at = 0
  /** Line breaks that the entry has, or what was passed over after an error. */
  lines = 0
  /** Where the first parenthesis was opened that is open. */
  openAt = 0
  /** Whether the entry started with a blank: its owner is the one before. */
  blankOwner = false

  constructor(tokens: TokenList) {
    this.tokens = tokens
  }

  /**
   * Reads one entry from `source[from .. end)`. With `last`, the end of the octets ends the entry too. After an error
   * `at` is where reading can go on, behind the line the error is in. Doesn't throw.
   */
  entry(source: Uint8Array, from: number, end: number, last: boolean): number {
    const { tokens } = this
    tokens.reset(source)
    let at = from
    let depth = 0
    let lines = 0
    this.blankOwner = at < end && (source[at] === SPACE || source[at] === TAB)
    while (at < end) {
      const octet = source[at]!
      switch (octet) {
        case SPACE:
        case TAB:
        case RETURN:
          at++
          continue
        case NEWLINE:
          at++
          lines++
          if (depth > 0) continue
          this.at = at
          this.lines = lines
          return ENTRY_COMPLETE
        case SEMICOLON:
          while (at < end && source[at] !== NEWLINE) at++
          continue
        case OPEN:
          if (depth === 0) this.openAt = at
          depth++
          at++
          continue
        case CLOSE:
          if (depth === 0) return this.#fail(source, from, at, end, LEX_STRAY_PAREN)
          depth--
          at++
          continue
        case QUOTE: {
          const close = closingQuote(source, at + 1, end)
          if (close < 0) return this.#unclosed(source, from, at, end, last, LEX_NO_QUOTE)
          if (!tokens.push(at + 1, close, QUOTED)) return this.#fail(source, from, at, end, LEX_TOO_MANY)
          at = close + 1
          continue
        }
        default: {
          const start = at
          for (;;) {
            while (at < end && SPECIAL[source[at]!] === 0) at++
            if (at >= end || source[at] !== BACKSLASH) break
            // Of `\DDD` only the first digit matters here: the others are no special octets. A line break can't be escaped.
            at += at + 1 < end && source[at + 1] !== NEWLINE ? 2 : 1
          }
          if (!tokens.push(start, at, PLAIN)) return this.#fail(source, from, at, end, LEX_TOO_MANY)
        }
      }
    }
    if (!last) return ENTRY_UNFINISHED
    this.at = end
    this.lines = lines
    if (depth > 0) return LEX_NO_PAREN
    return ENTRY_COMPLETE
  }

  /** A quote without its end: in these octets at all, or in the line, where it can't be closed any more. */
  #unclosed(source: Uint8Array, from: number, at: number, end: number, last: boolean, outcome: number): number {
    if (!last && source.indexOf(NEWLINE, at) < 0) return ENTRY_UNFINISHED
    return this.#fail(source, from, at, end, outcome)
  }

  #fail(source: Uint8Array, from: number, at: number, end: number, outcome: number): number {
    let next = at
    while (next < end && source[next] !== NEWLINE) next++
    this.tokens.push(at, next, PLAIN)
    this.at = Math.min(end, next + 1)
    this.lines = countLines(source, from, this.at)
    return outcome
  }
}

/** Line breaks in `bytes[from .. to)`. */
export function countLines(bytes: Uint8Array, from: number, to: number): number {
  let lines = 0
  for (let i = from; i < to; i++) if (bytes[i] === NEWLINE) lines++
  return lines
}

/** Where the quote is closed that was opened before `from`; -1 when it isn't, in its line. */
function closingQuote(source: Uint8Array, from: number, end: number): number {
  for (let at = from; at < end; at++) {
    const octet = source[at]!
    if (octet === QUOTE) return at
    if (octet === NEWLINE) return -1
    if (octet === BACKSLASH && source[at + 1] !== NEWLINE) at++
  }
  return -1
}
