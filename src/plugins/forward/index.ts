/** `forward`: hands queries to other servers. */
import type { Plugin } from '../../chain/plugin.ts'
import { once } from '../once.ts'
import type { ForwardOptions } from './options.ts'
import { parseStanza } from './parse-stanza.ts'

const resolveHostsModule = once(() => import('./resolve-hosts.ts'))
const handlerModule = once(() => import('./handler.ts'))

export const plugin: Plugin<ForwardOptions> = {
  name: 'forward',
  parse: (directives, context) => ({ stanzas: directives.map((directive) => parseStanza(directive, context)) }),
  prepare: async (options) => (await resolveHostsModule()).resolveHosts(options),
  async handle(options, context) {
    const { openForward } = await handlerModule()
    const { resolveHosts } = await resolveHostsModule()
    // `prepare` has left nothing to resolve, unless whoever runs the chain doesn't call it (a test, a tool).
    return openForward(await resolveHosts(options), context)
  },
}
