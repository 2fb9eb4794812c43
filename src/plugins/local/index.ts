/** `local`: answers for names that must never leave the machine. RFC 6303, RFC 6761 section 6.3. */

import type { Plugin } from '../../chain/plugin.ts'
import { CorefileError } from '../../corefile/corefile-error.ts'
import { unknownProperty, wrongArguments } from '../../corefile/option-table.ts'
import { Counter } from '../../observe/prom-client.ts'
import { once } from '../once.ts'
import { onlyArgument } from '../usage.ts'
import { isLocalhostName, isLocalName } from './names.ts'

export interface LocalOptions {
  /** Names that start with `localhost.` count too: search domains make them (`localhost.example.org`). */
  readonly localhostPrefix: boolean
}

const METRIC = 'coredns_local_localhost_requests_total'
/** Counted per registry: blocks share the series. */
const counts = new WeakMap<object, { value: number }>()

const handlerModule = once(() => import('./handler.ts'))

export const plugin: Plugin<LocalOptions> = {
  name: 'local',
  parse(directives) {
    let localhostPrefix = true
    for (const directive of directives) {
      if (directive.args.length > 0) throw wrongArguments(directive, 'local')
      for (const property of directive.block ?? []) {
        if (property.name !== 'localhost_prefix') throw unknownProperty(property, ['localhost_prefix'])
        const { text, at } = onlyArgument(property, 'localhost_prefix off')
        if (text !== 'on' && text !== 'off') {
          throw new CorefileError(at, `localhost_prefix expects 'on' or 'off', got "${text}"`, 'localhost_prefix off')
        }
        localhostPrefix = text === 'on'
      }
    }
    return { localhostPrefix }
  },
  handle: async (options, context) => (await handlerModule()).openLocal(options, context.log),
  front({ localhostPrefix }, { registry }) {
    // Here, not in the handler: answers from the cache count as well.
    let count = counts.get(registry)
    if (count === undefined) {
      const ours = { value: 0 }
      let told = 0
      new Counter({
        name: METRIC,
        help: 'Counter of localhost.<domain> requests.',
        registers: [registry],
        collect() {
          this.inc(ours.value - told)
          told = ours.value
        },
      })
      counts.set(registry, ours)
      count = ours
    }
    const counted = count
    return {
      concerns: (query) => isLocalName(query, localhostPrefix),
      observe(query) {
        if (isLocalhostName(query, localhostPrefix)) counted.value++
      },
    }
  },
}
