/** `prometheus`: /metrics, and the counters of DNS traffic per server, zone and view. */
import type { Plugin } from '../../chain/plugin.ts'
import { CorefileError } from '../../corefile/corefile-error.ts'
import { unknownProperty, wrongArguments } from '../../corefile/option-table.ts'
import type { ListenAddress } from '../../observe/listen-address.ts'
import { httpAddress } from '../http-address.ts'
import { once, opened } from '../once.ts'
import { expectOnce, onlyArgument } from '../usage.ts'

export const DEFAULT_ADDRESS = 'localhost:9153'

export interface PrometheusOptions {
  readonly address: ListenAddress
  /** Export what the JavaScript runtime knows about itself, in all processes, until they end. */
  readonly runtimeMetrics: boolean
  /** A web configuration file in the exporter toolkit's format: TLS and basic authentication. */
  readonly webConfigFile: string | undefined
}

const metricsEndpointModule = once(() => import('./metrics-endpoint.ts'))
const queryCountersModule = once(() => import('./query-counters.ts'))

export const plugin: Plugin<PrometheusOptions> = {
  name: 'prometheus',
  parse(directives, context) {
    const directive = expectOnce(directives)
    const address = httpAddress(directive, DEFAULT_ADDRESS)
    let runtimeMetrics = false
    let webConfigFile: string | undefined
    for (const property of directive.block ?? []) {
      if (property.name === 'runtime_metrics') {
        if (property.args.length > 0) throw wrongArguments(property, 'runtime_metrics')
        runtimeMetrics = true
      } else if (property.name === 'tls') {
        if (webConfigFile !== undefined) throw new CorefileError(property.at, 'tls block already specified')
        webConfigFile = context.resolvePath(onlyArgument(property, 'tls web-config.yml').text)
      } else {
        throw unknownProperty(property, ['runtime_metrics', 'tls'])
      }
    }
    return { address, runtimeMetrics, webConfigFile }
  },
  primary: (options, context) =>
    opened(metricsEndpointModule, ({ MetricsEndpoint }) => new MetricsEndpoint(options, context)),
  front: (options, context) =>
    opened(queryCountersModule, ({ openQueryCounters }) => openQueryCounters(options, context)),
  // Metrics of the runtime are there from the start.
  opensLate: ({ runtimeMetrics }) => !runtimeMetrics,
}
