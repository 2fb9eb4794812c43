/**
 * Expressions of `view` and `template`: the expr-lang language, its dates and methods aside. Compiled once, with names and
 * kinds checked as far as they are known, then run per query as nested closures; the work of one run is bounded.
 */
import { compileRegex, type LinearRegex } from '../corefile/linear-regex.ts'
import type { Node } from './ast.ts'
import { BUILTINS, compare, PREDICATE_ARGUMENTS, sorted, UNSUPPORTED, VARIADIC } from './builtins.ts'
import { ExpressionError } from './expression-error.ts'
import { parseExpression } from './parse-expression.ts'
import {
  equal,
  fits,
  isArray,
  isMap,
  isNumeric,
  type Kind,
  kindOf,
  type Names,
  printed,
  type Scope,
  SIZE_MAX,
  type Signature,
  type Value,
} from './values.ts'

/** Elements that predicates look at and ranges make in one run. */
const STEPS_MAX = 100_000
/** Patterns that are not known before the run; above it they are compiled anew. */
const PATTERNS_KEPT_MAX = 64

export interface Expression {
  readonly source: string
  readonly kind: Kind
  /** Names of the environment that it uses: whoever runs it can tell what the result depends on. */
  readonly uses: ReadonlySet<string>
  /** Throws ExpressionError, or what the scope throws. */
  run(scope: Scope): Value
}

/** `names`: what the scope will know. Throws ExpressionError. */
export function compileExpression(source: string, names: Names): Expression {
  const compiler = new Compiler(names)
  const { kind, run } = compiler.node(parseExpression(source))
  return {
    source,
    kind,
    uses: compiler.uses,
    run: (scope) => run({ scope, locals: [], steps: 0 }),
  }
}

interface Frame {
  readonly scope: Scope
  /** Values of `let`, and of `#` and its like, by the index that was given at compile time. */
  readonly locals: Value[]
  steps: number
}

interface Code {
  readonly kind: Kind
  run(frame: Frame): Value
}

class Compiler {
  readonly uses = new Set<string>()
  readonly #names: Names
  /** Innermost last; `#`, `#index` and `#acc` are locals too. */
  readonly #locals: { readonly name: string; readonly kind: Kind }[] = []

  constructor(names: Names) {
    this.#names = names
  }

  node(node: Node): Code {
    switch (node.kind) {
      case 'literal': {
        const { value } = node
        const kind = typeof value === 'number' && node.isInt === false ? 'float' : kindOf(value)
        return { kind, run: () => value }
      }
      case 'name':
        return this.#name(node)
      case 'pointer':
        return this.#local(`#${node.name}`, node.at)
      case 'unary':
        return this.#unary(node)
      case 'binary':
        return this.#binary(node)
      case 'conditional': {
        const test = this.#of(node.test, 'bool')
        const yes = this.node(node.yes)
        const no = this.node(node.no)
        const kind = yes.kind === no.kind ? yes.kind : isNumeric(yes.kind) && isNumeric(no.kind) ? 'number' : 'any'
        return { kind, run: (frame) => (truth(test.run(frame)) ? yes.run(frame) : no.run(frame)) }
      }
      case 'array': {
        const items = node.items.map((item) => this.node(item))
        return { kind: 'array', run: (frame) => items.map((item) => item.run(frame)) }
      }
      case 'map': {
        const pairs = node.pairs.map(({ key, value }) => [this.node(key), this.node(value)] as const)
        return {
          kind: 'map',
          run: (frame) => new Map(pairs.map(([key, value]) => [printed(key.run(frame)), value.run(frame)])),
        }
      }
      case 'member':
        return this.#member(node)
      case 'slice':
        return this.#slice(node)
      case 'call':
        return this.#call(node)
      case 'predicate':
        throw new ExpressionError(`unexpected predicate ${at(node)}`)
      case 'let': {
        const value = this.node(node.value)
        if (this.#names.has(node.name)) throw new ExpressionError(`cannot redeclare ${node.name} ${at(node)}`)
        const index = this.#locals.push({ name: node.name, kind: value.kind }) - 1
        const body = this.node(node.body)
        this.#locals.pop()
        return {
          kind: body.kind,
          run: (frame) => {
            frame.locals[index] = value.run(frame)
            return body.run(frame)
          },
        }
      }
    }
  }

  #name(node: Node & { readonly kind: 'name' }): Code {
    const { name } = node
    if (this.#locals.some((local) => local.name === name)) return this.#local(name, node.at)
    const known = this.#names.get(name)
    if (typeof known === 'string') {
      this.uses.add(name)
      return { kind: known, run: ({ scope }) => scope.variable(name) }
    }
    if (known !== undefined || BUILTINS.has(name))
      throw new ExpressionError(`${name} is a function: write ${name}() ${at(node)}`)
    throw new ExpressionError(`unknown name ${name} ${at(node)}`)
  }

  #local(name: string, offset: number): Code {
    const index = this.#locals.findLastIndex((local) => local.name === name)
    if (index < 0) throw new ExpressionError(`unknown pointer ${name} (1:${offset + 1})`)
    return { kind: this.#locals[index]!.kind, run: ({ locals }) => locals[index] ?? null }
  }

  /** Compiles the node and checks that its value can be of this kind. */
  #of(node: Node, kind: Kind): Code {
    const code = this.node(node)
    if (!fits(code.kind, kind)) throw new ExpressionError(`expected ${kind}, got ${code.kind} ${at(node)}`)
    return code
  }

