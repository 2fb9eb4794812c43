/** Metrics of the API's client and of the names made from what it brings; CoreDNS's, and how old the data can be. */

import type { Registry } from '../../observe/prom-client.ts'
import { sharedCounter, sharedGauge, sharedHistogram } from '../../observe/shared-metric.ts'
import type { ClusterObserver } from '../../sources/kubernetes/cluster-source.ts'

/** Go's prometheus.DefBuckets. */
const DEFAULT_BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
/** 1 ms, doubled 19 times: about nine minutes. */
const PROGRAMMING_BOUNDS = Array.from({ length: 20 }, (_, i) => 0.001 * 2 ** i)

export interface KubernetesMetrics extends ClusterObserver {
  setStale(seconds: number): void
  setSynced(isSynced: boolean): void
}

/** `host`: of the API server. */
export function kubernetesMetrics(registry: Registry, host: string): KubernetesMetrics {
  const programmed = sharedHistogram(
    registry,
    'coredns_kubernetes_dns_programming_duration_seconds',
    'Histogram of the time (in seconds) it took to program a dns instance.',
    PROGRAMMING_BOUNDS,
    ['service_kind'],
  )
  const duration = sharedHistogram(
    registry,
    'coredns_kubernetes_rest_client_request_duration_seconds',
    'Request latency in seconds. Broken down by verb and host.',
    DEFAULT_BOUNDS,
    ['verb', 'host'],
  )
  const limited = sharedHistogram(
    registry,
    'coredns_kubernetes_rest_client_rate_limiter_duration_seconds',
    'Client side rate limiter latency in seconds. Broken down by verb and host.',
    DEFAULT_BOUNDS,
    ['verb', 'host'],
  )
  const requests = sharedCounter(
    registry,
    'coredns_kubernetes_rest_client_requests_total',
    'Number of HTTP requests, partitioned by status code, method, and host.',
    ['code', 'method', 'host'],
  )
  const stale = sharedGauge(
    registry,
    'shoal_kubernetes_stale_seconds',
    'Seconds since the API server last showed that no change is missing here; 0 while all watches are open.',
    ['host'],
    'max',
  )
  const synced = sharedGauge(
    registry,
    'shoal_kubernetes_synced',
    'Whether all of the cluster was read since the start (1) or not yet (0).',
    ['host'],
    'min',
  )
  const audits = sharedCounter(
    registry,
    'shoal_kubernetes_audits_total',
    'Comparisons of what is known with a fresh list.',
    ['resource', 'host'],
  )
  const repairs = sharedCounter(
    registry,
    'shoal_kubernetes_audit_repairs_total',
    'Objects that an audit found to be wrong, and put right.',
    ['resource', 'host'],
  )
  return {
    onAudited: (resource, count) => {
      audits.inc({ resource, host })
      repairs.inc({ resource, host }, count)
    },
    onProgrammed: (serviceKind, seconds) => programmed.observe({ service_kind: serviceKind }, seconds),
    onLimited: (seconds) => limited.observe({ verb: 'GET', host }, seconds),
    onResponse: (method, code, seconds) => {
      duration.observe({ verb: method, host }, seconds)
      requests.inc({ code: code === 0 ? '<error>' : String(code), method, host })
    },
    setStale: (seconds) => stale.set({ host }, seconds),
    setSynced: (isSynced) => synced.set({ host }, isSynced ? 1 : 0),
  }
}
