/**
 * A process of the load generator: pinned to its core, told what to do over IPC, one job at a time. It loads the workload by itself, so
 * that nothing large travels.
 *
 *   node generator.ts FIRST_SERIAL
 */
import { encodeIntoCompressedBase64 } from 'hdr-histogram-js'
import { readWorkload } from '../workloads/workload.ts'
import { openDgramFlows } from './dgram-flows.ts'
import type { Flows } from './flows.ts'
import { closedLoop, type LoadResult, openLoop } from './loops.ts'
import { openMmsgFlows } from './mmsg-flows.ts'
import { QuerySet } from './query-set.ts'
import { openTcpFlows } from './tcp-flows.ts'

export type Transport = 'udp' | 'tcp' | 'tcp-fresh'

export interface Job {
  readonly workload: string
  readonly address: string
  readonly port: number
  readonly transport: Transport
  readonly flows: number
  readonly seconds: number
  /** Closed loop: queries in flight. Without it, `rate`: queries per second. */
  readonly window?: number
  readonly rate?: number
  /** Sleeps until queries are due and so sends a few of them late, where another generator needs the core. */
  readonly patient?: boolean
  /** Whatever comes back is right: for servers that give one answer to everything. */
  readonly unchecked?: boolean
}

export type JobResult = Omit<LoadResult, 'histogram'> & { readonly generator: string }

/** What the process says: the histogram in hdr-histogram-js's compressed form. */
export type Told = JobResult & { readonly histogram: string }

const sets = new Map<string, QuerySet>()
/** The next query's: unique queries stay unique for the life of this process, and no other process begins where this one gets. */
let nextSerial = Number(process.argv[2] ?? 0)

process.on('message', async (job: Job) => {
  try {
    process.send!({ result: await run(job) })
  } catch (error) {
    process.send!({ error: `${(error as Error).stack}` })
  }
})
process.on('disconnect', () => process.exit(0))

async function run(job: Job): Promise<Told> {
  const queries = await querySet(job.workload)
  const flows = await openFlows(job)
  try {
    queries.checked = !job.unchecked
    const firstSerial = nextSerial
    const result =
      job.rate === undefined
        ? await closedLoop(flows, queries, { seconds: job.seconds, window: job.window!, firstSerial })
        : await openLoop(flows, queries, {
            seconds: job.seconds,
            rate: job.rate,
            firstSerial,
            patient: job.patient === true,
          })
    nextSerial += result.sent
    return { ...result, histogram: encodeIntoCompressedBase64(result.histogram), generator: flows.name }
  } finally {
    flows.close()
  }
}

async function querySet(name: string): Promise<QuerySet> {
  let set = sets.get(name)
  if (set === undefined) {
    const workload = await readWorkload(name)
    set = new QuerySet(workload.queries(), workload.order)
    // One set at a time: some are large.
    sets.clear()
    sets.set(name, set)
  }
  return set
}

async function openFlows({ address, port, flows, transport }: Job): Promise<Flows> {
  if (transport !== 'udp') return openTcpFlows(address, port, flows, transport === 'tcp-fresh')
  try {
    return await openMmsgFlows(address, port, flows)
  } catch (error) {
    if ((error as { code?: string }).code !== 'ERR_MMSG_UNAVAILABLE') throw error
    return openDgramFlows(address, port, flows)
  }
}
