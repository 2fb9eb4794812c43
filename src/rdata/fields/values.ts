/** Conversions between octets and the JavaScript values of dns-packet's shapes. */
import { isUtf8 } from 'node:buffer'
import { RdataError } from '../rdata-error.ts'

/** A view of `bytes[at .. end)` with Buffer's methods. */
export function view(bytes: Uint8Array, at: number, end: number): Buffer {
  return Buffer.from(bytes.buffer as ArrayBuffer, bytes.byteOffset + at, end - at)
}

/** A copy of `bytes[at .. end)`. */
export function copy(bytes: Uint8Array, at: number, end: number): Buffer {
  return Buffer.from(view(bytes, at, end))
}

/**
 * Octets as a string: UTF-8 where they are that. Otherwise each octet from 128 up is the lone surrogate U+DC00 + octet,
 * which `stringOctets` undoes, so that nothing is lost.
 */
export function octetString(bytes: Uint8Array, at: number, end: number): string {
  const octets = view(bytes, at, end)
  if (isUtf8(octets)) return octets.toString('utf8')
  let text = ''
  for (const octet of octets) text += String.fromCharCode(octet < 0x80 ? octet : 0xdc00 + octet)
  return text
}

/** Octets of a string as `octetString` made it, or of a Buffer. Throws RdataError for anything else. */
export function stringOctets(value: unknown, key: string): Uint8Array {
  if (value instanceof Uint8Array) return value
  if (typeof value !== 'string') throw wrongValue(key, 'a string or a Buffer', value)
  if (value.isWellFormed()) return Buffer.from(value, 'utf8')
  const parts: Buffer[] = []
  for (const character of value) {
    const code = character.charCodeAt(0)
    parts.push(code >= 0xdc80 && code <= 0xdcff ? Buffer.from([code - 0xdc00]) : Buffer.from(character, 'utf8'))
  }
  return Buffer.concat(parts)
}

/** Octets of a Buffer. Throws RdataError for anything else. */
export function bufferOctets(value: unknown, key: string): Uint8Array {
  if (value instanceof Uint8Array) return value
  throw wrongValue(key, 'a Buffer', value)
}

/** A whole number from 0 to `max`; `whenAbsent` for undefined, where dns-packet leaves a field out. */
export function wholeNumber(value: unknown, max: number, key: string, whenAbsent?: number): number {
  const number = value === undefined ? whenAbsent : value
  if (typeof number === 'number' && Number.isInteger(number) && number >= 0 && number <= max) return number
  throw wrongValue(key, `a whole number from 0 to ${max}`, value)
}

/** The error for a value of the wrong type or range. */
export function wrongValue(key: string, wanted: string, value: unknown): RdataError {
  const shown = typeof value === 'string' || typeof value === 'number' ? JSON.stringify(value) : typeof value
  return new RdataError(`${key === '' ? 'data' : key} is not ${wanted} (${shown})`)
}
