/**
 * The two ways in which the primary starts a worker: as a process of node:cluster, or within its own. It knows the
 * worker's files by path only; all else is `messages/`.
 */
import cluster from 'node:cluster'
import { fileURLToPath } from 'node:url'
import { ipcLink, type Link, localLinks } from '../messages/link.ts'
import type { FromWorker, ToWorker } from '../messages/protocol.ts'
import type { ZoneStore } from '../zone/zone-store.ts'

/** A worker that was started and has not said anything yet. */
export interface StartedWorker {
  /** Undefined in one-process mode. */
  readonly pid: number | undefined
  readonly link: Link<ToWorker, FromWorker>
  /** SIGKILL. */
  kill(): void
  /** Called once, with why: `signal SIGKILL`, `exit code 1`. */
  onEnd(listener: (why: string) => void): void
}

export type StartWorker = (slot: number) => StartedWorker

/** What a module for one-process mode exports. */
export interface LocalWorkerModule {
  startLocalWorker(link: Link<FromWorker, ToWorker>, store: ZoneStore): void
}

/** Workers as processes. `entry`: the file they run; `threads`: pool threads of each. */
export function processWorkers(threads: number, entry: URL): StartWorker {
  // 'advanced': typed arrays travel as they are.
  cluster.setupPrimary({ exec: fileURLToPath(entry), args: [String(threads)], serialization: 'advanced' })
  return () => {
    const worker = cluster.fork()
    const child = worker.process
    return {
      pid: child.pid,
      link: ipcLink<ToWorker, FromWorker>(child),
      kill: () => child.kill('SIGKILL'),
      onEnd(listener) {
        // Without a process there is no exit: out of memory or of process ids.
        child.on('error', (error) => listener(error.message))
        child.on('exit', (code, signal) => listener(signal === null ? `exit code ${code}` : `signal ${signal}`))
      },
    }
  }
}

/** The worker in this process, which has the primary's store. */
export async function localWorker(store: ZoneStore, entry: URL): Promise<StartWorker> {
  const { startLocalWorker }: LocalWorkerModule = await import(entry.href)
  return () => {
    const [link, other] = localLinks<ToWorker, FromWorker>()
    setImmediate(() => startLocalWorker(other, store))
    return { pid: undefined, link, kill: () => {}, onEnd: () => {} }
  }
}
