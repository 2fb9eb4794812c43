import { CorefileError, type Position } from './corefile-error.ts'
import type { Directive, Property } from './directive.ts'
import type { DirectiveParser, ParseContext } from './parse-context.ts'

/** Errors told about one plugin of one block. */
const ERRORS_MAX = 100

export interface ParsedPlugin {
  /** Undefined when there were errors. */
  readonly options: unknown
  readonly errors: readonly CorefileError[]
}

/**
 * Lets a plugin parse its directives, and finds more than its first error: after an error in a line, that line is left
 * out and the rest tried again (`parse` is pure). Errors about the directive as a whole count only when they come
 * first: later they may follow from what was left out. Never throws for what the directives say.
 */
export function parsePlugin(
  parser: DirectiveParser,
  directives: readonly Directive[],
  context: ParseContext,
): ParsedPlugin {
  const errors: CorefileError[] = []
  let rest: readonly Directive[] = directives
  while (rest.length > 0 && errors.length < ERRORS_MAX) {
    try {
      const options = parser.parse(rest, context)
      return { options: errors.length === 0 ? options : undefined, errors }
    } catch (thrown) {
      const error = asCorefileError(thrown, rest[0]!.at, parser.name)
      const without = leaveOut(rest, error.at)
      if (errors.length === 0 || without !== undefined) errors.push(error)
      if (without === undefined) break
      rest = without
    }
  }
  return { options: undefined, errors }
}

/** Names the plugin; a plugin's own error classes (a bad address, a bad regular expression) become CorefileErrors. */
function asCorefileError(thrown: unknown, at: Position, plugin: string): CorefileError {
  if (thrown instanceof CorefileError) return new CorefileError(thrown.at, thrown.problem, thrown.hint, plugin)
  const { code, message } = thrown as { code?: unknown; message?: string }
  // Without a code of ours it is a fault of the plugin, which only its stack can explain.
  const isOurs = typeof code === 'string' && code.startsWith('SHOAL_')
  const problem = isOurs ? String(message) : `the plugin failed: ${thrown}`
  const error = new CorefileError(at, problem, undefined, plugin)
  if (!isOurs) error.cause = thrown
  return error
}

/** The directives without the line that holds a position; undefined when that line is the only directive's own. */
function leaveOut(directives: readonly Directive[], at: Position): readonly Directive[] | undefined {
  for (const [index, directive] of directives.entries()) {
    if (directives.length > 1 && holds({ ...directive, block: [] }, at)) return directives.toSpliced(index, 1)
    const property = directive.block?.findIndex((each) => holds(each, at)) ?? -1
    if (property < 0) continue
    return directives.with(index, { ...directive, block: directive.block!.toSpliced(property, 1) })
  }
  return undefined
}

function holds(line: Property, at: Position): boolean {
  return (
    isSame(line.at, at) ||
    line.args.some((arg) => isSame(arg.at, at)) ||
    (line.block ?? []).some((property) => holds(property, at))
  )
}

function isSame(a: Position, b: Position): boolean {
  return a.line === b.line && a.column === b.column && a.file === b.file
}
