/** `loop`: finds out at start whether this server forwards queries to itself. */
import type { Plugin } from '../../chain/plugin.ts'
import { CorefileError } from '../../corefile/corefile-error.ts'
import { wrongArguments } from '../../corefile/option-table.ts'
import { once } from '../once.ts'
import { expectOnce } from '../usage.ts'

/**
 * What a loop leads to. `exit`: the process ends with a fatal log line, as CoreDNS's. `degrade`: the server stays up, what
 * would be forwarded gets SERVFAIL, and the loop is looked for again until it is gone.
 */
export type OnLoop = 'exit' | 'degrade'

export interface LoopOptions {
  /** Probes are names below it. */
  readonly zone: string
  readonly onLoop: OnLoop
}

const TYPE_HINFO = 13

const loopSearchModule = once(() => import('./loop-search.ts'))
const handlerModule = once(() => import('./handler.ts'))

export const plugin: Plugin<LoopOptions> = {
  name: 'loop',
  parse(directives, { keys }) {
    const directive = expectOnce(directives)
    const [word] = directive.args
    if (directive.args.length > 1 || directive.block !== undefined) throw wrongArguments(directive, 'loop')
    if (word !== undefined && word.text !== 'exit' && word.text !== 'degrade') {
      throw new CorefileError(word.at, `loop takes "exit" or "degrade", not "${word.text}"`, 'loop degrade')
    }
    return { zone: keys[0]?.zone ?? '.', onLoop: (word?.text ?? 'exit') as OnLoop }
  },
  primary: async (options, context) => new (await loopSearchModule()).LoopSearch(options, context),
  handle: async (_options, context) => (await handlerModule()).openLoop(context),
  // A loop keeps no query from the record store: the store's answers don't loop.
  front: () => ({ concerns: (query) => query.qtype === TYPE_HINFO }),
}
