/**
 * The two ways to load a server.
 *
 *   closed loop   `window` queries are always in flight: a reply makes the next query. It finds the maximum, and says nothing of
 *                 latency at any rate below it: a slow server is asked less.
 *   open loop     queries are due at a fixed rate, whatever the server does, and latency counts from when a query was due: what
 *                 a stall does to those behind it is seen (no coordinated omission).
 */
import { build, type Histogram } from 'hdr-histogram-js'
import type { Flows } from './flows.ts'
import { InFlight, type Tally } from './in-flight.ts'
import type { QuerySet } from './query-set.ts'

/** A query without a reply for so long is lost. */
const TIME_OUT_MS = 1000
const EXPIRE_EVERY_MS = 100
/** Queries that one flow gets at a time in the open loop: as a resolver behind one port asks. */
const BURST = 8
/** Queries sent between two looks for replies. */
const CATCH_UP = 128
/** Longest wait in the kernel when nothing is due; the open loop wakes up for the next query by itself. */
const WAIT_MS = 5
/** The same for a loop that may be late by as much: it leaves its core to another one. */
const PATIENT_WAIT_MS = 1

export interface LoadResult extends Tally {
  readonly seconds: number
  /** Right answers per second. */
  readonly qps: number
  readonly latency: Latency
  /** Of microseconds: what `latency` was read from. */
  readonly histogram: Histogram
  /** The open loop's greatest lag behind its own schedule: above a few milliseconds the generator is the limit, not the server. */
  readonly lagMs: number
}

/** Microseconds. */
export interface Latency {
  readonly mean: number
  readonly p50: number
  readonly p90: number
  readonly p99: number
  readonly p999: number
  readonly p9999: number
  readonly max: number
  /** Points of the latency curve: [percentile, microseconds]. */
  readonly curve: readonly (readonly [number, number])[]
}

const CURVE = [0, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 99.95, 99.99, 99.999]

export async function closedLoop(
  flows: Flows,
  queries: QuerySet,
  { seconds, window, firstSerial }: { seconds: number; window: number; firstSerial: number },
): Promise<LoadResult> {
  const histogram = newHistogram()
  const inFlight = new InFlight(flows, queries, histogram, firstSerial)
  const owed = new Uint32Array(flows.count)
  const owing: number[] = []
  const owe = (flow: number) => {
    if (owed[flow]!++ === 0) owing.push(flow)
  }
  for (let i = 0; i < window; i++) owe(i % flows.count)
  const start = performance.now()
  const end = start + seconds * 1000
  let now = start
  let expireAt = start + EXPIRE_EVERY_MS
  let lastFlow = -1
  const onReply = (flow: number, bytes: Uint8Array, at: number, length: number) => {
    // One look at the clock for what one call to the kernel brought.
    if (flow !== lastFlow) now = performance.now()
    lastFlow = flow
    if (inFlight.take(flow, bytes, at, length, now)) owe(flow)
  }
  while (now < end) {
    for (const flow of owing) {
      for (; owed[flow]! > 0; owed[flow]!--) inFlight.ask(flow, now)
      flows.flush(flow)
    }
    owing.length = 0
    lastFlow = -1
    const polled = flows.poll(WAIT_MS, onReply)
    if (polled !== undefined) await polled
    now = performance.now()
    if (now >= expireAt) {
      inFlight.expire(now - TIME_OUT_MS, owe)
      expireAt = now + EXPIRE_EVERY_MS
    }
  }
  // What is in flight at the end is neither answered nor lost.
  return result(inFlight, histogram, (now - start) / 1000, 0)
}

export async function openLoop(
  flows: Flows,
  queries: QuerySet,
  { seconds, rate, firstSerial, patient }: { seconds: number; rate: number; firstSerial: number; patient?: boolean },
): Promise<LoadResult> {
  const histogram = newHistogram()
  const inFlight = new InFlight(flows, queries, histogram, firstSerial)
  const total = Math.round(seconds * rate)
  const intervalMs = 1000 / rate
  const start = performance.now()
  let now = start
  let sent = 0
  let flow = 0
  let lagMs = 0
  let expireAt = start + EXPIRE_EVERY_MS
  let lastFlow = -1
  const onReply = (from: number, bytes: Uint8Array, at: number, length: number) => {
    if (from !== lastFlow) now = performance.now()
    lastFlow = from
    inFlight.take(from, bytes, at, length, now)
  }
  const nothing = () => {}
  while (sent < total || inFlight.waiting > 0) {
    // After a lag of its own the generator catches up in steps: all at once would overrun the server's receive buffer.
    const due = Math.min(total, Math.floor((now - start) / intervalMs) + 1, sent + CATCH_UP)
    if (sent < due) lagMs = Math.max(lagMs, now - (start + sent * intervalMs))
    while (sent < due) {
      for (let i = 0; i < BURST && sent < due; i++) inFlight.ask(flow, start + sent++ * intervalMs)
      flows.flush(flow)
      flow = (flow + 1) % flows.count
    }
    const nextMs = sent < total ? start + sent * intervalMs - now : WAIT_MS
    lastFlow = -1
    const waitMs = nextMs >= 2 ? Math.min(WAIT_MS, Math.floor(nextMs)) : patient ? PATIENT_WAIT_MS : 0
    const polled = flows.poll(waitMs, onReply)
    if (polled !== undefined) await polled
    now = performance.now()
    if (now >= expireAt) {
      inFlight.expire(now - TIME_OUT_MS, nothing)
      expireAt = now + EXPIRE_EVERY_MS
    }
  }
  return result(inFlight, histogram, seconds, lagMs)
}

function newHistogram(): Histogram {
  return build({
    bitBucketSize: 32,
    autoResize: true,
    lowestDiscernibleValue: 1,
    highestTrackableValue: 2e6,
    numberOfSignificantValueDigits: 3,
  })
}

function result({ tally }: InFlight, histogram: Histogram, seconds: number, lagMs: number): LoadResult {
  return { ...tally, seconds, qps: tally.right / seconds, lagMs, latency: latencyOf(histogram), histogram }
}

export function latencyOf(histogram: Histogram): Latency {
  const at = (percentile: number) => histogram.getValueAtPercentile(percentile)
  return {
    mean: histogram.mean,
    p50: at(50),
    p90: at(90),
    p99: at(99),
    p999: at(99.9),
    p9999: at(99.99),
    max: histogram.maxValue,
    curve: CURVE.map((percentile) => [percentile, at(percentile)] as const),
  }
}
