/** One workload after the other: starts the servers, interleaves their rounds, and counts what they cost. */

import { createSocket } from 'node:dgram'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { BigCluster } from '../../test/kube/big-cluster-process.ts'
import { Dnsperf } from '../load/dnsperf.ts'
import type { Job } from '../load/generator.ts'
import { Load } from '../load/load.ts'
import { QuerySet } from '../load/query-set.ts'
import { searchHighest } from '../load/search.ts'
import type { Cores } from '../machine/pinning.ts'
import { cpuTime, memoryOctets } from '../machine/process-tree.ts'
import { RunningServer } from '../machine/running-server.ts'
import { type Measure, type Running, WINDOW } from '../measures/measure.ts'
import { type MeasureResult, qps, type Round, type ServerResult, type WorkloadResult } from '../report/result.ts'
import type { Progress } from '../report/terminal.ts'
import { nsd } from '../servers/nsd.ts'
import type { ServerKind, Setup } from '../servers/server.ts'
import type { Workload } from '../workloads/workload.ts'
import { freePort } from './free-port.ts'
import { writeZones } from './zone-files.ts'

const ADDRESS = '127.0.0.1'
const UDP_FLOWS = 128
const TCP_FLOWS = 16
const START_SECONDS = 0.7
const START_LIMIT_SECONDS = 20
/** A million names take some servers long. */
const LARGE_START_SECONDS = 10
const LARGE_START_LIMIT_SECONDS = 180
/** More wrong answers than this share of all: the server does not do what the workload asks. */
const WRONG_MAX = 0.01

/** How long everything takes. */
export interface Pace {
  readonly rounds: number
  readonly seconds: number
  readonly warmSeconds: number
  readonly halfSeconds: number
  /** 0: no search for the highest rate. */
  readonly searchSteps: number
  readonly searchSeconds: number
  /** The rounds are dnsperf's. */
  readonly dnsperf: boolean
}

interface Contender {
  readonly kind: ServerKind
  readonly port: number
  readonly adminPort: number
  readonly rounds: Round[]
  start(): Promise<RunningServer>
  server?: RunningServer
  memory: number
  startSeconds: number
  failed?: string
  atHalf?: ServerResult['atHalf']
  highest?: ServerResult['highest']
}

interface Upstream {
  readonly port: number
  stop(): Promise<void>
}

/** What the servers of a workload ask while they run. */
interface Besides {
  readonly upstream: Upstream | undefined
  /** '' without a cluster. */
  readonly clusterUrl: string
  stop(): Promise<void>
}

export function estimateSeconds(workload: Workload, kinds: readonly ServerKind[], pace: Pace): number {
  const start = workload.large ? LARGE_START_SECONDS : START_SECONDS
  const starts = workload.large ? pace.rounds + 1 : 1
  const each =
    starts * (start + pace.warmSeconds) +
    pace.rounds * pace.seconds +
    pace.halfSeconds +
    pace.searchSteps * pace.searchSeconds
  return kinds.length * each
}

export class Bench {
  readonly #folder: string
  readonly #cores: Cores
  readonly #pace: Pace
  readonly #progress: Progress
  readonly #load: Load
  readonly #dnsperf: Dnsperf | undefined
  /** Started when a measure wants it. */
  #loadBeside: Load | undefined

  constructor(about: { folder: string; cores: Cores; pace: Pace; progress: Progress }) {
    this.#folder = about.folder
    this.#cores = about.cores
    this.#pace = about.pace
    this.#progress = about.progress
    this.#load = new Load(about.cores.load)
    this.#dnsperf = about.pace.dnsperf ? new Dnsperf(about.cores.load, about.folder) : undefined
  }

  close(): void {
    this.#load.close()
    this.#loadBeside?.close()
  }

