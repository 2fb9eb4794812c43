/**
 * The `coredns_dns_*` series, counted on the event loop for every query without allocation.
 *
 * One group of cells per server, zone and view; the group's number is worked out once, and a query adds to cells whose
 * place is a sum of small numbers. Cells are Float64 in shared memory, written by one thread and read by whoever
 * collects: a plain load of an aligned 64-bit cell is whole, and nobody needs it newer than it is.
 *
 *   offset  cells  what
 *        0     80  requests: proto (udp, tcp) × family (4, 6) × type (20)
 *       80      1  requests with DO
 *       81     18  duration: 16 buckets, +Inf, sum of seconds
 *       99     32  request size: proto × (14 buckets, +Inf, sum of octets)
 *      131     32  response size: the same
 *      163     66  responses: who wrote it (server, plugin) × RCODE (0 to 31, the rest)
 *
 * Series that were never counted are not exported, as in CoreDNS. Groups stay over a reload: counters never go back.
 */
import { assert } from '../assert.ts'
import type { ParsedQuery } from '../wire/parsed-query.ts'
import { RCODE_NAMES } from '../wire/rcode-names.ts'
import type { Metric, Registry } from './prom-client.ts'
import { uncompressedSize } from './uncompressed-size.ts'

/** Upper bounds in seconds: CoreDNS's TimeBuckets, 0.25 ms doubled up to 8.192 s. */
export const DURATION_BOUNDS: readonly number[] = Array.from({ length: 16 }, (_, i) => 0.00025 * 2 ** i)
/** Upper bounds in octets of the size histograms. */
export const SIZE_BOUNDS: readonly number[] = [
  0, 100, 200, 300, 400, 511, 1023, 2047, 4095, 8291, 16000, 32000, 48000, 64000,
]

/** Types with a series of their own; the others are counted together as `other`. */
const TYPES: readonly (readonly [number, string])[] = [
  [1, 'A'],
  [28, 'AAAA'],
  [5, 'CNAME'],
  [48, 'DNSKEY'],
  [43, 'DS'],
  [15, 'MX'],
  [50, 'NSEC3'],
  [47, 'NSEC'],
  [2, 'NS'],
  [12, 'PTR'],
  [46, 'RRSIG'],
  [6, 'SOA'],
  [33, 'SRV'],
  [16, 'TXT'],
  [65, 'HTTPS'],
  [64, 'SVCB'],
  [251, 'IXFR'],
  [252, 'AXFR'],
  [255, 'ANY'],
]
const TYPE_OTHER = TYPES.length
const TYPE_COUNT = TYPES.length + 1
const typeIndexes = new Uint8Array(256).fill(TYPE_OTHER)
for (const [index, [type]] of TYPES.entries()) typeIndexes[type] = index

const RCODE_OTHER = 32
const RCODE_COUNT = 33

const REQUESTS = 0
const DO_REQUESTS = REQUESTS + 2 * 2 * TYPE_COUNT
const DURATION = DO_REQUESTS + 1
const DURATION_CELLS = DURATION_BOUNDS.length + 2
const REQUEST_SIZE = DURATION + DURATION_CELLS
const SIZE_CELLS = SIZE_BOUNDS.length + 2
const RESPONSE_SIZE = REQUEST_SIZE + 2 * SIZE_CELLS
const RESPONSES = RESPONSE_SIZE + 2 * SIZE_CELLS
const GROUP_CELLS = RESPONSES + 2 * RCODE_COUNT
assert(DO_REQUESTS === 80 && DURATION === 81 && REQUEST_SIZE === 99 && RESPONSE_SIZE === 131 && RESPONSES === 163)

const GROUPS_AT_FIRST = 16
/** CoreDNS's zone label of queries that no block was asked for. It has no final dot, so it can't be a zone. */
export const ZONE_DROPPED = 'dropped'

/** Who asked, and what became of it: what this module needs of the front's `Client` and `Outcome`. */
interface Asker {
  readonly family: number
  readonly tcp: boolean
}
interface Result {
  readonly rcode: number
  readonly reply: Uint8Array
  readonly start: number
  readonly length: number
  readonly seconds: number
}

interface Group {
  readonly server: string
  readonly zone: string
  readonly view: string
  /** Label `plugin` of replies that a plugin wrote. */
  readonly plugin: string
}

type Labels = Record<string, string | number>
interface Value {
  labels: Labels
  value: number
  metricName?: string
}

export class DnsMetrics {
  #cells = cellsFor(GROUPS_AT_FIRST)
  readonly #groups: Group[] = []
  readonly #numbers = new Map<string, number>()
  readonly #dropped: number[] = []

