/** `debug`: debug lines in the log while some block has it. */
import type { Plugin } from '../../chain/plugin.ts'
import { unexpectedBlock, wrongArguments } from '../../corefile/option-table.ts'

export const plugin: Plugin<null> = {
  name: 'debug',
  parse(directives) {
    for (const directive of directives) {
      if (directive.args.length > 0) throw wrongArguments(directive, 'debug')
      if (directive.block !== undefined) throw unexpectedBlock(directive, 'debug')
    }
    return null
  },
}