  async measure(name: string, workload: Workload, kinds: readonly ServerKind[]): Promise<WorkloadResult> {
    const zoneFile = writeZones(join(this.#folder, name), workload)
    const query = firstQuery(workload)
    const contenders: Contender[] = []
    const besides = await this.#startBesides(name, workload, kinds, zoneFile, query)
    try {
      for (const kind of kinds) contenders.push(await this.#contender(name, workload, kind, zoneFile, besides, query))
      if (!workload.large) for (const contender of contenders) await this.#bringUp(contender, name, workload)
      for (let round = 0; round < this.#pace.rounds; round++) {
        for (const contender of contenders) await this.#round(contender, name, workload, round)
      }
      for (const contender of contenders) await this.#openLoops(contender, name, workload)
    } finally {
      for (const { server } of contenders) await server?.stop()
      await besides.stop()
    }
    return {
      name,
      title: workload.title,
      shows: workload.shows,
      targets: workload.targets ?? [],
      servers: contenders.map(({ kind, rounds, memory, startSeconds, failed, atHalf, highest }) => ({
        server: kind.name,
        rounds,
        memory,
        startSeconds,
        ...(failed === undefined ? {} : { failed }),
        ...(atHalf === undefined ? {} : { atHalf }),
        ...(highest === undefined ? {} : { highest }),
      })),
    }
  }

  /** Starts each server as often as the measure wants, one at a time and in turn. */
  async takeMeasure(name: string, measure: Measure, kinds: readonly ServerKind[]): Promise<MeasureResult> {
    const { workload } = measure
    const zoneFile = writeZones(join(this.#folder, name), workload)
    const query = firstQuery(workload)
    const besides = await this.#startBesides(name, workload, kinds, zoneFile, query)
    const results = kinds.map((kind) => ({ server: kind.name, figures: {} as Record<string, number[]>, failed: '' }))
    try {
      for (let repeat = 0; repeat < measure.repeats; repeat++) {
        for (const [i, kind] of kinds.entries()) {
          const result = results[i]!
          this.#progress.show(`${measure.title}: ${kind.name}`)
          if (result.failed === '') {
            const contender = await this.#contender(name, workload, kind, zoneFile, besides, query)
            try {
              const server = await contender.start()
              contender.server = server
              const figures = await measure.take(this.#running(contender, server))
              for (const [figure, value] of Object.entries(figures)) {
                result.figures[figure] = [...(result.figures[figure] ?? []), value]
              }
            } catch (error) {
              result.failed = (error as Error).message
            } finally {
              await contender.server?.stop()
            }
          }
          this.#progress.done(measure.seconds)
        }
      }
    } finally {
      await besides.stop()
    }
    return {
      name,
      title: measure.title,
      shows: measure.shows,
      unit: measure.unit,
      servers: results.map(({ failed, ...result }) => (failed === '' ? result : { ...result, failed })),
    }
  }

  #running(contender: Contender, server: RunningServer): Running {
    const { adminPort, port } = contender
    const job = (workload: string, how: Partial<Job>): Job => ({
      workload,
      address: ADDRESS,
      port,
      transport: 'udp',
      flows: UDP_FLOWS,
      seconds: 1,
      ...how,
    })
    return {
      server,
      address: ADDRESS,
      port,
      adminPort,
      load: (workload, how) => this.#load.run(job(workload, how)),
      loadBeside: async (workload, how) => {
        this.#loadBeside ??= new Load([this.#cores.beside])
        // On two cores it must not take the first one's.
        return this.#loadBeside.run({ ...job(workload, how), patient: true })
      },
    }
  }

  async #contender(
    name: string,
    workload: Workload,
    kind: ServerKind,
    zoneFile: Setup['zoneFile'],
    besides: Besides,
    query: Buffer,
  ): Promise<Contender> {
    const folder = join(this.#folder, name, kind.name)
    mkdirSync(folder, { recursive: true })
    const port = await freePort(ADDRESS)
    const adminPort = await freePort(ADDRESS)
    const setup: Setup = {
      folder,
      address: ADDRESS,
      port,
      adminPort,
      cores: kind.cores ?? 1,
      workload,
      zoneFile,
      upstreamPort: besides.upstream?.port ?? 0,
      clusterUrl: besides.clusterUrl,
    }
    return {
      kind,
      port,
      adminPort,
      rounds: [],
      memory: 0,
      startSeconds: 0,
      start: () =>
        RunningServer.start(kind.prepare(setup), {
          core: this.#cores.server(kind.cores ?? 1),
          address: ADDRESS,
          port,
          transport: workload.transport,
          query,
          limitSeconds: workload.large ? LARGE_START_LIMIT_SECONDS : START_LIMIT_SECONDS,
          outputFile: join(folder, 'output'),
        }),
    }
  }

  /** Starts and warms the server; what goes wrong is the contender's result. */
  async #bringUp(contender: Contender, name: string, workload: Workload): Promise<void> {
    this.#progress.show(`${workload.title}: ${contender.kind.name} starts`)
    try {
      contender.server = await contender.start()
      contender.startSeconds = contender.server.startSeconds
      await this.#load.run({
        ...this.#job(contender, name, workload),
        seconds: this.#pace.warmSeconds,
        window: workload.window ?? WINDOW,
      })
    } catch (error) {
      contender.failed = (error as Error).message
    }
    this.#progress.done((workload.large ? LARGE_START_SECONDS : START_SECONDS) + this.#pace.warmSeconds)
  }

  async #round(contender: Contender, name: string, workload: Workload, round: number): Promise<void> {
    if (workload.large && contender.failed === undefined) await this.#bringUp(contender, name, workload)
    const { seconds } = this.#pace
    const { server } = contender
    if (contender.failed === undefined && server !== undefined) {
      this.#progress.show(`${workload.title}: ${contender.kind.name}, round ${round + 1} of ${this.#pace.rounds}`)
      const before = cpuTime(server.pid)
      const result = await (this.#dnsperf ?? this.#load).run({
        ...this.#job(contender, name, workload),
        seconds,
        window: workload.window ?? WINDOW,
      })
      const after = cpuTime(server.pid)
      const answers = Math.max(1, result.right + result.wrong)
      contender.rounds.push({
        qps: result.qps,
        user: ((after.user - before.user) * 1e6) / answers,
        system: ((after.system - before.system) * 1e6) / answers,
        lost: result.lost,
        wrong: result.wrong,
      })
      contender.memory = memoryOctets(server.pid)
      if (result.right === 0 || result.wrong / answers > WRONG_MAX) {
        contender.failed = `${result.right} right, ${result.wrong} wrong (${result.wrongRcode} by RCODE), ${result.lost} lost`
      }
      if (workload.large) {
        await server.stop()
        delete contender.server
      }
    }
    this.#progress.done(seconds)
  }

