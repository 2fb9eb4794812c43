/**
 * Domain names: octets of a message or a record on one side, presentation text on the other.
 *
 *   wire form   length octet and label, repeated, then a zero octet; in messages also compression pointers
 *   text        RFC 1035 section 5.1: labels joined by dots, `\.` for a dot inside a label, `\DDD` for an octet that doesn't print
 *
 * Functions that take `bytes, at` expect a name without compression pointers, unless their comment says otherwise.
 * Those that return an offset or a size return MALFORMED (negative) for octets that are no name; those that make text
 * or a new name throw NameError. Both stay inside the octets they were given.
 */
import { LABEL_SIZE_MAX, LABELS_MAX, NAME_SIZE_MAX } from './parsed-query.ts'

/** Octets that are no name. */
export const MALFORMED = -1
/** A name has at most 127 labels, so a sender that compresses needs no more pointers than this in a row. */
export const NAME_POINTERS_MAX = LABELS_MAX - 1
/** Octets of text that a name of 255 octets can need: each octet escaped as `\DDD`. */
const NAME_TEXT_SIZE_MAX = NAME_SIZE_MAX * 4

/** Why a text is no domain name, or octets are none. `problem` says it in words, without naming the place. */
export class NameError extends Error {
  readonly code = 'SHOAL_NAME'
  readonly problem: string

  constructor(problem: string, subject?: string) {
    super(subject === undefined ? problem : `"${subject}": ${problem}`)
    this.name = 'NameError'
    this.problem = problem
  }
}

/** Negative results of `scanName`; `nameProblem` puts them into words. */
export const NAME_EMPTY_LABEL = -2
export const NAME_LABEL_TOO_LONG = -3
export const NAME_TOO_LONG = -4
export const NAME_BAD_ESCAPE = -5
export const NAME_EMPTY = -6
export const NAME_RELATIVE = -7

/** What a negative result of `scanName` means. */
export function nameProblem(code: number): string {
  switch (code) {
    case NAME_EMPTY_LABEL:
      return 'an empty label (two dots in a row, or a leading dot)'
    case NAME_LABEL_TOO_LONG:
      return `a label is longer than ${LABEL_SIZE_MAX} octets`
    case NAME_TOO_LONG:
      return `the name is longer than ${NAME_SIZE_MAX} octets`
    case NAME_BAD_ESCAPE:
      return 'a bad escape: write \\DDD with DDD from 000 to 255, or \\ and the character'
    case NAME_EMPTY:
      return 'an empty name'
    case NAME_RELATIVE:
      return 'a relative name where no origin is known'
    default:
      return 'malformed name'
  }
}

const DOT = 0x2e
const BACKSLASH = 0x5c

/** Octet to lower case: A to Z only (RFC 4343 section 3). */
export const LOWER: Uint8Array = new Uint8Array(256)
for (let octet = 0; octet < 256; octet++) LOWER[octet] = octet >= 0x41 && octet <= 0x5a ? octet | 0x20 : octet

/** Octet to itself. */
export const SAME: Uint8Array = Uint8Array.from({ length: 256 }, (_, octet) => octet)

/** How an octet of a label is written: 0 as it is, 1 behind a backslash, 2 as `\DDD`. The choice of characters is CoreDNS's. */
const ESCAPE: Uint8Array = new Uint8Array(256)
for (let octet = 0; octet < 256; octet++) ESCAPE[octet] = octet < 0x20 || octet > 0x7e ? 2 : 0
for (const character of `. '@;()"\\`) ESCAPE[character.charCodeAt(0)] = 1

const textScratch = Buffer.alloc(NAME_TEXT_SIZE_MAX)
const nameScratch = new Uint8Array(NAME_SIZE_MAX + 1)

/**
 * The name at `bytes[at]` as absolute text: final dot, '.' for the root, case kept. Follows compression pointers, whose
 * offsets count from `start`; each has to lead to before the part it was found in, so the work is bounded. Throws
 * NameError for octets that are no name or reach past `end`.
 */
