/**
 * The chain's part of `kubernetes`: what the record store answers, and the names of pods that can't be there because they are
 * worked out from the question: any address with `pods insecure`, other spellings of an IPv6 address with `pods verified`.
 */
import type { Answer } from 'dns-packet'
import type { Handler, HandlerContext } from '../../chain/plugin.ts'
import type { Query } from '../../chain/query.ts'
import { Reply } from '../../chain/reply.ts'
import { parseMessage } from '../../rdata/message.ts'
import { podLabel } from '../../sources/kubernetes/model/pod-label.ts'
import { ReplyWriter } from '../../wire/reply-writer.ts'
import { ANSWERED, NO_ZONE, NODATA } from '../../zone/zone-store.ts'
import { openZoneHandler } from '../zone-handler.ts'
import { zonePlugin } from './index.ts'
import type { KubernetesOptions } from './options.ts'
import { PodNames, podAddress } from './pod-names.ts'

const CLASS_IN = 1
const QTYPE_A = 1
const QTYPE_AAAA = 28
const QTYPE_ANY = 255

const buffer = new Uint8Array(65535)
const writer = new ReplyWriter()

export function openKubernetesHandler(options: KubernetesOptions, context: HandlerContext): Handler {
  const fromStore = openZoneHandler(zonePlugin(options), context)
  const { pods, zones } = options
  if (pods === 'disabled') return fromStore
  const names = new PodNames(zones)
  return (query, next) => {
    const { parsed } = query
    if (parsed.qclass !== CLASS_IN || !names.holds(parsed)) return fromStore(query, next)
    return solvePod(query, options, context) ?? fromStore(query, next)
  }
}

/** Undefined when the store knows better: the name is no address, or nobody has it. */
function solvePod(
  query: Query,
  { pods, ttlSeconds }: KubernetesOptions,
  { store, sourceId }: HandlerContext,
): Reply | undefined {
  const { qnameLower, qtype } = query
  const dot = qnameLower.indexOf('.')
  const label = qnameLower.slice(0, dot)
  const address = podAddress(label)
  if (address === undefined) return undefined
  const { family, text } = address
  // What must be there: the namespace, or the pod in its one spelling.
  const witness = pods === 'insecure' ? qnameLower.slice(dot + 1) : `${podLabel(text)}${qnameLower.slice(dot)}`
  if (witness === qnameLower) return undefined
  const { parsed } = query.with({ qname: witness })
  const zone = store.findZone(sourceId, parsed)
  if (zone === NO_ZONE) return undefined
  query.marks.local(zone, store.generation(zone))
  writer.begin(parsed, buffer, 0, buffer.length)
  const outcome = store.answer(zone, parsed, writer)
  if (outcome !== ANSWERED && outcome !== NODATA) return undefined
  const fits = qtype === QTYPE_ANY || qtype === (family === 4 ? QTYPE_A : QTYPE_AAAA)
  if (fits) {
    const { name } = query.question
    const answer = { name, type: family === 4 ? 'A' : 'AAAA', class: 'IN', ttl: ttlSeconds, data: text } as Answer
    return Reply.of({ answers: [answer] }, { authoritative: true })
  }
  return Reply.of({ authorities: parseMessage(buffer.slice(0, writer.end())).authorities }, { authoritative: true })
}
