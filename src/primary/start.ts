/**
 * The primary: reads the Corefile, starts the workers and the plugins' own parts, says when it serves, and then looks
 * after them until a signal ends it.
 *
 *   start ─► Server ─┬─► Supervisor ─► WorkerHandle ═ messages/ ═► worker
 *                    ├─► PluginParts ─► ZonePublishing ─► ZoneLine ═► the workers' stores
 *                    └─► reload, readiness, metrics, shutdown
 */
import { flushCompileCache } from 'node:module'
import { availableParallelism } from 'node:os'
import type { ServeOptions } from '../command-line.ts'
import { zoneLines } from '../corefile/zone-lines.ts'
import { LOCAL_WORKER, WORKER_PROCESS } from '../entries.ts'
import { standardOutput } from '../observe/line-writer.ts'
import { createLogger } from '../observe/log.ts'
import { loadCorefile } from '../plugins/load-corefile.ts'
import { loadPlugin } from '../plugins/order.ts'
import { keepHeapsSmall } from '../small-heap.ts'
import { versionLines } from '../version-lines.ts'
import { ZonePublishing } from '../zone/zone-publisher.ts'
import { ZoneStore } from '../zone/zone-store.ts'

import { cgroupLimits } from './cgroup.ts'
import { removePidfile, writePidfile } from './pidfile.ts'
import { prepareOptions } from './plugin-parts.ts'
import { processCount, processorCount, threadCount } from './process-count.ts'
import { EXIT_ERROR, Server } from './server.ts'
import { openServerRegistry } from './server-metrics.ts'
import { watchSignals } from './signals.ts'
import { Supervisor, type SupervisorLimits } from './supervisor.ts'
import { localWorker, processWorkers } from './worker-entries.ts'
import { ZoneLine } from './zone-line.ts'

/** What tests put in place of the real thing. */
export interface StartOverrides {
  readonly processEntry?: URL
  readonly localEntry?: URL
  readonly limits?: Partial<SupervisorLimits>
}

/** Starts the server and resolves when it serves. What goes wrong before is printed, and the process ends with code 1. */
export async function start(options: ServeOptions, overrides: StartOverrides = {}): Promise<void> {
  const { pidfile } = options
  const exit = (code: number): void => {
    process.exit(code)
  }
  const fail = (error: unknown): void => {
    console.error(error instanceof Error ? error.message : String(error))
    exit(EXIT_ERROR)
  }
  surviveFaults(exit)
  keepHeapsSmall()
  const signals = watchSignals(exit)
  try {
    if (pidfile !== undefined) {
      writePidfile(pidfile)
      process.on('exit', () => removePidfile(pidfile))
    }
    const server = await openServer(options, overrides, exit)
    if (server === undefined) return exit(EXIT_ERROR)
    signals.attach(server)
    try {
      const transport = await server.start()
      if (!options.quiet && !server.isStopping) announce(server, transport)
      flushCompileCache()
    } catch (error) {
      await server.abandon()
      fail(error)
    }
  } catch (error) {
    fail(error)
  }
}

/** Undefined when the Corefile can't be served: its errors have been printed. */
async function openServer(
  options: ServeOptions,
  { processEntry = WORKER_PROCESS, localEntry = LOCAL_WORKER, limits = {} }: StartOverrides,
  exit: (code: number) => void,
): Promise<Server | undefined> {
  const log = createLogger()
  const { conf, defaultPort } = options
  const loaded = await loadCorefile({ conf, defaultPort })
  for (const { at, problem } of loaded.warnings) log.warning(`${at.file}:${at.line} - ${problem}`)
  for (const { message } of loaded.errors) console.error(message)
  if (loaded.config === undefined) return undefined
  const config = await prepareOptions(loaded.config, loadPlugin)

  const machine = { parallelism: availableParallelism(), limits: cgroupLimits() }
  const processes = processCount(options.processes, config, machine)
  const threads = threadCount(options.threads, processes, machine)
  const store = ZoneStore.create()
  const line = processes > 1 ? new ZoneLine(store) : undefined
  const publishing = new ZonePublishing({ store, send: (change) => line?.send(change) })
  const supervisor: Supervisor = new Supervisor({
    settings: { processes, threads, threadsLast: processorCount(machine) === 1, udp: options.udp },
    startWorker: processes > 1 ? processWorkers(threads, processEntry) : await localWorker(store, localEntry),
    line,
    current: () => server.current,
    onReport: (sourceId, data) => server.onReport(sourceId, data),
    log,
    limits,
  })
  const server: Server = new Server({
    config,
    sources: loaded.sources,
    hasCorefile: loaded.text !== undefined,
    loadCorefile: (more) => loadCorefile({ conf, defaultPort, ...more }),
    loadPlugin,
    supervisor,
    line,
    publishing,
    metrics: openServerRegistry(() => supervisor, line),
    exit,
  })
  return server
}

function announce(
  server: Server,
  { transport, reason }: { readonly transport: string; readonly reason: string },
): void {
  const out = standardOutput()
  for (const line of zoneLines(server.current.config)) out.line(line)
  for (const line of versionLines()) out.line(line)
  createLogger().info(`UDP transport ${transport}: ${reason}`)
}

/**
 * A plugin that forgets a promise must not take the server down. An exception that nobody caught may have left anything
 * half done: the process ends and whoever started it starts it again.
 */
function surviveFaults(exit: (code: number) => void): void {
  const log = createLogger()
  process.on('unhandledRejection', (error) => log.error(`a promise was rejected and nobody cares: ${stackOf(error)}`))
  process.on('uncaughtException', (error) => {
    log.error(`ended by an exception: ${stackOf(error)}`)
    exit(EXIT_ERROR)
  })
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
