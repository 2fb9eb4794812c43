/** Objects in Protocol Buffers, as a real API server sends them: the other way round of src/sources/kubernetes/api/protobuf.ts. */
import {
  ENDPOINT_SLICE,
  LIST_META,
  NAMESPACE,
  POD,
  SERVICE,
  STATUS,
  WATCH_EVENT,
} from '../../src/sources/kubernetes/api/object-schemas.ts'
import type { Field, Schema } from '../../src/sources/kubernetes/api/protobuf.ts'

const MAGIC = Buffer.from('k8s\0')
const SCHEMAS: Readonly<Record<string, Schema>> = {
  Namespace: NAMESPACE,
  Service: SERVICE,
  Pod: POD,
  EndpointSlice: ENDPOINT_SLICE,
  Status: STATUS,
}
const text = (name: string): Field => ({ name, kind: 'text' })
const TIME: Schema = { 1: { name: 'seconds', kind: 'number' } }
/** Fields of ObjectMeta that readers of DNS pass over. */
const META_BESIDES: Schema = {
  5: text('uid'),
  7: { name: 'generation', kind: 'number' },
  8: { name: 'creationTimestamp', kind: 'message', schema: TIME },
  17: {
    name: 'managedFields',
    kind: 'message',
    repeated: true,
    schema: {
      1: text('manager'),
      2: text('operation'),
      3: text('apiVersion'),
      4: { name: 'time', kind: 'message', schema: TIME },
      6: text('fieldsType'),
      7: { name: 'fieldsV1', kind: 'message', schema: { 1: { name: 'raw', kind: 'octets' } } },
    },
  },
}

interface Typed {
  readonly kind?: unknown
  readonly apiVersion?: unknown
  readonly metadata?: object
}

interface ManagedFields {
  readonly fieldsV1: object
}

/** Undefined for a kind that has no such form. */
export function encodeObject(object: Typed): Buffer | undefined {
  const schema = SCHEMAS[object.kind as string]
  if (schema === undefined) return undefined
  const metadata = (object.metadata ?? {}) as { readonly managedFields?: readonly ManagedFields[] }
  const managedFields = (metadata.managedFields ?? []).map((each) => ({
    ...each,
    fieldsV1: { raw: Buffer.from(JSON.stringify(each.fieldsV1)) },
  }))
  return encodeMessage(object, schema, encodeMessage({ ...metadata, managedFields }, META_BESIDES))
}

/** A kind that is defined in the cluster itself has only JSON. */
export function hasProtobuf(kind: string): boolean {
  return kind in SCHEMAS
}

export function encodeList(metadata: object, items: readonly Buffer[]): Buffer {
  const head = field(1, encodeMessage(metadata, LIST_META))
  return Buffer.concat([head, ...items.map((item) => field(2, item))])
}

/** With its length in front, as on a watch. */
export function encodeEvent(type: string, object: Typed, encoded = encodeObject(object)): Buffer {
  const raw = envelope(object, encoded!)
  const event = encodeMessage({ type, object: { raw } }, WATCH_EVENT)
  const length = Buffer.alloc(4)
  length.writeUInt32BE(event.length)
  return Buffer.concat([length, event])
}

/** `inMeta`: more fields for the message's field 1, encoded. */
export function encodeMessage(message: object, schema: Schema, inMeta: Buffer = Buffer.alloc(0)): Buffer {
  const parts: Buffer[] = []
  for (const [key, each] of Object.entries(schema)) {
    const number = Number(key)
    const value = (message as Record<string, unknown>)[each.name]
    if (value === undefined || value === null) continue
    const values = 'repeated' in each && each.repeated === true ? (value as unknown[]) : [value]
    for (const one of values) parts.push(...encodeField(number, each, one, number === 1 ? inMeta : undefined))
  }
  return Buffer.concat(parts)
}

function encodeField(number: number, { kind, ...about }: Field, value: unknown, more?: Buffer): readonly Buffer[] {
  switch (kind) {
    case 'text':
      return [field(number, Buffer.from(String(value)))]
    case 'octets':
      return [field(number, value as Buffer)]
    case 'flag':
      return [varint(number * 8), varint(value === true ? 1 : 0)]
    case 'number':
      return [varint(number * 8), varint(Number(value))]
    case 'map':
      return Object.entries(value as Record<string, string>).map(([key, text]) =>
        field(number, Buffer.concat([field(1, Buffer.from(key)), field(2, Buffer.from(text))])),
      )
    default: {
      const { schema } = about as { readonly schema: Schema }
      // A time is text in JSON.
      const message = typeof value === 'string' ? { seconds: Math.floor(Date.parse(value) / 1000) } : (value as object)
      const encoded = encodeMessage(message, schema)
      return [field(number, more === undefined ? encoded : Buffer.concat([encoded, more]))]
    }
  }
}

export function envelope({ apiVersion, kind }: Typed, raw: Buffer): Buffer {
  const type = Buffer.concat([field(1, Buffer.from(String(apiVersion))), field(2, Buffer.from(String(kind)))])
  return Buffer.concat([MAGIC, field(1, type), field(2, raw), field(3, Buffer.alloc(0)), field(4, Buffer.alloc(0))])
}

/** Tag, length and octets. */
export function field(number: number, octets: Uint8Array): Buffer {
  return Buffer.concat([varint(number * 8 + 2), varint(octets.length), octets])
}

export function varint(value: number): Buffer {
  const octets: number[] = []
  let rest = value
  while (rest >= 128) {
    octets.push((rest % 128) | 128)
    rest = Math.floor(rest / 128)
  }
  octets.push(rest)
  return Buffer.from(octets)
}
