/** `template`: answers made from Go templates. */
import type { ParseContext, Plugin } from '../../chain/plugin.ts'
import { ZoneSet } from '../../chain/zone-set.ts'
import { CorefileError } from '../../corefile/corefile-error.ts'
import type { Directive, Property, Token } from '../../corefile/directive.ts'
import { compileRegex, PATTERN_LENGTH_MAX } from '../../corefile/linear-regex.ts'
import { optionTable, wrongArguments } from '../../corefile/option-table.ts'
import { zonesOfArguments } from '../../corefile/zone-argument.ts'
import { compileExpression } from '../../expression/compile-expression.ts'
import type { Names } from '../../expression/values.ts'
import { classNumber, rcodeNumber, typeNumber } from '../../rdata/rr-types.ts'
import { isAtOrBelow } from '../../wire/name.ts'
import { once } from '../once.ts'
import { GoTemplate } from './go-template/execute.ts'
import { BASE_NAMES, isReserved } from './names.ts'
import { type AllTemplates, ANY, type TemplateOptions, type VariableOptions } from './options.ts'

const EXAMPLE = 'template IN A example.org'

const handlerModule = once(() => import('./handler.ts'))

export const plugin: Plugin<AllTemplates> = {
  name: 'template',
  parse: (directives, context) => ({ templates: directives.map((directive) => parseTemplate(directive, context)) }),
  handle: async (options, context) => (await handlerModule()).openTemplates(options, context),
  front({ templates }, { block }) {
    // For all queries: said so, the front need not ask, and operators see it.
    if (templates.some((template) => fitsAll(template, block.zones))) return {}
    const rules = templates.map(({ qclass, qtype, zones }) => ({ qclass, qtype, zones: new ZoneSet(zones) }))
    return {
      concerns(query) {
        for (const { qclass, qtype, zones } of rules) {
          const fits =
            (qtype === query.qtype || qtype === ANY || query.qtype === ANY) &&
            (qclass === query.qclass || qclass === ANY || query.qclass === ANY)
          if (fits && zones.holds(query)) return true
        }
        return false
      },
    }
  },
}

/** Whether every query for these zones fits the template's class, type and zones; only its `match` tells more. */
function fitsAll({ qclass, qtype, zones }: TemplateOptions, served: readonly string[]): boolean {
  if (qclass !== ANY || qtype !== ANY) return false
  return served.every((name) => zones.some((zone) => isAtOrBelow(name, zone)))
}

function parseTemplate(directive: Directive, context: ParseContext): TemplateOptions {
  const [classWord, typeWord, ...zoneWords] = directive.args
  if (classWord === undefined || typeWord === undefined) throw wrongArguments(directive, EXAMPLE)
  const qclass = upperCase(classWord) ? classNumber(classWord.text) : undefined
  if (qclass === undefined) throw new CorefileError(classWord.at, `invalid query class ${classWord.text}`, EXAMPLE)
  const qtype = upperCase(typeWord) ? typeNumber(typeWord.text) : undefined
  if (qtype === undefined) throw new CorefileError(typeWord.at, `invalid RR class ${typeWord.text}`, EXAMPLE)
  const values = OPTIONS.parse(directive.block)
  const { variables, conditions } = parseExpressions(directive.block ?? [])
  return {
    qclass,
    qtype,
    zones: context.origins(zoneWords),
    patterns: values.match.length === 0 ? ['.*'] : values.match,
    answers: values.answer,
    authorities: values.authority,
    additionals: values.additional,
    rcode: values.rcode,
    extendedError: values.ederror,
    variables,
    conditions,
    fallthrough: values.fallthrough,
  }
}

/** CoreDNS's tables have upper-case names only. */
function upperCase({ text }: Token): boolean {
  return text === text.toUpperCase()
}

const many = Number.POSITIVE_INFINITY

/** An option whose words are Go templates. */
function templates(name: string) {
  return {
    default: [] as readonly string[],
    example: `${name} "{{ .Name }} 60 IN A 192.0.2.1"`,
    argsMin: 1,
    argsMax: many,
    parse(args: readonly Token[], _property: Property, before: readonly string[]): readonly string[] {
      for (const { text, at } of args) {
        try {
          new GoTemplate(name, text)
        } catch (error) {
          throw new CorefileError(at, `could not compile template: ${name}, ${(error as Error).message}`)
        }
      }
      return [...before, ...args.map(({ text }) => text)]
    },
  }
}

