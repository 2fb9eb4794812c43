/**
 * Series of `forward`, under CoreDNS's names and under those it had before 1.7. Counting costs an addition or two:
 * prom-client is given the figures when somebody scrapes.
 */

import { DURATION_BOUNDS } from '../../observe/dns-metrics.ts'
import { Counter, type Metric, type Registry } from '../../observe/prom-client.ts'
import { rcodeName } from '../../rdata/rr-types.ts'
import type { ConnectionKind } from './upstream/upstream-events.ts'

const PROXY_NAME = 'forward'

/** Times of one upstream's replies with one RCODE. */
class Durations {
  readonly rcode: string
  readonly buckets = new Float64Array(DURATION_BOUNDS.length)
  count = 0
  sum = 0

  constructor(rcode: string) {
    this.rcode = rcode
  }

  observe(seconds: number): void {
    this.count++
    this.sum += seconds
    // Not cumulative here; `scrape` adds up.
    for (let i = 0; i < DURATION_BOUNDS.length; i++) {
      if (seconds <= DURATION_BOUNDS[i]!) {
        this.buckets[i]!++
        return
      }
    }
  }
}

/** Figures of one upstream; blocks that name the same one share them. */
export class UpstreamFigures {
  readonly to: string
  readonly #durations = new Map<number, Durations>()
  probeFailures = 0
  ignored = 0
  readonly reused: Record<ConnectionKind, number> = { udp: 0, tcp: 0, 'tcp-tls': 0 }
  readonly opened: Record<ConnectionKind, number> = { udp: 0, tcp: 0, 'tcp-tls': 0 }

  constructor(to: string) {
    this.to = to
  }

  answered(rcode: number, seconds: number): void {
    let durations = this.#durations.get(rcode)
    if (durations === undefined) {
      durations = new Durations(rcodeName(rcode).replace(/^RCODE/, ''))
      this.#durations.set(rcode, durations)
    }
    durations.observe(seconds)
  }

  get durations(): Iterable<Durations> {
    return this.#durations.values()
  }
}

export class ForwardFigures {
  readonly #upstreams = new Map<string, UpstreamFigures>()
  /** Every upstream of a stanza was down when a query came. */
  healthcheckBroken = 0
  maxConcurrentRejects = 0

  upstream(to: string): UpstreamFigures {
    let figures = this.#upstreams.get(to)
    if (figures === undefined) {
      figures = new UpstreamFigures(to)
      this.#upstreams.set(to, figures)
    }
    return figures
  }

  get upstreams(): Iterable<UpstreamFigures> {
    return this.#upstreams.values()
  }
}

const known = new WeakMap<Registry, ForwardFigures>()

/** The figures of this registry's thread; its series are registered on first use. */
export function forwardFigures(registry: Registry): ForwardFigures {
  let figures = known.get(registry)
  if (figures === undefined) {
    figures = new ForwardFigures()
    known.set(registry, figures)
    register(registry, figures)
  }
  return figures
}

type Row = { readonly labels: Record<string, string>; readonly value: number }