export function nameToText(bytes: Uint8Array, at: number, start = 0, end: number = bytes.length): string {
  let from = at
  let partStart = at
  let pointers = 0
  let size = 0
  let out = 0
  for (;;) {
    if (from >= end || from < start) throw new NameError('the name reaches past its message')
    const length = bytes[from]!
    if (length === 0) break
    if (length >= 0xc0) {
      if (from + 1 >= end) throw new NameError('the name reaches past its message')
      const target = start + (((length & 0x3f) << 8) | bytes[from + 1]!)
      if (target >= partStart) throw new NameError('a compression pointer that does not lead back')
      if (++pointers > NAME_POINTERS_MAX) throw new NameError('too many compression pointers')
      from = target
      partStart = target
      continue
    }
    if (length > LABEL_SIZE_MAX) throw new NameError('a label type that does not exist')
    size += length + 1
    if (size + 1 > NAME_SIZE_MAX) throw new NameError(nameProblem(NAME_TOO_LONG))
    if (from + 1 + length > end) throw new NameError('the name reaches past its message')
    out = printLabel(bytes, from + 1, from + 1 + length, out)
    textScratch[out++] = DOT
    from += length + 1
  }
  return out === 0 ? '.' : textScratch.toString('latin1', 0, out)
}

function printLabel(bytes: Uint8Array, from: number, to: number, at: number): number {
  let out = at
  for (let i = from; i < to; i++) {
    const octet = bytes[i]!
    const form = ESCAPE[octet]!
    if (form === 0) textScratch[out++] = octet
    else if (form === 1) {
      textScratch[out++] = BACKSLASH
      textScratch[out++] = octet
    } else {
      textScratch[out++] = BACKSLASH
      textScratch[out++] = 0x30 + ((octet / 100) | 0)
      textScratch[out++] = 0x30 + (((octet / 10) | 0) % 10)
      textScratch[out++] = 0x30 + (octet % 10)
    }
  }
  return out
}

/**
 * Scans name text `text[from .. to)` into wire form at `out[outAt]`. A text without a final dot is relative:
 * `origin` (wire form, may be `out` itself elsewhere) is put behind it. `letters`: SAME keeps the case, LOWER makes it lower. Returns the name's
 * size in octets, or one of the NAME_ codes. `out` must have room for 256 octets. Neither allocates nor throws.
 */
export function scanName(
  text: Uint8Array,
  from: number,
  to: number,
  out: Uint8Array,
  outAt: number,
  origin: Uint8Array | undefined,
  letters: Uint8Array = SAME,
): number {
  if (from >= to) return NAME_EMPTY
  if (to - from === 1 && text[from] === DOT) {
    out[outAt] = 0
    return 1
  }
  const outMax = outAt + NAME_SIZE_MAX
  let labelAt = outAt
  let at = outAt + 1
  for (let i = from; i < to; i++) {
    let octet = text[i]!
    if (octet === DOT) {
      const length = at - labelAt - 1
      if (length === 0) return NAME_EMPTY_LABEL
      if (length > LABEL_SIZE_MAX) return NAME_LABEL_TOO_LONG
      if (at >= outMax) return NAME_TOO_LONG
      out[labelAt] = length
      labelAt = at++
      continue
    }
    if (octet === BACKSLASH) {
      if (i + 1 >= to) return NAME_BAD_ESCAPE
      octet = text[++i]!
      if (octet >= 0x30 && octet <= 0x39) {
        if (i + 2 >= to) return NAME_BAD_ESCAPE
        const tens = text[i + 1]! - 0x30
        const ones = text[i + 2]! - 0x30
        if (tens < 0 || tens > 9 || ones < 0 || ones > 9) return NAME_BAD_ESCAPE
        octet = (octet - 0x30) * 100 + tens * 10 + ones
        if (octet > 255) return NAME_BAD_ESCAPE
        i += 2
      }
    }
    // The longest name ends with a root label, so its last label octet is one before the limit.
    if (at >= outMax) return at - labelAt - 1 > LABEL_SIZE_MAX ? NAME_LABEL_TOO_LONG : NAME_TOO_LONG
    out[at++] = letters[octet]!
  }
  const length = at - labelAt - 1
  if (length === 0) {
    out[labelAt] = 0
    return labelAt + 1 - outAt
  }
  if (length > LABEL_SIZE_MAX) return NAME_LABEL_TOO_LONG
  out[labelAt] = length
  if (origin === undefined) return NAME_RELATIVE
  if (at - outAt + origin.length > NAME_SIZE_MAX) return NAME_TOO_LONG
  // Length octets are below 'A'.
  for (let i = 0; i < origin.length; i++) out[at++] = letters[origin[i]!]!
  return at - outAt
}

