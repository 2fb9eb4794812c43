/** `health`: an HTTP endpoint that answers as long as the process lives. */
import type { Plugin } from '../../chain/plugin.ts'
import { CorefileError } from '../../corefile/corefile-error.ts'
import { parseGoDuration } from '../../corefile/go-duration.ts'
import { unknownProperty } from '../../corefile/option-table.ts'
import type { ListenAddress } from '../../observe/listen-address.ts'
import { httpAddress } from '../http-address.ts'
import { once } from '../once.ts'
import { onlyArgument } from '../usage.ts'

export const DEFAULT_ADDRESS = ':8080'
const EXAMPLE = 'lameduck 5s'

export interface HealthOptions {
  readonly address: ListenAddress
  /** How long DNS is still answered after a signal to stop; 0 for not at all. */
  readonly lameduckMs: number
}

const healthEndpointModule = once(() => import('./health-endpoint.ts'))

export const plugin: Plugin<HealthOptions> = {
  name: 'health',
  parse(directives) {
    let options: HealthOptions | undefined
    // As in CoreDNS a later use in the block takes the place of an earlier one, except for what it doesn't say.
    for (const directive of directives) {
      const before: HealthOptions | undefined = options
      const address =
        directive.args.length === 0 && before !== undefined ? before.address : httpAddress(directive, DEFAULT_ADDRESS)
      let lameduckMs = before?.lameduckMs ?? 0
      for (const property of directive.block ?? []) {
        if (property.name !== 'lameduck') throw unknownProperty(property, ['lameduck'])
        const { text, at } = onlyArgument(property, EXAMPLE)
        const duration = parseGoDuration(text)
        if (duration === undefined) {
          throw new CorefileError(at, `unable to parse lameduck duration value: '${text}'`, EXAMPLE)
        }
        lameduckMs = Math.max(0, duration)
      }
      options = { address, lameduckMs }
    }
    return options!
  },
  primary: async (options, context) => new (await healthEndpointModule()).HealthEndpoint(options, context),
}
