/**
 * Tokens to nodes. The grammar is text/template's; `define`, `block` and `template` are left out, since a Corefile's
 * templates are one record each.
 */
import { FUNCTIONS } from './functions.ts'
import { lex, type Token, type TokenKind } from './lex.ts'
import type { Command, Node, Operand, Pipe } from './nodes.ts'
import { TemplateError } from './template-error.ts'
import { GoFloat, type GoValue } from './values.ts'

const KEYWORDS: ReadonlySet<string> = new Set([
  'if',
  'else',
  'end',
  'range',
  'with',
  'break',
  'continue',
  'define',
  'block',
  'template',
])
/** Actions nested in each other. */
const DEPTH_MAX = 100

/** Throws TemplateError. */
export function parseTemplate(name: string, text: string): readonly Node[] {
  return new Parser(name, text).template()
}

class Parser {
  readonly #name: string
  readonly #text: string
  readonly #tokens: readonly Token[]
  #next = 0
  /** Variables in scope, innermost last. */
  #variables: string[] = ['$']
  #rangeDepth = 0
  #depth = 0

  constructor(name: string, text: string) {
    this.#name = name
    this.#text = text
    this.#tokens = lex(text, (at) => this.#where(at))
  }

  template(): readonly Node[] {
    const { nodes, stop } = this.#list([])
    if (stop !== 'end of text') throw this.#error(`unexpected {{${stop}}}`)
    return nodes
  }

