/** Runs a parsed template over data. Errors say where, in Go's words. */
import { printValue } from './format.ts'
import { ARGUMENT_COUNTS, FUNCTIONS } from './functions.ts'
import type { Command, Node, Operand, Pipe } from './nodes.ts'
import { parseTemplate } from './parse.ts'
import { TemplateError } from './template-error.ts'
import {
  type GoFunction,
  GoMap,
  type GoStruct,
  type GoValue,
  isInteger,
  isStruct,
  isTrue,
  NO_VALUE,
  NoValue,
  typeOf,
} from './values.ts'

/** Characters that one execution may print, and that one value may have: a record in text form is far below. */
export const OUTPUT_LENGTH_MAX = 256 * 1024
/** Turns of all ranges of one execution. */
const TURNS_MAX = 10_000

export class GoTemplate {
  readonly name: string
  readonly text: string
  readonly #nodes: readonly Node[]

  /** Throws TemplateError. */
  constructor(name: string, text: string) {
    this.name = name
    this.text = text
    this.#nodes = parseTemplate(name, text)
  }

  /** What the template prints. Throws TemplateError. */
  execute(data: GoStruct): string {
    return new Execution(this, data).run(this.#nodes)
  }
}

type Flow = 'on' | 'break' | 'continue'

class Execution {
  readonly #template: GoTemplate
  readonly #data: GoStruct
  /** Innermost last. */
  readonly #variables: { readonly name: string; value: GoValue }[]
  #out = ''
  #turns = 0

  constructor(template: GoTemplate, data: GoStruct) {
    this.#template = template
    this.#data = data
    this.#variables = [{ name: '$', value: data }]
  }

  run(nodes: readonly Node[]): string {
    this.#list(nodes, this.#data)
    return this.#out
  }

  #list(nodes: readonly Node[], dot: GoValue): Flow {
    for (const node of nodes) {
      const flow = this.#node(node, dot)
      if (flow !== 'on') return flow
    }
    return 'on'
  }

