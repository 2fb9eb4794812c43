/** `root`: the folder that relative paths of the block's other plugins start from. */
import { statSync } from 'node:fs'
import type { Plugin } from '../../chain/plugin.ts'
import { CorefileError } from '../../corefile/corefile-error.ts'
import { wrongArguments } from '../../corefile/option-table.ts'
import type { SteeringOptions } from '../../corefile/parse-context.ts'
import { errnoText } from '../../corefile/read-corefile.ts'

const EXAMPLE = 'root /etc/shoal/zones'

export const plugin: Plugin<SteeringOptions['root']> = {
  name: 'root',
  parse(directives, context) {
    for (const directive of directives) {
      if (directive.args.length === 0) throw wrongArguments(directive, EXAMPLE)
    }
    // As in CoreDNS the last use counts, and words behind the path don't.
    const { text: path, at } = directives.at(-1)!.args[0]!
    try {
      statSync(context.resolvePath(path))
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code !== 'ENOENT' && code !== 'ENOTDIR') {
        throw new CorefileError(at, `unable to access root path '${path}': ${errnoText(code)}`, EXAMPLE)
      }
      // The folder may appear later.
      context.warn(at, `Root path does not exist: ${path}`)
    }
    return { path }
  },
}
