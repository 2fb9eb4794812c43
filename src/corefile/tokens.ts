/**
 * The words of a Corefile.
 *
 *   - White space separates words; a carriage return is nothing at all.
 *   - `"` opens a quoted word at a word's start only. Inside, `\"` is a quote, every other backslash is itself, and lines
 *     may end. The quoted word ends at the next quote, whatever follows; at the end of the text it ends unquoted.
 *   - `#` starts a comment to the end of the line. Glued to a word it hides only up to the next white space:
 *     `foo#bar baz` are the words `foo` and `baz`.
 *   - `{` and `}` mean something only as words of their own, and not quoted.
 *
 * A leading byte order mark is dropped.
 */
import type { Token } from './directive.ts'

export interface SourceToken extends Token {
  readonly quoted: boolean
  /** First word of its line. */
  readonly startsLine: boolean
}

const BYTE_ORDER_MARK = 0xfeff
const NEWLINE = 0x0a
const RETURN = 0x0d
const QUOTE = 0x22
const HASH = 0x23
const BACKSLASH = 0x5c

/** Where words are read from, one at a time: a Corefile of thousands of blocks has more of them than should be there at once. */
export interface TokenSource {
  /** Undefined at the end. */
  next(): SourceToken | undefined
}

/** All words of a text. */
export function scanTokens(text: string, file: string): SourceToken[] {
  const scanner = new TokenScanner(text, file)
  const tokens: SourceToken[] = []
  for (let token = scanner.next(); token !== undefined; token = scanner.next()) tokens.push(token)
  return tokens
}

/** Cuts a text into words. Linear time; any text is fine. Columns count characters from 1. */
export class TokenScanner implements TokenSource {
  readonly #text: string
  readonly #file: string
  #at: number
  #line = 1
  #column = 1
  #startsLine = true

  constructor(text: string, file: string) {
    this.#text = text
    this.#file = file
    this.#at = text.charCodeAt(0) === BYTE_ORDER_MARK ? 1 : 0
  }

  next(): SourceToken | undefined {
    const text = this.#text
    while (this.#at < text.length) {
      const code = text.charCodeAt(this.#at)
      if (code === NEWLINE) {
        this.#startsLine = true
        this.#advance()
      } else if (isSpace(code)) this.#advance()
      else if (code === HASH) {
        const end = text.indexOf('\n', this.#at)
        this.#at = end < 0 ? text.length : end
      } else {
        const at = { file: this.#file, line: this.#line, column: this.#column }
        const quoted = code === QUOTE
        const word = quoted ? this.#scanQuoted() : this.#scanPlain()
        if (word === undefined) continue
        const token = { text: word, at, quoted, startsLine: this.#startsLine }
        this.#startsLine = false
        return token
      }
    }
    return undefined
  }

  #advance(): void {
    const code = this.#text.charCodeAt(this.#at++)
    if (code === NEWLINE) {
      this.#line++
      this.#column = 1
    } else if (code < 0xdc00 || code > 0xdfff) this.#column++
  }

  /** Undefined for nothing behind a quote that the text ends with. */
  #scanQuoted(): string | undefined {
    const text = this.#text
    this.#advance()
    let word = ''
    let from = this.#at
    while (this.#at < text.length && text.charCodeAt(this.#at) !== QUOTE) {
      const at = this.#at
      if (text.charCodeAt(at) === BACKSLASH) {
        if (text.charCodeAt(at + 1) === QUOTE) {
          word += text.slice(from, at)
          from = at + 1
        }
        // A backslash that ends the text is no part of the word.
        if (at + 1 >= text.length) {
          word += text.slice(from, at)
          from = text.length
        }
        this.#advance()
        if (this.#at >= text.length) break
      }
      this.#advance()
    }
    const isClosed = this.#at < text.length
    word += text.slice(from, this.#at)
    if (isClosed) this.#advance()
    return isClosed || word !== '' ? word : undefined
  }

  #scanPlain(): string {
    const text = this.#text
    let word = ''
    let from = this.#at
    let hidden = false
    while (this.#at < text.length) {
      const at = this.#at
      const code = text.charCodeAt(at)
      if (code === RETURN) {
        if (!hidden) word += text.slice(from, at)
        from = at + 1
      } else if (isSpace(code)) break
      else if (code === HASH && !hidden) {
        word += text.slice(from, at)
        hidden = true
      }
      this.#advance()
    }
    return hidden ? word : word + text.slice(from, this.#at)
  }
}

/** White space as Unicode has it, which is what CoreDNS goes by. */
function isSpace(code: number): boolean {
  if (code < 0x80) return code === 0x20 || (code >= 0x09 && code <= 0x0d)
  return (
    code === 0x85 ||
    code === 0xa0 ||
    code === 0x1680 ||
    (code >= 0x2000 && code <= 0x200a) ||
    code === 0x2028 ||
    code === 0x2029 ||
    code === 0x202f ||
    code === 0x205f ||
    code === 0x3000
  )
}

/** Text that `scanTokens` reads as the same words on the same lines, comments and blanks gone. */
export function printTokens(tokens: readonly SourceToken[]): string {
  let text = ''
  for (const { text: word, quoted, startsLine } of tokens) {
    if (text !== '') text += startsLine ? '\n' : ' '
    text += quoted ? `"${word.replaceAll('"', '\\"')}"` : word
  }
  return text
}
