/**
 * A template's text to tokens: what stands outside `{{ }}` is one token each, what stands inside is split into words.
 * `{{-` and `-}}` take the white space beside them away; comments vanish.
 */
import { TemplateError } from './template-error.ts'

export type TokenKind =
  | 'text'
  | 'open'
  | 'close'
  | 'field'
  | 'variable'
  | 'word'
  | 'number'
  | 'char'
  | 'string'
  | 'dot'
  | 'pipe'
  | 'left'
  | 'right'
  | 'comma'
  | 'declare'
  | 'assign'
  | 'space'
  | 'end'

export interface Token {
  readonly kind: TokenKind
  /** As written; fields and variables with their dot or dollar. */
  readonly text: string
  /** Offset in the template. */
  readonly at: number
}

const LEFT = '{{'
const RIGHT = '}}'
const SPACE = /[ \t\r\n]/
const NUMBER =
  /[+-]?(?:0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO][0-7_]+|[0-9][0-9_]*(?:\.[0-9_]*)?(?:[eE][+-]?[0-9]+)?|\.[0-9]+(?:[eE][+-]?[0-9]+)?)/y
const WORD = /[\p{L}_][\p{L}\p{Nd}_]*/uy

/** `where`: `template: NAME:LINE` for errors. Throws TemplateError. */
export function lex(text: string, where: (at: number) => string): Token[] {
  const tokens: Token[] = []
  let at = 0
  while (at < text.length) {
    const open = text.indexOf(LEFT, at)
    if (open < 0) {
      tokens.push({ kind: 'text', text: text.slice(at), at })
      break
    }
    const trimsLeft = text[open + 2] === '-' && SPACE.test(text[open + 3] ?? '')
    const literal = trimsLeft ? text.slice(at, open).replace(/[ \t\r\n]+$/, '') : text.slice(at, open)
    if (literal !== '') tokens.push({ kind: 'text', text: literal, at })
    const inside = open + (trimsLeft ? 3 : 2)
    // Only right behind the delimiter, or the blank of `{{- `, it is a comment.
    if (text.startsWith('/*', trimsLeft ? inside + 1 : inside)) {
      at = lexComment(text, inside, where)
    } else {
      tokens.push({ kind: 'open', text: LEFT, at: open })
      at = lexInside(text, inside, tokens, where)
    }
  }
  tokens.push({ kind: 'end', text: '', at: text.length })
  return tokens
}

/** Offset past a comment's `}}`, and past the white space that its `-}}` trims. */
function lexComment(text: string, from: number, where: (at: number) => string): number {
  const end = text.indexOf('*/', from)
  if (end < 0) throw new TemplateError(`${where(from)}: unclosed comment`)
  const close = /([ \t\r\n]-)?\}\}/y
  close.lastIndex = end + 2
  const found = close.exec(text)
  if (found === null) throw new TemplateError(`${where(end)}: comment ends before closing delimiter`)
  return found[1] === undefined ? close.lastIndex : pastSpace(text, close.lastIndex)
}

function lexInside(text: string, from: number, tokens: Token[], where: (at: number) => string): number {
  let at = from
  let depth = 0
  for (;;) {
    if (at >= text.length) throw new TemplateError(`${where(at)}: unclosed action`)
    const trims = SPACE.test(text[at]!) && text[at + 1] === '-' && text.startsWith(RIGHT, at + 2)
    if (trims || text.startsWith(RIGHT, at)) {
      if (depth > 0) throw new TemplateError(`${where(at)}: unclosed left paren`)
      tokens.push({ kind: 'close', text: RIGHT, at })
      return trims ? pastSpace(text, at + 4) : at + 2
    }
    const token = lexToken(text, at, where)
    if (token.kind === 'left') depth++
    if (token.kind === 'right' && --depth < 0) throw new TemplateError(`${where(at)}: unexpected right paren`)
    tokens.push(token)
    at += token.text.length
  }
}

function lexToken(text: string, at: number, where: (at: number) => string): Token {
  const token = (kind: TokenKind, size: number): Token => ({ kind, text: text.slice(at, at + size), at })
  const first = text[at]!
  if (SPACE.test(first)) {
    let end = at
    // `-}}` belongs to its space.
    while (end < text.length && SPACE.test(text[end]!) && !text.startsWith('-}}', end + 1)) end++
    return token('space', Math.max(1, end - at))
  }
  const one = { '|': 'pipe', '(': 'left', ')': 'right', ',': 'comma', '=': 'assign' } as const
  if (first in one) return token(one[first as keyof typeof one], 1)
  if (text.startsWith(':=', at)) return token('declare', 2)
  if (first === '"' || first === '`' || first === "'") return lexQuoted(text, at, first, where)
  if (first === '.' && !/[0-9]/.test(text[at + 1] ?? '')) {
    const size = wordSize(text, at + 1)
    return size === 0 ? token('dot', 1) : token('field', 1 + size)
  }
  if (first === '$') return token('variable', 1 + wordSize(text, at + 1))
  if (/[0-9.+-]/.test(first)) {
    NUMBER.lastIndex = at
    const found = NUMBER.exec(text)
    if (found === null) throw new TemplateError(`${where(at)}: unexpected bad character ${JSON.stringify(first)}`)
    if (wordSize(text, NUMBER.lastIndex) > 0) {
      throw new TemplateError(`${where(at)}: bad number syntax: "${found[0]}${text[NUMBER.lastIndex]}"`)
    }
    return token('number', found[0].length)
  }
  const size = wordSize(text, at)
  if (size > 0) return token('word', size)
  throw new TemplateError(`${where(at)}: unexpected ${JSON.stringify(first)} in command`)
}

function lexQuoted(text: string, at: number, quote: string, where: (at: number) => string): Token {
  for (let end = at + 1; end < text.length; end++) {
    const char = text[end]!
    if (char === '\\' && quote !== '`') end++
    else if (char === '\n' && quote !== '`') break
    else if (char === quote) {
      return { kind: quote === "'" ? 'char' : 'string', text: text.slice(at, end + 1), at }
    }
  }
  const what = quote === '`' ? 'raw quoted string' : quote === "'" ? 'character constant' : 'quoted string'
  throw new TemplateError(`${where(at)}: unterminated ${what}`)
}

function wordSize(text: string, at: number): number {
  WORD.lastIndex = at
  return WORD.exec(text)?.[0].length ?? 0
}

function pastSpace(text: string, at: number): number {
  let end = at
  while (end < text.length && SPACE.test(text[end]!)) end++
  return end
}
