/** `cancel`: how long a query may take before the chain stops working on it. */
import type { Plugin } from '../../chain/plugin.ts'
import { CorefileError } from '../../corefile/corefile-error.ts'
import { parseGoDuration } from '../../corefile/go-duration.ts'
import { wrongArguments } from '../../corefile/option-table.ts'
import { once } from '../once.ts'

/** One millisecond more than five seconds, which is what most stub resolvers wait. */
export const TIMEOUT_MS_DEFAULT = 5001

export interface CancelOptions {
  readonly timeoutMs: number
}

const handlerModule = once(() => import('./handler.ts'))

export const plugin: Plugin<CancelOptions> = {
  name: 'cancel',
  parse(directives) {
    let timeoutMs = TIMEOUT_MS_DEFAULT
    for (const directive of directives) {
      const [timeout] = directive.args
      if (directive.args.length > 1) throw wrongArguments(directive, 'cancel 1s')
      const property = directive.block?.[0]
      if (property !== undefined) throw new CorefileError(property.at, `cancel has no options, not '${property.name}'`)
      if (timeout === undefined) continue
      const ms = parseGoDuration(timeout.text)
      if (ms === undefined) throw new CorefileError(timeout.at, `invalid duration: "${timeout.text}"`, 'cancel 1s')
      if (ms <= 0) throw new CorefileError(timeout.at, `invalid negative duration: "${timeout.text}"`, 'cancel 1s')
      timeoutMs = ms
    }
    return { timeoutMs }
  },
  handle: async (options) => (await handlerModule()).openCancel(options),
  front: () => ({ concerns: () => false }),
}