const ROOT: Uint8Array = new Uint8Array(1)

/**
 * Text to a new name in wire form, case kept, characters beyond ASCII as UTF-8. Text without a final dot is taken as
 * absolute too; '' is no name. Throws NameError that names the problem.
 */
export function textToName(text: string): Uint8Array {
  const size = writeNameText(text, nameScratch)
  if (size < 0) throw new NameError(nameProblem(size), text)
  return nameScratch.slice(0, size)
}

/** Octets of a name's text, for `scanName`. */
const scanScratch = Buffer.alloc(NAME_TEXT_SIZE_MAX + 1)

/** Like textToName, into `out` (room for 256 octets): returns the size, or a NAME_ code. */
function writeNameText(text: string, out: Uint8Array): number {
  const { length } = text
  if (length > NAME_TEXT_SIZE_MAX) return scanWhole(Buffer.from(text, 'utf8'), out)
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i)
    if (code > 0x7e) return scanWhole(Buffer.from(text, 'utf8'), out)
    scanScratch[i] = code
  }
  return scanName(scanScratch, 0, length, out, 0, ROOT)
}

function scanWhole(bytes: Uint8Array, out: Uint8Array): number {
  return scanName(bytes, 0, bytes.length, out, 0, ROOT)
}

/** A zone or name as the configuration keeps it: absolute, lower-case, escapes in their one form. Throws NameError. */
export function normalizeZone(text: string): string {
  const name = textToName(text)
  lowerName(name, 0, name.length)
  return nameToText(name, 0)
}

/** Lower-cases the octets `bytes[at .. end)` of one or more names in place (length octets are below 'A'). */
export function lowerName(bytes: Uint8Array, at: number, end: number): void {
  for (let i = at; i < end; i++) bytes[i] = LOWER[bytes[i]!]!
}

/** A lower-case copy of a name. */
export function lowerCased(name: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(name)
  lowerName(copy, 0, copy.length)
  return copy
}

/** Size in octets, root label included, of the name without pointers at `bytes[at]`; MALFORMED if it has one or passes `end`. */
export function nameSize(bytes: Uint8Array, at: number, end: number): number {
  let from = at
  for (;;) {
    if (from >= end) return MALFORMED
    const length = bytes[from]!
    from += length + 1
    if (length === 0) return from - at > NAME_SIZE_MAX ? MALFORMED : from - at
    if (length > LABEL_SIZE_MAX || from - at >= NAME_SIZE_MAX) return MALFORMED
  }
}

/** Offset just past the name at `bytes[at]`, which may end in a compression pointer (not followed); MALFORMED past `end`. */
export function skipName(bytes: Uint8Array, at: number, end: number): number {
  let from = at
  for (;;) {
    if (from >= end) return MALFORMED
    const length = bytes[from]!
    if (length === 0) return from + 1 - at > NAME_SIZE_MAX ? MALFORMED : from + 1
    if (length >= 0xc0) return from + 2 <= end ? from + 2 : MALFORMED
    from += length + 1
    if (length > LABEL_SIZE_MAX || from - at >= NAME_SIZE_MAX) return MALFORMED
  }
}

/**
 * Copies the name at `bytes[at]`, pointers followed (they count from `start` and have to lead back), to `out[outAt]`
 * without pointers, case kept. Returns its size, or MALFORMED. `out` must have room for 255 octets. Neither allocates
 * nor throws.
 */
