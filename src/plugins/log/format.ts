/**
 * Log formats, compiled once into steps that write octets: per query no string is made and nothing is looked up.
 *
 *   FORMAT text ─► compileFormat ─► LineFormat.write(out, at, …) ─► offset past the line
 */
import type { Client, Outcome } from '../../chain/plugin.ts'
import type { ListenerConfig } from '../../corefile/server-config.ts'
import { uncompressedSize } from '../../observe/uncompressed-size.ts'
import { className, typeName } from '../../rdata/rr-types.ts'
import { parseAddress } from '../../wire/address.ts'
import type { ParsedQuery } from '../../wire/parsed-query.ts'
import { RCODE_NAMES } from '../../wire/rcode-names.ts'
import { putAddress, putDecimal, putName, putSeconds } from './put-text.ts'

/** CoreDNS's common log format, the default. */
export const COMMON_FORMAT =
  '{remote}:{port} - {>id} "{type} {class} {name} {proto} {size} {>do} {>bufsize}" {rcode} {>rflags} {rsize} {duration}'
export const COMBINED_FORMAT = `${COMMON_FORMAT} "{>opcode}"`

/** What stands for a value that isn't there. */
const EMPTY = '-'

const LITERAL = 0
const TYPE = 1
const CLASS = 2
const NAME = 3
const PROTO = 4
const SIZE = 5
const REMOTE = 6
const PORT = 7
const LOCAL = 8
const ID = 9
const OPCODE = 10
const DO = 11
const BUFSIZE = 12
const RCODE = 13
const RSIZE = 14
const DURATION = 15
const RFLAGS = 16

/** Each field, and the octets it takes at most. */
const FIELDS = new Map<string, readonly [code: number, sizeMax: number]>([
  ['{type}', [TYPE, 16]],
  ['{class}', [CLASS, 16]],
  ['{name}', [NAME, 4 * 255]],
  ['{proto}', [PROTO, 3]],
  ['{size}', [SIZE, 5]],
  ['{remote}', [REMOTE, 48]],
  ['{port}', [PORT, 5]],
  ['{local}', [LOCAL, 64]],
  ['{>id}', [ID, 5]],
  ['{>opcode}', [OPCODE, 2]],
  ['{>do}', [DO, 5]],
  ['{>bufsize}', [BUFSIZE, 5]],
  ['{rcode}', [RCODE, 16]],
  ['{rsize}', [RSIZE, 8]],
  ['{duration}', [DURATION, 24]],
  ['{>rflags}', [RFLAGS, 24]],
])

type Part = { readonly literal: string } | { readonly field: string }

/** Cuts a format into literals and fields. Braces around anything unknown stay as they are; `{/LABEL}` (metadata) is a field. */
export function scanFormat(format: string): Part[] {
  const parts: Part[] = []
  let rest = format
  for (;;) {
    // From the first closing brace back to the last opening one, so that `{ {type} }` works.
    const close = rest.indexOf('}')
    if (close < 0) break
    const open = rest.lastIndexOf('{', close)
    const word = open < 0 ? '' : rest.slice(open, close + 1)
    if (FIELDS.has(word) || word.startsWith('{/')) {
      if (open > 0) parts.push({ literal: rest.slice(0, open) })
      parts.push({ field: word })
    } else parts.push({ literal: rest.slice(0, close + 1) })
    rest = rest.slice(close + 1)
  }
  if (rest !== '') parts.push({ literal: rest })
  return parts
}

/** Types and classes that have a mnemonic, and RCODEs that have a name. */
const typeTexts = new Map<number, Uint8Array>()
const classTexts = new Map<number, Uint8Array>()
const rcodeTexts = new Map<number, Uint8Array>()
const TYPE_PREFIX = Buffer.from('TYPE')
const CLASS_PREFIX = Buffer.from('CLASS')
for (const type of [...Array(512).keys(), 32768, 32769]) {
  const text = typeName(type)
  if (!text.startsWith('TYPE')) typeTexts.set(type, Buffer.from(text))
}
for (let qclass = 0; qclass < 256; qclass++) {
  const text = className(qclass)
  if (!text.startsWith('CLASS')) classTexts.set(qclass, Buffer.from(text))
}
for (let rcode = 0; rcode < 32; rcode++) {
  const text = RCODE_NAMES.get(rcode)
  if (text !== undefined) rcodeTexts.set(rcode, Buffer.from(text))
}

const TRUE = Buffer.from('true')
const FALSE = Buffer.from('false')
const UDP = Buffer.from('udp')
const TCP = Buffer.from('tcp')
const DASH = Buffer.from(EMPTY)
/** Header flags in the order they are printed, each with its bit of the 16 flag bits. */
const FLAGS: readonly (readonly [bit: number, text: Uint8Array])[] = [
  [0x8000, Buffer.from('qr')],
  [0x0400, Buffer.from('aa')],
  [0x0200, Buffer.from('tc')],
  [0x0100, Buffer.from('rd')],
  [0x0080, Buffer.from('ra')],
  [0x0040, Buffer.from('z')],
  [0x0020, Buffer.from('ad')],
  [0x0010, Buffer.from('cd')],
]

