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

/** White space as Unicode has it, which is what CoreDNS goes by. */
const SPACE = /[\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]/
const BYTE_ORDER_MARK = 0xfeff

/** Cuts a text into words. Linear time; any text is fine. Columns count characters from 1. */
export function scanTokens(text: string, file: string): SourceToken[] {
  const tokens: SourceToken[] = []
  let line = 1
  let column = 1
  let startsLine = true
  let at = text.charCodeAt(0) === BYTE_ORDER_MARK ? 1 : 0

  const advance = (): void => {
    const code = text.charCodeAt(at++)
    if (code === 0x0a) {
      line++
      column = 1
    } else if (code < 0xdc00 || code > 0xdfff) column++
  }
  const push = (word: string, position: Token['at'], quoted: boolean): void => {
    tokens.push({ text: word, at: position, quoted, startsLine })
    startsLine = false
  }
  const scanQuoted = (position: Token['at']): void => {
    advance()
    const parts: string[] = []
    let from = at
    while (at < text.length && text[at] !== '"') {
      if (text[at] === '\\') {
        if (text[at + 1] === '"') {
          parts.push(text.slice(from, at))
          from = at + 1
        }
        // A backslash that ends the text is no part of the word.
        if (at + 1 >= text.length) {
          parts.push(text.slice(from, at))
          from = text.length
        }
        advance()
        if (at >= text.length) break
      }
      advance()
    }
    const closed = at < text.length
    parts.push(text.slice(from, at))
    if (closed) advance()
    const word = parts.join('')
    if (closed || word !== '') push(word, position, true)
  }
  const scanPlain = (position: Token['at']): void => {
    const parts: string[] = []
    let from = at
    let hidden = false
    while (at < text.length) {
      const character = text[at]!
      if (character === '\r') {
        if (!hidden) parts.push(text.slice(from, at))
        from = at + 1
      } else if (SPACE.test(character)) break
      else if (character === '#' && !hidden) {
        parts.push(text.slice(from, at))
        hidden = true
      }
      advance()
    }
    if (!hidden) parts.push(text.slice(from, at))
    push(parts.join(''), position, false)
  }

  while (at < text.length) {
    const character = text[at]!
    if (character === '\n') {
      startsLine = true
      advance()
    } else if (SPACE.test(character)) advance()
    else if (character === '#') while (at < text.length && text[at] !== '\n') advance()
    else if (character === '"') scanQuoted({ file, line, column })
    else scanPlain({ file, line, column })
  }
  return tokens
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
