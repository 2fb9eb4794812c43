/**
 * The pool's side of every plugin whose data is in the record store (file, auto, hosts, and sources to come): finds the
 * zone, has the store answer, follows a CNAME that leaves the zone, and says what the reply was made of.
 *
 *   no zone                    next plugin
 *   NXDOMAIN, fallthrough      next plugin
 *   CNAME out of the zone      internal look-up of its target, whose answer follows the CNAME
 *   anything else              the store's answer
 */

import { copySection } from '../chain/copy-records.ts'
import type { FrontContext, FrontPart, Handler, HandlerContext, Next } from '../chain/plugin.ts'
import type { Query } from '../chain/query.ts'
import { FORMERR_RCODE, NOERROR, NOTIMP_RCODE, REFUSED, Reply, SERVFAIL } from '../chain/reply.ts'
import { OPTION_EDE } from '../chain/run.ts'
import { ZoneSet } from '../chain/zone-set.ts'
import { composeReplyMessage } from '../rdata/message.ts'
import { nameToText } from '../wire/name.ts'
import { OPCODE_NOTIFY, OPCODE_QUERY, type ParsedQuery, TYPE_OPT } from '../wire/parsed-query.ts'
import { ReplyWriter, SECTION_ADDITIONAL, SECTION_ANSWER, SECTION_AUTHORITY } from '../wire/reply-writer.ts'
import {
  ABSENT,
  CNAME_LEAVES,
  NO_ZONE,
  NODATA,
  NXDOMAIN_OUTCOME,
  UNAVAILABLE,
  ZONE_SET,
  type ZoneStore,
} from '../zone/zone-store.ts'

const CLASS_IN = 1
const QTYPE_IXFR = 251
const QTYPE_AXFR = 252
/** Sections of a message, for `copySection`. */
const ANSWER = 0
const AUTHORITY = 1
const ADDITIONAL = 2
/** RFC 8914 section 4.15: Not Ready. */
const EDE_NOT_READY = Uint8Array.of(0, 14)

/** Replies are written here and then copied: their length isn't known before. */
const buffer = new Uint8Array(65535)
const writer = new ReplyWriter()

export interface ZonePlugin {
  /** For the messages of a chain that ends here. */
  readonly name: string
  /** Names that this plugin is asked for at all, though its zones may hold others; absent: those its zones hold. */
  readonly scope?: readonly string[]
  /** At the chain's end refuse names that no zone holds, as an authoritative server does; else the chain's SERVFAIL. */
  readonly refusesOthers?: boolean
  /** Whether a negative answer goes on to the next plugin instead; as in `DataPart`. */
  readonly fallsThrough?: (query: ParsedQuery, outcome: number) => boolean
  /** A NOTIFY for a zone of this plugin arrived; without it that is an ordinary query. No reply follows. */
  readonly onNotify?: (query: Query) => void
}

/** The handler of a plugin whose zones are in the store under the context's sourceId. */
export function openZoneHandler(
  plugin: ZonePlugin,
  context: Pick<HandlerContext, 'store' | 'sourceId' | 'lookup'>,
): Handler {
  const { store, sourceId } = context
  const passOn = plugin.refusesOthers === true ? nextOrRefused(plugin.name) : pass
  const scope = plugin.scope === undefined ? undefined : new ZoneSet(plugin.scope)
  const fallsThrough = plugin.fallsThrough ?? never
  return (query, next) => {
    const { parsed } = query
    if (parsed.qclass !== CLASS_IN || (scope !== undefined && !scope.holds(parsed))) return passOn(query, next)
    const zoneSet = store.generation(ZONE_SET)
    const zone = store.findZone(sourceId, parsed)
    if (zone === NO_ZONE) {
      query.marks.local(ZONE_SET, zoneSet)
      return passOn(query, next)
    }
    if (parsed.qtype === QTYPE_AXFR || parsed.qtype === QTYPE_IXFR) return Reply.unwritten(REFUSED)
    if (parsed.opcode === OPCODE_NOTIFY && plugin.onNotify !== undefined) {
      plugin.onNotify(query)
      return Reply.drop()
    }
    query.marks.local(zone, store.generation(zone))
    writer.begin(parsed, buffer, 0, buffer.length)
    const outcome = store.answer(zone, parsed, writer)
    switch (outcome) {
      case UNAVAILABLE:
        return notReady()
      case ABSENT:
        return fallsThrough(parsed, outcome) ? next(query) : Reply.unwritten(SERVFAIL)
      case NXDOMAIN_OUTCOME:
      case NODATA:
        return fallsThrough(parsed, outcome) ? next(query) : written()
      case CNAME_LEAVES:
        return followOut(query, store, context)
      default:
        return written()
    }
  }
}

