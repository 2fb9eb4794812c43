/**
 * What every process of the server says about itself: `process_*` as Prometheus clients name them, and `nodejs_*`.
 * Read when /metrics is asked for; nothing runs in between.
 */
import { readdir, readFile } from 'node:fs/promises'
import { constants, monitorEventLoopDelay, PerformanceObserver } from 'node:perf_hooks'
import { getHeapSpaceStatistics } from 'node:v8'
import { Counter, Gauge, Histogram, type Registry } from './prom-client.ts'

/** One set per process, in the registry that asked first: a process that plays two roles isn't counted twice. */
let registeredIn: Registry | undefined
let runtimeRegistered = false

/** Registers the figures of this process; later calls in the same process do nothing. Sums over processes make sense. */
export function registerProcessMetrics(registry: Registry): void {
  if (registeredIn !== undefined) return
  registeredIn = registry
  const registers = [registry]
  let lastCpuMicros = 0
  new Counter({
    name: 'process_cpu_seconds_total',
    help: 'Total user and system CPU time spent in seconds.',
    registers,
    collect() {
      const { user, system } = process.cpuUsage()
      this.inc((user + system - lastCpuMicros) / 1e6)
      lastCpuMicros = user + system
    },
  })
  new Gauge({
    name: 'process_resident_memory_bytes',
    help: 'Resident memory size in bytes.',
    registers,
    collect() {
      this.set(process.memoryUsage.rss())
    },
  })
  new Gauge({
    name: 'process_virtual_memory_bytes',
    help: 'Virtual memory size in bytes.',
    registers,
    async collect() {
      // In kB, whatever the size of a page.
      const size = /^VmSize:\s+(\d+) kB/m.exec(await readText('/proc/self/status'))
      if (size !== null) this.set(Number(size[1]) * 1024)
    },
  })
  new Gauge({
    name: 'process_open_fds',
    help: 'Number of open file descriptors.',
    registers,
    async collect() {
      // One of them is the folder that is being read.
      const names = await readdir('/proc/self/fd').catch(() => [])
      if (names.length > 0) this.set(names.length - 1)
    },
  })
  new Gauge({
    name: 'process_max_fds',
    help: 'Maximum number of open file descriptors.',
    registers,
    aggregator: 'max',
    async collect() {
      const limit = /^Max open files\s+(\d+)/m.exec(await readText('/proc/self/limits'))
      if (limit !== null) this.set(Number(limit[1]))
    },
  })
  new Gauge({
    name: 'process_start_time_seconds',
    help: 'Start time of the process since unix epoch in seconds.',
    registers,
    aggregator: 'min',
    collect() {
      this.set(Math.round(performance.timeOrigin / 10) / 100)
    },
  })
  new Gauge({
    name: 'nodejs_version_info',
    help: 'Node.js version info.',
    labelNames: ['version'],
    registers,
    aggregator: 'first',
    collect() {
      this.set({ version: process.version }, 1)
    },
  })
  new Gauge({
    name: 'nodejs_heap_size_total_bytes',
    help: 'Process heap size from Node.js in bytes.',
    registers,
    collect() {
      this.set(process.memoryUsage().heapTotal)
    },
  })
  new Gauge({
    name: 'nodejs_heap_size_used_bytes',
    help: 'Process heap size used from Node.js in bytes.',
    registers,
    collect() {
      this.set(process.memoryUsage().heapUsed)
    },
  })
  new Gauge({
    name: 'nodejs_external_memory_bytes',
    help: 'Node.js external memory size in bytes.',
    registers,
    collect() {
      this.set(process.memoryUsage().external)
    },
  })
}

/** Adds the figures that cost something to keep (event loop delay, collections, heap spaces) until the process ends. */
export function addRuntimeMetrics(registry: Registry): void {
  if (runtimeRegistered) return
  runtimeRegistered = true
  const registers = [registry]
  const delay = monitorEventLoopDelay({ resolution: 10 })
  delay.enable()
  new Gauge({
    name: 'nodejs_eventloop_lag_seconds',
    help: 'Delay of the event loop since the last scrape, by quantile.',
    labelNames: ['quantile'],
    registers,
    aggregator: 'max',
    collect() {
      for (const quantile of [50, 90, 99, 100]) {
        this.set({ quantile: String(quantile / 100) }, Math.max(0, delay.percentile(quantile) / 1e9))
      }
      delay.reset()
    },
  })
  const collections = new Histogram({
    name: 'nodejs_gc_duration_seconds',
    help: 'Garbage collection duration by kind, one of major, minor, incremental or weakcb.',
    labelNames: ['kind'],
    buckets: [0.001, 0.01, 0.1, 1, 2, 5],
    registers,
  })
  const kinds = new Map<number, string>([
    [constants.NODE_PERFORMANCE_GC_MAJOR, 'major'],
    [constants.NODE_PERFORMANCE_GC_MINOR, 'minor'],
    [constants.NODE_PERFORMANCE_GC_INCREMENTAL, 'incremental'],
    [constants.NODE_PERFORMANCE_GC_WEAKCB, 'weakcb'],
  ])
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      const { kind } = (entry as unknown as { detail: { kind: number } }).detail
      collections.observe({ kind: kinds.get(kind) ?? 'other' }, entry.duration / 1000)
    }
  }).observe({ entryTypes: ['gc'] })
  new Gauge({
    name: 'nodejs_heap_space_size_used_bytes',
    help: 'Process heap space size used from Node.js in bytes.',
    labelNames: ['space'],
    registers,
    collect() {
      for (const { space_name, space_used_size } of getHeapSpaceStatistics()) {
        this.set({ space: space_name }, space_used_size)
      }
    },
  })
  new Gauge({
    name: 'nodejs_active_resources',
    help: 'Number of active resources that are currently keeping the event loop alive, by type.',
    labelNames: ['type'],
    registers,
    collect() {
      this.reset()
      for (const type of process.getActiveResourcesInfo()) this.inc({ type })
    },
  })
}

async function readText(path: string): Promise<string> {
  return readFile(path, 'latin1').catch(() => '')
}