  constructor(registry: Registry) {
    for (const metric of this.#metrics()) registry.registerMetric(metric as unknown as Metric<string>)
  }

  /** The group's number, made on first use. Allocates then. */
  group(server: string, zone: string, view: string, plugin: string): number {
    const key = JSON.stringify([server, zone, view, plugin])
    const known = this.#numbers.get(key)
    if (known !== undefined) return known
    const number = this.#groups.length
    if ((number + 1) * GROUP_CELLS > this.#cells.length) {
      const larger = cellsFor(2 * number)
      larger.set(this.#cells)
      this.#cells = larger
    }
    this.#groups.push({ server, zone, view, plugin })
    this.#numbers.set(key, number)
    return number
  }

  /** Counts one query and what became of it. Neither allocates nor throws. */
  count(group: number, query: ParsedQuery, client: Asker, outcome: Result): void {
    const cells = this.#cells
    const base = group * GROUP_CELLS
    const proto = client.tcp ? 1 : 0
    const type = query.qtype < 256 ? typeIndexes[query.qtype]! : TYPE_OTHER
    add(cells, base + REQUESTS + ((proto << 1) | (client.family === 6 ? 1 : 0)) * TYPE_COUNT + type, 1)
    if (query.dnssecOk) add(cells, base + DO_REQUESTS, 1)

    const { seconds } = outcome
    let bucket = 0
    while (bucket < DURATION_BOUNDS.length && seconds > durationBounds[bucket]!) bucket++
    add(cells, base + DURATION + bucket, 1)
    add(cells, base + DURATION + DURATION_CELLS - 1, seconds)

    countSize(cells, base + REQUEST_SIZE + proto * SIZE_CELLS, query.length)
    const { length, rcode } = outcome
    const size =
      length === 0 ? 0 : uncompressedSize(outcome.reply, outcome.start, length, replyQuestionEnd(query, length))
    countSize(cells, base + RESPONSE_SIZE + proto * SIZE_CELLS, size)

    // A drop counts as NOERROR without size, as in CoreDNS.
    const code = rcode < 0 ? 0 : Math.min(rcode, RCODE_OTHER)
    add(cells, base + RESPONSES + (isWritten(outcome) ? RCODE_COUNT : 0) + code, 1)
  }

  /** Counts a query that the server itself refused, before any block was asked: zone `dropped`. */
  countDropped(listenerId: number, server: string, query: ParsedQuery, client: Asker, outcome: Result): void {
    const known = this.#dropped[listenerId]
    const group = known !== undefined && this.#groups[known]!.server === server ? known : -1
    this.count(group >= 0 ? group : this.#openDropped(listenerId, server), query, client, outcome)
  }

  #openDropped(listenerId: number, server: string): number {
    const group = this.group(server, ZONE_DROPPED, '', '')
    this.#dropped[listenerId] = group
    return group
  }

  #metrics() {
    const metric = (name: string, help: string, type: 'counter' | 'histogram', values: () => Value[]) => ({
      name,
      help,
      type,
      aggregator: 'sum',
      get: () => Promise.resolve({ name, help, type, aggregator: 'sum', values: values() }),
      reset: () => undefined,
    })
    return [
      metric(
        'coredns_dns_requests_total',
        'Counter of DNS requests made per zone, protocol and family.',
        'counter',
        () => this.#requests(),
      ),
      metric(
        'coredns_dns_request_duration_seconds',
        'Histogram of the time (in seconds) each request took per zone.',
        'histogram',
        () => this.#histogram('coredns_dns_request_duration_seconds', DURATION, DURATION_BOUNDS, false),
      ),
      metric(
        'coredns_dns_request_size_bytes',
        'Size of the requests in bytes, as received, per zone and protocol.',
        'histogram',
        () => this.#histogram('coredns_dns_request_size_bytes', REQUEST_SIZE, SIZE_BOUNDS, true),
      ),
      metric('coredns_dns_do_requests_total', 'Counter of DNS requests with DO bit set per zone.', 'counter', () =>
        this.#perGroup((group, base) =>
          nonZero([{ labels: zoneLabels(group), value: this.#cells[base + DO_REQUESTS]! }]),
        ),
      ),
      metric(
        'coredns_dns_response_size_bytes',
        'Size of the returned response in bytes, without compression.',
        'histogram',
        () => this.#histogram('coredns_dns_response_size_bytes', RESPONSE_SIZE, SIZE_BOUNDS, true),
      ),
      metric('coredns_dns_responses_total', 'Counter of response status codes.', 'counter', () => this.#responses()),
    ]
  }

  #perGroup(values: (group: Group, base: number) => Value[]): Value[] {
    return this.#groups.flatMap((group, number) => values(group, number * GROUP_CELLS))
  }

  #requests(): Value[] {
    return this.#perGroup((group, base) => {
      const values: Value[] = []
      for (let i = 0; i < 4 * TYPE_COUNT; i++) {
        const value = this.#cells[base + REQUESTS + i]!
        const type = TYPES[i % TYPE_COUNT]?.[1] ?? 'other'
        const row = Math.floor(i / TYPE_COUNT)
        const proto = row >= 2 ? 'tcp' : 'udp'
        const family = (row & 1) === 1 ? '2' : '1'
        values.push({ labels: { ...zoneLabels(group), proto, family, type }, value })
      }
      return nonZero(values)
    })
  }

