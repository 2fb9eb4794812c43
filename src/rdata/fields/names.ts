/** Domain names. */
import { MALFORMED, nameSize, nameToText, textToName } from '../../wire/name.ts'
import { type Field, NAME_AS_IS, NAME_COMPRESSED, NAME_LOWERED } from '../field.ts'
import { wrongValue } from './values.ts'

/** A name as dns-packet writes it: without the final dot, '.' for the root. */
export function packetName(bytes: Uint8Array, at: number, end: number): string {
  const text = nameToText(bytes, at, 0, end)
  return text === '.' ? text : text.slice(0, -1)
}

/** Wire form of a name in dns-packet's shape, with or without the final dot; '' and undefined are the root, as they are there. */
export function nameOctets(value: unknown, key: string): Uint8Array {
  if (value === undefined || value === '') return new Uint8Array(1)
  if (typeof value !== 'string') throw wrongValue(key, 'a domain name', value)
  return textToName(value)
}

function domainName(key: string, kind: number): Field {
  return {
    key,
    name: kind,
    end(bytes, at, end) {
      const size = nameSize(bytes, at, end)
      return size < 0 ? MALFORMED : at + size
    },
    scan: (tokens, out) => tokens.name(out, key === '' ? 'a domain name' : key),
    print: (bytes, at, end) => nameToText(bytes, at, 0, end),
    value: packetName,
    compose: (value, out) => out.name(nameOctets(value, key), 0, kind === NAME_COMPRESSED, true),
  }
}

/** A name in an rdata of RFC 1035: compressed in messages, lower-case in canonical form. */
export const compressedName = (key: string): Field => domainName(key, NAME_COMPRESSED)
/** A name that is not compressed, lower-case in canonical form. */
export const plainName = (key: string): Field => domainName(key, NAME_LOWERED)
/** A name that is not compressed and keeps its case in canonical form: every type newer than RFC 3597. */
export const exactName = (key: string): Field => domainName(key, NAME_AS_IS)
