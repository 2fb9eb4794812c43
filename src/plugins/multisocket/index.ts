/** `multisocket`: how many sockets are opened for each address. */
import { availableParallelism } from 'node:os'
import type { Plugin } from '../../chain/plugin.ts'
import { CorefileError } from '../../corefile/corefile-error.ts'
import { unexpectedBlock, wrongArguments } from '../../corefile/option-table.ts'
import type { SteeringOptions } from '../../corefile/parse-context.ts'

export const SOCKETS_MAX = 1024
const EXAMPLE = 'multisocket 4'

export const plugin: Plugin<SteeringOptions['multisocket']> = {
  name: 'multisocket',
  parse(directives) {
    const [directive, second] = directives
    const [word, surplus] = directive!.args
    if (second !== undefined) throw wrongArguments(second, EXAMPLE)
    if (surplus !== undefined) throw wrongArguments(directive!, EXAMPLE)
    if (directive!.block !== undefined) throw unexpectedBlock(directive!, EXAMPLE)
    if (word === undefined) return { sockets: availableParallelism() }
    if (!/^[+-]?[0-9]+$/.test(word.text)) {
      throw new CorefileError(word.at, `invalid num sockets: "${word.text}" is not a whole number`, EXAMPLE)
    }
    const sockets = Number(word.text)
    if (sockets < 1) {
      throw new CorefileError(word.at, `num sockets can not be zero or negative: ${word.text}`, EXAMPLE)
    }
    if (sockets > SOCKETS_MAX) {
      throw new CorefileError(word.at, `num sockets exceeds maximum (${SOCKETS_MAX}): ${word.text}`, EXAMPLE)
    }
    return { sockets }
  },
}