  #responses(): Value[] {
    return this.#perGroup((group, base) => {
      const values: Value[] = []
      for (let i = 0; i < 2 * RCODE_COUNT; i++) {
        const code = i % RCODE_COUNT
        const rcode = RCODE_NAMES.get(code) ?? (code === RCODE_OTHER ? 'other' : `RCODE${code}`)
        const plugin = i < RCODE_COUNT ? '' : group.plugin
        values.push({ labels: { ...zoneLabels(group), rcode, plugin }, value: this.#cells[base + RESPONSES + i]! })
      }
      return nonZero(values)
    })
  }

  #histogram(name: string, offset: number, bounds: readonly number[], perProto: boolean): Value[] {
    return this.#perGroup((group, base) => {
      const values: Value[] = []
      for (const [index, proto] of (perProto ? ['udp', 'tcp'] : ['']).entries()) {
        const at = base + offset + index * (bounds.length + 2)
        const labels: Labels = proto === '' ? zoneLabels(group) : { ...zoneLabels(group), proto }
        let count = 0
        const rows: Value[] = []
        for (let i = 0; i <= bounds.length; i++) {
          count += this.#cells[at + i]!
          rows.push({ labels: { ...labels, le: bounds[i] ?? '+Inf' }, value: count, metricName: `${name}_bucket` })
        }
        if (count === 0) continue
        const sum = this.#cells[at + bounds.length + 1]!
        values.push(...rows, { labels, value: sum, metricName: `${name}_sum` })
        values.push({ labels, value: count, metricName: `${name}_count` })
      }
      return values
    })
  }
}

const ofRegistry = new WeakMap<Registry, DnsMetrics>()

/** The counters that belong to a registry, made on first use: every configuration of a process goes on with the same. */
export function dnsMetrics(registry: Registry): DnsMetrics {
  let metrics = ofRegistry.get(registry)
  if (metrics === undefined) {
    metrics = new DnsMetrics(registry)
    ofRegistry.set(registry, metrics)
  }
  return metrics
}

const durationBounds = Float64Array.from(DURATION_BOUNDS)
const sizeBounds = Float64Array.from(SIZE_BOUNDS)

function cellsFor(groups: number): Float64Array {
  return new Float64Array(new SharedArrayBuffer(groups * GROUP_CELLS * Float64Array.BYTES_PER_ELEMENT))
}

function add(cells: Float64Array, index: number, amount: number): void {
  cells[index] = cells[index]! + amount
}

function countSize(cells: Float64Array, at: number, size: number): void {
  let bucket = 0
  while (bucket < sizeBounds.length && size > sizeBounds[bucket]!) bucket++
  add(cells, at + bucket, 1)
  add(cells, at + SIZE_CELLS - 1, size)
}

/** The reply repeats the question octet for octet, so it ends where the query's does; a bare header has none. */
function replyQuestionEnd(query: ParsedQuery, length: number): number {
  return query.questionEnd > 0 && query.questionEnd <= length ? query.questionEnd : length
}

/**
 * Whether a plugin wrote the reply. An error RCODE that no plugin wrote is sent by the server, without a record; one
 * that a plugin wrote without a record can't be told from it.
 */
function isWritten(outcome: Result): boolean {
  const { rcode, length, reply, start } = outcome
  if (length === 0) return false
  if (rcode !== 1 && rcode !== 2 && rcode !== 4 && rcode !== 5) return true
  return (reply[start + 6]! | reply[start + 7]! | reply[start + 8]! | reply[start + 9]!) !== 0
}

function zoneLabels({ server, zone, view }: Group): Labels {
  return { server, zone, view }
}

function nonZero(values: Value[]): Value[] {
  return values.filter(({ value }) => value !== 0)
}
