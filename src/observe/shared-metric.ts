/**
 * Metrics by name: a plugin asks for its counter each time its part starts, and gets the one that is there. So a reload,
 * or a second block with the plugin, goes on counting where the first left off.
 */
import { Counter, Gauge, Histogram, type Registry } from './prom-client.ts'

/** CoreDNS's SlimTimeBuckets in seconds: 0.25 ms times 10, five of them. */
export const SLIM_TIME_BOUNDS: readonly number[] = [0.00025, 0.0025, 0.025, 0.25, 2.5]

export function sharedCounter<L extends string>(
  registry: Registry,
  name: string,
  help: string,
  labelNames: readonly L[] = [],
): Counter<L> {
  return (registry.getSingleMetric(name) ??
    new Counter({ name, help, labelNames: [...labelNames], registers: [registry] })) as Counter<L>
}

/** `aggregator`: how the values of several processes and threads become one; `sum` when not given. */
export function sharedGauge<L extends string>(
  registry: Registry,
  name: string,
  help: string,
  labelNames: readonly L[] = [],
  aggregator: 'sum' | 'first' | 'min' | 'max' | 'average' | 'omit' = 'sum',
): Gauge<L> {
  return (registry.getSingleMetric(name) ??
    new Gauge({ name, help, labelNames: [...labelNames], registers: [registry], aggregator })) as Gauge<L>
}

/** `bounds`: upper bounds of the buckets, +Inf aside. */
export function sharedHistogram<L extends string>(
  registry: Registry,
  name: string,
  help: string,
  bounds: readonly number[],
  labelNames: readonly L[] = [],
): Histogram<L> {
  return (registry.getSingleMetric(name) ??
    new Histogram({
      name,
      help,
      labelNames: [...labelNames],
      buckets: [...bounds],
      registers: [registry],
    })) as Histogram<L>
}