/** What the front may do for such a plugin: answer from the store, and leave to the chain what only that can do. */
export function zoneFrontPart(
  plugin: ZonePlugin,
  { store, sourceId }: Pick<FrontContext, 'store' | 'sourceId'>,
): FrontPart {
  const scope = plugin.scope === undefined ? undefined : new ZoneSet(plugin.scope)
  return {
    concerns: (query) => {
      const { qtype, qclass, opcode } = query
      if (qtype === QTYPE_AXFR || qtype === QTYPE_IXFR || qclass !== CLASS_IN || opcode !== OPCODE_QUERY) return true
      return scope !== undefined && !scope.holds(query) && store.findZone(sourceId, query) !== NO_ZONE
    },
    data: { fallsThrough: plugin.fallsThrough ?? never },
  }
}

/** `fallthrough [ZONES…]`: names that don't exist, at or below one of these zones. */
export function fallthroughIn(zones: readonly string[]): (query: ParsedQuery, outcome: number) => boolean {
  if (zones.length === 0) return never
  const set = new ZoneSet(zones)
  return (query, outcome) => outcome === NXDOMAIN_OUTCOME && set.holds(query)
}

function pass(query: Query, next: Next): Reply | Promise<Reply> {
  return next(query)
}

function never(): boolean {
  return false
}

/** An authoritative server refuses what it doesn't serve, where CoreDNS's chain would end in an error. */
function nextOrRefused(name: string): (query: Query, next: Next) => Reply | Promise<Reply> {
  const atEnd = `plugin/${name}: no next plugin found`
  return (query, next) => {
    const reply = next(query)
    return !(reply instanceof Promise) && reply.unwritten && reply.cause === atEnd ? Reply.unwritten(REFUSED) : reply
  }
}

/** The zone has no data yet, or none any more: SERVFAIL that says so. */
function notReady(): Reply {
  const reply = Reply.unwritten(SERVFAIL)
  reply.options.push({ code: OPTION_EDE, data: EDE_NOT_READY })
  return reply
}

function written(): Reply {
  return Reply.fromWire(buffer.slice(0, writer.end()))
}

/** The store's answer ends in a CNAME to a name outside the zone. */
function followOut(query: Query, store: ZoneStore, context: Pick<HandlerContext, 'lookup'>): Promise<Reply> {
  const target = nameToText(store.target, 0)
  // The buffer is another query's as soon as this one waits.
  const message = buffer.slice(0, writer.end())
  const zoneSet = store.generation(ZONE_SET)
  return context.lookup(query, target, query.qtype).then((inner) => joined(query, message, inner, zoneSet))
}

/**
 * The CNAME and what its target gave. RFC 6604 section 3: the RCODE is that of the last name; a negative answer brings
 * the SOA, and with DO the proofs, of the target's zone (RFC 2308 section 2). A target that nobody here answers for
 * leaves the CNAME alone: the client's resolver goes on with it.
 */
function joined(query: Query, message: Uint8Array, inner: Reply, zoneSet: number): Reply {
  if (inner.dropped) return Reply.drop()
  if (inner.rcode === SERVFAIL || isRefusal(inner.rcode)) {
    // The next look at the target may go well, or somebody serve it.
    if (inner.rcode === SERVFAIL) query.marks.noStore()
    else query.marks.local(ZONE_SET, zoneSet)
    const reply = Reply.fromWire(message)
    reply.rcode = inner.rcode === SERVFAIL ? SERVFAIL : NOERROR
    reply.options = inner.options
    return reply
  }
  const target = inner.wire ?? composeReplyMessage(query.parsed, inner)
  writer.begin(query.parsed, buffer, 0, buffer.length)
  const isRead =
    copySection(message, ANSWER, writer, SECTION_ANSWER) >= 0 &&
    copySection(target, ANSWER, writer, SECTION_ANSWER) >= 0 &&
    // Proofs of a wildcard that the CNAME came from.
    copySection(message, AUTHORITY, writer, SECTION_AUTHORITY) >= 0 &&
    copySection(target, AUTHORITY, writer, SECTION_AUTHORITY) >= 0 &&
    copySection(target, ADDITIONAL, writer, SECTION_ADDITIONAL, isNotOpt) >= 0
  if (!isRead) {
    query.marks.noStore()
    return Reply.unwritten(SERVFAIL, `plugin: the answer for the target of ${query.qnameLower} can't be read`)
  }
  writer.rcode = inner.rcode
  writer.authoritative = true
  writer.truncated ||= inner.truncated
  const reply = Reply.fromWire(buffer.slice(0, writer.end()))
  reply.options = inner.options
  return reply
}

/** FORMERR, NOTIMP, REFUSED: nobody here answers for the name. */
function isRefusal(rcode: number): boolean {
  return rcode === FORMERR_RCODE || rcode === NOTIMP_RCODE || rcode === REFUSED
}

function isNotOpt(type: number): boolean {
  return type !== TYPE_OPT
}
