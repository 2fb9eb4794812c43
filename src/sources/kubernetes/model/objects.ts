/**
 * What DNS needs of the API's objects. Everything else is let go as soon as an object is decoded, and what stays is kept as one short text per
 * object: a tenth of the memory of the same as objects, and a comparison of two texts says whether anything changed.
 */

export type ServiceKind = 'cluster' | 'headless' | 'external'

export interface Port {
  readonly name: string
  /** Lower-case: `tcp`. */
  readonly protocol: string
  readonly port: number
}

export interface Service {
  readonly kind: ServiceKind
  readonly clusterIPs: readonly string[]
  readonly ports: readonly Port[]
  /** Of kind `external`. */
  readonly externalName: string
  /** Addresses and host names of load balancers and `externalIPs`. */
  readonly externalIPs: readonly string[]
}

export interface Endpoint {
  readonly address: string
  /** '' when not given. */
  readonly hostname: string
  /** Name of the pod behind it; '' when there is none. */
  readonly target: string
  /** Topology zone, lower-case; '' when not given. */
  readonly zone: string
}

/** The ready endpoints of an EndpointSlice. */
export interface Slice {
  readonly ports: readonly Port[]
  readonly endpoints: readonly Endpoint[]
  /** Cluster that the endpoints are in, for imported services; '' for this one. */
  readonly cluster: string
}

/** An object as it came from the API. Nothing about it is sure. */
export interface RawObject {
  readonly metadata?: {
    readonly name?: unknown
    readonly namespace?: unknown
    readonly labels?: Readonly<Record<string, unknown>>
    readonly annotations?: Readonly<Record<string, unknown>>
    readonly deletionTimestamp?: unknown
  }
  readonly [key: string]: unknown
}

const SERVICE_NAME = 'kubernetes.io/service-name'
const IMPORT_NAME = 'multicluster.kubernetes.io/service-name'
const IMPORT_CLUSTER = 'multicluster.kubernetes.io/source-cluster'
const TRIGGER_TIME = 'endpoints.kubernetes.io/last-change-trigger-time'
const HOST_TARGET_LENGTH_MAX = 63

export function nameOf(object: RawObject): string {
  return text(object.metadata?.name)
}

export function namespaceOf(object: RawObject): string {
  return text(object.metadata?.namespace)
}

/** An object that is being deleted. */
export function isTerminating(object: RawObject): boolean {
  return (object.metadata?.deletionTimestamp ?? undefined) !== undefined
}

/** Service as text. */
export function trimService(object: RawObject): string {
  const spec = record(object['spec'])
  const given = list(spec['clusterIPs']).map(text)
  const clusterIPs = (given.length > 0 ? given : [text(spec['clusterIP'])]).filter((ip) => ip !== '')
  const isExternal = spec['type'] === 'ExternalName'
  const isHeadless = clusterIPs[0] === 'None'
  const ingress = list(record(record(object['status'])['loadBalancer'])['ingress']).map((each) => {
    const { ip, hostname } = record(each)
    return text(ip) !== '' ? text(ip) : text(hostname)
  })
  const service: Service = {
    kind: isExternal ? 'external' : isHeadless ? 'headless' : 'cluster',
    clusterIPs: isExternal || isHeadless ? [] : clusterIPs,
    ports: list(spec['ports']).map(portOf).filter(isPort),
    externalName: isExternal ? text(spec['externalName']) : '',
    externalIPs: [...list(spec['externalIPs']).map(text), ...ingress].filter((each) => each !== ''),
  }
  return JSON.stringify(Object.values(service))
}

export function readService(trimmed: string): Service {
  const [kind, clusterIPs, ports, externalName, externalIPs] = JSON.parse(trimmed) as [
    ServiceKind,
    string[],
    Port[],
    string,
    string[],
  ]
  return { kind, clusterIPs, ports, externalName, externalIPs }
}

