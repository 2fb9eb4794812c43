/** The one-process worker with the stub engine. */
import type { Link } from '../../src/messages/link.ts'
import type { FromWorker, ToWorker } from '../../src/messages/protocol.ts'
import { startWorker } from '../../src/worker/start.ts'
import type { ZoneStore } from '../../src/zone/zone-store.ts'
import { createStubEngine } from './stub-engine.ts'

export function startLocalWorker(link: Link<FromWorker, ToWorker>, store: ZoneStore): void {
  startWorker({ link, createEngine: createStubEngine, store, onEnd: () => {} })
}
