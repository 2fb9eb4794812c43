/**
 * Durations as Go writes them, the only form that Corefiles know: `1h30m`, `0.5s`, `250ms`, `0`. A bare number other
 * than 0 has no unit and is no duration; `timeouts`, `route53` and `etcd` alone take it as seconds.
 */

const MS_PER_UNIT: ReadonlyMap<string, number> = new Map([
  ['ns', 1e-6],
  ['us', 1e-3],
  ['µs', 1e-3],
  ['μs', 1e-3],
  ['ms', 1],
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
])

/** Go counts nanoseconds in a signed 64-bit number: a little over 292 years. */
export const DURATION_MS_MAX = 2 ** 63 / 1e6
/** Longer words are no durations that anybody wrote. */
const DURATION_LENGTH_MAX = 100

/** Milliseconds, with fractions and perhaps negative, or undefined for a text that is no duration. Linear time. */
export function parseGoDuration(text: string): number | undefined {
  if (text.length > DURATION_LENGTH_MAX) return undefined
  const sign = text.startsWith('-') ? -1 : 1
  const unsigned = /^[+-]/.test(text) ? text.slice(1) : text
  if (unsigned === '0') return 0
  if (unsigned === '') return undefined
  let ms = 0
  const part = /([0-9]*)(?:\.([0-9]*))?([^0-9.]+)/y
  while (part.lastIndex < unsigned.length) {
    const found = part.exec(unsigned)
    if (found === null) return undefined
    const [, whole = '', fraction = '', unit = ''] = found
    const msPerUnit = MS_PER_UNIT.get(unit)
    if (msPerUnit === undefined || (whole === '' && fraction === '')) return undefined
    ms += Number(`${whole || '0'}.${fraction || '0'}`) * msPerUnit
    if (ms >= DURATION_MS_MAX) return undefined
  }
  // To whole nanoseconds, which is what the sum of binary fractions stands for.
  const rounded = ms < 2 ** 53 / 1e6 ? Math.round(ms * 1e6) / 1e6 : ms
  return rounded === 0 ? 0 : sign * rounded
}

/** As `parseGoDuration`, and a whole number without a unit counts seconds. */
export function parseGoDurationOrSeconds(text: string): number | undefined {
  return /^[0-9]{1,9}$/.test(text) ? Number(text) * 1000 : parseGoDuration(text)
}

/** As Go prints a duration: `5m0s`, `1h0m0s`, `1.5s`, `500ms`, `0s`. */
export function printGoDuration(ms: number): string {
  let ns = BigInt(Math.round(Math.abs(ms) * 1e6))
  if (ns === 0n) return '0s'
  const sign = ms < 0 ? '-' : ''
  if (ns < 1_000n) return `${sign}${ns}ns`
  if (ns < 1_000_000n) return `${sign}${decimal(ns, 1_000n)}µs`
  if (ns < 1_000_000_000n) return `${sign}${decimal(ns, 1_000_000n)}ms`
  const minutes = ns / 60_000_000_000n
  ns %= 60_000_000_000n
  const seconds = `${decimal(ns, 1_000_000_000n)}s`
  if (minutes === 0n) return sign + seconds
  const hours = minutes / 60n
  return hours === 0n ? `${sign}${minutes}m${seconds}` : `${sign}${hours}h${minutes % 60n}m${seconds}`
}

/** `count / unit`, without zeros at the end of its fraction. */
function decimal(count: bigint, unit: bigint): string {
  const fraction = (count % unit)
    .toString()
    .padStart(unit.toString().length - 1, '0')
    .replace(/0+$/, '')
  return fraction === '' ? `${count / unit}` : `${count / unit}.${fraction}`
}
