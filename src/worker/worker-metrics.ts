/** The worker's own series: transport in use, what sockets counted. Engines bring theirs. */

import { registerProcessMetrics } from '../observe/process-metrics.ts'
import { Counter, Gauge, type Registry } from '../observe/prom-client.ts'
import type { FaultLog } from './guarded-handler.ts'
import type { Listeners } from './listeners.ts'
import type { TcpFigures } from './tcp-table.ts'
import type { UdpFigures, UdpTransport } from './udp-transport.ts'

const UDP_DROPS = [
  'unanswerable',
  'refused',
  'congested',
  'heldDropped',
  'kernelDrops',
] as const satisfies readonly (keyof UdpFigures)[]
const TCP_CLOSES = [
  'refused',
  'evicted',
  'timedOut',
  'cut',
  'malformed',
] as const satisfies readonly (keyof TcpFigures)[]

export interface MetricSources {
  readonly listeners: Listeners
  readonly transport: UdpTransport
  readonly faults: FaultLog
}

export function registerWorkerMetrics(registry: Registry, { listeners, transport, faults }: MetricSources): void {
  const registers = [registry]
  registerProcessMetrics(registry)
  new Gauge({
    name: 'shoal_udp_transport_info',
    help: 'UDP transport in use, and why; the value counts processes.',
    labelNames: ['transport', 'reason'],
    registers,
  }).set({ transport: transport.name, reason: transport.reason }, 1)
  counter('shoal_udp_packets_received_total', 'Datagrams received.', registers, () => listeners.udpFigures().received)
  counter('shoal_udp_packets_sent_total', 'Datagrams sent.', registers, () => listeners.udpFigures().sent)
  counter(
    'shoal_udp_receive_errors_total',
    'Errors on receiving datagrams.',
    registers,
    () => listeners.udpFigures().receiveErrors,
  )
  labelled('shoal_udp_drops_total', 'Datagrams dropped, queries and replies, by reason.', UDP_DROPS, registers, () =>
    listeners.udpFigures(),
  )
  const { figures } = listeners.table
  new Gauge({
    name: 'shoal_tcp_connections',
    help: 'TCP connections that are open.',
    registers,
    collect() {
      this.set(listeners.table.size)
    },
  })
  counter('shoal_tcp_connections_total', 'TCP connections accepted.', registers, () => figures.accepted)
  counter(
    'shoal_tcp_errors_total',
    'TCP connections that failed, and failures to accept one.',
    registers,
    () => figures.errors,
  )
  counter('shoal_tcp_messages_received_total', 'Messages received over TCP.', registers, () => figures.received)
  counter('shoal_tcp_messages_sent_total', 'Messages sent over TCP.', registers, () => figures.sent)
  labelled(
    'shoal_tcp_closed_total',
    'TCP connections closed by the server, by reason.',
    TCP_CLOSES,
    registers,
    () => figures,
  )
  counter(
    'shoal_event_loop_exceptions_total',
    'Exceptions that a query caused on the event loop.',
    registers,
    () => faults.count,
  )
}

/** A counter whose value is kept elsewhere. */
function counter(name: string, help: string, registers: Registry[], read: () => number): void {
  new Counter({
    name,
    help,
    registers,
    collect() {
      this.reset()
      this.inc(read())
    },
  })
}

function labelled<K extends string>(
  name: string,
  help: string,
  reasons: readonly K[],
  registers: Registry[],
  read: () => { readonly [name in K]: number },
): void {
  new Counter({
    name,
    help,
    labelNames: ['reason'],
    registers,
    collect() {
      this.reset()
      const figures = read()
      for (const reason of reasons) this.inc({ reason: snakeCase(reason) }, figures[reason])
    },
  })
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}
