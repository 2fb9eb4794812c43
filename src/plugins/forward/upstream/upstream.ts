/**
 * An upstream server: the one door to it for everybody who asks.
 *
 *   exchange ──► Upstream.send ──► UdpSockets          dns://, the client came over UDP
 *                             ├──► StreamConnections   dns:// over TCP, tls://
 *                             └──► HttpsSession        https:// (RFC 8484)
 *
 * It knows nothing of plugins: `forward` decides whom to ask how often, `health.ts` whether an upstream is up.
 */
import type { Exchange } from './exchange.ts'
import { HttpsSession } from './https-session.ts'
import { WAITING_MAX } from './limits.ts'
import { StreamConnections } from './stream-connections.ts'
import type { TimingWheel } from './timing-wheel.ts'
import { UdpSockets } from './udp-sockets.ts'
import { addressAndPort, type UpstreamOptions } from './upstream-address.ts'
import type { UpstreamEvents } from './upstream-events.ts'

export type Carriage = 'udp' | 'tcp'

export class Upstream {
  readonly options: UpstreamOptions
  /** `192.0.2.53:53`: its name in metrics, metadata and log lines. */
  readonly name: string
  readonly #udp: UdpSockets
  readonly #stream: StreamConnections
  readonly #https: HttpsSession | undefined

  /** `ffi`: whether datagrams may go through node:ffi. */
  constructor(options: UpstreamOptions, wheel: TimingWheel, events: UpstreamEvents, ffi: boolean) {
    this.options = options
    this.name = addressAndPort(options.address)
    this.#udp = new UdpSockets(options, wheel, events, ffi)
    this.#stream = new StreamConnections(options, wheel, events)
    this.#https = options.address.protocol === 'https' ? new HttpsSession(options, wheel, events) : undefined
  }

  /** Exchanges under way. */
  get waiting(): number {
    return this.#udp.waiting + this.#stream.waiting + (this.#https?.waiting ?? 0)
  }

  /**
   * Sends the exchange's frame; its `onReply` or `onFailure` follows, `onFailure` possibly before this returns. `carriage`
   * counts for dns:// only: tls:// and https:// have their own. `probe`: goes out whatever failed before.
   */
  send(exchange: Exchange, carriage: Carriage, nowMs: number, probe = false): void {
    if (!probe && this.waiting >= WAITING_MAX) {
      exchange.onFailure('overload', `more than ${WAITING_MAX} queries wait for ${this.name}`)
      return
    }
    if (this.#https !== undefined) this.#https.send(exchange, nowMs)
    else if (carriage === 'udp' && this.options.address.protocol === 'dns') this.#udp.send(exchange, nowMs)
    else this.#stream.send(exchange, nowMs, probe)
  }

  /** Everything under way fails; nothing may be sent any more. */
  close(): void {
    this.#udp.close()
    this.#stream.close()
    this.#https?.close()
  }
}
