/** The `kubernetes` directive's options. */
import type { ParseContext } from '../../chain/plugin.ts'
import { CorefileError } from '../../corefile/corefile-error.ts'
import type { Directive, Property, Token } from '../../corefile/directive.ts'
import { parseGoDuration } from '../../corefile/go-duration.ts'
import { choice, fallthrough, flag, type OptionRow, optionTable, unexpectedBlock } from '../../corefile/option-table.ts'
import { zonesOfArguments } from '../../corefile/zone-argument.ts'
import type { TlsFiles } from '../../sources/kubernetes/api/api-access.ts'
import type { RateLimits } from '../../sources/kubernetes/api/rate-limit.ts'
import { parseLabelSelector } from '../../sources/kubernetes/model/label-selector.ts'
import { isReverseZone } from '../../sources/kubernetes/publish/reverse-zone.ts'
import { expectOnce } from '../usage.ts'
import { clusterTtl } from './ttl-option.ts'

const STARTUP_MS_DEFAULT = 5000
const AUDIT_MS_DEFAULT = 3_600_000
/** More often the API server would do little else. */
const AUDIT_MS_MIN = 60_000

export interface KubernetesOptions {
  readonly zones: readonly string[]
  /** The first zone that isn't one of addresses: names of addresses point there. */
  readonly primaryZone: string
  /** URL of the API server; undefined inside a cluster. */
  readonly endpoint: string | undefined
  readonly tls: TlsFiles | undefined
  readonly kubeconfig: { readonly file: string; readonly context: string | undefined } | undefined
  readonly limits: RateLimits
  readonly namespaces: readonly string[]
  /** In the API's form. */
  readonly labels: string | undefined
  readonly namespaceLabels: string | undefined
  readonly pods: 'disabled' | 'insecure' | 'verified'
  readonly endpointPodNames: boolean
  readonly endpoints: boolean
  readonly ttlSeconds: number
  readonly fallthrough: readonly string[]
  readonly ignoreEmpty: boolean
  readonly multicluster: readonly string[]
  readonly zonal: boolean
  readonly startupMs: number
  /** File that the last state is kept in. Shoal's own, as is the next. */
  readonly snapshot: string | undefined
  /** Between two comparisons with a fresh list; 0 for none. */
  readonly auditMs: number
}

const ANY_COUNT = Number.POSITIVE_INFINITY

const OPTIONS = optionTable({
  endpoint: words('endpoint https://192.0.2.1:6443', 1, ANY_COUNT),
  tls: words('tls /etc/shoal/client.crt /etc/shoal/client.key /etc/shoal/ca.crt', 3, 3),
  kubeconfig: words('kubeconfig /etc/shoal/kubeconfig', 1, 2),
  apiserver_qps: limit('apiserver_qps 5', /^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?$/),
  apiserver_burst: limit('apiserver_burst 10', /^[+-]?[0-9]+$/),
  apiserver_max_inflight: limit('apiserver_max_inflight 4', /^[+-]?[0-9]+$/),
  namespaces: addedWords('namespaces default'),
  namespace_labels: selector('namespace_labels team=web', 'namespace_label '),
  labels: selector('labels app=web', 'label '),
  pods: podMode(),
  endpoint_pod_names: flag(),
  noendpoints: flag(),
  ttl: clusterTtl(),
  fallthrough: fallthrough(),
  ignore: ignored(),
  multicluster: multiclusterZones(),
  zonal: flag(),
  startup_timeout: startupTimeout(),
  snapshot: words('snapshot /var/lib/shoal/cluster', 1, 1),
  audit: auditPeriod(),
})

/** Throws CorefileError. */
export function parseKubernetes(directives: readonly Directive[], context: ParseContext): KubernetesOptions {
  const directive = expectOnce(directives)
  const zones = [...new Set(context.origins(directive.args))]
  const primaryZone = zones.find((zone) => !isReverseZone(zone))
  if (primaryZone === undefined) {
    throw new CorefileError(directive.at, 'non-reverse zone name must be used', 'kubernetes cluster.local in-addr.arpa')
  }
  const values = OPTIONS.parse(directive.block)
  const at = (name: string): Property['at'] =>
    directive.block?.findLast((each) => each.name === name)?.at ?? directive.at
  const [endpoint, ...others] = values.endpoint
  if (others.length > 0) {
    context.warn(
      at('endpoint'),
      `Multiple endpoints have been deprecated, only the first specified endpoint '${endpoint}' is used`,
    )
  }
  if (values.namespaces.length > 0 && values.namespace_labels !== undefined) {
    throw new CorefileError(at('namespace_labels'), 'namespaces and namespace_labels cannot both be set')
  }
  for (const zone of values.multicluster) {
    if (zones.includes(zone)) continue
    const served = zones.join(' ')
    throw new CorefileError(
      at('multicluster'),
      `is not authoritative for the multicluster zone ${zone} (authoritative zones: [${served}])`,
    )
  }
  if (values.zonal && values.noendpoints) {
    throw new CorefileError(at('zonal'), 'zonal requires the endpoint cache; remove noendpoints')
  }
  const [cert, key, ca] = values.tls
  const [file, kubeContext] = values.kubeconfig
  return {
    zones,
    primaryZone,
    endpoint,
    tls: cert === undefined || key === undefined || ca === undefined ? undefined : { cert, key, ca },
    kubeconfig: file === undefined ? undefined : { file, context: kubeContext },
    limits: {
      qps: values.apiserver_qps,
      burst: values.apiserver_burst,
      inflightMax: values.apiserver_max_inflight,
    },
    namespaces: values.namespaces,
    labels: values.labels,
    namespaceLabels: values.namespace_labels,
    pods: values.pods,
    endpointPodNames: values.endpoint_pod_names,
    endpoints: !values.noendpoints,
    ttlSeconds: values.ttl,
    fallthrough: values.fallthrough ?? [],
    ignoreEmpty: values.ignore,
    multicluster: values.multicluster,
    zonal: values.zonal,
    startupMs: values.startup_timeout,
    snapshot: values.snapshot[0],
    auditMs: values.audit,
  }
}

