/** Puts a new configuration in place of the old one in all workers, or in none. */
import type { ServerConfig } from '../corefile/server-config.ts'
import type { Told } from '../messages/protocol.ts'
import type { WorkerHandle } from './worker-handle.ts'
import type { ZoneLine } from './zone-line.ts'

/**
 * Every worker builds the new engine and opens the new listeners beside the old, then all swap while none answers: no
 * client sees the new configuration and the old one after it. Rejects with what a worker said, the old configuration
 * being served as before. Workers that die meanwhile don't count: their successors get the new one.
 */
export async function swapWorkers(
  workers: readonly WorkerHandle[],
  line: ZoneLine | undefined,
  config: ServerConfig,
  told: Told,
): Promise<void> {
  const { generation } = config
  const answers = await Promise.all(
    workers.map((worker) => {
      const answer = worker.expect(`prepared ${generation}`)
      worker.send({ kind: 'prepare', config, told })
      return answer
    }),
  )
  const failure = answers.find((answer) => answer?.kind === 'prepared' && answer.error !== undefined)
  if (failure?.kind === 'prepared') {
    for (const worker of workers) worker.send({ kind: 'rollback', generation })
    throw new Error(failure.error)
  }
  const commit = async (round: number): Promise<void> => {
    await Promise.all(
      workers.map((worker) => {
        const answer = worker.expect(`committed ${generation}`)
        worker.send({ kind: 'commit', generation, round })
        worker.generation = generation
        return answer
      }),
    )
  }
  await (line === undefined ? commit(0) : line.held(workers, commit))
}

/** Resolves when the engines before this generation are gone. Ask before the swap. */
export async function retired(workers: readonly WorkerHandle[], generation: number): Promise<void> {
  await Promise.all(workers.map((worker) => worker.expect(`retired ${generation}`)))
}
