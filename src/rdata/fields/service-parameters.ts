/**
 * SvcParams of SVCB and HTTPS: pairs of a key and a value, in order of the keys' numbers. RFC 9460 section 2.
 *
 *   2 octets key   2 octets length   value        repeated to the end of the rdata, keys strictly rising
 */
import { addressText } from '../../wire/address.ts'
import { MALFORMED } from '../../wire/name.ts'
import { OctetWriter } from '../../wire/octet-writer.ts'
import { type Field, NOT_A_NAME } from '../field.ts'
import { RdataError } from '../rdata-error.ts'
import { scanIPv4, scanIPv6 } from '../text/ip-text.ts'
import { escapeSize, type TokenList } from '../text/token-list.ts'
import { readNumber } from './numbers.ts'
import { quoted } from './strings.ts'
import { copy, octetString, stringOctets, view, wholeNumber, wrongValue } from './values.ts'

/** One SvcParamKey: `check` accepts the octets of a value, the others change its form. Text is unescaped once already. */
interface Parameter {
  readonly key: number
  readonly name: string
  check(bytes: Uint8Array, at: number, end: number): boolean
  /** Throws RdataError. */
  scan(text: Uint8Array, out: OctetWriter): void
  /** Octets of the text after `=`, before quoting; undefined when there is no `=`. */
  print(bytes: Uint8Array, at: number, end: number): Uint8Array | undefined
  value(bytes: Uint8Array, at: number, end: number): unknown
  compose(value: unknown, out: OctetWriter): void
}

/** A value in dns-packet's manner: `{ key: 'alpn', value: ['h2'] }`. */
export interface ServiceParameter {
  readonly key: string
  readonly value: unknown
}

const COMMA = 0x2c
const BACKSLASH = 0x5c
const KEY_MANDATORY = 0

/**
 * Splits a comma-separated list (RFC 9460 appendix A.1): `\,` and `\\` stand for a comma and a backslash in an item.
 * Throws RdataError for an empty item.
 */
function splitList(text: Uint8Array): Uint8Array[] {
  const items: Uint8Array[] = []
  let item: number[] = []
  for (let i = 0; i < text.length; i++) {
    if (text[i] === BACKSLASH && i + 1 < text.length) item.push(text[++i]!)
    else if (text[i] === COMMA) {
      items.push(Uint8Array.from(item))
      item = []
    } else item.push(text[i]!)
  }
  items.push(Uint8Array.from(item))
  if (items.some(({ length }) => length === 0)) throw new RdataError('an item of the list is empty')
  return items
}

function joinList(items: readonly Uint8Array[]): Uint8Array {
  const out: number[] = []
  for (const [i, item] of items.entries()) {
    if (i > 0) out.push(COMMA)
    for (const octet of item) {
      if (octet === COMMA || octet === BACKSLASH) out.push(BACKSLASH)
      out.push(octet)
    }
  }
  return Uint8Array.from(out)
}

const ascii = (octets: Uint8Array): string => view(octets, 0, octets.length).toString('latin1')
const list = (value: unknown, key: string): unknown[] => {
  if (!Array.isArray(value)) throw wrongValue(key, 'an array', value)
  return value
}

/** Items with a length octet each: alpn (RFC 9460 section 7.1.1), docpath (RFC 9953 section 3.1). */
function lengthPrefixed(key: number, name: string, mayBeEmpty: boolean): Parameter {
  const items = (bytes: Uint8Array, at: number, end: number) => {
    const found: Uint8Array[] = []
    for (let from = at; from < end; from += 1 + bytes[from]!) found.push(copy(bytes, from + 1, from + 1 + bytes[from]!))
    return found
  }
  const write = (found: readonly Uint8Array[], out: OctetWriter) => {
    if (found.length === 0 && !mayBeEmpty) throw new RdataError(`${name} is empty`, `${name}=h2`)
    for (const item of found) {
      if (item.length === 0 || item.length > 255)
        throw new RdataError(`an item of ${name} has ${item.length} octets, not 1 to 255`)
      out.u8(item.length)
      out.octets(item)
    }
  }
  return {
    key,
    name,
    check(bytes, at, end) {
      let from = at
      while (from < end && bytes[from] !== 0) from += 1 + bytes[from]!
      return from === end && (mayBeEmpty || end > at)
    },
    scan: (text, out) => write(text.length === 0 && mayBeEmpty ? [] : splitList(text), out),
    print: (bytes, at, end) => (at === end ? undefined : joinList(items(bytes, at, end))),
    value: (bytes, at, end) => items(bytes, at, end).map((item) => octetString(item, 0, item.length)),
    compose: (value, out) =>
      write(
        list(value, name).map((item) => stringOctets(item, name)),
        out,
      ),
  }
}