  #unary(node: Node & { readonly kind: 'unary' }): Code {
    const operand = this.node(node.operand)
    if (node.operator === 'not' || node.operator === '!') {
      if (!fits(operand.kind, 'bool')) throw invalid(node, `${node.operator} (mismatched type ${operand.kind})`)
      return { kind: 'bool', run: (frame) => !truth(operand.run(frame)) }
    }
    if (!isNumeric(operand.kind)) throw invalid(node, `${node.operator} (mismatched type ${operand.kind})`)
    const sign = node.operator === '-' ? -1 : 1
    return { kind: operand.kind, run: (frame) => sign * number(operand.run(frame)) }
  }

  #binary(node: Node & { readonly kind: 'binary' }): Code {
    const { operator } = node
    if (operator === 'matches') return this.#matches(node)
    const left = this.node(node.left)
    const right = this.node(node.right)
    const mismatch = (): ExpressionError =>
      invalid(node, `${operator} (mismatched types ${left.kind} and ${right.kind})`)
    switch (operator) {
      case 'and':
      case '&&':
      case 'or':
      case '||': {
        if (!fits(left.kind, 'bool') || !fits(right.kind, 'bool')) throw mismatch()
        const isAnd = operator === 'and' || operator === '&&'
        return {
          kind: 'bool',
          run: (frame) => (truth(left.run(frame)) === isAnd ? truth(right.run(frame)) : !isAnd),
        }
      }
      case '??':
        return {
          kind: left.kind === right.kind ? left.kind : 'any',
          run: (frame) => left.run(frame) ?? right.run(frame),
        }
      case '==':
      case '!=': {
        if (!comparable(left.kind, right.kind)) throw mismatch()
        const wanted = operator === '=='
        return { kind: 'bool', run: (frame) => equal(left.run(frame), right.run(frame)) === wanted }
      }
      case '<':
      case '<=':
      case '>':
      case '>=': {
        const both = (kind: (kind: Kind) => boolean): boolean => kind(left.kind) && kind(right.kind)
        if (!both(isNumeric) && !both((kind) => fits(kind, 'string'))) throw mismatch()
        return { kind: 'bool', run: ordering(operator, left, right) }
      }
      case 'in':
        if (!fits(right.kind, 'array') && !fits(right.kind, 'map')) throw mismatch()
        return { kind: 'bool', run: (frame) => holds(right.run(frame), left.run(frame)) }
      case 'contains':
      case 'startsWith':
      case 'endsWith': {
        if (!fits(left.kind, 'string') || !fits(right.kind, 'string')) throw mismatch()
        const test = { contains: 'includes', startsWith: 'startsWith', endsWith: 'endsWith' } as const
        const method = test[operator]
        return { kind: 'bool', run: (frame) => text(left.run(frame))[method](text(right.run(frame))) }
      }
      case '..':
        if (!isNumeric(left.kind) || !isNumeric(right.kind)) throw mismatch()
        return { kind: 'array', run: (frame) => range(frame, number(left.run(frame)), number(right.run(frame))) }
      case '+':
        if (fits(left.kind, 'string') && fits(right.kind, 'string') && left.kind !== 'any' && right.kind !== 'any') {
          return { kind: 'string', run: (frame) => text(left.run(frame)) + text(right.run(frame)) }
        }
        if (left.kind === 'any' || right.kind === 'any') {
          if (!isNumeric(left.kind) && left.kind !== 'string') throw mismatch()
          if (!isNumeric(right.kind) && right.kind !== 'string') throw mismatch()
          return { kind: 'any', run: (frame) => sum(left.run(frame), right.run(frame)) }
        }
        break
    }
    if (!isNumeric(left.kind) || !isNumeric(right.kind)) throw mismatch()
    const bothInt = left.kind === 'int' && right.kind === 'int'
    const calculate = arithmetic(operator)
    return {
      kind: operator === '/' || operator === '**' || operator === '^' ? 'float' : bothInt ? 'int' : 'number',
      run: (frame) => calculate(number(left.run(frame)), number(right.run(frame))),
    }
  }

  #matches(node: Node & { readonly kind: 'binary' }): Code {
    const left = this.#of(node.left, 'string')
    if (node.right.kind === 'literal' && typeof node.right.value === 'string') {
      const regex = this.#regex(node.right.value, node)
      return { kind: 'bool', run: (frame) => regex.test(text(left.run(frame))) }
    }
    const right = this.#of(node.right, 'string')
    const compiled = new Map<string, LinearRegex>()
    return {
      kind: 'bool',
      run: (frame) => {
        const pattern = text(right.run(frame))
        let regex = compiled.get(pattern)
        if (regex === undefined) {
          regex = this.#regex(pattern, node)
          if (compiled.size < PATTERNS_KEPT_MAX) compiled.set(pattern, regex)
        }
        return regex.test(text(left.run(frame)))
      },
    }
  }

  #regex(pattern: string, node: Node): LinearRegex {
    try {
      return compileRegex(pattern)
    } catch (error) {
      throw new ExpressionError(`${(error as Error).message} ${at(node)}`)
    }
  }

  #member(node: Node & { readonly kind: 'member' }): Code {
    const object = this.node(node.object)
    const key = this.node(node.key)
    if (!['map', 'array', 'string', 'any'].includes(object.kind)) {
      throw new ExpressionError(`type ${object.kind} has no members ${at(node)}`)
    }
    const { optional } = node
    return {
      kind: object.kind === 'string' ? 'string' : 'any',
      run(frame) {
        const from = object.run(frame)
        if (from === null && optional) return null
        return member(from, key.run(frame))
      },
    }
  }

  #slice(node: Node & { readonly kind: 'slice' }): Code {
    const object = this.node(node.object)
    if (!fits(object.kind, 'array') && !fits(object.kind, 'string')) {
      throw new ExpressionError(`cannot slice ${object.kind} ${at(node)}`)
    }
    const from = node.from === undefined ? undefined : this.#of(node.from, 'int')
    const to = node.to === undefined ? undefined : this.#of(node.to, 'int')
    return {
      kind: object.kind,
      run(frame) {
        const value = object.run(frame)
        if (typeof value !== 'string' && !isArray(value)) throw new ExpressionError(`cannot slice ${kindOf(value)}`)
        const start = from === undefined ? undefined : number(from.run(frame))
        const end = to === undefined ? undefined : number(to.run(frame))
        return value.slice(start, end)
      },
    }
  }

  #call(node: Node & { readonly kind: 'call' }): Code {
    const { name } = node
    const given = this.#names.get(name)
    if (given !== undefined && typeof given !== 'string') {
      const args = this.#arguments(node, given, false)
      this.uses.add(name)
      return {
        kind: given.result,
        run: (frame) =>
          frame.scope.call(
            name,
            args.map((arg) => arg.run(frame)),
          ),
      }
    }
    if (UNSUPPORTED.has(name))
      throw new ExpressionError(`${name} is not supported: it depends on the clock ${at(node)}`)
    if (PREDICATE_ARGUMENTS.has(name)) return this.#overElements(node)
    const builtin = BUILTINS.get(name)
    if (builtin === undefined) throw new ExpressionError(`unknown name ${name} ${at(node)}`)
    const args = this.#arguments(node, builtin, VARIADIC.has(name))
    return { kind: builtin.result, run: (frame) => builtin.run(args.map((arg) => arg.run(frame))) }
  }

  #arguments(node: Node & { readonly kind: 'call' }, signature: Signature, variadic: boolean): Code[] {
    const { name, args } = node
    const { parameters, optional = 0 } = signature
    if (args.length < parameters.length - optional)
      throw new ExpressionError(`not enough arguments to call ${name} ${at(node)}`)
    if (!variadic && args.length > parameters.length)
      throw new ExpressionError(`too many arguments to call ${name} ${at(node)}`)
    return args.map((arg, i) => {
      const wanted = parameters[Math.min(i, parameters.length - 1)]!
      const code = this.node(arg)
      if (!fits(code.kind, wanted)) {
        throw new ExpressionError(`cannot use ${code.kind} as argument (type ${wanted}) to call ${name} ${at(arg)}`)
      }
      return {
        kind: code.kind,
        run(frame) {
          const value = code.run(frame)
          if (!fits(kindOf(value), wanted)) {
            throw new ExpressionError(`cannot use ${kindOf(value)} as argument (type ${wanted}) to call ${name}`)
          }
          return value
        },
      }
    })
  }

  /** `all`, `filter`, `reduce` and the like: the second argument is evaluated with `#` set to each element. */
  #overElements(node: Node & { readonly kind: 'call' }): Code {
    const { name, args } = node
    const [first, second, third] = args
    const needsPredicate = !['count', 'sum', 'sortBy'].includes(name)
    const argumentsMax = name === 'reduce' || name === 'sortBy' ? 3 : 2
    if (first === undefined || (second === undefined && needsPredicate)) {
      throw new ExpressionError(`not enough arguments to call ${name} ${at(node)}`)
    }
    if (args.length > argumentsMax) throw new ExpressionError(`too many arguments to call ${name} ${at(node)}`)
    const list = this.#of(first, 'array')
    const element = this.#locals.push({ name: '#', kind: 'any' }) - 1
    const index = this.#locals.push({ name: '#index', kind: 'int' }) - 1
    const acc = this.#locals.push({ name: '#acc', kind: 'any' }) - 1
    let body: Code | undefined
    if (second !== undefined) body = this.node(second.kind === 'predicate' ? second.body : second)
    this.#locals.length = element
    const isTest = [
      'all',
      'none',
      'any',
      'one',
      'filter',
      'find',
      'findIndex',
      'findLast',
      'findLastIndex',
      'count',
    ].includes(name)
    if (isTest && body !== undefined && !fits(body.kind, 'bool')) {
      throw new ExpressionError(`predicate should return boolean (got ${body.kind}) ${at(second!)}`)
    }
    const extra = third === undefined ? undefined : this.node(third)
    const apply = (frame: Frame, value: Value, i: number): Value => {
      if (++frame.steps > STEPS_MAX) throw new ExpressionError('memory budget exceeded')
      if (body === undefined) return value
      frame.locals[element] = value
      frame.locals[index] = i
      return body.run(frame)
    }
    const items = (frame: Frame): readonly Value[] => {
      const value = list.run(frame)
      if (!isArray(value)) throw new ExpressionError(`${name} needs an array, not ${kindOf(value)}`)
      return value
    }
    const test =
      (frame: Frame) =>
      (value: Value, i: number): boolean =>
        truth(apply(frame, value, i))
    const simple: Record<string, readonly [Kind, (frame: Frame) => Value]> = {
      all: ['bool', (frame) => items(frame).every(test(frame))],
      any: ['bool', (frame) => items(frame).some(test(frame))],
      none: ['bool', (frame) => !items(frame).some(test(frame))],
      one: ['bool', (frame) => items(frame).filter(test(frame)).length === 1],
      filter: ['array', (frame) => items(frame).filter(test(frame))],
      map: ['array', (frame) => items(frame).map((value, i) => apply(frame, value, i))],
      find: ['any', (frame) => items(frame).find(test(frame)) ?? null],
      findIndex: ['int', (frame) => items(frame).findIndex(test(frame))],
      findLast: ['any', (frame) => items(frame).findLast(test(frame)) ?? null],
      findLastIndex: ['int', (frame) => items(frame).findLastIndex(test(frame))],
      count: ['int', (frame) => items(frame).filter(test(frame)).length],
      sum: [
        'number',
        (frame) => items(frame).reduce((total: number, value, i) => total + number(apply(frame, value, i)), 0),
      ],
      groupBy: ['map', (frame) => grouped(items(frame), (value, i) => apply(frame, value, i))],
      sortBy: [
        'array',
        (frame) => {
          const values = items(frame)
          const order = extra === undefined ? 'asc' : text(extra.run(frame))
          return sorted(
            values,
            values.map((value, i) => apply(frame, value, i)),
            order,
          )
        },
      ],
      reduce: [
        'any',
        (frame) => {
          const values = items(frame)
          if (values.length === 0 && extra === undefined) throw new ExpressionError('reduce of an empty array')
          let total = extra === undefined ? values[0]! : extra.run(frame)
          for (let i = extra === undefined ? 1 : 0; i < values.length; i++) {
            frame.locals[acc] = total
            total = apply(frame, values[i]!, i)
          }
          return total
        },
      ],
    }
    const [kind, run] = simple[name]!
    return { kind, run }
  }
}

