/** An expression's text to tokens. */
import { ExpressionError } from './expression-error.ts'

export interface Token {
  readonly kind: 'number' | 'string' | 'name' | 'operator' | 'end'
  readonly text: string
  /** Of numbers and strings. */
  readonly value?: number | string
  /** A number without fraction and exponent. */
  readonly isInt?: boolean
  readonly at: number
}

const BLANK = /(?:\s+|\/\*[\s\S]*?\*\/|\/\/[^\n]*)+/y
const NUMBER =
  /0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO][0-7_]+|(?:[0-9][0-9_]*)?\.[0-9][0-9_]*(?:[eE][+-]?[0-9]+)?|[0-9][0-9_]*(?:[eE][+-]?[0-9]+)?/y
const NAME = /[\p{L}_$][\p{L}\p{Nd}_$]*/uy
const OPERATOR = /\?\.|\?\?|\*\*|\.\.|==|!=|<=|>=|&&|\|\||[-+*/%^<>!?:.,;|()[\]{}#=]/y

/** Throws ExpressionError. */
export function lexExpression(text: string): Token[] {
  const tokens: Token[] = []
  let at = 0
  for (;;) {
    BLANK.lastIndex = at
    if (BLANK.test(text)) at = BLANK.lastIndex
    if (at >= text.length) break
    const token = next(text, at, tokens.at(-1))
    tokens.push(token)
    at += token.text.length
  }
  tokens.push({ kind: 'end', text: '', at })
  return tokens
}

function next(text: string, at: number, before: Token | undefined): Token {
  const char = text[at]!
  if (char === '"' || char === "'" || char === '`') return quoted(text, at, char)
  // In `a.0` and `1..3` a dot starts no number.
  const startsNumber = /[0-9]/.test(char) || (char === '.' && /[0-9]/.test(text[at + 1] ?? '') && text[at - 1] !== '.')
  if (startsNumber && !(char === '.' && before?.kind === 'name')) {
    const range = /[0-9][0-9_]*(?=\.\.)/y
    range.lastIndex = at
    NUMBER.lastIndex = at
    const found = range.exec(text) ?? NUMBER.exec(text)
    if (found !== null) {
      const plain = found[0].replaceAll('_', '')
      const value = Number(plain.replace(/^0[Oo]/, '0o').replace(/^0B/, '0b'))
      return { kind: 'number', text: found[0], value, isInt: /^0[xXbBoO]/.test(plain) || /^[0-9]+$/.test(plain), at }
    }
  }
  NAME.lastIndex = at
  const name = NAME.exec(text)
  if (name !== null) return { kind: 'name', text: name[0], at }
  OPERATOR.lastIndex = at
  const operator = OPERATOR.exec(text)
  if (operator !== null) return { kind: 'operator', text: operator[0], at }
  throw new ExpressionError(`unrecognized character: ${JSON.stringify(char)} (1:${at + 1})`)
}

const SHORT: ReadonlyMap<string, string> = new Map([
  ['a', '\x07'],
  ['b', '\b'],
  ['f', '\f'],
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
  ['v', '\v'],
  ['\\', '\\'],
  ["'", "'"],
  ['"', '"'],
])

function quoted(text: string, at: number, quote: string): Token {
  let value = ''
  for (let end = at + 1; end < text.length; end++) {
    const char = text[end]!
    if (char === quote) return { kind: 'string', text: text.slice(at, end + 1), value, at }
    if (char !== '\\' || quote === '`') {
      value += char
      continue
    }
    const sequence = /\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|(.))/sy
    sequence.lastIndex = end
    const found = sequence.exec(text)
    if (found === null) break
    const hex = found[1] ?? found[2] ?? found[3]
    const code = hex === undefined ? Number.parseInt(found[4] ?? '', 8) : Number.parseInt(hex, 16)
    const plain = found[5] === undefined ? undefined : SHORT.get(found[5])
    if (found[5] === undefined && code <= 0x10ffff) value += String.fromCodePoint(code)
    else if (plain !== undefined) value += plain
    else throw new ExpressionError(`invalid char escape (1:${end + 1})`)
    end += found[0].length - 1
  }
  throw new ExpressionError(`literal not terminated (1:${at + 1})`)
}
