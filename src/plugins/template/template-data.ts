/**
 * What templates see as `.`: CoreDNS's template data. Fields that the cache key doesn't hold are read through the query's
 * accessors, which mark the reply.
 */
import type { Query } from '../../chain/query.ts'
import type { Value as ExpressionValue } from '../../expression/values.ts'
import { GoMap, type GoStruct, type GoValue } from './go-template/values.ts'

export interface Matched {
  readonly zone: string
  readonly pattern: string
  /** Group 0 first; '' for groups that took no part. */
  readonly groups: readonly string[]
  /** By number and by name. */
  readonly byName: ReadonlyMap<string, string>
  readonly className: string
  readonly typeName: string
}

export function templateData(
  query: Query,
  matched: Matched,
  variables: ReadonlyMap<string, ExpressionValue>,
): GoStruct {
  const fields: Record<string, () => GoValue> = {
    Zone: () => matched.zone,
    Name: () => query.qnameLower,
    Regex: () => matched.pattern,
    Match: () => matched.groups,
    Group: () => new GoMap(matched.byName, ''),
    Class: () => matched.className,
    Type: () => matched.typeName,
    Message: () => messageData(query),
    Question: () => questionData(query),
    Remote: () => query.client().address.replace(/%.*$/, ''),
    Var: () => new GoMap(new Map([...variables].map(([name, value]) => [name, goValue(value)])), undefined),
  }
  const meta = (label: GoValue): GoValue => query.metadata(String(label))
  return struct('*template.templateData', fields, (name) => (name === 'Meta' ? meta : undefined))
}

/** The spelling of the qname is the client's own and in no key. */
function questionData(query: Query): GoStruct {
  return struct('*dns.Question', {
    Name: () => {
      query.message()
      return query.qname
    },
    Qtype: () => query.qtype,
    Qclass: () => query.qclass,
  })
}

function messageData(query: Query): GoStruct {
  const message = query.message()
  const flags = (message[2]! << 8) | message[3]!
  const flag = (bit: number) => () => (flags & bit) !== 0
  return struct('*dns.Msg', {
    Id: () => (message[0]! << 8) | message[1]!,
    Response: flag(0x8000),
    Opcode: () => (flags >>> 11) & 15,
    Authoritative: flag(0x0400),
    Truncated: flag(0x0200),
    RecursionDesired: flag(0x0100),
    RecursionAvailable: flag(0x0080),
    Zero: flag(0x0040),
    AuthenticatedData: flag(0x0020),
    CheckingDisabled: flag(0x0010),
    Rcode: () => flags & 15,
    Compress: () => false,
    Question: () => [questionData(query)],
    Answer: () => [],
    Ns: () => [],
    Extra: () => [],
  })
}

function struct(
  structName: string,
  fields: Readonly<Record<string, () => GoValue>>,
  method?: GoStruct['method'],
): GoStruct {
  const field = (name: string): GoValue | undefined => (Object.hasOwn(fields, name) ? fields[name]!() : undefined)
  return method === undefined ? { structName, field } : { structName, field, method }
}

function goValue(value: ExpressionValue): GoValue {
  if (Array.isArray(value)) return value.map(goValue)
  if (value instanceof Map) {
    return new GoMap(new Map([...value].map(([key, each]): [string, GoValue] => [key, goValue(each)])), undefined)
  }
  return value as GoValue
}
