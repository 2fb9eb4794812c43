/** The API's objects for tests, as short as the real API server takes them. */
import type { KubeObject } from './api-server.ts'

export interface PortText {
  readonly name?: string
  readonly port: number
  readonly protocol?: string
}

/** `http/TCP:80`, `TCP:80` */
export function port(text: string): PortText {
  const match = /^(?:(.*)\/)?(TCP|UDP|SCTP):(\d+)$/.exec(text)!
  return { ...(match[1] === undefined ? {} : { name: match[1] }), protocol: match[2]!, port: Number(match[3]) }
}

export function namespace(name: string, labels: Readonly<Record<string, string>> = {}): KubeObject {
  return { kind: 'Namespace', apiVersion: 'v1', metadata: { name, labels } }
}

export interface ServiceSetting {
  /** `None` for a headless one. */
  readonly ips?: readonly string[]
  readonly ports?: readonly string[]
  readonly externalName?: string
  readonly labels?: Readonly<Record<string, string>>
  readonly spec?: Readonly<Record<string, unknown>>
  readonly status?: unknown
}

/** `path`: `namespace/name` */
export function service(path: string, setting: ServiceSetting = {}): KubeObject {
  const { ips = [], ports = [], externalName, labels = {}, spec = {}, status } = setting
  const families = ips.map((ip) => (ip.includes(':') ? 'IPv6' : 'IPv4'))
  const isHeadless = ips[0] === 'None'
  return {
    kind: 'Service',
    apiVersion: 'v1',
    metadata: { ...named(path), labels },
    spec: {
      ...(externalName === undefined ? { type: 'ClusterIP' } : { type: 'ExternalName', externalName }),
      ...(ips.length === 0 ? {} : { clusterIP: ips[0], clusterIPs: ips }),
      ...(isHeadless || ips.length === 0 ? {} : { ipFamilies: families }),
      ...(ips.length > 1 ? { ipFamilyPolicy: 'PreferDualStack' } : {}),
      ports: ports.map(port),
      ...spec,
    },
    ...(status === undefined ? {} : { status }),
  }
}

export interface EndpointSetting {
  readonly address: string
  readonly hostname?: string
  readonly pod?: string
  readonly ready?: boolean
  readonly zone?: string
}

export interface SliceSetting {
  readonly service: string
  readonly endpoints?: readonly (string | EndpointSetting)[]
  readonly ports?: readonly string[]
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
  readonly type?: 'IPv4' | 'IPv6' | 'FQDN'
}

export function slice(path: string, setting: SliceSetting): KubeObject {
  const { endpoints = [], ports = [], annotations = {} } = setting
  const list = endpoints.map((each) => (typeof each === 'string' ? { address: each } : each))
  const namespaceName = path.split('/')[0]!
  return {
    kind: 'EndpointSlice',
    apiVersion: 'discovery.k8s.io/v1',
    metadata: {
      ...named(path),
      labels: setting.labels ?? { 'kubernetes.io/service-name': setting.service },
      annotations,
    },
    addressType: setting.type ?? (list[0]?.address.includes(':') === true ? 'IPv6' : 'IPv4'),
    ports: ports.map(port),
    endpoints: list.map(({ address, hostname, pod: target, ready, zone }) => ({
      addresses: [address],
      conditions: ready === undefined ? {} : { ready },
      ...(hostname === undefined ? {} : { hostname }),
      ...(target === undefined ? {} : { targetRef: { kind: 'Pod', name: target, namespace: namespaceName } }),
      ...(zone === undefined ? {} : { zone }),
    })),
  }
}

export function pod(
  path: string,
  ips: readonly string[],
  setting: { phase?: string; hostNetwork?: boolean } = {},
): KubeObject {
  const { phase = 'Running', hostNetwork } = setting
  return {
    kind: 'Pod',
    apiVersion: 'v1',
    metadata: named(path),
    spec: {
      containers: [{ name: 'main', image: 'example' }],
      ...(hostNetwork === undefined ? {} : { hostNetwork }),
    },
    status: { phase, ...(ips.length === 0 ? {} : { podIP: ips[0], podIPs: ips.map((ip) => ({ ip })) }) },
  }
}

export function serviceImport(path: string, ips: readonly string[], ports: readonly string[]): KubeObject {
  return {
    kind: 'ServiceImport',
    apiVersion: 'multicluster.x-k8s.io/v1alpha1',
    metadata: named(path),
    spec:
      ips.length === 0
        ? { type: 'Headless', ports: ports.map(port) }
        : { type: 'ClusterSetIP', ips, ports: ports.map(port) },
  }
}

function named(path: string): { readonly namespace: string; readonly name: string } {
  const [namespaceName, name] = path.split('/')
  return { namespace: namespaceName!, name: name! }
}