function at({ at: offset }: Node): string {
  return `(1:${offset + 1})`
}

function invalid(node: Node, problem: string): ExpressionError {
  return new ExpressionError(`invalid operation: ${problem} ${at(node)}`)
}

function comparable(a: Kind, b: Kind): boolean {
  return a === 'nil' || b === 'nil' || fits(a, b) || fits(b, a) || (isNumeric(a) && isNumeric(b))
}

function truth(value: Value): boolean {
  if (typeof value !== 'boolean') throw new ExpressionError(`expected bool, got ${kindOf(value)}`)
  return value
}

function number(value: Value): number {
  if (typeof value !== 'number') throw new ExpressionError(`expected a number, got ${kindOf(value)}`)
  return value
}

function text(value: Value): string {
  if (typeof value !== 'string') throw new ExpressionError(`expected string, got ${kindOf(value)}`)
  return value
}

function sum(a: Value, b: Value): Value {
  if (typeof a !== 'string') return number(a) + number(b)
  const joined = a + text(b)
  if (joined.length > SIZE_MAX) throw new ExpressionError('memory budget exceeded')
  return joined
}

function ordering(operator: '<' | '<=' | '>' | '>=', left: Code, right: Code): (frame: Frame) => boolean {
  const order = (frame: Frame): number => compare(left.run(frame), right.run(frame))
  switch (operator) {
    case '<':
      return (frame) => order(frame) < 0
    case '<=':
      return (frame) => order(frame) <= 0
    case '>':
      return (frame) => order(frame) > 0
    default:
      return (frame) => order(frame) >= 0
  }
}

