/**
 * `forward` in a pool thread: stanzas in the order written, each with its upstreams.
 *
 *   query ──► stanza 1 matches? ──no──► stanza 2 … ──no──► next plugin
 *                │ yes
 *                ▼
 *             Forwarding (one per query): attempt ► reply | attempt ► …      `next RCODE` hands over to the next stanza
 *
 * An upstream that several stanzas or blocks name is opened once for each: their options differ.
 */
import type { Handler, HandlerContext, Next } from '../../chain/plugin.ts'
import type { Query } from '../../chain/query.ts'
import { REFUSED, Reply } from '../../chain/reply.ts'
import { ZoneSet } from '../../chain/zone-set.ts'
import { labelCount, textToName } from '../../wire/name.ts'
import type { ParsedQuery } from '../../wire/parsed-query.ts'
import { Forwarding } from './forwarding.ts'
import { type ForwardFigures, forwardFigures, type UpstreamFigures } from './metrics.ts'
import { CONNECT_ATTEMPTS_PER_UPSTREAM, type ForwardOptions, type Stanza } from './options.ts'
import { type Order, openPolicy } from './policy.ts'
import { Health } from './upstream/health.ts'
import { TimingWheel } from './upstream/timing-wheel.ts'
import { Upstream } from './upstream/upstream.ts'
import { addressAndPort, type UpstreamAddress } from './upstream/upstream-address.ts'

/** An upstream as a stanza uses it. */
export interface Peer {
  readonly upstream: Upstream
  readonly health: Health
  readonly figures: UpstreamFigures
}

/** What a stanza's queries share. */
export class OpenStanza {
  readonly options: Stanza
  readonly peers: readonly Peer[]
  readonly order: Order
  readonly attemptsMax: number
  readonly figures: ForwardFigures
  readonly wheel: TimingWheel
  readonly next: ReadonlySet<number>
  readonly failover: ReadonlySet<number>
  /** Queries under way. */
  concurrent = 0
  readonly #from: ZoneSet
  readonly #fromLabelCount: number
  readonly #except: ZoneSet

  constructor(options: Stanza, wheel: TimingWheel, figures: ForwardFigures, ffi: boolean) {
    this.options = options
    this.wheel = wheel
    this.figures = figures
    this.peers = options.targets.map((target) => {
      if (target.kind !== 'address') throw new Error(`${target.hostName} was not resolved`)
      return openPeer(target.address, options, wheel, figures, ffi)
    })
    this.order = openPolicy(options.policy, this.peers.length)
    this.attemptsMax = options.maxConnectAttempts ?? CONNECT_ATTEMPTS_PER_UPSTREAM * this.peers.length
    this.next = new Set(options.next)
    this.failover = new Set(options.failover)
    this.#from = new ZoneSet([options.from])
    this.#fromLabelCount = labelCount(textToName(options.from), 0)
    this.#except = new ZoneSet(options.except)
  }

  /** FROM covers the name and `except` doesn't; FROM itself can't be excepted. */
  matches(query: ParsedQuery): boolean {
    if (!this.#from.holds(query)) return false
    return query.labelCount === this.#fromLabelCount || !this.#except.holds(query)
  }

  close(): void {
    for (const { upstream, health } of this.peers) {
      health.stop()
      upstream.close()
    }
  }
}

export function openForward(options: ForwardOptions, context: HandlerContext): Handler {
  const wheel = new TimingWheel()
  const figures = forwardFigures(context.registry)
  const stanzas = options.stanzas.map((stanza) => new OpenStanza(stanza, wheel, figures, context.ffi))
  context.onClose(() => {
    for (const stanza of stanzas) stanza.close()
    wheel.close()
  })
  return (query, next) => forwardFrom(stanzas, 0, query, next)
}

function forwardFrom(stanzas: readonly OpenStanza[], from: number, query: Query, next: Next): Reply | Promise<Reply> {
  for (let i = from; i < stanzas.length; i++) {
    const stanza = stanzas[i]!
    if (!stanza.matches(query.parsed)) continue
    const { maxConcurrent } = stanza.options
    if (maxConcurrent > 0 && stanza.concurrent >= maxConcurrent) {
      stanza.figures.maxConcurrentRejects++
      return Reply.unwritten(REFUSED, `concurrent queries exceeded maximum ${maxConcurrent}`)
    }
    // `next` leads to a further stanza only, never to another plugin.
    const handOver = i + 1 < stanzas.length ? () => forwardFrom(stanzas, i + 1, query, next) : undefined
    return new Promise((resolve) => new Forwarding(stanza, query, resolve, handOver).start())
  }
  return next(query)
}

function openPeer(
  address: UpstreamAddress,
  stanza: Stanza,
  wheel: TimingWheel,
  figures: ForwardFigures,
  ffi: boolean,
): Peer {
  const { tlsServerName, healthCheck } = stanza
  const serverName = address.serverName ?? tlsServerName
  const counts = figures.upstream(addressAndPort(address))
  const upstream = new Upstream(
    {
      address: serverName === undefined ? address : { ...address, serverName },
      readTimeoutMs: stanza.readTimeoutMs,
      expireMs: stanza.expireMs,
      maxAgeMs: stanza.maxAgeMs,
      maxIdleConnections: stanza.maxIdleConnections,
      ...(stanza.sourceAddress === undefined ? {} : { sourceAddress: stanza.sourceAddress }),
      tls: stanza.tls,
      dohMethod: stanza.dohMethod,
    },
    wheel,
    {
      reused: (kind) => counts.reused[kind]++,
      opened: (kind) => counts.opened[kind]++,
      ignored: () => counts.ignored++,
    },
    ffi,
  )
  const health = new Health(
    upstream,
    {
      intervalMs: healthCheck.intervalMs,
      domain: textToName(healthCheck.domain),
      recursionDesired: healthCheck.recursionDesired,
      carriage: stanza.forceTcp ? 'tcp' : 'udp',
    },
    () => counts.probeFailures++,
  )
  return { upstream, health, figures: counts }
}
