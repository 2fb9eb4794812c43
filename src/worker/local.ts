/** The worker in the primary's own process: `-processes 1`. Same messages, no process border, one record store. */
import type { Link } from '../messages/link.ts'
import type { FromWorker, ToWorker } from '../messages/protocol.ts'
import type { ZoneStore } from '../zone/zone-store.ts'
import { engineCreator } from './front.ts'
import { startThreads } from './pool-threads.ts'
import { startWorker } from './start.ts'

/** What the primary calls after it has loaded this module. */
export function startLocalWorker(link: Link<FromWorker, ToWorker>, store: ZoneStore): void {
  startWorker({ link, createEngine: engineCreator(startThreads), store, onEnd: () => {} })
}
