/**
 * Prometheus' protobuf exposition: `io.prometheus.client.MetricFamily` messages, each behind its length. Go's tools that
 * read /metrics (prom2json and what is built on it) ask for it, and so does Prometheus with native histograms enabled.
 *
 * Field numbers: https://github.com/prometheus/client_model/blob/master/io/prometheus/client/metrics.proto
 */
import type { Figures, Metric } from '../messages/figures.ts'

export const PROTOBUF_CONTENT_TYPE =
  'application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited'

/** One value of `getMetricsAsJSON()`; `metricName` where a metric has several series per label set. */
interface Value {
  readonly value: number
  readonly metricName?: string
  readonly labels: Readonly<Record<string, string | number>>
}

interface Series {
  readonly labels: Value['labels']
  readonly values: Value[]
}

const VARINT = 0
const DOUBLE = 1
const OCTETS = 2

/** MetricType and, in Metric, the field that holds a value of the type. */
const TYPES: Readonly<Record<string, { readonly type: number; readonly field: number }>> = {
  counter: { type: 0, field: 3 },
  gauge: { type: 1, field: 2 },
  summary: { type: 2, field: 4 },
  histogram: { type: 4, field: 7 },
}
const UNTYPED = { type: 3, field: 5 }

export function encodeProtobuf(figures: Figures): Buffer {
  return Buffer.concat(
    figures.map((metric) => {
      const family = encodeFamily(metric)
      return Buffer.concat([varint(family.length), family])
    }),
  )
}

function encodeFamily({ name, help, type: typeName, values }: Metric): Buffer {
  const { type, field } = TYPES[typeName] ?? UNTYPED
  const parts = [text(1, name), text(2, help), number(3, type)]
  if (typeName === 'histogram' || typeName === 'summary') {
    const bound = typeName === 'histogram' ? 'le' : 'quantile'
    for (const series of bySeries(values as readonly Value[], bound)) {
      parts.push(message(4, [...labelPairs(series.labels), message(field, distribution(name, bound, series.values))]))
    }
  } else {
    for (const { labels, value } of values as readonly Value[]) {
      parts.push(message(4, [...labelPairs(labels), message(field, [double(1, value)])]))
    }
  }
  return Buffer.concat(parts)
}

/** The values of each label set without the bound. */
function bySeries(values: readonly Value[], bound: string): Iterable<Series> {
  const series = new Map<string, Series>()
  for (const value of values) {
    const { [bound]: _, ...labels } = value.labels
    const key = JSON.stringify(Object.entries(labels).sort())
    const found = series.get(key)
    if (found === undefined) series.set(key, { labels, values: [value] })
    else found.values.push(value)
  }
  return series.values()
}

/** Histogram and Summary alike: 1 count, 2 sum, 3 a bucket (cumulative count, upper bound) or quantile (quantile, value). */
function distribution(name: string, bound: 'le' | 'quantile', values: readonly Value[]): Buffer[] {
  const parts: Buffer[] = []
  for (const { metricName, labels, value } of values) {
    if (metricName === `${name}_count`) parts.push(number(1, value))
    else if (metricName === `${name}_sum`) parts.push(double(2, value))
    else if (bound === 'quantile') parts.push(message(3, [double(1, Number(labels.quantile)), double(2, value)]))
    // The bucket +Inf is the count.
    else if (labels.le !== '+Inf') parts.push(message(3, [number(1, value), double(2, Number(labels.le))]))
  }
  return parts
}

function labelPairs(labels: Value['labels']): Buffer[] {
  return Object.entries(labels).map(([name, value]) => message(1, [text(1, name), text(2, String(value))]))
}

function tag(field: number, wireType: number): Buffer {
  return varint(field * 8 + wireType)
}

function message(field: number, parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts)
  return Buffer.concat([tag(field, OCTETS), varint(body.length), body])
}

function text(field: number, value: string): Buffer {
  return message(field, [Buffer.from(value)])
}

function number(field: number, value: number): Buffer {
  return Buffer.concat([tag(field, VARINT), varint(value)])
}

function double(field: number, value: number): Buffer {
  const octets = Buffer.alloc(8)
  octets.writeDoubleLE(value)
  return Buffer.concat([tag(field, DOUBLE), octets])
}

/** A whole number below 2^53, seven bits an octet, least first. */
function varint(value: number): Buffer {
  const octets: number[] = []
  while (value >= 0x80) {
    octets.push((value % 0x80) | 0x80)
    value = Math.floor(value / 0x80)
  }
  octets.push(value)
  return Buffer.from(octets)
}

/** Whether an Accept header likes the protobuf form at least as well as text. */
export function prefersProtobuf(accept: string): boolean {
  let protobuf = 0
  let other = 0
  for (const range of accept.split(',')) {
    const [type, ...parameters] = range.split(';').map((part) => part.trim().toLowerCase())
    const given = new Map(parameters.map((parameter) => parameter.split('=', 2) as [string, string]))
    const quality = given.has('q') ? Number(given.get('q')) || 0 : 1
    if (type === 'application/vnd.google.protobuf') {
      const isKnown =
        (given.get('proto') ?? 'io.prometheus.client.metricfamily') === 'io.prometheus.client.metricfamily'
      if (isKnown && (given.get('encoding') ?? 'delimited') === 'delimited') protobuf = Math.max(protobuf, quality)
    } else if (type === 'text/plain' || type === 'text/*' || type === '*/*') other = Math.max(other, quality)
  }
  return protobuf > 0 && protobuf >= other
}
