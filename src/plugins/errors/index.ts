/** `errors`: logs why queries failed. */
import type { Plugin } from '../../chain/plugin.ts'
import { CorefileError } from '../../corefile/corefile-error.ts'
import type { Property } from '../../corefile/directive.ts'
import { parseGoDuration, printGoDuration } from '../../corefile/go-duration.ts'
import { compileRegex, PATTERN_LENGTH_MAX } from '../../corefile/linear-regex.ts'
import { unknownProperty, wrongArguments } from '../../corefile/option-table.ts'
import { once, opened } from '../once.ts'
import { expectOnce } from '../usage.ts'

export type Level = 'debug' | 'info' | 'warning' | 'error'

/** `consolidate`: errors like `pattern` are counted, and told once per period. */
export interface Consolidation {
  readonly pattern: string
  readonly periodMs: number
  /** The period as Go prints it: `5m0s`. */
  readonly periodText: string
  readonly level: Level
  /** The first error of a period is logged at once. */
  readonly showFirst: boolean
}

export interface ErrorsOptions {
  /** A plugin that threw leaves its stack in the log. */
  readonly stacktrace: boolean
  /** In the order written; the first that matches counts the error. */
  readonly consolidations: readonly Consolidation[]
}

const CONSOLIDATE_EXAMPLE = 'consolidate 5m ".* i/o timeout$" warning'
const LEVELS: readonly string[] = ['warning', 'error', 'info', 'debug'] satisfies readonly Level[]

const summariesModule = once(() => import('./summaries.ts'))
const handlerModule = once(() => import('./handler.ts'))

export const plugin: Plugin<ErrorsOptions> = {
  name: 'errors',
  parse(directives) {
    const directive = expectOnce(directives)
    const [file] = directive.args
    if (directive.args.length > 1) throw wrongArguments(directive, 'errors')
    if (file !== undefined && file.text !== 'stdout') {
      throw new CorefileError(file.at, `invalid log file: ${file.text}`, 'errors stdout')
    }
    let stacktrace = false
    const consolidations: Consolidation[] = []
    for (const property of directive.block ?? []) {
      if (property.name === 'stacktrace') stacktrace = true
      else if (property.name === 'consolidate') consolidations.push(parseConsolidation(property))
      else throw unknownProperty(property, ['stacktrace', 'consolidate'])
    }
    return { stacktrace, consolidations }
  },
  primary: (options, context) =>
    options.consolidations.length === 0
      ? undefined
      : opened(summariesModule, ({ Summaries }) => new Summaries(options, context.log)),
  handle: (options, context) => opened(handlerModule, ({ openErrors }) => openErrors(options, context)),
  front: () => ({ concerns: () => false }),
  opensLate: () => true,
}

function parseConsolidation(property: Property): Consolidation {
  const [period, pattern, ...rest] = property.args
  if (period === undefined || pattern === undefined || rest.length > 2) {
    throw wrongArguments(property, CONSOLIDATE_EXAMPLE)
  }
  const periodMs = parseGoDuration(period.text)
  if (periodMs === undefined || periodMs < 0) {
    throw new CorefileError(period.at, `time: invalid duration "${period.text}"`, CONSOLIDATE_EXAMPLE)
  }
  if (pattern.text.length > PATTERN_LENGTH_MAX) {
    throw new CorefileError(
      pattern.at,
      `regex pattern too long: ${pattern.text.length} > ${PATTERN_LENGTH_MAX}`,
      CONSOLIDATE_EXAMPLE,
    )
  }
  try {
    compileRegex(pattern.text)
  } catch (error) {
    throw new CorefileError(pattern.at, (error as Error).message, CONSOLIDATE_EXAMPLE)
  }
  let level: Level | undefined
  let showFirst = false
  for (const { text, at } of rest) {
    if (LEVELS.includes(text)) {
      if (level !== undefined) {
        throw new CorefileError(at, 'multiple log levels specified in consolidate', CONSOLIDATE_EXAMPLE)
      }
      if (showFirst) {
        throw new CorefileError(
          at,
          'log level must come before show_first in consolidate',
          `${CONSOLIDATE_EXAMPLE} show_first`,
        )
      }
      level = text as Level
    } else if (text === 'show_first') showFirst = true
    else throw new CorefileError(at, `unknown option in consolidate: ${text}`, `${CONSOLIDATE_EXAMPLE} show_first`)
  }
  return {
    pattern: pattern.text,
    periodMs,
    periodText: printGoDuration(periodMs),
    level: level ?? 'error',
    showFirst,
  }
}
