/**
 * Names of RR types, classes, RCODEs and opcodes, and their numbers. RR types come from the descriptor table
 * (`rr-table.ts`); what has no name is written as RFC 3597 section 5 says: TYPE65280, CLASS32.
 */
import { RCODE_NAMES } from '../wire/rcode-names.ts'
import { typeNaming } from './fields/bitmaps.ts'
import { RR_TABLE } from './rr-table.ts'

/** QTYPEs that are no RR types, RFC 1035 section 3.2.3 and RFC 1995. */
const QTYPES: readonly (readonly [number, string])[] = [
  [251, 'IXFR'],
  [252, 'AXFR'],
  [253, 'MAILB'],
  [254, 'MAILA'],
  [255, 'ANY'],
]

const CLASSES: readonly (readonly [number, string])[] = [
  [1, 'IN'],
  [2, 'CS'],
  [3, 'CH'],
  [4, 'HS'],
  [254, 'NONE'],
  [255, 'ANY'],
]

/** 16 is BADVERS in a reply's OPT and BADSIG in a TSIG. */
const RCODES: ReadonlyMap<number, string> = new Map([...RCODE_NAMES, [16, 'BADVERS']])

/** Other spellings that are read, never written. */
const RCODE_SYNONYMS: readonly (readonly [string, number])[] = [
  ['BADSIG', 16],
  ['NOTIMPL', 4],
]

const OPCODES: readonly (readonly [number, string])[] = [
  [0, 'QUERY'],
  [1, 'IQUERY'],
  [2, 'STATUS'],
  [4, 'NOTIFY'],
  [5, 'UPDATE'],
  [6, 'DSO'],
]

const typeNames = new Map<number, string>(QTYPES)
for (const { type, mnemonic } of RR_TABLE) typeNames.set(type, mnemonic)
const typeNumbers = new Map<string, number>([['*', 255]])
for (const [number, name] of typeNames) typeNumbers.set(name, number)
const classNames = new Map(CLASSES)
const classNumbers = new Map(CLASSES.map(([number, name]) => [name, number]))
const rcodeNumbers = new Map([...[...RCODES].map(([number, name]) => [name, number] as const), ...RCODE_SYNONYMS])
const opcodeNames = new Map(OPCODES)

/** Mnemonic of an RR type or QTYPE, or TYPEnnn. */
export function typeName(type: number): string {
  return typeNames.get(type) ?? `TYPE${type}`
}

/** Number of a mnemonic or TYPEnnn, in any case; undefined when it is neither. */
export function typeNumber(text: string): number | undefined {
  const known = typeNumbers.get(text)
  if (known !== undefined) return known
  const upper = text.toUpperCase()
  return typeNumbers.get(upper) ?? numbered(upper, 'TYPE')
}

/** Every mnemonic that `typeNumber` reads, TYPEnnn aside. */
export function typeMnemonics(): Iterable<readonly [number, string]> {
  return typeNames
}

/** IN, CH and the like, or CLASSnnn. */
export function className(rrclass: number): string {
  return classNames.get(rrclass) ?? `CLASS${rrclass}`
}

/** Number of a class or CLASSnnn, in any case; undefined when it is neither. */
export function classNumber(text: string): number | undefined {
  const upper = text.toUpperCase()
  return classNumbers.get(upper) ?? numbered(upper, 'CLASS')
}

/** Name of an RCODE, extended ones too, or RCODEnnn. */
export function rcodeName(rcode: number): string {
  return RCODES.get(rcode) ?? `RCODE${rcode}`
}

/** Number of an RCODE's name or of RCODEnnn (12 bits), in any case; undefined when it is neither. */
export function rcodeNumber(text: string): number | undefined {
  const upper = text.toUpperCase()
  const number = rcodeNumbers.get(upper) ?? numbered(upper, 'RCODE')
  return number !== undefined && number < 4096 ? number : undefined
}

/** Name of an opcode, or OPCODEnn. */
export function opcodeName(opcode: number): string {
  return opcodeNames.get(opcode) ?? `OPCODE${opcode}`
}

/** The nnn of TYPEnnn and its like: decimal, at most 65535. */
function numbered(text: string, prefix: string): number | undefined {
  if (!text.startsWith(prefix)) return undefined
  const digits = text.slice(prefix.length)
  if (!/^[0-9]{1,5}$/.test(digits)) return undefined
  const number = Number(digits)
  return number <= 65535 ? number : undefined
}

// The fields of the table that hold RR types can name them only from here on.
typeNaming.nameOf = typeName
typeNaming.numberOf = typeNumber
