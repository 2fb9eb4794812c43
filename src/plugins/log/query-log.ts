/** Writes the query log from the event loop, for answers from the cache as for others. */

import type { Client, FrontContext, FrontPart, Outcome } from '../../chain/plugin.ts'
import { ZoneSet } from '../../chain/zone-set.ts'
import { type LineWriter, standardOutput } from '../../observe/line-writer.ts'
import { Counter } from '../../observe/prom-client.ts'
import { CLASS_DENIAL, CLASS_ERROR, CLASS_SUCCESS, replyClass } from '../../observe/reply-class.ts'
import type { ParsedQuery } from '../../wire/parsed-query.ts'
import { LineFormat } from './format.ts'
import type { LogClass, LogRule } from './index.ts'

const ALL_CLASSES = 1 << 0
const CLASS_BITS: Record<LogClass, number> = {
  all: ALL_CLASSES,
  success: 1 << CLASS_SUCCESS,
  denial: 1 << CLASS_DENIAL,
  error: 1 << CLASS_ERROR,
}

interface OpenRule {
  readonly scope: ZoneSet
  readonly classBits: number
  readonly format: LineFormat
}

/** The first rule whose scope holds the name decides, even when its classes then leave the line out. */
export function openQueryLog(
  rules: readonly LogRule[],
  context: Pick<FrontContext, 'listeners' | 'registry'>,
  out: LineWriter = standardOutput(),
): FrontPart {
  countDroppedLines(context.registry, out)
  const open: OpenRule[] = rules.map(({ scope, format, classes }) => ({
    scope: new ZoneSet([scope]),
    classBits: classes.reduce((bits, name) => bits | CLASS_BITS[name], 0),
    format: new LineFormat(`[INFO] ${format}`, context.listeners),
  }))
  const observe = (query: ParsedQuery, client: Client, outcome: Outcome): void => {
    for (let i = 0; i < open.length; i++) {
      const { scope, classBits, format } = open[i]!
      if (!scope.holds(query)) continue
      if ((classBits & ALL_CLASSES) === 0 && (classBits & (1 << classOf(query, outcome))) === 0) return
      const at = out.reserve(format.sizeMax + 1)
      if (at < 0) return
      const end = format.write(out.buffer, at, query, client, outcome)
      out.buffer[end] = 0x0a
      out.commit(end + 1)
      return
    }
  }
  return { observe }
}

/** One series per process, whoever wrote the lines. */
function countDroppedLines(registry: FrontContext['registry'], out: LineWriter): void {
  const name = 'shoal_log_lines_dropped_total'
  if (registry.getSingleMetric(name) !== undefined) return
  new Counter({
    name,
    help: 'Log lines dropped because standard output was not read fast enough.',
    registers: [registry],
    collect() {
      this.reset()
      this.inc(out.dropped)
    },
  })
}

function classOf(query: ParsedQuery, { reply, start, length, rcode }: Outcome): number {
  const questionEnd = Math.min(query.questionEnd, length)
  const signaturesCount = query.dnssecOk
  const nowSeconds = signaturesCount ? Math.floor(Date.now() / 1000) : 0
  return replyClass(reply, start, length, questionEnd, rcode, signaturesCount, nowSeconds)
}
