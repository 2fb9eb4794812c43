import assert from 'node:assert/strict'
import test from 'node:test'
import { OBJECT_SIZE_MAX } from '../../src/sources/kubernetes/api/json-list.ts'
import { ENDPOINT_SLICE, POD, SERVICE, STATUS } from '../../src/sources/kubernetes/api/object-schemas.ts'
import { type Message, ProtobufError, readMessage, type Schema } from '../../src/sources/kubernetes/api/protobuf.ts'
import {
  isEnveloped,
  ProtobufFrames,
  ProtobufList,
  readEnvelope,
} from '../../src/sources/kubernetes/api/protobuf-streams.ts'
import { trimPod, trimService, trimSlice } from '../../src/sources/kubernetes/model/objects.ts'
import { printedSeed, seededRandom } from '../support/seeded-random.ts'
import { encodeEvent, encodeList, encodeObject, envelope, field, varint } from './encode-protobuf.ts'
import { namespace, pod, service, slice } from './objects.ts'

const SERVICES = [
  service('shop/web', { ips: ['10.96.7.1', 'fd00::1'], ports: ['http/TCP:80', 'UDP:53'], labels: { app: 'web' } }),
  service('shop/db', { ips: ['None'] }),
  service('shop/alias', { externalName: 'www.example.org' }),
  service('shop/outer', {
    ips: ['10.96.7.2'],
    spec: { externalIPs: ['192.0.2.1'] },
    status: { loadBalancer: { ingress: [{ ip: '192.0.2.2' }, { hostname: 'lb.example.org' }] } },
  }),
]
const SLICES = [
  slice('shop/web-a', {
    service: 'web',
    ports: ['http/TCP:8080'],
    endpoints: [
      { address: '10.244.0.1', hostname: 'one', pod: 'web-1', zone: 'north' },
      { address: '10.244.0.2', ready: false },
      { address: '10.244.0.3', ready: true },
    ],
    annotations: { 'endpoints.kubernetes.io/last-change-trigger-time': '2026-01-02T03:04:05.678Z' },
  }),
  slice('shop/empty', { service: 'web' }),
]
const PODS = [
  pod('shop/one', ['10.244.0.1', 'fd00::2']),
  pod('shop/two', ['10.0.0.1'], { hostNetwork: true, phase: 'Pending' }),
  { ...pod('shop/ending', ['10.244.0.9']), metadata: { name: 'ending', deletionTimestamp: '2026-01-02T03:04:05Z' } },
]
const SERVICE_LIST = { kind: 'ServiceList', apiVersion: 'v1' }
const FIELDS = { targets: true, zones: true }

/** Everything that a list says, cut at these octets. */
function readList(octets: Buffer, cuts: readonly number[], schema: Schema = SERVICE): unknown {
  const items: unknown[] = []
  const list = new ProtobufList(schema, (item) => items.push(item))
  let from = 0
  for (const cut of [...cuts, octets.length]) {
    list.push(octets.subarray(from, cut))
    from = cut
  }
  return { head: list.end(), items }
}

test('objects are what they are in JSON', () => {
  for (const each of SERVICES) {
    assert.equal(trimService(decoded(each, SERVICE)), trimService(each), each.metadata.name)
  }
  for (const each of SLICES) {
    assert.deepEqual(trimSlice(decoded(each, ENDPOINT_SLICE), FIELDS), trimSlice(each, FIELDS), each.metadata.name)
  }
  for (const each of PODS) assert.deepEqual(trimPod(decoded(each, POD)), trimPod(each), each.metadata.name)
  function decoded(object: object, schema: Schema): Message {
    const octets = encodeObject(object)!
    return readMessage(octets, 0, octets.length, schema)
  }
})

test('a list, cut at every octet', () => {
  const items = SERVICES.map((each) => encodeObject(each)!)
  const whole = envelope(SERVICE_LIST, encodeList({ resourceVersion: '7', continue: 'x' }, items))
  const wanted = {
    head: { metadata: { resourceVersion: '7', continue: 'x' } },
    items: items.map((each) => readMessage(each, 0, each.length, SERVICE)),
  }
  for (let cut = 0; cut <= whole.length; cut++) assert.deepEqual(readList(whole, [cut]), wanted, `cut at ${cut}`)
  assert.deepEqual(
    readList(
      whole,
      Array.from({ length: whole.length }, (_, i) => i),
    ),
    wanted,
  )
  for (let end = 0; end < whole.length - 4; end++) {
    assert.throws(() => readList(whole.subarray(0, end), []), ProtobufError, `ends at ${end}`)
  }
  const empty = envelope(SERVICE_LIST, encodeList({ resourceVersion: '7' }, []))
  assert.deepEqual(readList(empty, []), { head: { metadata: { resourceVersion: '7' } }, items: [] })
})

