/** One resource record as text, outside any file: for `template`, `hosts` and the like, and for printing. */
import { nameToText } from '../wire/name.ts'
import { printRdata } from './rdata.ts'
import { RdataError } from './rdata-error.ts'
import { className, typeName } from './rr-types.ts'
import { lexLine } from './text/lex-line.ts'
import { RecordScanner } from './text/record-scanner.ts'
import { RecordSlice } from './text/record-slice.ts'
import { TokenList } from './text/token-list.ts'

/** TTL of a record whose text has none, as in CoreDNS. */
export const DEFAULT_TTL_SECONDS = 3600

/** A record in wire form; names in it are not compressed. */
export interface WireRecord {
  /** Lower-case where it was scanned without `keepCase`. */
  readonly owner: Uint8Array
  readonly type: number
  readonly rrclass: number
  readonly ttlSeconds: number
  readonly rdata: Uint8Array
}

const tokens = new TokenList()
const slice = new RecordSlice()

const ROOT: Uint8Array = new Uint8Array(1)

/**
 * Scans `owner [ttl] [class] type rdata`. Relative names are completed with `origin` (wire form, the root by default);
 * without a TTL it is `ttlSeconds`. The owner is lower-cased, unless `keepCase`. Throws RdataError for anything but one
 * record.
 */
export function scanRecord(
  text: string,
  options: { readonly origin?: Uint8Array; readonly ttlSeconds?: number; readonly keepCase?: boolean } = {},
): WireRecord {
  const scanner = new RecordScanner()
  scanner.origin = options.origin ?? ROOT
  scanner.fallbackTtl = options.ttlSeconds ?? DEFAULT_TTL_SECONDS
  scanner.keepCase = options.keepCase ?? false
  lexLine(text, tokens)
  if (tokens.count === 0) throw new RdataError('an empty text is no record', 'www.example.org. 3600 IN A 192.0.2.1')
  slice.clear()
  scanner.scan(tokens, false, slice)
  return {
    owner: slice.owner(0).slice(),
    type: slice.types[0]!,
    rrclass: slice.classes[0]!,
    ttlSeconds: slice.ttls[0]!,
    rdata: slice.rdata(0).slice(),
  }
}

/** `owner ttl class type rdata`, one blank between them; scanRecord reads it back. */
export function printRecord({ owner, type, rrclass, ttlSeconds, rdata }: WireRecord): string {
  return `${nameToText(owner, 0)} ${ttlSeconds} ${className(rrclass)} ${typeName(type)} ${printRdata(type, rdata)}`
}
