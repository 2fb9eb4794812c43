/** Names that expressions of a template may use: those of a query, `group`, and the variables declared so far. */
import { BUILTINS, PREDICATE_ARGUMENTS, UNSUPPORTED } from '../../expression/builtins.ts'
import { isVariableName } from '../../expression/parse-expression.ts'
import { QUERY_FUNCTIONS } from '../../expression/query-functions.ts'
import type { Kind, Names, Signature } from '../../expression/values.ts'

const GROUP: Signature = { parameters: ['any'], result: 'string' }

export const BASE_NAMES: Names = new Map<string, Signature | Kind>([...QUERY_FUNCTIONS, ['group', GROUP]])

/** Words that expr-lang knows and that therefore can't name a variable. */
export function isReserved(name: string): boolean {
  return (
    BASE_NAMES.has(name) ||
    BUILTINS.has(name) ||
    PREDICATE_ARGUMENTS.has(name) ||
    UNSUPPORTED.has(name) ||
    name === 'type' ||
    !isVariableName(name)
  )
}
