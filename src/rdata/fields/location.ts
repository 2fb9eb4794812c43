/** LOC: a place on earth. RFC 1876. */
import { MALFORMED } from '../../wire/name.ts'
import { type Field, NOT_A_NAME } from '../field.ts'
import { RdataError } from '../rdata-error.ts'
import type { TokenList } from '../text/token-list.ts'
import { readNumber } from './numbers.ts'
import { wholeNumber, wrongValue } from './values.ts'

/**
 *   offset  size  field
 *        0     1  version     0
 *        1     1  size        diameter: mantissa in the high half, power of ten in the low half, centimetres
 *        2     1  horizontal precision, likewise
 *        3     1  vertical precision, likewise
 *        4     4  latitude    2^31 is the equator; thousandths of a second of arc
 *        8     4  longitude   2^31 is the prime meridian
 *       12     4  altitude    centimetres above 100,000 m below the reference spheroid
 */
const SIZE = 16
const EQUATOR = 2 ** 31
const ALTITUDE_ZERO_CM = 10_000_000
const ALTITUDE_CM_MAX = 2 ** 32 - 1 - ALTITUDE_ZERO_CM
const EXAMPLE = '52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m'

/** Defaults of section 3: size 1 m, horizontal precision 10,000 m, vertical precision 10 m. */
const DEFAULTS = [0x12, 0x16, 0x13] as const

export function location(): Field {
  return {
    key: '',
    name: NOT_A_NAME,
    end: (bytes, at, end) => (end - at === SIZE && isLocation(bytes, at) ? end : MALFORMED),
    scan(tokens, out) {
      const latitude = scanAngle(tokens, 90, 'N', 'S')
      const longitude = scanAngle(tokens, 180, 'E', 'W')
      const altitude = Math.round(scanMetres(tokens, 'altitude', -ALTITUDE_ZERO_CM, ALTITUDE_CM_MAX)) + ALTITUDE_ZERO_CM
      out.u8(0)
      for (const byDefault of DEFAULTS) {
        out.u8(tokens.more ? packPrecision(scanMetres(tokens, 'a size or precision', 0, 9_000_000_000)) : byDefault)
      }
      out.u32(latitude)
      out.u32(longitude)
      out.u32(altitude)
    },
    print(bytes, at) {
      const altitude = readNumber(bytes, at + 12, 4) - ALTITUDE_ZERO_CM
      return [
        printAngle(readNumber(bytes, at + 4, 4), 'N', 'S'),
        printAngle(readNumber(bytes, at + 8, 4), 'E', 'W'),
        `${(altitude / 100).toFixed(2)}m`,
        printPrecision(bytes[at + 1]!),
        printPrecision(bytes[at + 2]!),
        printPrecision(bytes[at + 3]!),
      ].join(' ')
    },
    value: (bytes, at) => ({
      size: unpackPrecision(bytes[at + 1]!),
      horizontalPrecision: unpackPrecision(bytes[at + 2]!),
      verticalPrecision: unpackPrecision(bytes[at + 3]!),
      latitude: readNumber(bytes, at + 4, 4),
      longitude: readNumber(bytes, at + 8, 4),
      altitude: readNumber(bytes, at + 12, 4),
    }),
    compose(value, out) {
      const data = Object(value) as Record<string, unknown>
      out.u8(0)
      for (const key of ['size', 'horizontalPrecision', 'verticalPrecision']) {
        out.u8(packPrecision(wholeNumber(data[key], 9_000_000_000, key)))
      }
      for (const key of ['latitude', 'longitude', 'altitude']) out.u32(wholeNumber(data[key], 0xffffffff, key))
      if (!isLocation(out.bytes, out.length - SIZE)) throw wrongValue('', 'a place on earth', 'out of range')
    },
  }
}

function isLocation(bytes: Uint8Array, at: number): boolean {
  if (bytes[at] !== 0) return false
  for (let i = 1; i <= 3; i++) {
    const packed = bytes[at + i]!
    if (packed >>> 4 > 9 || (packed & 15) > 9 || (packed >>> 4 === 0 && packed !== 0)) return false
  }
  return (
    Math.abs(readNumber(bytes, at + 4, 4) - EQUATOR) <= 90 * 3_600_000 &&
    Math.abs(readNumber(bytes, at + 8, 4) - EQUATOR) <= 180 * 3_600_000
  )
}

/** Degrees, optionally minutes, optionally seconds with up to three decimals, and the hemisphere. */
function scanAngle(tokens: TokenList, degreesMax: number, positive: string, negative: string): number {
  const what = `degrees and ${positive} or ${negative}`
  const limits = [degreesMax, 59, 59.999]
  let thousandths = 0
  for (let part = 0; ; part++) {
    const index = tokens.take(what)
    const text = tokens.text(index).toUpperCase()
    if (part > 0 && (text === positive || text === negative)) {
      if (thousandths > degreesMax * 3_600_000) throw tokens.error(index, `comes after more than ${degreesMax} degrees`)
      return text === positive ? EQUATOR + thousandths : EQUATOR - thousandths
    }
    if (part === 3) throw tokens.error(index, `is not ${positive} or ${negative}`, EXAMPLE)
    const pattern = part === 2 ? /^[0-9]{1,2}(\.[0-9]{1,3})?$/ : /^[0-9]{1,3}$/
    if (!pattern.test(text) || Number(text) > limits[part]!) throw tokens.error(index, `is not ${what}`, EXAMPLE)
    thousandths += Math.round(Number(text) * [3_600_000, 60_000, 1000][part]!)
  }
}

function printAngle(value: number, positive: string, negative: string): string {
  const thousandths = Math.abs(value - EQUATOR)
  const degrees = Math.floor(thousandths / 3_600_000)
  const minutes = Math.floor(thousandths / 60_000) % 60
  const seconds = (thousandths % 60_000) / 1000
  return `${degrees} ${minutes} ${seconds.toFixed(3)} ${value >= EQUATOR ? positive : negative}`
}

/** Metres with up to two decimals and an optional `m`, as centimetres. */
function scanMetres(tokens: TokenList, what: string, cmMin: number, cmMax: number): number {
  const index = tokens.take(what)
  const text = tokens.text(index)
  const centimetres = /^-?[0-9]{1,9}(\.[0-9]{0,2})?m?$/i.test(text)
    ? Math.round(Number.parseFloat(text) * 100)
    : Number.NaN
  if (!(centimetres >= cmMin && centimetres <= cmMax)) {
    throw tokens.error(index, `is not ${what} in metres, from ${cmMin / 100} to ${cmMax / 100}`, '10m')
  }
  return centimetres
}

/** Rounds down to one digit: what the octet can hold. */
function packPrecision(centimetres: number): number {
  let mantissa = centimetres
  let exponent = 0
  while (mantissa >= 10) {
    mantissa = Math.floor(mantissa / 10)
    exponent++
  }
  if (exponent > 9) throw new RdataError('a size or precision is above 90000000m')
  return (mantissa << 4) | exponent
}

const unpackPrecision = (packed: number): number => (packed >>> 4) * 10 ** (packed & 15)

function printPrecision(packed: number): string {
  const centimetres = unpackPrecision(packed)
  return centimetres % 100 === 0 && centimetres > 0 ? `${centimetres / 100}m` : `${(centimetres / 100).toFixed(2)}m`
}