/** ServiceImport (multicluster.x-k8s.io) as a service's text. */
export function trimServiceImport(object: RawObject): string {
  const spec = record(object['spec'])
  const isHeadless = spec['type'] === 'Headless'
  const service: Service = {
    kind: isHeadless ? 'headless' : 'cluster',
    clusterIPs: isHeadless
      ? []
      : list(spec['ips'])
          .map(text)
          .filter((ip) => ip !== ''),
    ports: list(spec['ports']).map(portOf).filter(isPort),
    externalName: '',
    externalIPs: [],
  }
  return JSON.stringify(Object.values(service))
}

export interface TrimmedSlice {
  /** The service it belongs to; '' for none. */
  readonly service: string
  /** The imported service it belongs to; '' for none. */
  readonly imported: string
  readonly text: string
  /** When the change that led to this state happened, milliseconds since 1970; NaN when the object doesn't say. */
  readonly triggeredAtMs: number
}

/** Of endpoints only what somebody asks for is kept. */
export interface SliceFields {
  /** Names of pods. */
  readonly targets: boolean
  readonly zones: boolean
}

/** EndpointSlice as text; endpoints that aren't ready are left out. */
export function trimSlice(object: RawObject, fields: SliceFields): TrimmedSlice {
  const labels = object.metadata?.labels ?? {}
  const ports = list(object['ports']).map(portOf).filter(isPort)
  const endpoints = list(object['endpoints']).flatMap((each): Endpoint[] => {
    const { addresses, conditions, hostname, targetRef, zone } = record(each)
    // No word about it means ready, the API says.
    if (record(conditions)['ready'] === false) return []
    const target = fields.targets ? text(record(targetRef)['name']) : ''
    const about = {
      hostname: text(hostname).toLowerCase(),
      target: target.length <= HOST_TARGET_LENGTH_MAX ? target.toLowerCase() : '',
      zone: fields.zones ? text(zone).toLowerCase() : '',
    }
    return list(addresses).map((address) => ({ address: text(address), ...about }))
  })
  const rows = endpoints.map(({ address, hostname, target, zone }) => row([address, hostname, target, zone]).join(' '))
  return {
    service: text(labels[SERVICE_NAME]),
    imported: text(labels[IMPORT_NAME]),
    text: JSON.stringify([ports, rows.join(), text(labels[IMPORT_CLUSTER])]),
    triggeredAtMs: Date.parse(text(object.metadata?.annotations?.[TRIGGER_TIME])),
  }
}

export function readSlice(trimmed: string): Slice {
  const [ports, rows, cluster] = JSON.parse(trimmed) as [Port[], string, string]
  if (rows === '') return { ports, endpoints: [], cluster }
  const endpoints = rows.split(',').map((each) => {
    const [address = '', hostname = '', target = '', zone = ''] = each.split(' ')
    return { address, hostname, target, zone }
  })
  return { ports, endpoints, cluster }
}

export interface TrimmedPod {
  readonly addresses: readonly string[]
  /** It has its node's addresses. */
  readonly hostNetwork: boolean
}

/** Undefined for a pod that is over, or about to be. */
export function trimPod(object: RawObject): TrimmedPod | undefined {
  const status = record(object['status'])
  if (isTerminating(object)) return undefined
  if (status['phase'] === 'Succeeded' || status['phase'] === 'Failed' || status['phase'] === 'Unknown') return undefined
  const given = list(status['podIPs']).map((each) => text(record(each)['ip']))
  const addresses = (given.length > 0 ? given : [text(status['podIP'])]).filter((ip) => ip !== '')
  return { addresses, hostNetwork: record(object['spec'])['hostNetwork'] === true }
}

/** Trailing empty fields are left out. None of them holds a blank or a comma: what does is no name. */
function row(fields: readonly string[]): readonly string[] {
  let length = fields.length
  while (length > 0 && fields[length - 1] === '') length--
  return fields.slice(0, length).map((field) => (/[ ,]/.test(field) ? '' : field))
}

function portOf(value: unknown): Port | undefined {
  const { name, protocol, port } = record(value)
  if (typeof port !== 'number' || !Number.isInteger(port) || port < 0 || port > 0xffff) return undefined
  return { name: text(name).toLowerCase(), protocol: (text(protocol) || 'TCP').toLowerCase(), port }
}

function isPort(port: Port | undefined): port is Port {
  return port !== undefined
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}
