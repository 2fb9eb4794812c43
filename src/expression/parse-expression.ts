/** The grammar of expr-lang, by operator precedence. */
import type { Node } from './ast.ts'
import { PREDICATE_ARGUMENTS } from './builtins.ts'
import { ExpressionError } from './expression-error.ts'
import { lexExpression, type Token } from './lex-expression.ts'

/** Nodes nested in each other. */
const DEPTH_MAX = 200

interface Precedence {
  readonly level: number
  readonly right?: boolean
}

const BINARY: ReadonlyMap<string, Precedence> = new Map<string, Precedence>([
  ['|', { level: 0 }],
  ['or', { level: 10 }],
  ['||', { level: 10 }],
  ['and', { level: 15 }],
  ['&&', { level: 15 }],
  ['==', { level: 20 }],
  ['!=', { level: 20 }],
  ['<', { level: 20 }],
  ['>', { level: 20 }],
  ['<=', { level: 20 }],
  ['>=', { level: 20 }],
  ['in', { level: 20 }],
  ['matches', { level: 20 }],
  ['contains', { level: 20 }],
  ['startsWith', { level: 20 }],
  ['endsWith', { level: 20 }],
  ['..', { level: 25 }],
  ['+', { level: 30 }],
  ['-', { level: 30 }],
  ['*', { level: 60 }],
  ['/', { level: 60 }],
  ['%', { level: 60 }],
  ['**', { level: 100, right: true }],
  ['^', { level: 100, right: true }],
  ['??', { level: 500 }],
])
const UNARY: ReadonlyMap<string, number> = new Map([
  ['not', 50],
  ['!', 50],
  ['-', 90],
  ['+', 90],
])
const NEGATABLE: ReadonlySet<string> = new Set(['in', 'matches', 'contains', 'startsWith', 'endsWith'])
/** Words that can't name a variable. */
const RESERVED: ReadonlySet<string> = new Set([
  ...[
    'true',
    'false',
    'nil',
    'not',
    'and',
    'or',
    'in',
    'matches',
    'contains',
    'startsWith',
    'endsWith',
    'let',
    'if',
    'else',
  ],
])

/** Whether the word can name a variable. */
export function isVariableName(word: string): boolean {
  return /^[\p{L}_$][\p{L}\p{Nd}_$]*$/u.test(word) && !RESERVED.has(word)
}

/** Throws ExpressionError. */
export function parseExpression(text: string): Node {
  return new Parser(text).whole()
}

class Parser {
  readonly #tokens: readonly Token[]
  #next = 0
  #depth = 0
  #predicates = 0

  constructor(text: string) {
    this.#tokens = lexExpression(text)
  }

