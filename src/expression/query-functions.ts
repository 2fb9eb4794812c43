/**
 * What expressions know of a query: `name()`, `client_ip()` and so on. Each reads through the query's accessors, so that
 * the reply is marked with what it was made of.
 */

import type { Query } from '../chain/query.ts'
import { cidrContains, parseCidr } from '../corefile/cidr.ts'
import type { ListenerConfig } from '../corefile/server-config.ts'
import { className, typeName } from '../rdata/rr-types.ts'
import { parseAddress } from '../wire/address.ts'
import { ExpressionError } from './expression-error.ts'
import type { Signature, Value } from './values.ts'

/** Message size that TCP clients take. */
const TCP_SIZE = 65535

export interface AboutQuery {
  readonly query: Query
  readonly listener: ListenerConfig | undefined
}

interface QueryFunction extends Signature {
  run(about: AboutQuery, args: readonly Value[]): Value
}

/** By name; the README's of `view` and `template` list them. */
export const QUERY_FUNCTIONS: ReadonlyMap<string, QueryFunction> = new Map<string, QueryFunction>([
  ['incidr', { parameters: ['string', 'string'], result: 'bool', run: (_about, args) => inCidr(args) }],
  [
    'metadata',
    { parameters: ['string'], result: 'string', run: ({ query }, [label]) => query.metadata(String(label)) },
  ],
  ['type', { parameters: [], result: 'string', run: ({ query }) => typeName(query.qtype) }],
  ['name', { parameters: [], result: 'string', run: ({ query }) => query.qnameLower }],
  ['class', { parameters: [], result: 'string', run: ({ query }) => className(query.qclass) }],
  ['proto', { parameters: [], result: 'string', run: ({ query }) => query.transport() }],
  ['size', { parameters: [], result: 'int', run: ({ query }) => query.message().length }],
  ['client_ip', { parameters: [], result: 'string', run: ({ query }) => query.client().address.replace(/%.*$/, '') }],
  ['port', { parameters: [], result: 'string', run: ({ query }) => String(query.client().port) }],
  ['id', { parameters: [], result: 'int', run: ({ query }) => readId(query.message()) }],
  ['opcode', { parameters: [], result: 'int', run: ({ query }) => (query.message()[2]! >>> 3) & 15 }],
  ['do', { parameters: [], result: 'bool', run: ({ query }) => query.dnssecOk }],
  ['bufsize', { parameters: [], result: 'int', run: ({ query }) => bufferSize(query) }],
  ['server_ip', { parameters: [], result: 'string', run: ({ listener }) => listener?.address ?? '' }],
  ['server_port', { parameters: [], result: 'string', run: ({ listener }) => String(listener?.port ?? '') }],
])

function readId(message: Uint8Array): number {
  return (message[0]! << 8) | message[1]!
}

function bufferSize(query: Query): number {
  query.message()
  return query.transport() === 'tcp' ? TCP_SIZE : query.parsed.udpSize
}

function inCidr([ipText, cidrText]: readonly Value[]): boolean {
  const address = new Uint8Array(16)
  const family = parseAddress(String(ipText), address)
  if (family === 0) throw new ExpressionError('first argument is not an IP address')
  const cidr = parseCidr(String(cidrText))
  if (cidr === undefined) throw new ExpressionError(`invalid CIDR address: ${cidrText}`)
  return cidrContains(cidr, family, address)
}
