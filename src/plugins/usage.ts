/** Checks that several plugins' `parse` share. */
import { CorefileError } from '../corefile/corefile-error.ts'
import type { Directive, Property, Token } from '../corefile/directive.ts'
import { unknownProperty, wrongArguments } from '../corefile/option-table.ts'

export { unknownProperty, wrongArguments }

/** A plugin that takes neither arguments nor options. */
export function expectBare(directives: readonly Directive[]): void {
  for (const directive of directives) {
    if (directive.args.length > 0 || directive.block !== undefined) throw wrongArguments(directive, directive.name)
  }
}

/** A plugin that may stand once in a server block. */
export function expectOnce(directives: readonly Directive[]): Directive {
  const [first, second] = directives
  if (second !== undefined) {
    throw new CorefileError(second.at, 'this plugin can only be used once per Server Block')
  }
  return first!
}

/** The only word of a property, or the error for more or fewer. */
export function onlyArgument(property: Property, example: string): Token {
  const [token] = property.args
  if (token === undefined || property.args.length > 1) throw wrongArguments(property, example)
  return token
}
