/** `ready`: an HTTP endpoint that says when every plugin is ready. */
import type { Plugin } from '../../chain/plugin.ts'
import { CorefileError } from '../../corefile/corefile-error.ts'
import { unknownProperty } from '../../corefile/option-table.ts'
import type { ListenAddress } from '../../observe/listen-address.ts'
import { httpAddress } from '../http-address.ts'
import { once } from '../once.ts'
import { expectOnce, onlyArgument } from '../usage.ts'

export const DEFAULT_ADDRESS = ':8181'

export interface ReadyOptions {
  readonly address: ListenAddress
  /** Ask plugins again after they were ready once. */
  readonly continuously: boolean
}

const readyEndpointModule = once(() => import('./ready-endpoint.ts'))

export const plugin: Plugin<ReadyOptions> = {
  name: 'ready',
  parse(directives) {
    const directive = expectOnce(directives)
    const address = httpAddress(directive, DEFAULT_ADDRESS)
    let continuously = false
    for (const property of directive.block ?? []) {
      if (property.name !== 'monitor') throw unknownProperty(property, ['monitor'])
      const { text, at } = onlyArgument(property, 'monitor continuously')
      if (text !== 'until-ready' && text !== 'continuously') {
        throw new CorefileError(at, `monitor type '${text}' not supported`, 'monitor continuously')
      }
      continuously = text === 'continuously'
    }
    return { address, continuously }
  },
  primary: async (options, context) => new (await readyEndpointModule()).ReadyEndpoint(options, context),
}
