/** Go's fmt, as far as templates use it: print, println and printf. */
import { GoFloat, GoMap, type GoValue, isInteger, isStruct, NoValue, typeOf } from './values.ts'

/** Characters that a width or precision may ask for. */
const WIDTH_MAX = 1000

/** As `%v`: what `{{ value }}` prints. */
export function printValue(value: GoValue): string {
  if (value === null) return '<nil>'
  if (value instanceof NoValue) return '<no value>'
  if (value instanceof GoFloat) return printFloat(value.value)
  if (value instanceof GoMap) {
    const keys = [...value.entries.keys()].sort()
    return `map[${keys.map((key) => `${key}:${printValue(value.entries.get(key)!)}`).join(' ')}]`
  }
  if (Array.isArray(value)) return `[${value.map(printValue).join(' ')}]`
  if (isStruct(value)) return `{${value.structName}}`
  return String(value)
}

/** As `%g` with the shortest digits: exponents below -4 and from 21 on, with two digits. */
export function printFloat(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf'
  const exponent = value === 0 ? 0 : Math.floor(Math.log10(Math.abs(value)))
  if (exponent >= -4 && exponent < 21) return String(value)
  return goExponent(value.toExponential())
}

function goExponent(text: string): string {
  return text.replace(/e([+-])(\d)$/, 'e$10$2')
}

/** Go's Sprint: blanks between operands when neither is a string. */
export function sprint(args: readonly GoValue[]): string {
  let text = ''
  for (const [i, arg] of args.entries()) {
    if (i > 0 && typeof arg !== 'string' && typeof args[i - 1] !== 'string') text += ' '
    text += printValue(arg)
  }
  return text
}

/** Go's Sprintln. */
export function sprintln(args: readonly GoValue[]): string {
  return `${args.map(printValue).join(' ')}\n`
}

