import type { Handler } from '../../chain/plugin.ts'
import type { CancelOptions } from './index.ts'

/** Sets the query's deadline; who waits (`forward`) keeps it. The earliest deadline counts where several are set. */
export function openCancel({ timeoutMs }: CancelOptions): Handler {
  return (query, next) => {
    query.deadlineMs = Math.min(query.deadlineMs, performance.now() + timeoutMs)
    return next(query)
  }
}
