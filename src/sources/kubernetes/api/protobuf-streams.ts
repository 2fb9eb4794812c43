/**
 * Lists and watches in Protocol Buffers, read while they arrive.
 *
 *   list    "k8s\0", Unknown { typeMeta = 1, raw = 2: List { metadata = 1, items = 2, items = 2, … } }
 *   watch   for each event: 4 octets length, WatchEvent { type = 1, object = 2 { raw = 1: "k8s\0", Unknown { …, raw = 2: the object } } }
 *
 * A list is entered without waiting for its end: each of its items is handed on as soon as it is whole, so that a list of any length costs
 * the memory of its largest item.
 */
import { type ListHead, OBJECT_SIZE_MAX } from './json-list.ts'
import { LIST_META, STATUS, WATCH_EVENT } from './object-schemas.ts'
import { type Message, ProtobufError, ProtobufReader, readMessage, type Schema } from './protobuf.ts'

const MAGIC = Buffer.from('k8s\0')
const FRAME_HEAD_SIZE = 4
/** Tag and length of a field. */
const FIELD_HEAD_SIZE_MAX = 20
const UNKNOWN_RAW = 2
const LIST_METADATA = 1
const LIST_ITEM = 2
const LENGTH = 2

/** What arrives and isn't read yet: a part of a message waits until it is whole without being copied each time. */
class Arriving {
  #parts: Buffer[] = []
  #size = 0

  get size(): number {
    return this.#size
  }

  add(part: Buffer): void {
    this.#parts.push(part)
    this.#size += part.length
  }

  /** All of it in one piece. */
  whole(): Buffer {
    if (this.#parts.length !== 1) this.#parts = [Buffer.concat(this.#parts, this.#size)]
    return this.#parts[0]!
  }

  /** The first octets were read. */
  drop(count: number): void {
    const rest = this.whole().subarray(count)
    this.#parts = rest.length === 0 ? [] : [rest]
    this.#size = rest.length
  }
}

export class ProtobufList {
  readonly #onItem: (item: unknown) => void
  readonly #schema: Schema
  readonly #arriving = new Arriving()
  /** So much has to be there before it goes on. */
  #needed = MAGIC.length
  #place: 'before' | 'envelope' | 'list' = 'before'
  /** Octets of the list that are still to come. */
  #left = 0
  #head: ListHead | undefined
  #isEntered = false

  /** `onItem` gets every item, with the fields of `schema`. */
  constructor(schema: Schema, onItem: (item: unknown) => void) {
    this.#schema = schema
    this.#onItem = onItem
  }