function arithmetic(operator: string): (a: number, b: number) => number {
  switch (operator) {
    case '+':
      return (a, b) => a + b
    case '-':
      return (a, b) => a - b
    case '*':
      return (a, b) => a * b
    case '/':
      return (a, b) => a / b
    case '%':
      return (a, b) => {
        if (b === 0) throw new ExpressionError('integer divide by zero')
        return a % b
      }
    default:
      return (a, b) => a ** b
  }
}

function range(frame: Frame, from: number, to: number): Value[] {
  const count = Math.max(0, to - from + 1)
  frame.steps += count
  if (frame.steps > STEPS_MAX) throw new ExpressionError('memory budget exceeded')
  return Array.from({ length: count }, (_, i) => from + i)
}

function holds(collection: Value, value: Value): boolean {
  if (collection === null) return false
  if (isArray(collection)) return collection.some((each) => equal(each, value))
  if (isMap(collection)) return typeof value === 'string' && collection.has(value)
  throw new ExpressionError(`operator "in" not defined on ${kindOf(collection)}`)
}

function member(from: Value, key: Value): Value {
  if (isMap(from)) return from.get(printed(key)) ?? null
  if (isArray(from) || typeof from === 'string') {
    const index = number(key)
    const found = from.at(index)
    if (found === undefined) throw new ExpressionError(`index out of range: ${index} (length is ${from.length})`)
    return found
  }
  throw new ExpressionError(`cannot fetch ${printed(key)} from ${kindOf(from)}`)
}

function grouped(items: readonly Value[], keyOf: (value: Value, i: number) => Value): Value {
  const groups = new Map<string, Value[]>()
  for (const [i, item] of items.entries()) {
    const key = printed(keyOf(item, i))
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [item])
    else group.push(item)
  }
  return groups
}
