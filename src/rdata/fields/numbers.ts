/** Numbers of fixed size, in network order, and numbers that have names. */
import { MALFORMED } from '../../wire/name.ts'
import type { OctetWriter } from '../../wire/octet-writer.ts'
import { RCODE_NAMES } from '../../wire/rcode-names.ts'
import { type Field, NOT_A_NAME } from '../field.ts'
import { scanPeriod } from '../text/period.ts'
import type { TokenList } from '../text/token-list.ts'
import { wholeNumber, wrongValue } from './values.ts'

/** Reads `size` octets as one number; exact up to 6 octets. */
export function readNumber(bytes: Uint8Array, at: number, size: number): number {
  let value = 0
  for (let i = 0; i < size; i++) value = value * 256 + bytes[at + i]!
  return value
}

/** Writes a number of `size` octets. */
export function writeNumber(out: OctetWriter, value: number, size: number): void {
  for (let shift = size - 1; shift >= 0; shift--) out.u8(Math.floor(value / 256 ** shift) % 256)
}

function number(key: string, size: number, whenAbsent?: number): Field {
  const max = 256 ** size - 1
  return {
    key,
    name: NOT_A_NAME,
    end: (_bytes, at, end) => (at + size <= end ? at + size : MALFORMED),
    scan: (tokens, out) => writeNumber(out, tokens.number(max, key), size),
    print: (bytes, at) => String(readNumber(bytes, at, size)),
    value: (bytes, at) => readNumber(bytes, at, size),
    compose: (value, out) => writeNumber(out, wholeNumber(value, max, key, whenAbsent), size),
  }
}

/** One octet. `whenAbsent`: what a value that lacks the property stands for. */
export const u8 = (key: string, whenAbsent?: number): Field => number(key, 1, whenAbsent)
/** Two octets. */
export const u16 = (key: string, whenAbsent?: number): Field => number(key, 2, whenAbsent)
/** Four octets. */
export const u32 = (key: string, whenAbsent?: number): Field => number(key, 4, whenAbsent)
/** Six octets: TSIG's time in seconds since 1970. RFC 8945 section 4.2. */
export const u48 = (key: string): Field => number(key, 6)

/** Eight octets, as a bigint in values. */
export function u64(key: string): Field {
  const read = (bytes: Uint8Array, at: number) =>
    (BigInt(readNumber(bytes, at, 4)) << 32n) | BigInt(readNumber(bytes, at + 4, 4))
  const write = (out: OctetWriter, value: bigint) => {
    out.u32(Number(value >> 32n))
    out.u32(Number(value & 0xffffffffn))
  }
  return {
    key,
    name: NOT_A_NAME,
    end: (_bytes, at, end) => (at + 8 <= end ? at + 8 : MALFORMED),
    scan(tokens, out) {
      const index = tokens.take(key)
      const text = tokens.text(index)
      const value = /^[0-9]{1,20}$/.test(text) ? BigInt(text) : -1n
      if (value < 0n || value >> 64n !== 0n) {
        throw tokens.error(index, `is not ${key}, a number from 0 to ${(1n << 64n) - 1n}`)
      }
      write(out, value)
    },
    print: (bytes, at) => String(read(bytes, at)),
    value: read,
    compose(value, out) {
      const whole = typeof value === 'number' && Number.isSafeInteger(value) ? BigInt(value) : value
      if (typeof whole !== 'bigint' || whole < 0n || whole >> 64n !== 0n)
        throw wrongValue(key, 'a number of 64 bits', value)
      write(out, whole)
    },
  }
}

/** A period in seconds, 4 octets; text may have units: 1h30m. */
export function period(key: string): Field {
  return {
    ...number(key, 4, 0),
    scan(tokens, out) {
      const index = tokens.take(key)
      const seconds = scanPeriod(tokens.source, tokens.starts[index]!, tokens.ends[index]!)
      if (seconds < 0) throw tokens.error(index, `is not ${key}: a number of seconds, or a period`, '1h30m')
      out.u32(seconds)
    },
  }
}

/** A number that text may also name. `printed`: whether text is printed with the name. */
export function named(
  key: string,
  size: 1 | 2,
  names: readonly (readonly [number, string])[],
  printed: boolean,
): Field {
  const max = 256 ** size - 1
  const byName = new Map(names.map(([number, name]) => [name, number]))
  const byNumber = new Map(printed ? names : [])
  return {
    ...number(key, size),
    scan(tokens, out) {
      const index = tokens.take(key)
      let value = tokens.decimal(index)
      if (value < 0) value = byName.get(tokens.text(index).toUpperCase()) ?? -1
      if (value < 0 || value > max) throw tokens.error(index, `is not ${key}: a number from 0 to ${max}, or a name`)
      writeNumber(out, value, size)
    },
    print(bytes, at) {
      const value = readNumber(bytes, at, size)
      return byNumber.get(value) ?? String(value)
    },
  }
}

