/** The chain's part of `file`: what the record store answers, and NOTIFY messages, which nobody acts on. */
import type { Handler, HandlerContext } from '../../chain/plugin.ts'
import { openZoneHandler } from '../zone-handler.ts'
import { type FileOptions, zonePlugin } from './index.ts'

/** Between two log lines about NOTIFY messages: anybody can send them. */
const NOTIFY_LOG_MS = 1000

export function openFileHandler(options: FileOptions, context: HandlerContext): Handler {
  let toldAt = Number.NEGATIVE_INFINITY
  const onNotify: NonNullable<Parameters<typeof openZoneHandler>[0]['onNotify']> = (query) => {
    const now = performance.now()
    if (now - toldAt < NOTIFY_LOG_MS) return
    toldAt = now
    context.log.info(`Dropping notify from ${query.clientForLog.address} for ${query.qnameLower}`)
  }
  return openZoneHandler({ ...zonePlugin(options), onNotify }, context)
}
