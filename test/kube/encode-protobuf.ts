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
/** ObjectMeta.managedFields and Pod.spec.containers: what readers pass over. */
const MANAGED_FIELDS = 17

interface Typed {
  readonly kind?: unknown
  readonly metadata?: object
}

/** Undefined for a kind that has no such form. */
export function encodeObject(object: Typed): Buffer | undefined {
  const schema = SCHEMAS[object.kind as string]
  if (schema === undefined) return undefined
  const { managedFields: managed = [] } = (object.metadata ?? {}) as { readonly managedFields?: readonly unknown[] }
  const rest = managed.map((each) => field(MANAGED_FIELDS, Buffer.from(JSON.stringify(each))))
  return encodeMessage(object, schema, Buffer.concat(rest))
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
  const raw = envelope(String(object.kind), encoded!)
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

export function envelope(kind: string, raw: Buffer): Buffer {
  const type = Buffer.concat([field(1, Buffer.from('v1')), field(2, Buffer.from(kind))])
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
