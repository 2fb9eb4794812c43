/**
 * Answers from zones that were published from the snapshot on disk say so: Extended DNS Error 3, Stale Answer (RFC 8914 section 4.4). Only the
 * chain can say it, so the front leaves it such queries. What is published after the API server was asked once has no mark any more, and
 * from then on nobody looks for it.
 */
import type { FrontContext, FrontPart, Handler, HandlerContext } from '../../chain/plugin.ts'
import type { Reply } from '../../chain/reply.ts'
import { OPTION_EDE } from '../../chain/run.ts'
import { NOT_IN_SET, ZoneSet } from '../../chain/zone-set.ts'
import { STALE_OWNER } from '../../sources/kubernetes/model/stale-mark.ts'
import { textToName } from '../../wire/name.ts'
import { HEADER_SIZE, ParsedQuery } from '../../wire/parsed-query.ts'
import { EDE_STALE_ANSWER } from '../../wire/refusal.ts'
import { ReplyWriter } from '../../wire/reply-writer.ts'
import { ANSWERED, NO_ZONE, UNAVAILABLE, type ZoneStore } from '../../zone/zone-store.ts'

const TYPE_TXT = 16
const CLASS_IN = 1
const REPLY_SIZE = 1024
const STALE_OPTION = { code: OPTION_EDE, data: Uint8Array.of(0, EDE_STALE_ANSWER) }

class StaleZones {
  readonly #store: ZoneStore
  readonly #sourceId: number
  readonly #set: ZoneSet
  /** Per zone: asks for its mark; undefined once the zone was seen without. */
  readonly #marks: (ParsedQuery | undefined)[]
  /** Per zone: the generation that was looked at, and whether it had the mark. */
  readonly #generations: number[]
  readonly #isStale: boolean[]
  readonly #writer = new ReplyWriter()
  readonly #buffer = new Uint8Array(REPLY_SIZE)

  constructor(zones: readonly string[], { store, sourceId }: Pick<FrontContext, 'store' | 'sourceId'>) {
    this.#store = store
    this.#sourceId = sourceId
    this.#set = new ZoneSet(zones)
    this.#marks = zones.map(markQuery)
    this.#generations = zones.map(() => 0)
    this.#isStale = zones.map(() => false)
  }

  /** Whether the query's zone was published from disk. Doesn't allocate. */
  holds(query: ParsedQuery): boolean {
    const at = this.#set.longest(query)
    const mark = at === NOT_IN_SET ? undefined : this.#marks[at]
    if (mark === undefined) return false
    const zone = this.#store.findZone(this.#sourceId, mark)
    if (zone === NO_ZONE) return false
    const generation = this.#store.generation(zone)
    if (this.#isStale[at] && this.#generations[at] === generation) return true
    this.#writer.begin(mark, this.#buffer, 0, REPLY_SIZE)
    const outcome = this.#store.answer(zone, mark, this.#writer)
    this.#isStale[at] = outcome === ANSWERED
    this.#generations[at] = generation
    if (outcome !== ANSWERED && outcome !== UNAVAILABLE) this.#marks[at] = undefined
    return outcome === ANSWERED
  }
}

/** The part with stale zones left to the chain. */
export function staleFront(part: FrontPart, zones: readonly string[], context: FrontContext): FrontPart {
  const stale = new StaleZones(zones, context)
  return { ...part, concerns: (query) => part.concerns!(query) || stale.holds(query) }
}

/** The handler, whose answers from stale zones say so. */
export function staleHandler(handler: Handler, zones: readonly string[], context: HandlerContext): Handler {
  const stale = new StaleZones(zones, context)
  return (query, next) => {
    if (!stale.holds(query.parsed)) return handler(query, next)
    // It has to stop being said as soon as the API server is back.
    query.marks.noStore()
    const reply = handler(query, next)
    return reply instanceof Promise ? reply.then(marked) : marked(reply)
  }
}

function marked(reply: Reply): Reply {
  if (!reply.dropped && !reply.unwritten) reply.options = [...reply.options, STALE_OPTION]
  return reply
}

function markQuery(zone: string): ParsedQuery {
  const apex = textToName(zone)
  const questionEnd = HEADER_SIZE + STALE_OWNER.length + apex.length + 4
  const message = new Uint8Array(questionEnd)
  message[5] = 1
  message.set(Buffer.from(STALE_OWNER, 'latin1'), HEADER_SIZE)
  message.set(apex, HEADER_SIZE + STALE_OWNER.length)
  message[questionEnd - 3] = TYPE_TXT
  message[questionEnd - 1] = CLASS_IN
  const parsed = new ParsedQuery()
  parsed.parse(message, 0, questionEnd)
  return parsed
}