function words(example: string, argsMin: number, argsMax: number): OptionRow<readonly string[]> {
  return { default: [], example, argsMin, argsMax, parse: (args) => args.map(({ text }) => text) }
}

function addedWords(example: string): OptionRow<readonly string[]> {
  return {
    default: [],
    example,
    argsMin: 1,
    argsMax: ANY_COUNT,
    parse: (args, _property, before) => [...new Set([...before, ...args.map(({ text }) => text)])],
  }
}

function limit(example: string, form: RegExp): OptionRow<number> {
  const name = example.slice(0, example.indexOf(' '))
  return {
    default: 0,
    example,
    argsMin: 1,
    argsMax: 1,
    parse: ([word]) => {
      if (!form.test(word!.text) || !Number.isFinite(Number(word!.text))) {
        throw new CorefileError(word!.at, `invalid ${name} "${word!.text}": invalid syntax`, example)
      }
      const value = Number(word!.text)
      if (value < 0) throw new CorefileError(word!.at, `${name} must be >= 0`, example)
      return value
    },
  }
}

function selector(example: string, what: string): OptionRow<string | undefined> {
  return {
    default: undefined,
    example,
    argsMin: 1,
    argsMax: ANY_COUNT,
    parse: (args, { at }) => {
      const text = args.map((each) => each.text).join(' ')
      try {
        return parseLabelSelector(text)
      } catch (error) {
        const problem = `unable to parse ${what}selector value: '${text}': ${(error as Error).message}`
        throw new CorefileError(args[0]?.at ?? at, problem, example)
      }
    },
  }
}

function podMode(): OptionRow<'disabled' | 'insecure' | 'verified'> {
  const row = choice(['disabled', 'insecure', 'verified'], { default: 'disabled', example: 'pods verified' })
  return {
    ...row,
    parse: (args, property, before) => {
      try {
        return row.parse(args, property, before)
      } catch {
        const problem = `wrong value for pods: ${args[0]!.text},  must be one of: disabled, verified, insecure`
        throw new CorefileError(args[0]!.at, problem, row.example)
      }
    },
  }
}

function ignored(): OptionRow<boolean> {
  const example = 'ignore empty_service'
  return {
    default: false,
    example,
    argsMin: 0,
    argsMax: ANY_COUNT,
    parse: ([word], _property, before) => {
      if (word === undefined) return before
      if (word.text !== 'empty_service') {
        throw new CorefileError(word.at, `unable to parse ignore value: '${word.text}'`, example)
      }
      return true
    },
  }
}

function multiclusterZones(): OptionRow<readonly string[]> {
  return {
    default: [],
    example: 'multicluster clusterset.local',
    argsMin: 0,
    argsMax: ANY_COUNT,
    parse: (args) => zonesOfArguments(args),
  }
}

function startupTimeout(): OptionRow<number> {
  const example = 'startup_timeout 5s'
  return {
    default: STARTUP_MS_DEFAULT,
    example,
    argsMin: 1,
    argsMax: ANY_COUNT,
    parse: ([word]: readonly Token[], property: Property) => {
      if (property.block !== undefined) throw unexpectedBlock(property, example)
      const ms = parseGoDuration(word!.text)
      if (ms === undefined) {
        throw new CorefileError(
          word!.at,
          `failed to parse startup_timeout: ${word!.text}, time: invalid duration "${word!.text}"`,
          example,
        )
      }
      // A negative time is over at once.
      return Math.max(0, ms)
    },
  }
}

function auditPeriod(): OptionRow<number> {
  const example = 'audit 1h'
  return {
    default: AUDIT_MS_DEFAULT,
    example,
    argsMin: 1,
    argsMax: 1,
    parse: ([word]) => {
      const ms = parseGoDuration(word!.text)
      if (ms !== 0 && (ms === undefined || ms < AUDIT_MS_MIN)) {
        throw new CorefileError(
          word!.at,
          `audit: "${word!.text}" is not a duration from 1m on, or 0 for never`,
          example,
        )
      }
      return ms
    },
  }
}
