import type { Answer } from 'dns-packet'
import type { Handler } from '../../chain/plugin.ts'
import type { Query } from '../../chain/query.ts'
import { NXDOMAIN, Reply } from '../../chain/reply.ts'
import { NOT_IN_SET } from '../../chain/zone-set.ts'
import type { Logger } from '../../observe/logger.ts'
import type { LocalOptions } from './index.ts'
import { isLocalhostName, LOCAL_ZONES, localZones } from './names.ts'

const TTL_SECONDS = 604800
const TYPE_A = 1
const TYPE_NS = 2
const TYPE_SOA = 6
const TYPE_PTR = 12
const TYPE_AAAA = 28
const LOOPBACK_REVERSE = '1.0.0.127.in-addr.arpa.'

export function openLocal({ localhostPrefix }: LocalOptions, log: Logger): Handler {
  return (query, next) => {
    if (isLocalhostName(query.parsed, localhostPrefix)) {
      log.debug(`Intercepting localhost query for "${query.qnameLower}", from ${query.clientForLog.address}`)
      query.marks.fixed()
      return loopback(query)
    }
    const zone = localZones.longest(query.parsed)
    if (zone === NOT_IN_SET) return next(query)
    query.marks.fixed()
    return inZone(query, LOCAL_ZONES[zone]!)
  }
}

function inZone(query: Query, zone: string): Reply {
  const { qnameLower, qtype, qname } = query
  const owner = query.question.name
  // The zone as the client spelled it.
  const apex = qname.slice(qname.length - zone.length, -1)
  if (qnameLower === zone) {
    if (qtype === TYPE_SOA) return Reply.of({ answers: [soa(owner)] })
    if (qtype === TYPE_NS) {
      return Reply.of({ answers: [{ type: 'NS', name: owner, class: 'IN', ttl: TTL_SECONDS, data: 'localhost' }] })
    }
    return zone === 'localhost.' ? loopback(query) : Reply.of({ authorities: [soa(owner)] })
  }
  if (qnameLower !== LOOPBACK_REVERSE) return Reply.of({ authorities: [soa(apex)] }, { rcode: NXDOMAIN })
  if (qtype !== TYPE_PTR) return Reply.of({ authorities: [soa(apex)] })
  return Reply.of({ answers: [{ type: 'PTR', name: owner, class: 'IN', ttl: TTL_SECONDS, data: 'localhost' }] })
}

/** RFC 6761 section 6.3: localhost names have loopback addresses and nothing else. */
function loopback(query: Query): Reply {
  const { name } = query.question
  if (query.qtype === TYPE_A) return Reply.of({ answers: [address('A', name, '127.0.0.1')] })
  if (query.qtype === TYPE_AAAA) return Reply.of({ answers: [address('AAAA', name, '::1')] })
  return Reply.of({ authorities: [soa(name)] })
}

function address(type: 'A' | 'AAAA', name: string, data: string): Answer {
  return { type, name, class: 'IN', ttl: TTL_SECONDS, data }
}

function soa(name: string): Answer {
  return {
    type: 'SOA',
    name,
    class: 'IN',
    ttl: TTL_SECONDS,
    data: {
      mname: 'localhost',
      rname: 'root.localhost',
      serial: 1,
      refresh: 0,
      retry: 0,
      expire: 0,
      minimum: TTL_SECONDS,
    },
  }
}
