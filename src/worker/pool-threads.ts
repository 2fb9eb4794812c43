/**
 * The threads of a pool. They load `pool/serve.ts` when they start and wait for their tasks (`hand-off.ts`): a process that
 * starts has them do so while it loads the rest of itself.
 */
import type { Piscina } from 'piscina'
import { POOL_THREAD } from '../entries.ts'

/** Starts so many threads. One that dies is replaced, whatever it was about to do; its task is rejected. */
export type StartThreads = (count: number) => Promise<Piscina>

export const startThreads: StartThreads = async (count) => {
  const { Piscina } = await import('piscina')
  const pool = new Piscina({
    filename: POOL_THREAD.href,
    minThreads: count,
    maxThreads: count,
    concurrentTasksPerWorker: 1,
    idleTimeout: Number.POSITIVE_INFINITY,
    // The serve task never ends before the pool does, and its thread must go on with its own event loop meanwhile.
    atomics: 'disabled',
  })
  // Without a listener piscina throws: a thread's death also rejects its task, which is where it is handled.
  pool.on('error', () => {})
  return pool
}

/** Starts so many threads now, for the first who asks. */
export async function startThreadsAhead(count: number): Promise<StartThreads> {
  let ahead: Piscina | undefined = await startThreads(count)
  return async (wanted) => {
    const pool = ahead ?? (await startThreads(wanted))
    ahead = undefined
    return pool
  }
}
