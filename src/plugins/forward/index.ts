/** `forward`: hands queries to other servers. */
import type { Plugin } from '../../chain/plugin.ts'
import type { ForwardOptions } from './options.ts'
import { parseStanza } from './parse-stanza.ts'

export const plugin: Plugin<ForwardOptions> = {
  name: 'forward',
  parse: (directives, context) => ({ stanzas: directives.map((directive) => parseStanza(directive, context)) }),
  prepare: async (options) => (await import('./resolve-hosts.ts')).resolveHosts(options),
  async handle(options, context) {
    const { openForward } = await import('./handler.ts')
    const { resolveHosts } = await import('./resolve-hosts.ts')
    // `prepare` has left nothing to resolve, unless whoever runs the chain doesn't call it (a test, a tool).
    return openForward(await resolveHosts(options), context)
  },
}
