/** One record between wire form and dns-packet's shape. */
import type { Answer } from 'dns-packet'
import { NameError } from '../wire/name.ts'
import { nameOctets, packetName } from './fields/names.ts'
import { packetValue, rdataOctets, validateRdata } from './rdata.ts'
import { RdataError } from './rdata-error.ts'
import type { WireRecord } from './record-text.ts'
import { className, classNumber, typeName, typeNumber } from './rr-types.ts'

/** A record as plugins see it: names without the final dot, data as dns-packet has it. Throws RdataError for rdata that is none of its type. */
export function packetRecord({ owner, type, rrclass, ttlSeconds, rdata }: WireRecord): Answer {
  if (!validateRdata(type, rdata, 0, rdata.length)) throw new RdataError(`malformed rdata of ${typeName(type)}`)
  return {
    name: packetName(owner, 0, owner.length),
    type: typeName(type),
    ttl: ttlSeconds,
    class: className(rrclass),
    data: packetValue(type, rdata, 0, rdata.length),
  } as Answer
}

/** The other way; the owner keeps its case. Throws RdataError for what is no record (OPT among it). */
export function wireRecord(answer: Answer): WireRecord {
  const {
    name,
    type,
    ttl = 0,
    class: rrclass = 'IN',
    data,
  } = answer as {
    readonly name: string
    readonly type: string
    readonly ttl?: number
    readonly class?: string
    readonly data?: unknown
  }
  const number = typeNumber(type)
  const classOf = classNumber(rrclass)
  if (number === undefined || type === 'OPT') throw new RdataError(`"${type}" is not an RR type`)
  if (classOf === undefined) throw new RdataError(`"${rrclass}" is not a class`)
  try {
    return {
      owner: nameOctets(name, 'name'),
      type: number,
      rrclass: classOf,
      ttlSeconds: ttl,
      rdata: rdataOctets(number, data),
    }
  } catch (error) {
    if (error instanceof NameError) throw new RdataError(error.message)
    throw error
  }
}
