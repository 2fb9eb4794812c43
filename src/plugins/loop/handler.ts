import type { Handler, HandlerContext } from '../../chain/plugin.ts'
import { Reply, SERVFAIL } from '../../chain/reply.ts'
import { addressAndPort } from '../forward/upstream/upstream-address.ts'
import type { LoopState, ProbeSeen } from './messages.ts'

const TYPE_HINFO = 13
/** More passes of one probe than these say nothing new; a loop makes thousands. */
const REPORTS_PER_PROBE_MAX = 8
const OPTION_EDE = 15
/** RFC 8914 section 4.1: Other Error, with a text. */
const EDE_LOOP = Uint8Array.of(0, 0, ...new TextEncoder().encode('forwarding loop'))

/**
 * Reports each pass of the probe whose name the primary told, so that nobody who guesses names can make trouble. While a
 * loop is there, only the probe goes on to `forward`.
 */
export function openLoop(context: HandlerContext): Handler {
  let state: LoopState = { probe: undefined, looped: false }
  let reports = 0
  context.onTold((data) => {
    const told = data as LoopState
    if (told.probe !== state.probe) reports = 0
    state = told
  })
  return (query, next) => {
    const { probe, looped } = state
    if (probe !== undefined && query.qtype === TYPE_HINFO && query.qnameLower === probe) {
      query.marks.noStore()
      if (reports++ < REPORTS_PER_PROBE_MAX) {
        const { address, port } = query.clientForLog
        context.report({ probe, client: addressAndPort({ host: address, port }) } satisfies ProbeSeen)
      }
      return next(query)
    }
    if (!looped) return next(query)
    query.marks.noStore()
    const reply = Reply.unwritten(SERVFAIL, 'forwarding is off: it leads back to this server')
    reply.options.push({ code: OPTION_EDE, data: EDE_LOOP })
    return reply
  }
}
