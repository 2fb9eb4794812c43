/**
 * A large cluster for measurements: the objects as a real API server shows them, managed fields and all, held by the API in memory in a process of
 * its own, so that what it needs isn't counted. Started by `memory.ts`; takes its orders from there.
 */
import { ApiServer, type KubeObject } from './api-server.ts'
import { type ClusterSize, NAMESPACES, namespaceOf, serviceAddresses, serviceName } from './big-cluster-names.ts'
import { namespace, pod, service, slice } from './objects.ts'

/** What the parent asks for. */
export type Order =
  | { readonly kind: 'start'; readonly size: ClusterSize }
  /** Ends all watches with 410, so that everything is listed again. */
  | { readonly kind: 'expire' }
  /** Changes so many services, one after the other. */
  | { readonly kind: 'change'; readonly count: number }

export interface Told {
  readonly url: string
  readonly watches: number
}

const ENDPOINTS_PER_SLICE_MAX = 100
const TWO_PORTS_EVERY = 3

const addressOf = (i: number): string => `10.${64 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}`
const podName = (i: number): string => `workload-${i >> 4}-6d4cf56db6-${i.toString(36).padStart(5, '0')}`

function clusterService(i: number, dualStack = false): KubeObject {
  const ports = i % TWO_PORTS_EVERY === 0 ? ['http/TCP:80', 'metrics/TCP:9090'] : ['http/TCP:80']
  return service(`${namespaceOf(i)}/${serviceName(i)}`, { ips: serviceAddresses(i, dualStack), ports })
}

function* clusterSlices(i: number, from: number, count: number): Generator<KubeObject> {
  const ports = i % TWO_PORTS_EVERY === 0 ? ['http/TCP:8080', 'metrics/TCP:9090'] : ['http/TCP:8080']
  const name = serviceName(i)
  for (let at = 0; at < count; at += ENDPOINTS_PER_SLICE_MAX) {
    const endpoints = Array.from({ length: Math.min(ENDPOINTS_PER_SLICE_MAX, count - at) }, (_, k) => ({
      address: addressOf(from + at + k),
      pod: podName(from + at + k),
      ready: true,
      zone: `zone-${(from + k) % 3}`,
    }))
    yield slice(`${namespaceOf(i)}/${name}-${(i * 7919 + at).toString(36)}`, { service: name, endpoints, ports })
  }
}

/** What every object of a real API has and nobody here needs. */
function dressed(object: KubeObject, i: number): KubeObject {
  const fields = {
    'f:metadata': { 'f:labels': { '.': {}, 'f:app': {} }, 'f:annotations': { '.': {}, 'f:example.com/owner': {} } },
    'f:spec': { 'f:ports': { '.': {}, 'k:{"port":80,"protocol":"TCP"}': { '.': {}, 'f:name': {}, 'f:port': {} } } },
  }
  const time = '2026-01-02T03:04:05Z'
  return {
    ...object,
    metadata: {
      ...object.metadata,
      uid: `7d6a2f8e-0000-4000-8000-${String(i).padStart(12, '0')}`,
      creationTimestamp: time,
      generation: 1,
      labels: { ...object.metadata.labels, app: `app-${i % 500}`, 'app.kubernetes.io/managed-by': 'example' },
      annotations: { 'example.com/owner': `team-${i % NAMESPACES}@example.com` },
      managedFields: ['controller', 'kubectl'].map((manager) => ({
        manager,
        operation: 'Update',
        apiVersion: 'v1',
        time,
        fieldsType: 'FieldsV1',
        fieldsV1: fields,
      })),
    },
  }
}

function* objectsOf({ services, endpoints, pods, dualStack }: ClusterSize): Generator<KubeObject> {
  for (let i = 0; i < NAMESPACES; i++) yield dressed(namespace(namespaceOf(i)), i)
  for (let i = 0; i < services; i++) {
    yield dressed(clusterService(i, dualStack), i)
    const from = Math.floor((i * endpoints) / services)
    const to = Math.floor(((i + 1) * endpoints) / services)
    for (const each of clusterSlices(i, from, to - from)) yield dressed(each, i)
  }
  for (let i = 0; i < pods; i++) yield dressed(pod(`${namespaceOf(i)}/${podName(i)}`, [addressOf(i)]), i)
}

if (process.send !== undefined) {
  const api = await ApiServer.start()
  const changed = (i: number): KubeObject => ({
    ...dressed(clusterService(i), i),
    spec: {
      ...(clusterService(i)['spec'] as object),
      ports: [{ name: 'changed', port: 1 + (i % 60_000), protocol: 'TCP' }],
    },
  })
  process.on('message', (order: Order) => {
    if (order.kind === 'start') api.load(objectsOf(order.size))
    else if (order.kind === 'expire') {
      api.endWatches()
      // The version that they go on from has to be older than what is left.
      api.change(clusterService(0))
      api.compact()
    } else for (let i = 0; i < order.count; i++) api.change(changed(i))
    process.send!({ url: api.url, watches: api.watchCount } satisfies Told)
  })
  process.on('disconnect', () => process.exit(0))
}
