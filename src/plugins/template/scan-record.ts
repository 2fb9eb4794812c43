/** One record in zone-file text, as templates print it. */
import type { Answer } from 'dns-packet'
import { packetValue, scanRdata } from '../../rdata/rdata.ts'
import { className, classNumber, typeName, typeNumber } from '../../rdata/rr-types.ts'
import { lexLine } from '../../rdata/text/lex-line.ts'
import { scanPeriod } from '../../rdata/text/period.ts'
import { TokenList } from '../../rdata/text/token-list.ts'
import { nameToText } from '../../wire/name.ts'
import { OctetWriter } from '../../wire/octet-writer.ts'

/** As in CoreDNS, for records that name none. */
export const TTL_DEFAULT = 3600
const CLASS_IN = 1

const tokens = new TokenList()
const ROOT = new Uint8Array(1)

/**
 * `OWNER [TTL] [CLASS] TYPE RDATA`, TTL and class in either order; relative names end at the root. Undefined for a text
 * without a record in it. Throws RdataError.
 */
export function scanRecord(text: string): Answer | undefined {
  lexLine(text, tokens)
  tokens.origin = ROOT
  if (tokens.count === 0) return undefined
  const out = new OctetWriter(256)
  tokens.name(out, 'an owner')
  const ownerSize = out.length
  let ttl: number | undefined
  let rrclass: number | undefined
  for (;;) {
    const index = tokens.take('the type')
    const word = tokens.text(index)
    const period = ttl === undefined ? scanPeriod(tokens.source, tokens.starts[index]!, tokens.ends[index]!) : -1
    // `3600` is a TTL, but `TYPE1` or `A` never look like one.
    if (period >= 0 && /^[0-9]/.test(word)) {
      ttl = period
      continue
    }
    const asClass = rrclass === undefined ? classNumber(word) : undefined
    if (asClass !== undefined && typeNumber(word) !== 255) {
      rrclass = asClass
      continue
    }
    const type = typeNumber(word)
    if (type === undefined) {
      throw tokens.error(index, ttl === undefined ? 'is not a TTL, a class or a type' : 'is not a class or a type')
    }
    scanRdata(type, tokens, out)
    const owner = nameToText(out.bytes, 0)
    return {
      name: owner === '.' ? owner : owner.slice(0, -1),
      type: typeName(type),
      class: className(rrclass ?? CLASS_IN),
      ttl: ttl ?? TTL_DEFAULT,
      data: packetValue(type, out.bytes, ownerSize, out.length),
    } as Answer
  }
}
