/** `autopath`: walks the client's search path for it, so that one query does where the client would send four or more. */
import type { FrontContext, FrontPart, Plugin } from '../../chain/plugin.ts'
import { ZoneSet } from '../../chain/zone-set.ts'
import type { BlockConfig } from '../../corefile/server-config.ts'
import type { KubernetesOptions } from '../kubernetes/options.ts'
import { once } from '../once.ts'
import { NamesBelow } from './names-below.ts'
import { type AutopathOptions, parseAutopath } from './options.ts'

const clientsPartModule = once(() => import('./clients-part.ts'))
const handlerModule = once(() => import('./handler.ts'))

export const plugin: Plugin<AutopathOptions> = {
  name: 'autopath',
  parse: parseAutopath,
  primary: async (options, context) => (await clientsPartModule()).openClientsPart(options, context),
  handle: async (options, context) => (await handlerModule()).openAutopath(options, context),
  front: openFront,
}

/** Options of the `kubernetes` that knows the pods; undefined when there is none, or it doesn't know them. */
export function podsSource(options: AutopathOptions, { plugins }: BlockConfig): KubernetesOptions | undefined {
  if (options.plugin !== 'kubernetes') return undefined
  const found = plugins.find(({ name }) => name === 'kubernetes')?.options as KubernetesOptions | undefined
  return found?.pods === 'verified' ? found : undefined
}

/**
 * Names that a search path can have made. With `kubernetes` those are `BASE.NAMESPACE.svc.ZONE`; where BASE is one label it is the name of a
 * service, which the front answers: a client that asks for a single label outside of its namespace goes on by itself.
 */
function openFront(options: AutopathOptions, { block }: FrontContext): FrontPart {
  const scope = new ZoneSet(options.zones)
  const [first] = options.search
  const kubernetes = podsSource(options, block)
  let names: NamesBelow | undefined
  if (options.plugin === undefined && first !== undefined) names = new NamesBelow([first], 1)
  else if (kubernetes !== undefined) {
    names = new NamesBelow(
      kubernetes.zones.map((zone) => (zone === '.' ? 'svc.' : `svc.${zone}`)),
      3,
    )
  }
  return { concerns: (query) => names?.holds(query) === true && scope.holds(query) }
}
