/**
 * Entry of a worker process; its argument is the number of pool threads. They start first: they load their code while this
 * thread loads its own, and a worker that died is missed for a shorter time.
 */
import { startThreadsAhead } from './pool-threads.ts'

const startThreads = await startThreadsAhead(Number(process.argv[2]))
const { engineCreator } = await import('./front.ts')
const { runWorkerProcess } = await import('./process.ts')
const { ZoneStore } = await import('../zone/zone-store.ts')

runWorkerProcess(engineCreator(startThreads), ZoneStore.create())