  /** Takes the next octets. Throws ProtobufError, and RangeError for an object that is too large. */
  push(chunk: Buffer): void {
    this.#arriving.add(chunk)
    if (this.#arriving.size >= this.#needed) this.#read(false)
  }

  /** What the list says besides its items. Throws ProtobufError when it isn't whole. */
  end(): ListHead {
    this.#read(true)
    if (!this.#isEntered || this.#left > 0 || this.#arriving.size > 0)
      throw new ProtobufError('the list ends in the middle')
    return this.#head ?? {}
  }

  #read(isEnd: boolean): void {
    const octets = this.#arriving.whole()
    let at = 0
    if (this.#place === 'before') {
      if (octets.length < MAGIC.length) throw new ProtobufError('the list ends before it begins')
      if (!octets.subarray(0, MAGIC.length).equals(MAGIC)) throw new ProtobufError('this is no list')
      at = MAGIC.length
      this.#place = 'envelope'
    }
    for (;;) {
      if (this.#place === 'list' && this.#left === 0) this.#place = 'envelope'
      const size = this.#readField(octets, at, isEnd)
      if (size < 0) break
      at += size
    }
    this.#arriving.drop(at)
    this.#needed -= at
  }

  /** Reads a field that is there whole, or enters the list; returns its octets, or -1 when more is needed (`#needed`). */
  #readField(octets: Buffer, at: number, isEnd: boolean): number {
    const inList = this.#place === 'list'
    const there = octets.length - at
    const end = inList ? Math.min(octets.length, at + this.#left) : octets.length
    const isHeadWhole = there >= FIELD_HEAD_SIZE_MAX || isEnd || (inList && there >= this.#left)
    if (there === 0 || !isHeadWhole) {
      this.#needed = at + FIELD_HEAD_SIZE_MAX
      if (inList) this.#needed = at + Math.min(FIELD_HEAD_SIZE_MAX, this.#left)
      return -1
    }
    const field = new ProtobufReader(octets, at, end)
    field.nextHead()
    const { number, wireType, valueAt, valueEnd } = field
    if (!inList && number === UNKNOWN_RAW && wireType === LENGTH) {
      if (this.#isEntered) throw new ProtobufError('two lists in one')
      this.#isEntered = true
      this.#place = 'list'
      this.#left = valueEnd - valueAt
      return valueAt - at
    }
    const size = valueEnd - at
    if (size > OBJECT_SIZE_MAX) throw new RangeError(`an object of more than ${OBJECT_SIZE_MAX} octets`)
    if (inList && size > this.#left) throw new ProtobufError('a field goes past the end of the list')
    if (size > there) {
      if (isEnd) throw new ProtobufError('the list ends in the middle')
      this.#needed = at + size
      return -1
    }
    if (inList) {
      this.#left -= size
      if (wireType === LENGTH && number === LIST_ITEM) {
        this.#onItem(readMessage(octets, valueAt, valueEnd, this.#schema))
      } else if (wireType === LENGTH && number === LIST_METADATA) {
        this.#head = { metadata: readMessage(octets, valueAt, valueEnd, LIST_META) }
      }
    }
    return size
  }
}

export class ProtobufFrames {
  readonly #onEvent: (event: unknown) => void
  readonly #schema: Schema
  readonly #arriving = new Arriving()
  #needed = FRAME_HEAD_SIZE

  /** `onEvent` gets every event, its object with the fields of `schema`. */
  constructor(schema: Schema, onEvent: (event: unknown) => void) {
    this.#schema = schema
    this.#onEvent = onEvent
  }

  /** Takes the next octets. Throws ProtobufError, and RangeError for an event that is too large. */
  push(chunk: Buffer): void {
    this.#arriving.add(chunk)
    while (this.#arriving.size >= this.#needed) {
      const octets = this.#arriving.whole()
      const size = FRAME_HEAD_SIZE + octets.readUInt32BE(0)
      if (size > OBJECT_SIZE_MAX) throw new RangeError(`an event of more than ${OBJECT_SIZE_MAX} octets`)
      this.#needed = size
      if (octets.length < size) return
      const event = this.#readEvent(octets, size)
      this.#arriving.drop(size)
      this.#needed = FRAME_HEAD_SIZE
      this.#onEvent(event)
    }
  }

  #readEvent(octets: Buffer, end: number): Message {
    const { type, object } = readMessage(octets, FRAME_HEAD_SIZE, end, WATCH_EVENT)
    const raw = (object as { readonly raw?: Buffer } | undefined)?.raw
    if (raw === undefined) return { type }
    return { type, object: readEnvelope(raw, type === 'ERROR' ? STATUS : this.#schema) }
  }
}

/** Whether the octets are an object in an envelope. */
export function isEnveloped(octets: Buffer): boolean {
  return octets.subarray(0, MAGIC.length).equals(MAGIC)
}

/** The object in an envelope. Throws ProtobufError. */
export function readEnvelope(octets: Buffer, schema: Schema): Message {
  if (!isEnveloped(octets)) throw new ProtobufError('this is no object of the API')
  const reader = new ProtobufReader(octets, MAGIC.length)
  while (reader.nextField()) {
    if (reader.number === UNKNOWN_RAW && reader.wireType === LENGTH) {
      return readMessage(octets, reader.valueAt, reader.valueEnd, schema)
    }
  }
  throw new ProtobufError('an envelope without an object')
}