/** IANA "DNS Security Algorithm Numbers". Printed as numbers, as every server does. */
const ALGORITHMS: readonly (readonly [number, string])[] = [
  [1, 'RSAMD5'],
  [2, 'DH'],
  [3, 'DSA'],
  [4, 'ECC'],
  [5, 'RSASHA1'],
  [6, 'DSA-NSEC3-SHA1'],
  [6, 'NSEC3DSA'],
  [7, 'RSASHA1-NSEC3-SHA1'],
  [7, 'NSEC3RSASHA1'],
  [8, 'RSASHA256'],
  [10, 'RSASHA512'],
  [12, 'ECC-GOST'],
  [12, 'ECCGOST'],
  [13, 'ECDSAP256SHA256'],
  [14, 'ECDSAP384SHA384'],
  [15, 'ED25519'],
  [16, 'ED448'],
  [17, 'SM2SM3'],
  [23, 'ECC-GOST12'],
  [252, 'INDIRECT'],
  [253, 'PRIVATEDNS'],
  [254, 'PRIVATEOID'],
]

/** DNSSEC algorithm, one octet. RFC 4034 appendix A.1. */
export const algorithm = (key: string): Field => named(key, 1, ALGORITHMS, false)

/** CERT's certificate type. RFC 4398 section 2.1. */
export const certificateType = (key: string): Field =>
  named(
    key,
    2,
    [
      [1, 'PKIX'],
      [2, 'SPKI'],
      [3, 'PGP'],
      [4, 'IPKIX'],
      [5, 'ISPKI'],
      [6, 'IPGP'],
      [7, 'ACPKIX'],
      [8, 'IACPKIX'],
      [253, 'URI'],
      [254, 'OID'],
    ],
    true,
  )

/** DSYNC's scheme. RFC 9859 section 2. */
export const dsyncScheme = (key: string): Field => named(key, 1, [[1, 'NOTIFY']], true)

/** RCODE of a TSIG or TKEY. RFC 8945 section 3. */
export const tsigError = (key: string): Field => named(key, 2, TSIG_ERRORS, true)

const TSIG_ERRORS = [0, 16, 17, 18, 19, 20, 21, 22].map((code) => [code, RCODE_NAMES.get(code)!] as const)

/** A moment of a signature: seconds since 1970 in 32 bits that wrap (RFC 1982); text YYYYMMDDHHmmSS or seconds. RFC 4034 section 3.2. */
export function moment(key: string): Field {
  return {
    ...number(key, 4),
    scan(tokens, out) {
      const index = tokens.take(key)
      const seconds = scanMoment(tokens, index)
      if (seconds < 0)
        throw tokens.error(index, `is not ${key}: YYYYMMDDHHmmSS, or seconds since 1970`, '20300101000000')
      out.u32(seconds)
    },
    print: (bytes, at) => printMoment(readNumber(bytes, at, 4), Date.now() / 1000),
  }
}

function scanMoment(tokens: TokenList, index: number): number {
  const value = tokens.decimal(index)
  const length = tokens.ends[index]! - tokens.starts[index]!
  if (length !== 14) return value <= 0xffffffff ? value : -1
  const text = tokens.text(index)
  const part = (from: number, to: number) => Number(text.slice(from, to))
  const [year, month, day, hour, minute, second] = [
    part(0, 4),
    part(4, 6),
    part(6, 8),
    part(8, 10),
    part(10, 12),
    part(12, 14),
  ]
  const time = Date.UTC(year, month - 1, day, hour, minute, second)
  const date = new Date(time)
  // Date.UTC carries over what is out of range: the 31st of June would be the 1st of July.
  const exact = date.getUTCMonth() === month - 1 && date.getUTCDate() === day && hour < 24 && minute < 60 && second < 60
  if (value < 0 || year < 1970 || !exact) return -1
  return (time / 1000) % 2 ** 32
}

/** The moment within 68 years of `nowSeconds` that these 32 bits mean. */
function printMoment(value: number, nowSeconds: number): string {
  const era = Math.round((nowSeconds - value) / 2 ** 32)
  return new Date((value + Math.max(0, era) * 2 ** 32) * 1000).toISOString().replace(/\.000Z|[-:T]/g, '')
}

/** CAA's flags: dns-packet shows the first bit as `issuerCritical` too, and that wins. RFC 8659 section 4.1. */
export function criticalFlags(key: string): Field {
  const flags = number(key, 1, 0)
  return {
    ...flags,
    compose(value, out, data) {
      const { issuerCritical } = Object(data) as Record<string, unknown>
      flags.compose(issuerCritical === true ? wholeNumber(value, 255, key, 0) | 0x80 : value, out, data)
    },
    derive(data) {
      data['issuerCritical'] = ((data[key] as number) & 0x80) !== 0
    },
  }
}