/** No value at all: no-default-alpn (RFC 9460 section 7.1.1), ohttp (RFC 9540 section 4). */
function flag(key: number, name: string): Parameter {
  return {
    key,
    name,
    check: (_bytes, at, end) => at === end,
    scan(text) {
      if (text.length > 0) throw new RdataError(`${name} takes no value`, name)
    },
    print: () => undefined,
    value: () => true,
    compose(value) {
      if (value !== true) throw wrongValue(name, 'true', value)
    },
  }
}

/** Addresses: ipv4hint, ipv6hint. RFC 9460 section 7.3. */
function addresses(key: number, name: string, size: 4 | 16): Parameter {
  const scan = size === 4 ? scanIPv4 : scanIPv6
  const read = (bytes: Uint8Array, at: number, end: number) => {
    const found: string[] = []
    for (let from = at; from < end; from += size) found.push(addressText(view(bytes, from, from + size)))
    return found
  }
  const write = (texts: readonly Uint8Array[], out: OctetWriter) => {
    if (texts.length === 0) throw new RdataError(`${name} is empty`)
    for (const text of texts) {
      out.reserve(size)
      if (!scan(text, 0, text.length, out.bytes, out.length)) {
        throw new RdataError(`"${ascii(text)}" is not an IPv${size === 4 ? 4 : 6} address`)
      }
      out.length += size
    }
  }
  return {
    key,
    name,
    check: (_bytes, at, end) => end > at && (end - at) % size === 0,
    scan: (text, out) => write(splitList(text), out),
    print: (bytes, at, end) => Buffer.from(read(bytes, at, end).join(',')),
    value: read,
    compose: (value, out) =>
      write(
        list(value, name).map((item) => Buffer.from(String(item))),
        out,
      ),
  }
}

/** Numbers of two octets. `many`: a list without repeats (tls-supported-groups, RFC 9934), otherwise one (port). */
function numbers(key: number, name: string, many: boolean): Parameter {
  const read = (bytes: Uint8Array, at: number, end: number) => {
    const found: number[] = []
    for (let from = at; from < end; from += 2) found.push(readNumber(bytes, from, 2))
    return found
  }
  const write = (values: readonly unknown[], out: OctetWriter) => {
    if (values.length === 0 || (!many && values.length > 1))
      throw new RdataError(`${name} is not ${many ? 'a list' : 'one number'}`)
    if (new Set(values).size !== values.length) throw new RdataError(`${name} has a number twice`)
    for (const value of values) out.u16(wholeNumber(value, 65535, name))
  }
  return {
    key,
    name,
    check: (bytes, at, end) =>
      many ? end > at && (end - at) % 2 === 0 && new Set(read(bytes, at, end)).size === (end - at) / 2 : end - at === 2,
    scan(text, out) {
      const values = splitList(text).map((item) =>
        /^[0-9]{1,5}$/.test(ascii(item)) ? Number(ascii(item)) : ascii(item),
      )
      write(values, out)
    },
    print: (bytes, at, end) => Buffer.from(read(bytes, at, end).join(',')),
    value: (bytes, at, end) => (many ? read(bytes, at, end) : readNumber(bytes, at, 2)),
    compose: (value, out) => write(many ? list(value, name) : [value], out),
  }
}

/** mandatory: keys, rising, not itself. RFC 9460 section 8. */
const mandatory: Parameter = {
  key: KEY_MANDATORY,
  name: 'mandatory',
  check(bytes, at, end) {
    if (at === end || (end - at) % 2 !== 0) return false
    let before = KEY_MANDATORY
    for (let from = at; from < end; from += 2) {
      const key = readNumber(bytes, from, 2)
      if (key <= before) return false
      before = key
    }
    return true
  },
  scan: (text, out) => composeMandatory(splitList(text).map(ascii), out),
  print: (bytes, at, end) => Buffer.from((mandatory.value(bytes, at, end) as string[]).join(',')),
  value(bytes, at, end) {
    const names: string[] = []
    for (let from = at; from < end; from += 2) names.push(keyName(readNumber(bytes, from, 2)))
    return names
  },
  compose: (value, out) => composeMandatory(list(value, 'mandatory'), out),
}