  whole(): Node {
    const node = this.#sequence()
    if (this.#peek().kind !== 'end') throw this.#unexpected()
    return node
  }

  /** `let x = 1; x + 1`, or one expression. */
  #sequence(): Node {
    if (!this.#isWord('let')) return this.#expression(0)
    const { at } = this.#take()
    const name = this.#take()
    if (name.kind !== 'name' || !isVariableName(name.text)) throw this.#unexpected(name)
    this.#expect('=')
    const value = this.#expression(0)
    this.#expect(';')
    return { kind: 'let', at, name: name.text, value, body: this.#sequence() }
  }

  #expression(level: number): Node {
    if (++this.#depth > DEPTH_MAX) throw new ExpressionError('the expression is nested too deeply')
    let left = this.#isWord('if') ? this.#ifElse() : this.#unary()
    for (;;) {
      const token = this.#peek()
      const negated =
        token.text === 'not' && token.kind === 'name' && NEGATABLE.has(this.#tokens[this.#next + 1]?.text ?? '')
      const operator = negated ? this.#tokens[this.#next + 1]!.text : token.text
      const precedence = token.kind === 'string' || token.kind === 'number' ? undefined : BINARY.get(operator)
      if (precedence === undefined || precedence.level < level) break
      this.#next += negated ? 2 : 1
      if (operator === '|') {
        left = this.#piped(left)
        continue
      }
      const right = this.#expression(precedence.right ? precedence.level : precedence.level + 1)
      const node: Node = { kind: 'binary', at: token.at, operator, left, right }
      left = negated ? { kind: 'unary', at: token.at, operator: 'not', operand: node } : node
    }
    this.#depth--
    return level === 0 ? this.#conditional(left) : left
  }

  #conditional(test: Node): Node {
    if (!this.#isOperator('?')) return test
    const { at } = this.#take()
    // `a ?: b` is a if it is true.
    if (this.#isOperator(':')) {
      this.#take()
      return { kind: 'conditional', at, test, yes: test, no: this.#expression(0) }
    }
    const yes = this.#expression(0)
    this.#expect(':')
    return { kind: 'conditional', at, test, yes, no: this.#expression(0) }
  }

  #ifElse(): Node {
    const { at } = this.#take()
    const test = this.#expression(0)
    this.#expect('{')
    const yes = this.#sequence()
    this.#expect('}')
    if (!this.#isWord('else')) throw this.#unexpected()
    this.#take()
    if (this.#isWord('if')) return { kind: 'conditional', at, test, yes, no: this.#ifElse() }
    this.#expect('{')
    const no = this.#sequence()
    this.#expect('}')
    return { kind: 'conditional', at, test, yes, no }
  }

  #unary(): Node {
    const token = this.#peek()
    const level = token.kind === 'name' || token.kind === 'operator' ? UNARY.get(token.text) : undefined
    if (level !== undefined) {
      this.#take()
      return { kind: 'unary', at: token.at, operator: token.text, operand: this.#expression(level) }
    }
    return this.#postfix(this.#primary())
  }

  #primary(): Node {
    const token = this.#take()
    const { at, text } = token
    if (token.kind === 'number') return { kind: 'literal', at, value: token.value!, isInt: token.isInt ?? false }
    if (token.kind === 'string') return { kind: 'literal', at, value: token.value! }
    if (token.kind === 'name') {
      if (text === 'true' || text === 'false') return { kind: 'literal', at, value: text === 'true' }
      if (text === 'nil') return { kind: 'literal', at, value: null }
      if (!isVariableName(text)) throw this.#unexpected(token)
      return this.#isOperator('(') ? this.#call(token, undefined) : { kind: 'name', at, name: text }
    }
    switch (text) {
      case '(': {
        const node = this.#sequence()
        this.#expect(')')
        return node
      }
      case '[': {
        const items = this.#list(']', () => this.#expression(0))
        return { kind: 'array', at, items }
      }
      case '{':
        return { kind: 'map', at, pairs: this.#list('}', () => this.#pair()) }
      case '#': {
        if (this.#predicates === 0)
          throw new ExpressionError(`cannot use pointer accessor outside predicate (1:${at + 1})`)
        const name = this.#peek()
        const isNamed = name.kind === 'name' && name.at === at + 1
        if (isNamed) this.#take()
        return { kind: 'pointer', at, name: isNamed ? name.text : '' }
      }
      case '.':
        // `.x` in a predicate is a field of the element.
        if (this.#predicates > 0) {
          this.#next--
          return { kind: 'pointer', at, name: '' }
        }
        throw this.#unexpected(token)
      default:
        throw this.#unexpected(token)
    }
  }

  #pair(): { key: Node; value: Node } {
    const token = this.#take()
    let key: Node
    if (token.kind === 'name' || token.kind === 'string' || token.kind === 'number') {
      key = { kind: 'literal', at: token.at, value: token.kind === 'string' ? token.value! : token.text }
    } else if (token.text === '(') {
      key = this.#expression(0)
      this.#expect(')')
    } else throw this.#unexpected(token)
    this.#expect(':')
    return { key, value: this.#expression(0) }
  }

  #postfix(start: Node): Node {
    let node = start
    for (;;) {
      const token = this.#peek()
      if (token.kind !== 'operator') return node
      if (token.text === '.' || token.text === '?.') {
        this.#take()
        const optional = token.text === '?.'
        if (optional && this.#isOperator('[')) {
          this.#take()
          node = { kind: 'member', at: token.at, object: node, key: this.#expression(0), optional }
          this.#expect(']')
          continue
        }
        const name = this.#take()
        if (name.kind !== 'name') throw this.#unexpected(name)
        if (this.#isOperator('(')) throw new ExpressionError(`${name.text} is not a method (1:${name.at + 1})`)
        node = {
          kind: 'member',
          at: token.at,
          object: node,
          key: { kind: 'literal', at: name.at, value: name.text },
          optional,
        }
      } else if (token.text === '[') {
        this.#take()
        node = this.#index(node, token.at)
      } else return node
    }
  }

  #index(object: Node, at: number): Node {
    if (this.#isOperator(':')) {
      this.#take()
      const to = this.#isOperator(']') ? undefined : this.#expression(0)
      this.#expect(']')
      return { kind: 'slice', at, object, from: undefined, to }
    }
    const from = this.#expression(0)
    if (this.#isOperator(':')) {
      this.#take()
      const to = this.#isOperator(']') ? undefined : this.#expression(0)
      this.#expect(']')
      return { kind: 'slice', at, object, from, to }
    }
    this.#expect(']')
    return { kind: 'member', at, object, key: from, optional: false }
  }

  /** `x | f(y)` is f(x, y). */
  #piped(first: Node): Node {
    const name = this.#take()
    if (name.kind !== 'name' || !isVariableName(name.text)) throw this.#unexpected(name)
    if (!this.#isOperator('(')) throw this.#unexpected()
    return this.#postfix(this.#call(name, first))
  }

  #call({ text: name, at }: Token, first: Node | undefined): Node {
    this.#expect('(')
    const args: Node[] = first === undefined ? [] : [first]
    const predicateAt = PREDICATE_ARGUMENTS.get(name)
    while (!this.#isOperator(')')) {
      args.push(args.length === predicateAt ? this.#predicate() : this.#expression(0))
      if (!this.#isOperator(',')) break
      this.#take()
    }
    this.#expect(')')
    return { kind: 'call', at, name, args }
  }

  /** `{ # > 1 }`, or the same without braces. */
  #predicate(): Node {
    const { at } = this.#peek()
    this.#predicates++
    const braced = this.#isOperator('{')
    if (braced) this.#take()
    const body = braced ? this.#sequence() : this.#expression(0)
    if (braced) this.#expect('}')
    this.#predicates--
    return { kind: 'predicate', at, body }
  }

  #list<T>(end: string, item: () => T): T[] {
    const items: T[] = []
    while (!this.#isOperator(end)) {
      items.push(item())
      if (!this.#isOperator(',')) break
      this.#take()
    }
    this.#expect(end)
    return items
  }

  #peek(): Token {
    return this.#tokens[this.#next]!
  }

  #take(): Token {
    const token = this.#tokens[this.#next]!
    if (token.kind !== 'end') this.#next++
    return token
  }

  #isOperator(text: string): boolean {
    const token = this.#peek()
    return token.kind === 'operator' && token.text === text
  }

  #isWord(text: string): boolean {
    const token = this.#peek()
    return token.kind === 'name' && token.text === text
  }

  #expect(text: string): void {
    if (!this.#isOperator(text)) throw this.#unexpected()
    this.#take()
  }

  #unexpected(token: Token = this.#peek()): ExpressionError {
    const shown = token.kind === 'end' ? 'end of the expression' : `${token.kind} ${JSON.stringify(token.text)}`
    return new ExpressionError(`unexpected ${shown} (1:${token.at + 1})`)
  }
}
