/** The primary's own series: what becomes of its workers and of reloads. */
import { Counter, Gauge, Registry } from '../observe/prom-client.ts'
import type { Supervisor } from './supervisor.ts'
import type { ZoneLine } from './zone-line.ts'

export interface ServerMetrics {
  readonly registry: Registry
  readonly reloads: Counter<'outcome'>
}

export function openServerRegistry(supervisor: () => Supervisor, line: ZoneLine | undefined): ServerMetrics {
  const registry = new Registry()
  const registers = [registry]
  new Gauge({
    name: 'shoal_workers',
    help: 'Worker processes that serve.',
    registers,
    collect() {
      this.set(supervisor().serving().length)
    },
  })
  counter(
    registry,
    'shoal_worker_restarts_total',
    'Worker processes that ended and were replaced.',
    () => supervisor().restarts,
  )
  counter(
    registry,
    'shoal_watchdog_kills_total',
    'Worker processes killed because they did not answer.',
    () => supervisor().watchdogKills,
  )
  if (line !== undefined) {
    counter(registry, 'shoal_pauses_total', 'Pauses of all workers, to show a change at once.', () => line.rounds)
    counter(registry, 'shoal_pauses_late_total', 'Pauses that some worker did not keep in time.', () => line.heldLate)
  }
  const reloads = new Counter({
    name: 'shoal_reloads_total',
    help: 'Reloads of the Corefile, by what came of them.',
    labelNames: ['outcome'],
    registers,
  })
  for (const outcome of ['reloaded', 'failed']) reloads.inc({ outcome }, 0)
  return { registry, reloads }
}

/** A counter whose value is kept elsewhere. */
function counter(registry: Registry, name: string, help: string, read: () => number): void {
  new Counter({
    name,
    help,
    registers: [registry],
    collect() {
      this.reset()
      this.inc(read())
    },
  })
}