function composeMandatory(names: readonly unknown[], out: OctetWriter): void {
  const keys = names.map((name) => {
    const key = keyNumber(String(name))
    if (key === undefined || key === KEY_MANDATORY)
      throw new RdataError(`"${name}" is not a key that can be mandatory`, 'mandatory=alpn')
    return key
  })
  if (keys.length === 0 || new Set(keys).size !== keys.length)
    throw new RdataError('mandatory is empty or has a key twice')
  for (const key of keys.sort((a, b) => a - b)) out.u16(key)
}

/** ech: base 64. RFC 9848 section 3. */
const ech: Parameter = {
  key: 5,
  name: 'ech',
  check: (_bytes, at, end) => end > at,
  scan(text, out) {
    const octets = Buffer.from(ascii(text), 'base64')
    if (octets.length === 0 || octets.toString('base64') !== ascii(text)) throw new RdataError('ech is not base 64')
    out.octets(octets)
  },
  print: (bytes, at, end) => Buffer.from(view(bytes, at, end).toString('base64')),
  value: copy,
  compose: (value, out) => out.octets(stringOctets(value, 'ech')),
}

/** A value taken as it is: dohpath (RFC 9461 section 5), and all keys without a row. */
function opaque(key: number, name: string, asText: boolean): Parameter {
  return {
    key,
    name,
    check: (_bytes, at, end) => !asText || end > at,
    scan(text, out) {
      if (asText && text.length === 0) throw new RdataError(`${name} is empty`, `${name}=/dns-query{?dns}`)
      out.octets(text)
    },
    print: (bytes, at, end) => (at === end ? undefined : copy(bytes, at, end)),
    value: asText ? octetString : copy,
    compose: (value, out) => out.octets(stringOctets(value, name)),
  }
}

/** IANA "Service Parameter Keys (SvcParamKeys)". */
const PARAMETERS: readonly Parameter[] = [
  mandatory,
  lengthPrefixed(1, 'alpn', false),
  flag(2, 'no-default-alpn'),
  numbers(3, 'port', false),
  addresses(4, 'ipv4hint', 4),
  ech,
  addresses(6, 'ipv6hint', 16),
  opaque(7, 'dohpath', true),
  flag(8, 'ohttp'),
  numbers(9, 'tls-supported-groups', true),
  lengthPrefixed(10, 'docpath', true),
]
const byKey = new Map(PARAMETERS.map((parameter) => [parameter.key, parameter]))
const byName = new Map(PARAMETERS.map((parameter) => [parameter.name, parameter.key]))

const keyName = (key: number): string => byKey.get(key)?.name ?? `key${key}`

function keyNumber(name: string): number | undefined {
  const known = byName.get(name)
  if (known !== undefined) return known
  // RFC 9460 section 2.1: the number without leading zeros.
  if (!/^key(0|[1-9][0-9]{0,4})$/.test(name)) return undefined
  const key = Number(name.slice(3))
  return key <= 65535 ? key : undefined
}

const parameterOf = (key: number): Parameter => byKey.get(key) ?? opaque(key, `key${key}`, false)