  /** Nodes up to one of the keywords (taken, the rest of its action isn't), or the end of the text. */
  #list(stops: readonly string[]): { nodes: Node[]; stop: string } {
    if (++this.#depth > DEPTH_MAX) throw this.#error('actions are nested too deeply')
    const nodes: Node[] = []
    for (;;) {
      const token = this.#take()
      if (token.kind === 'text') nodes.push({ kind: 'text', text: token.text })
      else if (token.kind === 'end') {
        if (stops.length > 0) throw this.#error('unexpected EOF')
        this.#depth--
        return { nodes, stop: 'end of text' }
      } else {
        const keyword = this.#keyword()
        if (keyword !== undefined && (stops.includes(keyword) || keyword === 'end' || keyword === 'else')) {
          if (!stops.includes(keyword)) throw this.#error(`unexpected {{${keyword}}}`)
          this.#depth--
          return { nodes, stop: keyword }
        }
        nodes.push(this.#action(keyword))
      }
    }
  }

  #action(keyword: string | undefined): Node {
    switch (keyword) {
      case undefined:
        return { kind: 'action', pipe: this.#pipe('close', 'command') }
      case 'if':
      case 'with':
      case 'range':
        return this.#control(keyword)
      case 'break':
      case 'continue':
        if (this.#rangeDepth === 0) throw this.#error(`{{${keyword}}} outside {{range}}`)
        this.#expectClose(keyword)
        return { kind: keyword }
      default:
        throw this.#error(`{{${keyword}}} is not supported: a template is one record`)
    }
  }

  #control(keyword: 'if' | 'with' | 'range'): Node {
    const scope = this.#variables.length
    const pipe = this.#pipe('close', keyword)
    if (keyword === 'range') this.#rangeDepth++
    const { nodes: body, stop } = this.#list(['else', 'end'])
    if (keyword === 'range') this.#rangeDepth--
    let otherwise: readonly Node[] = []
    if (stop === 'else') {
      const again = this.#keyword()
      if (again !== undefined && again === keyword && keyword !== 'range') {
        // `else if` is an `if` of its own that shares the `end`.
        otherwise = [this.#control(keyword)]
        this.#variables.length = scope
        return { kind: keyword, pipe, body, otherwise }
      }
      if (again !== undefined) throw this.#error(`unexpected <${again}> in else`)
      this.#expectClose('else')
      otherwise = this.#list(['end']).nodes
    }
    this.#expectClose('end')
    this.#variables.length = scope
    return { kind: keyword, pipe, body, otherwise }
  }

  #pipe(end: 'close' | 'right', context: string): Pipe {
    this.#skipSpace()
    const first = this.#peek()
    const declares: string[] = []
    let assigns = false
    if (first.kind === 'variable') {
      const mark = this.#next
      const names = this.#declared(context)
      if (names === undefined) this.#next = mark
      else {
        declares.push(...names.names)
        assigns = names.assigns
      }
    }
    const commands: Command[] = []
    for (;;) {
      this.#skipSpace()
      const token = this.#peek()
      if (token.kind === end) {
        if (commands.length === 0) throw this.#error(`missing value for ${context}`)
        break
      }
      commands.push(this.#command(end, commands.length > 0))
      this.#skipSpace()
      if (this.#peek().kind === 'pipe') {
        this.#take()
      } else if (this.#peek().kind !== end) throw this.#unexpected(this.#peek(), context)
    }
    const close = this.#take()
    for (const [i, command] of commands.entries()) {
      const [operand] = command.operands
      if (i > 0 && (operand!.kind === 'literal' || operand!.kind === 'nil' || operand!.kind === 'dot')) {
        throw this.#error(`non executable command in pipeline stage ${i + 1}`)
      }
    }
    if (!assigns) this.#variables.push(...declares)
    return { at: first.at, text: this.#text.slice(first.at, close.at).trim(), declares, assigns, commands }
  }

  /** `$x :=`, `$x =` or, in a range, `$i, $x :=`; undefined when the variable is an operand. */
  #declared(context: string): { names: string[]; assigns: boolean } | undefined {
    const names = [this.#take().text]
    this.#skipSpace()
    if (context === 'range' && this.#peek().kind === 'comma') {
      this.#take()
      this.#skipSpace()
      if (this.#peek().kind !== 'variable') throw this.#unexpected(this.#peek(), 'range')
      names.push(this.#take().text)
      this.#skipSpace()
    }
    const { kind } = this.#peek()
    if (kind !== 'declare' && kind !== 'assign') return undefined
    this.#take()
    if (kind === 'assign') for (const name of names) this.#checkVariable(name)
    return { names, assigns: kind === 'assign' }
  }

  #command(end: TokenKind, isLater: boolean): Command {
    const first = this.#peek()
    const operands: Operand[] = []
    for (;;) {
      this.#skipSpace()
      const token = this.#peek()
      if (token.kind === end || token.kind === 'pipe' || token.kind === 'right') break
      operands.push(this.#operand())
      const after = this.#peek()
      if (after.kind !== 'space' && after.kind !== end && after.kind !== 'pipe' && after.kind !== 'right') {
        throw this.#unexpected(after, 'operand')
      }
    }
    if (operands.length === 0) throw this.#error(isLater ? 'missing value for command' : 'empty command')
    const last = this.#tokens[this.#next]!
    return { at: first.at, text: this.#text.slice(first.at, last.at).trim(), operands }
  }

  #operand(): Operand {
    const token = this.#take()
    const { at, text } = token
    switch (token.kind) {
      case 'word':
        return this.#word(token)
      case 'dot':
        return { kind: 'dot', at, text }
      case 'field':
        return { kind: 'field', at, text, path: [text.slice(1), ...this.#path()] }
      case 'variable':
        this.#checkVariable(text)
        return { kind: 'variable', at, text, name: text, path: this.#path() }
      case 'left': {
        if (++this.#depth > DEPTH_MAX) throw this.#error('parentheses are nested too deeply')
        const pipe = this.#pipe('right', 'parenthesized pipeline')
        this.#depth--
        return { kind: 'pipe', at, text: `(${pipe.text})`, pipe, path: this.#path() }
      }
      case 'number':
        return { kind: 'literal', at, text, value: this.#number(text) }
      case 'char':
        return { kind: 'literal', at, text, value: this.#char(text) }
      case 'string':
        return { kind: 'literal', at, text, value: text.startsWith('`') ? text.slice(1, -1) : this.#unquote(text) }
      default:
        throw this.#unexpected(token, 'operand')
    }
  }

  #word({ text, at }: Token): Operand {
    if (text === 'true' || text === 'false') return { kind: 'literal', at, text, value: text === 'true' }
    if (text === 'nil') return { kind: 'nil', at, text }
    if (KEYWORDS.has(text)) throw this.#error(`unexpected <${text}> in operand`)
    if (!FUNCTIONS.has(text)) throw this.#error(`function ${JSON.stringify(text)} not defined`)
    return { kind: 'function', at, text, name: text }
  }

  #path(): string[] {
    const path: string[] = []
    while (this.#peek().kind === 'field') path.push(this.#take().text.slice(1))
    return path
  }

  #checkVariable(name: string): void {
    if (!this.#variables.includes(name)) throw this.#error(`undefined variable ${JSON.stringify(name)}`)
  }

  #number(text: string): GoValue {
    const plain = text.replaceAll('_', '')
    const whole = /^[+-]?(?:0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|[0-9]+)$/.exec(plain)
    if (whole === null) {
      const value = Number(plain)
      if (Number.isNaN(value)) throw this.#error(`bad number syntax: ${JSON.stringify(text)}`)
      return Number.isInteger(value) && /[eE]/.test(plain) && Math.abs(value) < 2 ** 53 ? value : new GoFloat(value)
    }
    const sign = plain.startsWith('-') ? -1n : 1n
    const digits = plain.replace(/^[+-]/, '')
    const value = sign * BigInt(/^0[0-7]+$/.test(digits) ? `0o${digits.slice(1)}` : digits)
    return Number.isSafeInteger(Number(value)) ? Number(value) : value
  }

  #char(text: string): number {
    const [char, ...more] = [...this.#unquote(`"${text.slice(1, -1).replaceAll('"', '\\"').replaceAll("\\'", "'")}"`)]
    if (char === undefined || more.length > 0) throw this.#error(`malformed character constant: ${text}`)
    return char.codePointAt(0)!
  }

  /** Go's strconv.Unquote for double quotes. */
  #unquote(text: string): string {
    const short: Record<string, string> = {
      a: '\x07',
      b: '\b',
      f: '\f',
      n: '\n',
      r: '\r',
      t: '\t',
      v: '\v',
      '\\': '\\',
      '"': '"',
      "'": "'",
    }
    return text
      .slice(1, -1)
      .replace(
        /\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|(.?))/gs,
        (whole, x, u, long, octal, char) => {
          const hex = (x ?? u ?? long) as string | undefined
          if (hex !== undefined) {
            const code = Number.parseInt(hex, 16)
            if (code > 0x10ffff) throw this.#error(`invalid syntax: ${whole}`)
            return String.fromCodePoint(code)
          }
          if (octal !== undefined) return String.fromCodePoint(Number.parseInt(octal, 8))
          const plain = Object.hasOwn(short, char) ? short[char as string] : undefined
          if (plain === undefined) throw this.#error(`invalid syntax: ${text}`)
          return plain
        },
      )
  }

  /** The keyword that the action starts with; taken. Undefined: it starts with something else. */
  #keyword(): string | undefined {
    const mark = this.#next
    this.#skipSpace()
    const token = this.#peek()
    if (token.kind === 'word' && KEYWORDS.has(token.text)) {
      this.#take()
      return token.text
    }
    this.#next = mark
    return undefined
  }

  #expectClose(keyword: string): void {
    this.#skipSpace()
    const token = this.#take()
    if (token.kind !== 'close') throw this.#unexpected(token, `{{${keyword}}}`)
  }

  #skipSpace(): void {
    while (this.#peek().kind === 'space') this.#next++
  }

  #peek(): Token {
    return this.#tokens[this.#next]!
  }

  #take(): Token {
    const token = this.#tokens[this.#next]!
    if (token.kind !== 'end') this.#next++
    return token
  }

  #unexpected(token: Token, context: string): TemplateError {
    const shown = token.kind === 'end' ? 'EOF' : token.kind === 'close' ? '"}}"' : `<${token.text}>`
    return this.#error(`unexpected ${shown} in ${context}`)
  }

  #error(problem: string): TemplateError {
    const token = this.#tokens?.[Math.min(this.#next, this.#tokens.length - 1)]
    return new TemplateError(`${this.#where(token?.at ?? 0)}: ${problem}`)
  }

  #where(at: number): string {
    return `template: ${this.#name}:${this.#text.slice(0, at).split('\n').length}`
  }
}
