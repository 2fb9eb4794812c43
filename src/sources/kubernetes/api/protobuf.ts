/**
 * Reads the API's objects in Protocol Buffers, as the API server sends them to its own: half the octets of JSON, and what nobody asks for (a pod's
 * containers, who managed which field) is passed over in one step. What comes out has the shape that the same object has in JSON, with
 * the fields of a schema only.
 *
 * Encoding: protobuf.dev/programming-guides/encoding. Groups (wire types 3 and 4) are not used by the API.
 */

const VARINT = 0
const FIXED64 = 1
const LENGTH = 2
const FIXED32 = 5
const VARINT_SIZE_MAX = 10
const UTF8_FROM = 0x80

export type Field =
  | { readonly name: string; readonly kind: 'text' | 'flag' | 'number'; readonly repeated?: boolean }
  | { readonly name: string; readonly kind: 'message'; readonly schema: Schema; readonly repeated?: boolean }
  /** A map from text to text, of which only some keys are read. */
  | { readonly name: string; readonly kind: 'map'; readonly keys: readonly string[] }
  /** Octets as they are. */
  | { readonly name: string; readonly kind: 'octets' }

/** Fields by number. */
export type Schema = Readonly<Record<number, Field>>

export type Message = Record<string, unknown>

/** Octets that are no message of the API. */
export class ProtobufError extends Error {
  readonly code = 'SHOAL_KUBERNETES_PROTOBUF'
  constructor(problem: string) {
    super(problem)
    this.name = 'ProtobufError'
  }
}

/** Where a message is read. One object for many: reading allocates only what comes out. */
export class ProtobufReader {
  #octets: Buffer
  at = 0
  end = 0
  /** Of the field that `nextField` found. */
  number = 0
  wireType = 0
  /** Where its value begins, for wire type 2 after the length; and where it ends. */
  valueAt = 0
  valueEnd = 0
  /** Value of a varint field. */
  value = 0

  constructor(octets: Buffer, at: number = 0, end: number = octets.length) {
    this.#octets = octets
    this.at = at
    this.end = end
  }

  get octets(): Buffer {
    return this.#octets
  }

  /** Steps over the next field and notes where its value is; false at the end. Throws ProtobufError. */
  nextField(): boolean {
    if (!this.nextHead()) return false
    if (this.at > this.end) throw new ProtobufError('a field goes past the end of its message')
    return true
  }

  /** The same for a field whose value may still be on its way: it can end past the end. */
  nextHead(): boolean {
    if (this.at >= this.end) return false
    const tag = this.#varint()
    this.number = Math.floor(tag / 8)
    this.wireType = tag % 8
    switch (this.wireType) {
      case VARINT:
        this.valueAt = this.at
        this.value = this.#varint()
        break
      case LENGTH: {
        const length = this.#varint()
        this.valueAt = this.at
        this.at += length
        break
      }
      case FIXED64:
        this.valueAt = this.at
        this.at += 8
        break
      case FIXED32:
        this.valueAt = this.at
        this.at += 4
        break
      default:
        throw new ProtobufError(`wire type ${this.wireType}`)
    }
    this.valueEnd = this.at
    return true
  }

  #varint(): number {
    let value = 0
    let factor = 1
    for (let i = 0; i < VARINT_SIZE_MAX; i++) {
      if (this.at >= this.end) throw new ProtobufError('a number goes past the end of its message')
      const octet = this.#octets[this.at++]!
      // Beyond 53 bits it is a negative number, which none of the fields that are read is.
      value += (octet & 127) * factor
      if (octet < 128) return value
      factor *= 128
    }
    throw new ProtobufError('a number that does not end')
  }
}

/** The message between two offsets. Throws ProtobufError. */
export function readMessage(octets: Buffer, at: number, end: number, schema: Schema): Message {
  const reader = new ProtobufReader(octets, at, end)
  const message: Message = {}
  while (reader.nextField()) {
    const field = schema[reader.number]
    if (field === undefined) continue
    const isLength = field.kind !== 'flag' && field.kind !== 'number'
    if ((reader.wireType === LENGTH) !== isLength)
      throw new ProtobufError(`${field.name} has wire type ${reader.wireType}`)
    if (field.kind === 'map') {
      message[field.name] ??= {}
      const map = message[field.name] as Record<string, string>
      readEntry(octets, reader.valueAt, reader.valueEnd, field.keys, map)
      continue
    }
    const value = readValue(reader, field)
    if ('repeated' in field && field.repeated === true) {
      const list = message[field.name] as unknown[] | undefined
      if (list === undefined) message[field.name] = [value]
      else list.push(value)
    } else message[field.name] = value
  }
  return message
}

function readValue(reader: ProtobufReader, field: Exclude<Field, { readonly kind: 'map' }>): unknown {
  const { octets, valueAt, valueEnd, value } = reader
  switch (field.kind) {
    case 'text':
      return textAt(octets, valueAt, valueEnd)
    case 'flag':
      return value !== 0
    case 'number':
      return value
    case 'message':
      return readMessage(octets, valueAt, valueEnd, field.schema)
    default:
      return octets.subarray(valueAt, valueEnd)
  }
}

/** One entry of a map: field 1 is the key, field 2 the value. */
function readEntry(
  octets: Buffer,
  at: number,
  end: number,
  keys: readonly string[],
  map: Record<string, string>,
): void {
  const entry = new ProtobufReader(octets, at, end)
  let key: string | undefined
  let value = ''
  while (entry.nextField()) {
    if (entry.wireType !== LENGTH) throw new ProtobufError('an entry of a map is no text')
    if (entry.number === 1) {
      key = keys.find((each) => isText(octets, entry.valueAt, entry.valueEnd, each))
      if (key === undefined) return
    } else if (entry.number === 2) value = textAt(octets, entry.valueAt, entry.valueEnd)
  }
  if (key !== undefined) map[key] = value
}

function isText(octets: Buffer, at: number, end: number, text: string): boolean {
  const { length } = text
  if (end - at !== length) return false
  // Keys differ at their ends first.
  for (let i = length - 1; i >= 0; i--) if (octets[at + i] !== text.charCodeAt(i)) return false
  return true
}

function textAt(octets: Buffer, at: number, end: number): string {
  for (let i = at; i < end; i++) if (octets[i]! >= UTF8_FROM) return octets.toString('utf8', at, end)
  return octets.toString('latin1', at, end)
}