  async #openLoops(contender: Contender, name: string, workload: Workload): Promise<void> {
    const { halfSeconds, searchSeconds, searchSteps } = this.#pace
    if (contender.failed === undefined && halfSeconds > 0) {
      if (workload.large) await this.#bringUp(contender, name, workload)
      this.#progress.show(`${workload.title}: ${contender.kind.name}, latency`)
      const top = qps({ server: '', memory: 0, startSeconds: 0, rounds: contender.rounds })
      const job = this.#job(contender, name, workload)
      const rate = Math.max(1, Math.round(top / 2))
      const { lagMs, latency } = await this.#load.run({ ...job, seconds: halfSeconds, rate })
      contender.atHalf = { rate, latency, lagMs }
      if (searchSteps > 0) {
        this.#progress.show(`${workload.title}: ${contender.kind.name}, highest rate`)
        const highest = await searchHighest(this.#load, { ...job, seconds: searchSeconds }, top, searchSteps)
        if (highest !== undefined) contender.highest = highest
      }
      if (workload.large) {
        await contender.server?.stop()
        delete contender.server
      }
    }
    this.#progress.done(halfSeconds + searchSteps * searchSeconds)
  }

  #job({ kind, port }: Contender, name: string, { flows, transport }: Workload) {
    return {
      workload: name,
      address: ADDRESS,
      port,
      transport,
      flows: flows ?? (transport === 'udp' ? UDP_FLOWS : TCP_FLOWS),
      unchecked: kind.unchecked ?? false,
    }
  }

  /** What the servers forward to, if anything. */
  async #startBesides(
    name: string,
    workload: Workload,
    kinds: readonly ServerKind[],
    zoneFile: Setup['zoneFile'],
    query: Buffer,
  ): Promise<Besides> {
    const upstream = await this.#upstreamFor(name, workload, kinds, zoneFile, query)
    const size = workload.cluster
    const cluster = size === undefined ? undefined : new BigCluster()
    const told = size === undefined ? undefined : await cluster?.ask({ kind: 'start', size })
    return {
      upstream,
      clusterUrl: told?.url ?? '',
      async stop() {
        await upstream?.stop()
        await cluster?.stop()
      },
    }
  }

  async #upstreamFor(
    name: string,
    workload: Workload,
    kinds: readonly ServerKind[],
    zoneFile: Setup['zoneFile'],
    query: Buffer,
  ): Promise<Upstream | undefined> {
    if (workload.forward === 'silent') return silentUpstream()
    if (workload.forward === undefined && !kinds.some(({ needsUpstream }) => needsUpstream)) return undefined
    const upstream = await this.#startUpstream(name, workload, zoneFile, query)
    return upstream === undefined ? undefined : { port: upstream.port, stop: () => upstream.server.stop() }
  }

  /** NSD with the workload's zones, beside the load generator. */
  async #startUpstream(name: string, workload: Workload, zoneFile: Setup['zoneFile'], query: Buffer) {
    if (nsd.version() === undefined) return undefined
    const folder = join(this.#folder, name, 'upstream')
    mkdirSync(folder, { recursive: true })
    const port = await freePort(ADDRESS)
    const { forward: _forward, ...answering } = workload
    const setup: Setup = {
      folder,
      address: ADDRESS,
      port,
      adminPort: 0,
      cores: 1,
      workload: answering,
      zoneFile,
      upstreamPort: 0,
      clusterUrl: '',
    }
    const server = await RunningServer.start(nsd.prepare(setup), {
      core: this.#cores.beside,
      address: ADDRESS,
      port,
      transport: 'udp',
      query,
      limitSeconds: START_LIMIT_SECONDS,
      outputFile: join(folder, 'output'),
    })
    return { port, server }
  }
}

function firstQuery(workload: Workload): Buffer {
  const scratch = new Uint8Array(512)
  const length = new QuerySet(workload.queries().slice(0, 1), 'sequence').compose(0, scratch, 0)
  return Buffer.from(scratch.subarray(0, length))
}

/** Takes queries and says nothing. */
async function silentUpstream(): Promise<Upstream> {
  const socket = createSocket('udp4')
  await new Promise<void>((resolve) => socket.bind(0, ADDRESS, resolve))
  return {
    port: socket.address().port,
    stop: () => new Promise((resolve) => socket.close(() => resolve())),
  }
}
