/**
 * A worker process's first file: node:cluster runs it. The primary decides when the process ends; signals meant for the
 * whole group (Ctrl-C, systemd's SIGTERM to all) must not stop it from answering before.
 */
import { type IpcEnd, ipcLink } from '../messages/link.ts'
import type { FromWorker, ToWorker } from '../messages/protocol.ts'
import { createLogger } from '../observe/log.ts'
import { keepHeapsSmall } from '../small-heap.ts'
import type { ZoneStore } from '../zone/zone-store.ts'
import type { CreateEngine } from './engine.ts'
import { startWorker } from './start.ts'

const SIGNALS_LEFT_TO_THE_PRIMARY = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'] as const

/** How long a worker that is done waits for the primary to let it go. */
const END_MS_MAX = 2000

/** Runs this process as a worker with the given engine and store. */
export function runWorkerProcess(createEngine: CreateEngine, store: ZoneStore): void {
  for (const signal of SIGNALS_LEFT_TO_THE_PRIMARY) process.on(signal, () => {})
  keepHeapsSmall()
  const log = createLogger()
  process.on('uncaughtException', (error) => {
    log.error(`worker process ${process.pid} ends: ${error instanceof Error ? (error.stack ?? error.message) : error}`)
    process.exit(1)
  })
  const link = ipcLink<FromWorker, ToWorker>(process as IpcEnd)
  // Without its primary a worker would go on with records that never change again.
  link.onClose(() => process.exit())
  startWorker({ link, createEngine, store, onEnd: (code) => endProcess(code) })
}

/** The primary hears what the worker said last, and closes the line; should it not, the worker goes by itself. */
function endProcess(code: number): void {
  process.exitCode = code
  setTimeout(() => process.exit(), END_MS_MAX)
}