  #node(node: Node, dot: GoValue): Flow {
    switch (node.kind) {
      case 'text':
        this.#print(node.text)
        return 'on'
      case 'action': {
        const value = this.#pipe(node.pipe, dot)
        if (node.pipe.declares.length === 0) this.#print(printValue(value))
        return 'on'
      }
      case 'break':
      case 'continue':
        return node.kind
      case 'range':
        return this.#range(node, dot)
      default: {
        const scope = this.#variables.length
        const value = this.#pipe(node.pipe, dot)
        const inner = node.kind === 'with' ? value : dot
        const flow = isTrue(value) ? this.#list(node.body, inner) : this.#list(node.otherwise, dot)
        this.#variables.length = scope
        return flow
      }
    }
  }

  #range(node: Node & { readonly kind: 'range' }, dot: GoValue): Flow {
    const scope = this.#variables.length
    const { pipe } = node
    const collection = this.#commands(pipe, dot)
    const entries = this.#entries(collection, pipe)
    const { declares } = pipe
    let flow: Flow = 'on'
    if (entries.length === 0) flow = this.#list(node.otherwise, dot)
    for (const [key, value] of entries) {
      if (++this.#turns > TURNS_MAX) throw this.#error(pipe, `range goes on for more than ${TURNS_MAX} turns`)
      const inner = this.#variables.length
      const [first, second] = declares
      if (first !== undefined) this.#set(pipe, first, second === undefined ? value : key)
      if (second !== undefined) this.#set(pipe, second, value)
      const ended = this.#list(node.body, value)
      this.#variables.length = inner
      if (ended === 'break') break
    }
    this.#variables.length = scope
    return flow
  }

  #entries(value: GoValue, pipe: Pipe): (readonly [GoValue, GoValue])[] {
    if (Array.isArray(value)) return value.map((each, i) => [i, each] as const)
    if (value instanceof GoMap)
      return [...value.entries.keys()].sort().map((key) => [key, value.entries.get(key)!] as const)
    if (isInteger(value)) {
      const count = Number(value)
      if (count > TURNS_MAX) throw this.#error(pipe, `range goes on for more than ${TURNS_MAX} turns`)
      return Array.from({ length: Math.max(0, count) }, (_, i) => [i, i] as const)
    }
    if (value === null || value instanceof NoValue) return []
    throw this.#error(pipe, `range can't iterate over ${printValue(value)}`)
  }

  #pipe(pipe: Pipe, dot: GoValue): GoValue {
    const value = this.#commands(pipe, dot)
    for (const name of pipe.declares) this.#set(pipe, name, value)
    return value
  }

  #set({ assigns }: Pipe, name: string, value: GoValue): void {
    const known = assigns ? this.#variables.findLast((variable) => variable.name === name) : undefined
    if (known === undefined) this.#variables.push({ name, value })
    else known.value = value
  }

  #commands({ commands }: Pipe, dot: GoValue): GoValue {
    let value: GoValue | undefined
    for (const command of commands) value = this.#command(command, dot, value)
    return value ?? null
  }

  /** `final`: the result of the command before, which is the last argument of this one. */
  #command(command: Command, dot: GoValue, final: GoValue | undefined): GoValue {
    const [first, ...rest] = command.operands
    const operand = first!
    if (operand.kind === 'function') return this.#call(command, operand.name, rest, dot, final)
    if (operand.kind === 'field' || operand.kind === 'variable' || operand.kind === 'pipe') {
      return this.#chain(command, operand, rest, dot, final)
    }
    if (rest.length > 0 || final !== undefined)
      throw this.#error(command, `can't give argument to non-function ${operand.text}`)
    if (operand.kind === 'nil') throw this.#error(command, 'nil is not a command')
    return this.#value(operand, dot)
  }

  #call(command: Command, name: string, args: readonly Operand[], dot: GoValue, final: GoValue | undefined): GoValue {
    // Only as many operands are looked at as the result needs.
    if (name === 'and' || name === 'or') {
      let value: GoValue | undefined
      for (const arg of args) {
        value = this.#value(arg, dot)
        if (isTrue(value) === (name === 'or')) return value
      }
      value = final ?? value
      if (value === undefined) throw this.#error(command, `wrong number of args for ${name}: want at least 1 got 0`)
      return value
    }
    const values = args.map((arg) => this.#value(arg, dot))
    if (final !== undefined) values.push(final)
    const counts = ARGUMENT_COUNTS.get(name)
    if (counts !== undefined && (values.length < counts[0] || values.length > counts[1])) {
      const want = counts[1] === counts[0] ? `${counts[0]}` : `at least ${counts[0]}`
      throw this.#error(command, `wrong number of args for ${name}: want ${want} got ${values.length}`)
    }
    return this.#apply(command, name, FUNCTIONS.get(name)!, values)
  }

  #apply(command: Command, name: string, called: GoFunction, values: readonly GoValue[]): GoValue {
    let value: GoValue
    try {
      value = called(...values)
    } catch (error) {
      if (error instanceof TemplateError) throw error
      throw this.#error(command, `error calling ${name}: ${(error as Error).message}`)
    }
    // In a range a text that doubles each time would soon fill the memory.
    if (typeof value === 'string' && value.length > OUTPUT_LENGTH_MAX) {
      throw this.#error(command, `${name} makes more than ${OUTPUT_LENGTH_MAX} characters`)
    }
    return value
  }

  /** `.A.B arg`: the last name may be a method, which takes the arguments. */
  #chain(
    command: Command,
    operand: Operand & { readonly kind: 'field' | 'variable' | 'pipe' },
    args: readonly Operand[],
    dot: GoValue,
    final: GoValue | undefined,
  ): GoValue {
    let value = this.#start(operand, dot)
    const { path } = operand
    for (const [i, name] of path.entries()) {
      const method = isStruct(value) ? value.method?.(name) : undefined
      if (method !== undefined) {
        const isLast = i === path.length - 1
        const values = isLast ? args.map((arg) => this.#value(arg, dot)) : []
        if (isLast && final !== undefined) values.push(final)
        if (values.length !== method.length) {
          throw this.#error(command, `wrong number of args for ${name}: want ${method.length} got ${values.length}`)
        }
        value = this.#apply(command, name, method, values)
        if (isLast) return value
      } else value = this.#field(command, value, name)
    }
    if (args.length > 0 || final !== undefined) {
      const name = path.at(-1)
      throw this.#error(
        command,
        name === undefined
          ? `can't give argument to non-function ${operand.text}`
          : `${name} is not a method but has arguments`,
      )
    }
    return value
  }

  #start(operand: Operand & { readonly kind: 'field' | 'variable' | 'pipe' }, dot: GoValue): GoValue {
    if (operand.kind === 'field') return dot
    if (operand.kind === 'pipe') return this.#pipe(operand.pipe, dot)
    return this.#variables.findLast(({ name }) => name === operand.name)!.value
  }

  #value(operand: Operand, dot: GoValue): GoValue {
    switch (operand.kind) {
      case 'literal':
        return operand.value
      case 'nil':
        return null
      case 'dot':
        return dot
      case 'function':
        return this.#call({ at: operand.at, text: operand.text, operands: [operand] }, operand.name, [], dot, undefined)
      default:
        return this.#chain({ at: operand.at, text: operand.text, operands: [operand] }, operand, [], dot, undefined)
    }
  }

  #field(place: { readonly at: number; readonly text: string }, value: GoValue, name: string): GoValue {
    if (isStruct(value)) {
      const field = value.field(name)
      if (field === undefined) throw this.#error(place, `can't evaluate field ${name} in type ${value.structName}`)
      return field
    }
    if (value instanceof GoMap) return value.entries.get(name) ?? NO_VALUE
    if (value === null || value instanceof NoValue)
      throw this.#error(place, `nil data; no entry for key ${JSON.stringify(name)}`)
    throw this.#error(place, `can't evaluate field ${name} in type ${typeOf(value)}`)
  }

  #print(text: string): void {
    this.#out += text
    if (this.#out.length > OUTPUT_LENGTH_MAX) {
      throw new TemplateError(`template: ${this.#template.name}: prints more than ${OUTPUT_LENGTH_MAX} characters`)
    }
  }

  #error({ at, text }: { readonly at: number; readonly text: string }, problem: string): TemplateError {
    const { name, text: source } = this.#template
    const before = source.slice(0, at).split('\n')
    const shown = text.length > 20 ? `${text.slice(0, 20)}...` : text
    return new TemplateError(
      `template: ${name}:${before.length}:${Buffer.byteLength(before.at(-1)!)}: executing ${JSON.stringify(name)} at <${shown}>: ${problem}`,
    )
  }
}
