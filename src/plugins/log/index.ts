/** `log`: one line per query on standard output. */
import type { Plugin } from '../../chain/plugin.ts'
import { CorefileError } from '../../corefile/corefile-error.ts'
import type { Directive } from '../../corefile/directive.ts'
import { unknownProperty, wrongArguments } from '../../corefile/option-table.ts'
import { normalizeZone } from '../../wire/name.ts'
import { once, opened } from '../once.ts'
import { COMBINED_FORMAT, COMMON_FORMAT } from './format.ts'

export type LogClass = 'all' | 'success' | 'denial' | 'error'
const CLASSES: readonly string[] = ['all', 'success', 'denial', 'error'] satisfies readonly LogClass[]

/** What is logged for names at or below `scope`. */
export interface LogRule {
  /** Absolute, lower-case. */
  readonly scope: string
  readonly format: string
  readonly classes: readonly LogClass[]
}

const queryLogModule = once(() => import('./query-log.ts'))

export const plugin: Plugin<readonly LogRule[]> = {
  name: 'log',
  parse: (directives) => directives.flatMap(parseRules),
  front: (rules, context) => opened(queryLogModule, ({ openQueryLog }) => openQueryLog(rules, context)),
  opensLate: () => true,
}

function parseRules(directive: Directive): LogRule[] {
  const classes = parseClasses(directive)
  const { args } = directive
  let scopes = args
  let format = COMMON_FORMAT
  const last = args.at(-1)
  // A single word is a name even when it looks like a format.
  if (last !== undefined && args.length > 1 && last.text.includes('{')) {
    format = last.text.replaceAll('{common}', COMMON_FORMAT).replaceAll('{combined}', COMBINED_FORMAT)
    scopes = args.slice(0, -1)
  }
  if (scopes.length === 0) return [{ scope: '.', format, classes }]
  return scopes.map(({ text, at }) => {
    try {
      return { scope: normalizeZone(text), format, classes }
    } catch (error) {
      throw new CorefileError(at, (error as Error).message, 'log example.org')
    }
  })
}

function parseClasses(directive: Directive): LogClass[] {
  const classes = new Set<LogClass>()
  for (const property of directive.block ?? []) {
    if (property.name !== 'class') throw unknownProperty(property, ['class'])
    if (property.args.length === 0) throw wrongArguments(property, 'class denial error')
    for (const { text, at } of property.args) {
      if (!CLASSES.includes(text)) throw new CorefileError(at, `invalid Class: ${text}`, 'class denial error')
      classes.add(text as LogClass)
    }
  }
  return classes.size === 0 ? ['all'] : [...classes]
}