const OPTIONS = optionTable({
  match: {
    default: [] as readonly string[],
    example: 'match ^ip-(?P<a>[0-9]+)[.]example[.]org[.]$',
    argsMin: 1,
    argsMax: many,
    parse(args: readonly Token[], _property: Property, before: readonly string[]): readonly string[] {
      for (const { text, at } of args) {
        if (text.length > PATTERN_LENGTH_MAX) {
          throw new CorefileError(at, `regex pattern too long: ${text.length} > ${PATTERN_LENGTH_MAX}`)
        }
        try {
          compileRegex(text)
        } catch (error) {
          throw new CorefileError(at, `could not parse regex: ${text}, ${(error as Error).message}`)
        }
      }
      return [...before, ...args.map(({ text }) => text)]
    },
  },
  answer: templates('answer'),
  additional: templates('additional'),
  authority: templates('authority'),
  rcode: {
    default: 0,
    example: 'rcode NXDOMAIN',
    argsMin: 1,
    argsMax: 1,
    parse([word]: readonly Token[]): number {
      const rcode = upperCase(word!) ? rcodeNumber(word!.text) : undefined
      if (rcode === undefined) throw new CorefileError(word!.at, `unknown rcode ${word!.text}`, 'rcode NXDOMAIN')
      return rcode
    },
  },
  ederror: {
    default: undefined as TemplateOptions['extendedError'],
    example: 'ederror 15 "blocked"',
    argsMin: 1,
    argsMax: 2,
    parse([code, text]: readonly Token[]): TemplateOptions['extendedError'] {
      if (!/^[0-9]{1,5}$/.test(code!.text) || Number(code!.text) > 65535) {
        throw new CorefileError(code!.at, `error parsing extended DNS error code ${code!.text}`, 'ederror 15 "blocked"')
      }
      return { code: Number(code!.text), text: text?.text ?? '' }
    },
  },
  // The rows only check the number of words; `parseExpressions` reads these two in the order they were written.
  var: {
    default: undefined,
    example: 'var ip replace(group(1), "-", ".")',
    argsMin: 2,
    argsMax: many,
    parse: () => undefined,
  },
  expr: {
    default: undefined,
    example: "expr name() != 'x.example.org.'",
    argsMin: 1,
    argsMax: many,
    parse: () => undefined,
  },
  fallthrough: {
    default: undefined as readonly string[] | undefined,
    example: 'fallthrough example.org',
    argsMin: 0,
    argsMax: many,
    parse: (args: readonly Token[]): readonly string[] => (args.length === 0 ? ['.'] : zonesOfArguments(args)),
  },
  upstream: { default: undefined, example: 'upstream', argsMin: 0, argsMax: many, parse: () => undefined },
})

/** `var` and `expr`: each may use the variables declared before it. */
function parseExpressions(block: readonly Property[]): Pick<TemplateOptions, 'variables' | 'conditions'> {
  const variables: VariableOptions[] = []
  const conditions: string[] = []
  let names: Names = BASE_NAMES
  const compile = (property: Property, source: string, what: string) => {
    try {
      return compileExpression(source, names)
    } catch (error) {
      throw new CorefileError(property.at, `could not compile expression: ${what}${(error as Error).message}`)
    }
  }
  for (const property of block) {
    const [first, ...rest] = property.args
    if (property.name === 'expr') {
      const source = property.args.map(({ text }) => text).join(' ')
      compile(property, source, '')
      conditions.push(source)
    } else if (property.name === 'var') {
      const { text: name, at } = first!
      if (!/^[a-zA-Z_][a-zA-Z0-9_]*$/.test(name)) throw new CorefileError(at, `invalid variable name "${name}"`)
      if (isReserved(name) || names.has(name)) throw new CorefileError(at, `variable name "${name}" is reserved`)
      const expression = rest.map(({ text }) => text).join(' ')
      const { kind } = compile(property, expression, `${name}, `)
      names = new Map([...names, [name, kind]])
      variables.push({ name, expression })
    }
  }
  return { variables, conditions }
}