const DIRECTIVE = /%([-+# 0]*)(\*|\d+)?(?:\.(\*|\d*))?(.)?/gsu

/** Go's Sprintf. Wrong verbs and missing operands are shown in the text, as in Go: `%!d(string=hi)`. */
export function sprintf(format: string, args: readonly GoValue[]): string {
  let next = 0
  const text = format.replace(DIRECTIVE, (_whole, flags: string, width?: string, precision?: string, verb?: string) => {
    if (verb === undefined) return '%!(NOVERB)'
    if (verb === '%') return '%'
    const count = (word: string | undefined): number | undefined => {
      if (word === undefined) return undefined
      const value = word === '*' ? args[next++] : Number(word || '0')
      return isInteger(value) ? Math.min(Math.abs(Number(value)), WIDTH_MAX) : undefined
    }
    const widthCount = count(width)
    const precisionCount = count(precision)
    if (next >= args.length) return `%!${verb}(MISSING)`
    const value = args[next++]!
    const body = formatValue(verb, value, flags, precisionCount)
    if (body === undefined) return `%!${verb}(${typeOf(value)}=${printValue(value)})`
    return pad(body, widthCount, flags, verb)
  })
  if (next >= args.length) return text
  const extra = args.slice(next).map((value) => `${typeOf(value)}=${printValue(value)}`)
  return `${text}%!(EXTRA ${extra.join(', ')})`
}

function formatValue(verb: string, value: GoValue, flags: string, precision: number | undefined): string | undefined {
  if (verb === 'v') return typeof value === 'string' ? cutTo(value, precision) : printValue(value)
  if (verb === 'T') return typeOf(value)
  if (verb === 't') return typeof value === 'boolean' ? String(value) : undefined
  if (typeof value === 'string') return formatString(verb, value, flags, precision)
  if (isInteger(value)) return formatInteger(verb, BigInt(value), flags, precision)
  if (value instanceof GoFloat) return formatFloat(verb, value.value, flags, precision)
  if (verb === 's' && typeof value === 'object') return printValue(value)
  return undefined
}

function formatString(verb: string, value: string, flags: string, precision: number | undefined): string | undefined {
  const text = cutTo(value, precision)
  switch (verb) {
    case 's':
      return text
    case 'q':
      return flags.includes('#') && !text.includes('`') ? `\`${text}\`` : quote(text)
    case 'x':
    case 'X': {
      const hex = Buffer.from(text, 'utf8').toString('hex')
      return verb === 'x' ? hex : hex.toUpperCase()
    }
    default:
      return undefined
  }
}

function formatInteger(verb: string, value: bigint, flags: string, precision: number | undefined): string | undefined {
  const radixes: Record<string, number> = { d: 10, b: 2, o: 8, O: 8, x: 16, X: 16 }
  const radix = radixes[verb]
  if (radix === undefined) {
    if (verb === 'c') return value >= 0n && value <= 0x10ffffn ? String.fromCodePoint(Number(value)) : '�'
    if (verb === 'q') return value >= 0n && value <= 0x10ffffn ? `'${String.fromCodePoint(Number(value))}'` : `'�'`
    if (verb === 'U') return `U+${value.toString(16).toUpperCase().padStart(4, '0')}`
    return undefined
  }
  const magnitude = value < 0n ? -value : value
  let digits = magnitude.toString(radix).padStart(precision ?? 1, '0')
  if (precision === 0 && magnitude === 0n) digits = ''
  if (verb === 'X') digits = digits.toUpperCase()
  const prefixes: Record<string, string> = { x: '0x', X: '0X', o: '0', b: '0b' }
  const prefix = verb === 'O' ? '0o' : flags.includes('#') ? (prefixes[verb] ?? '') : ''
  return signOf(value < 0n, flags) + prefix + digits
}

function formatFloat(verb: string, value: number, flags: string, precision: number | undefined): string | undefined {
  const sign = signOf(value < 0 || Object.is(value, -0), flags)
  const magnitude = Math.abs(value)
  if (!Number.isFinite(value)) return 'feEgGF'.includes(verb) ? printFloat(value) : undefined
  switch (verb) {
    case 'f':
    case 'F':
      return sign + magnitude.toFixed(Math.min(precision ?? 6, 100))
    case 'e':
      return sign + goExponent(magnitude.toExponential(Math.min(precision ?? 6, 100)))
    case 'E':
      return sign + goExponent(magnitude.toExponential(Math.min(precision ?? 6, 100))).toUpperCase()
    case 'g':
    case 'G': {
      const text =
        precision === undefined
          ? printFloat(magnitude)
          : printFloat(Number(magnitude.toPrecision(Math.min(Math.max(precision, 1), 100))))
      return sign + (verb === 'g' ? text : text.toUpperCase())
    }
    default:
      return undefined
  }
}

function signOf(negative: boolean, flags: string): string {
  if (negative) return '-'
  return flags.includes('+') ? '+' : flags.includes(' ') ? ' ' : ''
}

function cutTo(text: string, precision: number | undefined): string {
  return precision === undefined ? text : [...text].slice(0, precision).join('')
}

function pad(text: string, width: number | undefined, flags: string, verb: string): string {
  if (width === undefined) return text
  const missing = width - [...text].length
  if (missing <= 0) return text
  if (flags.includes('-')) return text + ' '.repeat(missing)
  if (!flags.includes('0') || 'qTc'.includes(verb)) return ' '.repeat(missing) + text
  const sign = /^[+\- ]?(?:0[xXbo])?/.exec(text)![0]
  return 'sv'.includes(verb) && sign === ''
    ? '0'.repeat(missing) + text
    : sign + '0'.repeat(missing) + text.slice(sign.length)
}

/** Go's strconv.Quote. */
export function quote(text: string): string {
  let quoted = '"'
  for (const char of text) {
    const code = char.codePointAt(0)!
    const short: Record<string, string> = {
      '"': '\\"',
      '\\': '\\\\',
      '\n': '\\n',
      '\t': '\\t',
      '\r': '\\r',
      '\x07': '\\a',
      '\b': '\\b',
      '\f': '\\f',
      '\v': '\\v',
    }
    if (Object.hasOwn(short, char)) quoted += short[char]
    else if (code < 0x20 || code === 0x7f) quoted += `\\x${code.toString(16).padStart(2, '0')}`
    else quoted += char
  }
  return `${quoted}"`
}