export function serviceParameters(key: string): Field {
  return {
    key,
    name: NOT_A_NAME,
    end(bytes, at, end) {
      let from = at
      let before = -1
      while (from < end) {
        if (from + 4 > end) return MALFORMED
        const number = readNumber(bytes, from, 2)
        const next = from + 4 + readNumber(bytes, from + 2, 2)
        if (number <= before || next > end || byKey.get(number)?.check(bytes, from + 4, next) === false)
          return MALFORMED
        before = number
        from = next
      }
      return from
    },
    scan(tokens, out) {
      const values = new Map<number, Uint8Array>()
      while (tokens.more) scanParameter(tokens, values)
      checkConsistent(values)
      writeParameters(values, out)
    },
    print: (bytes, at, end) => {
      const parts: string[] = []
      for (let from = at; from < end; ) {
        const parameter = parameterOf(readNumber(bytes, from, 2))
        const next = from + 4 + readNumber(bytes, from + 2, 2)
        const text = parameter.print(bytes, from + 4, next)
        parts.push(text === undefined ? parameter.name : `${parameter.name}=${quoted(text, 0, text.length)}`)
        from = next
      }
      return parts.join(' ')
    },
    value: (bytes, at, end) => {
      const found: ServiceParameter[] = []
      for (let from = at; from < end; ) {
        const parameter = parameterOf(readNumber(bytes, from, 2))
        const next = from + 4 + readNumber(bytes, from + 2, 2)
        found.push({ key: parameter.name, value: parameter.value(bytes, from + 4, next) })
        from = next
      }
      return found
    },
    compose(value, out) {
      const values = new Map<number, Uint8Array>()
      for (const item of list(value ?? [], key)) {
        const { key: name, value: itemValue } = Object(item) as Record<string, unknown>
        const number = keyNumber(String(name))
        if (number === undefined || values.has(number)) throw wrongValue('key', 'a SvcParamKey, given once', name)
        const octets = new OctetWriter(64)
        parameterOf(number).compose(itemValue, octets)
        values.set(number, octets.take())
      }
      writeParameters(values, out)
    },
  }
}

/** Takes one `key` or `key=value`. */
function scanParameter(tokens: TokenList, values: Map<number, Uint8Array>): void {
  const index = tokens.next++
  const { source } = tokens
  const start = tokens.starts[index]!
  const end = tokens.ends[index]!
  let equals = start
  while (equals < end && source[equals] !== 0x3d) equals++
  const name = view(source, start, equals).toString('latin1')
  const number = keyNumber(name)
  if (number === undefined) throw tokens.error(index, `does not start with a SvcParamKey`, 'alpn=h2,h3 port=8443')
  if (values.has(number)) throw tokens.error(index, `gives ${name} twice`)
  const octets = new OctetWriter(64)
  // The value stands behind the `=`, or in quotes that open there.
  const isQuoted = equals === end - 1 && tokens.isAttached(tokens.next)
  const value = isQuoted ? tokens.next++ : index
  try {
    const from = isQuoted ? tokens.starts[value]! : Math.min(end, equals + 1)
    parameterOf(number).scan(unescaped(source, from, tokens.ends[value]!), octets)
  } catch (error) {
    if (error instanceof RdataError) throw tokens.error(index, `is no ${name}: ${error.problem}`, error.hint)
    throw error
  }
  values.set(number, octets.take())
}

/** Undoes the escapes in a value: the first of the two layers of RFC 9460 appendix A. */
function unescaped(source: Uint8Array, from: number, end: number): Uint8Array {
  const out: number[] = []
  for (let at = from; at < end; at++) {
    if (source[at] !== BACKSLASH) {
      out.push(source[at]!)
      continue
    }
    const size = escapeSize(source, at, end)
    if (size === 0) throw new RdataError('a bad escape')
    out.push(
      size === 2
        ? source[at + 1]!
        : (source[at + 1]! - 0x30) * 100 + (source[at + 2]! - 0x30) * 10 + source[at + 3]! - 0x30,
    )
    at += size - 1
  }
  return Uint8Array.from(out)
}

/**
 * RFC 9460 section 8: who writes a zone is told. Records that came in messages may lack it, and go out as they came in:
 * to refuse them is the client's part.
 */
function checkConsistent(values: ReadonlyMap<number, Uint8Array>): void {
  const mandatoryKeys = values.get(KEY_MANDATORY)
  for (let i = 0; mandatoryKeys !== undefined && i < mandatoryKeys.length; i += 2) {
    const key = readNumber(mandatoryKeys, i, 2)
    if (!values.has(key)) throw new RdataError(`mandatory names ${keyName(key)}, which is not there`)
  }
  // RFC 9460 section 7.1.1: without an alpn there is nothing to leave the default out of.
  if (values.has(2) && !values.has(1)) throw new RdataError('no-default-alpn is there without alpn')
}

function writeParameters(values: ReadonlyMap<number, Uint8Array>, out: OctetWriter): void {
  for (const [key, octets] of [...values].sort(([a], [b]) => a - b)) {
    out.u16(key)
    out.u16(octets.length)
    out.octets(octets)
  }
}
