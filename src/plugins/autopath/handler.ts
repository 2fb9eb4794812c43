/**
 * The chain's part of `autopath`.
 *
 *   query ─► next ─► written, not NXDOMAIN ─► as it is
 *              └─► NXDOMAIN, and the name is the first of the client's search path:
 *                    each further name of the path, through the whole server ─► the first that is there, behind a CNAME
 *
 * The client is looked at only when the first name isn't there. So what is there is the same for all, and may be kept; what was found by
 * walking is this client's alone. Look-ups of the server's own have no search path.
 */
import { copySection } from '../../chain/copy-records.ts'
import type { Handler, HandlerContext } from '../../chain/plugin.ts'
import type { Query } from '../../chain/query.ts'
import { NXDOMAIN, Reply } from '../../chain/reply.ts'
import { ZoneSet } from '../../chain/zone-set.ts'
import { sharedCounter } from '../../observe/shared-metric.ts'
import { composeReplyMessage, parseMessage } from '../../rdata/message.ts'
import { clientLabel } from '../../sources/kubernetes/model/client-label.ts'
import { textToName } from '../../wire/name.ts'
import { TYPE_OPT } from '../../wire/parsed-query.ts'
import {
  REQUIRED,
  ReplyWriter,
  SECTION_ADDITIONAL,
  SECTION_ANSWER,
  SECTION_AUTHORITY,
} from '../../wire/reply-writer.ts'
import { ANSWERED, NO_ZONE } from '../../zone/zone-store.ts'
import { podsSource } from './index.ts'
import type { AutopathOptions } from './options.ts'

const CLASS_IN = 1
const TYPE_CNAME = 5
const TYPE_TXT = 16
const NAME_TEXT_LENGTH_MAX = 1000

const buffer = new Uint8Array(65535)
const writer = new ReplyWriter()

export function openAutopath(options: AutopathOptions, context: HandlerContext): Handler {
  const { listeners, registry, block } = context
  const scope = new ZoneSet(options.zones)
  const kubernetes = podsSource(options, block)
  const clusterZones = kubernetes === undefined ? undefined : new ZoneSet(kubernetes.zones)
  const found = sharedCounter(registry, 'coredns_autopath_success_total', 'Counter of requests that did autopath.', [
    'server',
  ])
  /** Search domains of the client, the first of which the name is in. */
  const searchOf = (query: Query): readonly string[] => {
    if (options.plugin === undefined) return options.search
    const zone = clusterZones?.longest(query.parsed) ?? -1
    if (zone < 0) return []
    const namespace = clientNamespace(query, context)
    if (namespace === undefined) return []
    const apex = kubernetes!.zones[zone]!
    const services = apex === '.' ? 'svc.' : `svc.${apex}`
    return [`${namespace}.${services}`, services, apex, ...options.search]
  }
  return (query, next) => {
    if (query.parsed.qclass !== CLASS_IN || query.depth > 0 || !scope.holds(query.parsed)) return next(query)
    const first = next(query)
    const walk = async (reply: Reply): Promise<Reply> => {
      if (!isAbsent(reply)) return reply
      const search = searchOf(query)
      const base = baseOf(query, search[0])
      if (base === undefined) return reply
      for (const domain of [...search.slice(1), '.']) {
        const name = domain === '.' ? `${base}.` : `${base}.${domain}`
        if (name.length > NAME_TEXT_LENGTH_MAX) continue
        const inner = await context.lookup(query, name, query.qtype)
        if (inner.dropped || (inner.unwritten && inner.cause !== undefined)) return inner
        if (inner.unwritten || isAbsent(inner)) continue
        const whole = behindCname(query, inner)
        if (whole === undefined) continue
        found.inc({ server: listeners[query.listenerId]?.server ?? '' })
        return whole
      }
      return reply
    }
    return first instanceof Promise ? first.then(walk) : isAbsent(first) ? walk(first) : first
  }
}

function isAbsent(reply: Reply): boolean {
  return !reply.dropped && !reply.unwritten && reply.rcode === NXDOMAIN
}

/** What the client asked for before its search path was added, in its own spelling; undefined when it is no name of that path. */
function baseOf({ qname, qnameLower }: Query, domain: string | undefined): string | undefined {
  if (domain === undefined || domain === '.' || !qnameLower.endsWith(`.${domain}`)) return undefined
  const base = qname.slice(0, qnameLower.length - domain.length - 1)
  // A backslash in front of the dot means that it is part of a label.
  return base === '' || base.endsWith('\\') || qname.length !== qnameLower.length ? undefined : base
}

/** The namespace of the pod that asks; undefined when it is no pod's address, or more than one namespace's. */
function clientNamespace(query: Query, { store, sourceId }: HandlerContext): string | undefined {
  const label = clientLabel(query.client().address)
  if (label === undefined) return undefined
  const { parsed } = query.with({ qname: `${label}.`, qtype: TYPE_TXT })
  const zone = store.findZone(sourceId, parsed)
  if (zone === NO_ZONE) return undefined
  writer.begin(parsed, buffer, 0, buffer.length)
  if (store.answer(zone, parsed, writer) !== ANSWERED) return undefined
  const [answer] = parseMessage(buffer.slice(0, writer.end())).answers
  const data = answer?.type === 'TXT' ? answer.data : undefined
  return data === undefined ? undefined : String(Array.isArray(data) ? data[0] : data)
}

/** The reply under the client's question: where its first record has another owner, that one is an alias. */
function behindCname(query: Query, inner: Reply): Reply | undefined {
  const message = inner.wire ?? composeReplyMessage(query.parsed, inner)
  const [answer] = parseMessage(message).answers
  writer.begin(query.parsed, buffer, 0, buffer.length)
  if (answer !== undefined) {
    const target = textToName(answer.name === '' ? '.' : answer.name)
    const ttl = 'ttl' in answer ? (answer.ttl ?? 0) : 0
    const owner = textToName(query.qname)
    writer.putRecord(SECTION_ANSWER, owner, TYPE_CNAME, CLASS_IN, ttl, target, 0, target.length, REQUIRED)
  }
  const isRead =
    copySection(message, 0, writer, SECTION_ANSWER) >= 0 &&
    copySection(message, 1, writer, SECTION_AUTHORITY) >= 0 &&
    copySection(message, 2, writer, SECTION_ADDITIONAL, (type) => type !== TYPE_OPT) >= 0
  if (!isRead) return undefined
  writer.rcode = inner.rcode
  writer.authoritative = inner.authoritative
  writer.truncated ||= inner.truncated
  const reply = Reply.fromWire(buffer.slice(0, writer.end()))
  reply.recursionAvailable = inner.recursionAvailable
  reply.options = inner.options
  return reply
}