test('events, cut at every octet', () => {
  const status = { kind: 'Status', code: 410, reason: 'Expired', message: 'too old', details: { retryAfterSeconds: 3 } }
  const octets = Buffer.concat([
    encodeEvent('ADDED', SERVICES[0]!),
    encodeEvent('BOOKMARK', { kind: 'Service', metadata: { resourceVersion: '9' } }),
    encodeEvent('ERROR', status),
  ])
  for (let cut = 0; cut <= octets.length; cut++) {
    const events: Message[] = []
    const frames = new ProtobufFrames(SERVICE, (event) => events.push(event as Message))
    frames.push(octets.subarray(0, cut))
    frames.push(octets.subarray(cut))
    assert.deepEqual(
      events.map(({ type }) => type),
      ['ADDED', 'BOOKMARK', 'ERROR'],
    )
    assert.equal(trimService(events[0]!['object'] as Message), trimService(SERVICES[0]!))
    assert.deepEqual(events[1]!['object'], { metadata: { resourceVersion: '9' } })
    const { kind: _kind, ...rest } = status
    assert.deepEqual(events[2]!['object'], rest)
  }
})

test('labels that nobody asks for are passed over, and so are unknown fields', () => {
  const labels = { 'kubernetes.io/service-name': 'web', 'kubernetes.io/service-nam3': 'x', é: 'ü' }
  const object = slice('shop/é', { service: '', labels })
  const octets = Buffer.concat([
    encodeObject(object)!,
    field(99, Buffer.from('unknown')),
    varint(98 * 8),
    varint(2 ** 40),
    varint(97 * 8 + 1),
    Buffer.alloc(8),
    varint(96 * 8 + 5),
    Buffer.alloc(4),
  ])
  const { metadata } = readMessage(octets, 0, octets.length, ENDPOINT_SLICE)
  assert.deepEqual(metadata, {
    name: 'é',
    namespace: 'shop',
    labels: { 'kubernetes.io/service-name': 'web' },
    // An empty map has no entries, so it isn't there.
  })
})

test('a negative number and the largest one', () => {
  const code = (octets: Buffer): unknown => readMessage(octets, 0, octets.length, STATUS)['code']
  assert.equal(code(Buffer.concat([varint(6 * 8), varint(0xffff_ffff)])), 0xffff_ffff)
  const minusOne = Buffer.from('ffffffffffffffffff01', 'hex')
  assert.ok((code(Buffer.concat([varint(6 * 8), minusOne])) as number) > Number.MAX_SAFE_INTEGER)
})

test('an object that is too large', () => {
  const head = Buffer.concat([Buffer.from('k8s\0'), varint(2 * 8 + 2), varint(2 * OBJECT_SIZE_MAX)])
  const list = new ProtobufList(SERVICE, () => {})
  const item = Buffer.concat([varint(2 * 8 + 2), varint(OBJECT_SIZE_MAX), Buffer.alloc(64)])
  assert.throws(() => list.push(Buffer.concat([head, item])), RangeError)
  const length = Buffer.alloc(64)
  length.writeUInt32BE(OBJECT_SIZE_MAX)
  assert.throws(() => new ProtobufFrames(SERVICE, () => {}).push(length), RangeError)
})

test('octets that were changed do nothing but throw', () => {
  const random = seededRandom(printedSeed())
  const list = envelope(
    SERVICE_LIST,
    encodeList(
      { resourceVersion: '7' },
      SERVICES.map((each) => encodeObject(each)!),
    ),
  )
  const event = encodeEvent('ADDED', namespace('shop'))
  const isExpected = (error: unknown): boolean => error instanceof ProtobufError || error instanceof RangeError
  for (let round = 0; round < 5000; round++) {
    for (const whole of [list, event]) {
      const octets = Buffer.from(whole)
      for (let i = 1 + random.below(4); i > 0; i--) octets[random.below(octets.length)] = random.below(256)
      const cuts = Array.from({ length: random.below(4) }, () => random.below(octets.length)).sort((a, b) => a - b)
      try {
        if (whole === list) readList(octets, cuts)
        else new ProtobufFrames(SERVICE, () => {}).push(octets)
        if (isEnveloped(octets)) readEnvelope(octets, STATUS)
      } catch (error) {
        assert.ok(isExpected(error), String((error as Error).stack))
      }
    }
  }
})
