/** The fields of the API's objects that DNS needs, by their numbers in Kubernetes' generated.proto files. */
import type { Field, Schema } from './protobuf.ts'

const text = (name: string): Field => ({ name, kind: 'text' })
const texts = (name: string): Field => ({ name, kind: 'text', repeated: true })
const flag = (name: string): Field => ({ name, kind: 'flag' })
const number = (name: string): Field => ({ name, kind: 'number' })
const message = (name: string, schema: Schema): Field => ({ name, kind: 'message', schema })
const messages = (name: string, schema: Schema): Field => ({ name, kind: 'message', schema, repeated: true })
const map = (name: string, keys: readonly string[]): Field => ({ name, kind: 'map', keys })
const octets = (name: string): Field => ({ name, kind: 'octets' })

// k8s.io/apimachinery/pkg/apis/meta/v1
const OBJECT_META: Schema = {
  1: text('name'),
  3: text('namespace'),
  6: text('resourceVersion'),
  // Its time is nobody's business, only that there is one.
  9: message('deletionTimestamp', { 1: number('seconds') }),
  11: map('labels', [
    'kubernetes.io/service-name',
    'multicluster.kubernetes.io/service-name',
    'multicluster.kubernetes.io/source-cluster',
  ]),
  12: map('annotations', ['endpoints.kubernetes.io/last-change-trigger-time']),
}

export const LIST_META: Schema = { 2: text('resourceVersion'), 3: text('continue') }

export const STATUS: Schema = {
  1: message('metadata', LIST_META),
  2: text('status'),
  3: text('message'),
  4: text('reason'),
  5: message('details', { 5: number('retryAfterSeconds') }),
  6: number('code'),
}

export const WATCH_EVENT: Schema = { 1: text('type'), 2: message('object', { 1: octets('raw') }) }

// k8s.io/api/core/v1
export const NAMESPACE: Schema = { 1: message('metadata', OBJECT_META) }

export const SERVICE: Schema = {
  1: message('metadata', OBJECT_META),
  2: message('spec', {
    1: messages('ports', { 1: text('name'), 2: text('protocol'), 3: number('port') }),
    3: text('clusterIP'),
    4: text('type'),
    5: texts('externalIPs'),
    10: text('externalName'),
    18: texts('clusterIPs'),
  }),
  3: message('status', {
    1: message('loadBalancer', { 1: messages('ingress', { 1: text('ip'), 2: text('hostname') }) }),
  }),
}

export const POD: Schema = {
  1: message('metadata', OBJECT_META),
  2: message('spec', { 11: flag('hostNetwork') }),
  3: message('status', { 1: text('phase'), 6: text('podIP'), 12: messages('podIPs', { 1: text('ip') }) }),
}

// k8s.io/api/discovery/v1
export const ENDPOINT_SLICE: Schema = {
  1: message('metadata', OBJECT_META),
  2: messages('endpoints', {
    1: texts('addresses'),
    2: message('conditions', { 1: flag('ready') }),
    3: text('hostname'),
    4: message('targetRef', { 1: text('kind'), 3: text('name') }),
    7: text('zone'),
  }),
  3: messages('ports', { 1: text('name'), 2: text('protocol'), 3: number('port') }),
  4: text('addressType'),
}
