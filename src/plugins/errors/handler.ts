import type { Handler, HandlerContext } from '../../chain/plugin.ts'
import type { Query } from '../../chain/query.ts'
import type { Reply } from '../../chain/reply.ts'
import { compileRegex } from '../../corefile/linear-regex.ts'
import { typeName } from '../../rdata/rr-types.ts'
import type { ErrorsOptions } from './index.ts'
import type { ErrorCounts } from './summaries.ts'

/** While errors keep coming, a thread tells the primary about them this often. */
const REPORT_INTERVAL_MS = 250

/**
 * Logs the cause of each failure, or counts it where a `consolidate` matches. The counts of all threads meet in the
 * primary (`summaries.ts`), which logs them: one line for the whole server.
 */
export function openErrors(options: ErrorsOptions, context: HandlerContext): Handler {
  const { log } = context
  if (options.consolidations.length === 0) return judging((query, reply) => logged(log, query, reply))
  const regexes = options.consolidations.map(({ pattern }) => compileRegex(pattern))
  const counts: ErrorCounts = regexes.map(() => ({ count: 0, first: '' }))
  let reporting: NodeJS.Timeout | undefined

  const report = (): void => {
    reporting = undefined
    if (counts.every(({ count }) => count === 0)) return
    context.report(counts.map((each) => ({ ...each })))
    for (const each of counts) {
      each.count = 0
      each.first = ''
    }
    // The first error after a pause is told at once, those that follow together.
    reporting = setTimeout(report, REPORT_INTERVAL_MS)
    reporting.unref()
  }

  const judge = (query: Query, reply: Reply): Reply => {
    const { cause } = reply
    if (cause === undefined) return reply
    const line = lineOf(query, reply)
    const index = regexes.findIndex((regex) => regex.test(cause))
    const counted = counts[index]
    if (counted === undefined) log.error(line)
    else {
      if (counted.count++ === 0) counted.first = line
      if (reporting === undefined) report()
    }
    return reply
  }

  context.onClose(() => {
    clearTimeout(reporting)
    report()
    clearTimeout(reporting)
  })
  return judging(judge)
}

function judging(judge: (query: Query, reply: Reply) => Reply): Handler {
  return (query, next) => {
    const reply = next(query)
    return reply instanceof Promise ? reply.then((late) => judge(query, late)) : judge(query, reply)
  }
}

function lineOf(query: Query, reply: Reply): string {
  return `${reply.rcode} ${query.qnameLower} ${typeName(query.qtype)}: ${reply.cause}`
}

function logged(log: HandlerContext['log'], query: Query, reply: Reply): Reply {
  if (reply.cause !== undefined) log.error(lineOf(query, reply))
  return reply
}