function register(registry: Registry, figures: ForwardFigures): void {
  const counters: readonly { name: string; help: string; labels: string[]; rows(): Row[] }[] = [
    {
      name: 'coredns_proxy_healthcheck_failures_total',
      help: 'Counter of the number of failed healthchecks.',
      labels: ['proxy_name', 'to'],
      rows: () =>
        perUpstream(figures, ({ to, probeFailures }) => [
          { labels: { proxy_name: PROXY_NAME, to }, value: probeFailures },
        ]),
    },
    {
      name: 'coredns_forward_healthcheck_failures_total',
      help: 'Counter of the number of failed healthchecks (old name).',
      labels: ['to'],
      rows: () => perUpstream(figures, ({ to, probeFailures }) => [{ labels: { to }, value: probeFailures }]),
    },
    {
      name: 'coredns_proxy_conn_cache_hits_total',
      help: 'Counter of connection cache hits per upstream and protocol.',
      labels: ['proxy_name', 'to', 'proto'],
      rows: () => perUpstream(figures, ({ to, reused }) => perKind(to, reused)),
    },
    {
      name: 'coredns_proxy_conn_cache_misses_total',
      help: 'Counter of connection cache misses per upstream and protocol.',
      labels: ['proxy_name', 'to', 'proto'],
      rows: () => perUpstream(figures, ({ to, opened }) => perKind(to, opened)),
    },
    {
      name: 'coredns_forward_healthcheck_broken_total',
      help: 'Counter of the number of complete failures of the healthchecks.',
      labels: [],
      rows: () => [{ labels: {}, value: figures.healthcheckBroken }],
    },
    {
      name: 'coredns_forward_max_concurrent_rejects_total',
      help: 'Counter of the number of queries rejected because the concurrent queries were at maximum.',
      labels: [],
      rows: () => [{ labels: {}, value: figures.maxConcurrentRejects }],
    },
    {
      name: 'coredns_forward_requests_total',
      help: 'Counter of requests made per upstream (old name).',
      labels: ['to'],
      rows: () =>
        perUpstream(figures, ({ to, durations }) => {
          let value = 0
          for (const { count } of durations) value += count
          return [{ labels: { to }, value }]
        }),
    },
    {
      name: 'coredns_forward_responses_total',
      help: 'Counter of responses received per upstream (old name).',
      labels: ['to', 'rcode'],
      rows: () =>
        perUpstream(figures, ({ to, durations }) =>
          [...durations].map(({ rcode, count }) => ({ labels: { to, rcode }, value: count })),
        ),
    },
    {
      name: 'shoal_forward_ignored_replies_total',
      help: 'Messages from an upstream that answered nothing it had been asked: forged, late or broken ones.',
      labels: ['to'],
      rows: () => perUpstream(figures, ({ to, ignored }) => [{ labels: { to }, value: ignored }]),
    },
  ]
  for (const { name, help, labels, rows } of counters) {
    new Counter({
      name,
      help,
      labelNames: labels,
      registers: [registry],
      collect() {
        this.reset()
        for (const { labels: names, value } of rows()) this.inc(names, value)
      },
    })
  }
  registerHistogram(
    registry,
    'coredns_proxy_request_duration_seconds',
    'Histogram of the time each request took.',
    () => durationRows(figures, (to, rcode) => ({ proxy_name: PROXY_NAME, to, rcode })),
  )
  registerHistogram(
    registry,
    'coredns_forward_request_duration_seconds',
    'Histogram of the time each request took (old name).',
    () => durationRows(figures, (to, rcode) => ({ to, rcode })),
  )
}

function perUpstream(figures: ForwardFigures, rows: (upstream: UpstreamFigures) => Row[]): Row[] {
  return [...figures.upstreams].flatMap(rows)
}

function perKind(to: string, counts: Record<ConnectionKind, number>): Row[] {
  return Object.entries(counts)
    .filter(([, value]) => value > 0)
    .map(([proto, value]) => ({ labels: { proxy_name: PROXY_NAME, to, proto }, value }))
}

interface HistogramValue {
  readonly labels: Record<string, string | number>
  readonly value: number
  readonly metricName: string
}

type NamedRow = (name: string) => HistogramValue[]

function durationRows(
  figures: ForwardFigures,
  labelsOf: (to: string, rcode: string) => Record<string, string>,
): NamedRow[] {
  const rows: NamedRow[] = []
  for (const { to, durations } of figures.upstreams) {
    for (const { rcode, buckets, count, sum } of durations) {
      const labels = labelsOf(to, rcode)
      rows.push((name) => {
        let below = 0
        const values: HistogramValue[] = DURATION_BOUNDS.map((le, i) => {
          below += buckets[i]!
          return { labels: { le, ...labels }, value: below, metricName: `${name}_bucket` }
        })
        values.push(
          { labels: { le: '+Inf', ...labels }, value: count, metricName: `${name}_bucket` },
          { labels, value: sum, metricName: `${name}_sum` },
          { labels, value: count, metricName: `${name}_count` },
        )
        return values
      })
    }
  }
  return rows
}

/** A histogram whose figures are kept elsewhere: prom-client only asks a metric for its values. */
function registerHistogram(registry: Registry, name: string, help: string, rows: () => NamedRow[]): void {
  const metric = {
    name,
    help,
    type: 'histogram',
    aggregator: 'sum',
    reset() {},
    get: async () => ({ name, help, type: 'histogram', aggregator: 'sum', values: rows().flatMap((row) => row(name)) }),
  }
  registry.registerMetric(metric as unknown as Metric)
}