export function expandName(
  bytes: Uint8Array,
  start: number,
  end: number,
  at: number,
  out: Uint8Array,
  outAt: number,
): number {
  let from = at
  let partStart = at
  let pointers = 0
  let to = outAt
  for (;;) {
    if (from >= end) return MALFORMED
    const length = bytes[from]!
    if (length >= 0xc0) {
      if (from + 1 >= end) return MALFORMED
      const target = start + (((length & 0x3f) << 8) | bytes[from + 1]!)
      if (target >= partStart || ++pointers > NAME_POINTERS_MAX) return MALFORMED
      from = target
      partStart = target
      continue
    }
    const next = from + length + 1
    if (length > LABEL_SIZE_MAX || next > end || to - outAt + length + 1 > NAME_SIZE_MAX) return MALFORMED
    while (from < next) out[to++] = bytes[from++]!
    if (length === 0) return to - outAt
  }
}

/** Labels besides the root. */
export function labelCount(bytes: Uint8Array, at: number): number {
  let count = 0
  for (let from = at; bytes[from] !== 0; from += bytes[from]! + 1) count++
  return count
}

/** Whether two names are the same, ignoring case. */
export function equalNames(a: Uint8Array, aAt: number, b: Uint8Array, bAt: number): boolean {
  let i = aAt
  let j = bAt
  for (;;) {
    const length = a[i]!
    if (length !== b[j]!) return false
    if (length === 0) return true
    for (const end = i + length; i < end; ) if (LOWER[a[++i]!] !== LOWER[b[++j]!]) return false
    i++
    j++
  }
}

const labelsOfA = new Uint16Array(LABELS_MAX + 1)
const labelsOfB = new Uint16Array(LABELS_MAX + 1)

/**
 * Canonical order of RFC 4034 section 6.1: negative, 0 or positive. Labels from the right, as lower-case octet strings;
 * a name sorts before those below it.
 */
export function compareNames(a: Uint8Array, aAt: number, b: Uint8Array, bAt: number): number {
  let i = labelStarts(a, aAt, labelsOfA)
  let j = labelStarts(b, bAt, labelsOfB)
  while (i > 0 && j > 0) {
    const from = aAt + labelsOfA[--i]!
    const other = bAt + labelsOfB[--j]!
    const length = a[from]!
    const otherLength = b[other]!
    const shared = Math.min(length, otherLength)
    for (let k = 1; k <= shared; k++) {
      const difference = LOWER[a[from + k]!]! - LOWER[b[other + k]!]!
      if (difference !== 0) return difference
    }
    if (length !== otherLength) return length - otherLength
  }
  return i - j
}

function labelStarts(bytes: Uint8Array, at: number, out: Uint16Array): number {
  let count = 0
  for (let from = at; bytes[from] !== 0; from += bytes[from]! + 1) out[count++] = from - at
  return count
}

/** Whether the name at `bytes[at]` is `parent[parentAt]` or lies below it, ignoring case. */
export function isSubdomain(bytes: Uint8Array, at: number, parent: Uint8Array, parentAt: number): boolean {
  let surplus = labelCount(bytes, at) - labelCount(parent, parentAt)
  if (surplus < 0) return false
  let from = at
  for (; surplus > 0; surplus--) from += bytes[from]! + 1
  return equalNames(bytes, from, parent, parentAt)
}

/**
 * Whether the name `bytes[at .. at+size)` is `parent` or lies below it, both in one case: octets are compared as they
 * are. False for what is no name.
 */
export function isWithin(bytes: Uint8Array, at: number, size: number, parent: Uint8Array): boolean {
  const parentAt = at + size - parent.length
  let from = at
  while (from < parentAt && bytes[from] !== 0) from += bytes[from]! + 1
  if (from !== parentAt) return false
  for (let i = 0; i < parent.length; i++) if (bytes[from + i] !== parent[i]) return false
  return true
}

/** Whether a name is another one or lies below it. Both in presentation format, absolute, lower-case. */
export function isAtOrBelow(name: string, parent: string): boolean {
  return name === parent || parent === '.' || name.endsWith(`.${parent}`)
}