export class LineFormat {
  /** Octets that `write` needs at most. */
  readonly sizeMax: number
  readonly #codes: readonly number[]
  readonly #literals: readonly Uint8Array[]
  /** Address of each listener. */
  readonly #locals: readonly Uint8Array[]

  constructor(format: string, listeners: readonly ListenerConfig[]) {
    const codes: number[] = []
    const literals: Uint8Array[] = []
    let sizeMax = 0
    const literal = (text: string) => {
      const bytes = Buffer.from(text)
      codes.push(LITERAL)
      literals.push(bytes)
      sizeMax += bytes.length
    }
    let pending = ''
    for (const part of scanFormat(format)) {
      if ('literal' in part) pending += part.literal
      // Metadata lives in the chain; on the event loop no label is set.
      else if (!FIELDS.has(part.field)) pending += EMPTY
      else {
        if (pending !== '') literal(pending)
        pending = ''
        const [code, size] = FIELDS.get(part.field)!
        codes.push(code)
        literals.push(DASH)
        sizeMax += size
      }
    }
    if (pending !== '') literal(pending)
    this.#codes = codes
    this.#literals = literals
    this.sizeMax = sizeMax
    this.#locals = listeners.map(({ address }) => Buffer.from(localText(address)))
  }

  /** Writes the line, without its end, at `out[at]`; returns the offset past it. Neither allocates nor throws. */
  write(out: Uint8Array, from: number, query: ParsedQuery, client: Client, outcome: Outcome): number {
    let at = from
    const codes = this.#codes
    for (let i = 0; i < codes.length; i++) {
      switch (codes[i]) {
        case LITERAL:
          at = put(out, at, this.#literals[i]!)
          break
        case TYPE: {
          const text = typeTexts.get(query.qtype)
          at = text === undefined ? putDecimal(out, put(out, at, TYPE_PREFIX), query.qtype) : put(out, at, text)
          break
        }
        case CLASS: {
          const text = classTexts.get(query.qclass)
          at = text === undefined ? putDecimal(out, put(out, at, CLASS_PREFIX), query.qclass) : put(out, at, text)
          break
        }
        case NAME:
          at = putName(out, at, query.name)
          break
        case PROTO:
          at = put(out, at, client.tcp ? TCP : UDP)
          break
        case SIZE:
          at = putDecimal(out, at, query.length)
          break
        case REMOTE:
          at = putAddress(out, at, client.address, client.family)
          break
        case PORT:
          at = putDecimal(out, at, client.port)
          break
        case LOCAL:
          at = put(out, at, this.#locals[client.listenerId] ?? DASH)
          break
        case ID:
          at = putDecimal(out, at, query.id)
          break
        case OPCODE:
          at = putDecimal(out, at, query.opcode)
          break
        case DO:
          at = put(out, at, query.dnssecOk ? TRUE : FALSE)
          break
        case BUFSIZE:
          at = putDecimal(out, at, client.tcp ? 65535 : query.udpSize)
          break
        case RCODE: {
          const text = outcome.rcode < 0 ? DASH : rcodeTexts.get(outcome.rcode)
          at = text === undefined ? putDecimal(out, at, outcome.rcode) : put(out, at, text)
          break
        }
        case RSIZE: {
          const { reply, start, length } = outcome
          const questionEnd = Math.min(query.questionEnd, length)
          at = putDecimal(out, at, length === 0 ? 0 : uncompressedSize(reply, start, length, questionEnd))
          break
        }
        case DURATION:
          at = putSeconds(out, at, outcome)
          break
        case RFLAGS:
          at = putFlags(out, at, outcome)
          break
      }
    }
    return at
  }
}

function put(out: Uint8Array, at: number, text: Uint8Array): number {
  for (let i = 0; i < text.length; i++) out[at + i] = text[i]!
  return at + text.length
}

function putFlags(out: Uint8Array, from: number, outcome: Outcome): number {
  if (outcome.length === 0) return put(out, from, DASH)
  const { reply, start } = outcome
  const bits = (reply[start + 2]! << 8) | reply[start + 3]!
  let at = from
  for (let i = 0; i < FLAGS.length; i++) {
    const flag = FLAGS[i]!
    if ((bits & flag[0]) === 0) continue
    if (at > from) out[at++] = 0x2c
    at = put(out, at, flag[1])
  }
  return at
}

function localText(address: string): string {
  if (address === '') return '[::]'
  return parseAddress(address, new Uint8Array(16)) === 6 ? `[${address}]` : address
}
