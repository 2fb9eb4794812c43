/** What a `forward` stanza means: plain data, and the defaults. */
import type { Position } from '../../corefile/corefile-error.ts'
import type { TlsFiles, UpstreamAddress } from './upstream/upstream-address.ts'

export type Policy = 'random' | 'round_robin' | 'sequential'

/** A TO that is a host name: `prepare` puts its addresses in its place. */
export interface HostTarget {
  readonly kind: 'host'
  readonly at: Position
  readonly hostName: string
  readonly port: number
  readonly protocol: UpstreamAddress['protocol']
  readonly serverName?: string
}

export interface AddressTarget {
  readonly kind: 'address'
  readonly at: Position
  /** As in the Corefile, without the server name: for errors. */
  readonly text: string
  readonly address: UpstreamAddress
}

export type Target = HostTarget | AddressTarget

export interface Stanza {
  readonly at: Position
  /** Absolute, lower-case. */
  readonly from: string
  readonly except: readonly string[]
  /** In the order written; after `prepare` addresses only, none twice. */
  readonly targets: readonly Target[]
  readonly policy: Policy
  readonly forceTcp: boolean
  readonly preferUdp: boolean
  readonly expireMs: number
  /** 0: no limit. */
  readonly maxAgeMs: number
  /** 0: no limit. */
  readonly maxIdleConnections: number
  readonly readTimeoutMs: number
  /** 0: never down. */
  readonly maxFails: number
  /** Undefined: two for each upstream. 0: until the time is up. */
  readonly maxConnectAttempts: number | undefined
  readonly healthCheck: { readonly intervalMs: number; readonly recursionDesired: boolean; readonly domain: string }
  readonly dohMethod: 'POST' | 'GET'
  readonly tls: TlsFiles
  readonly tlsServerName: string | undefined
  /** 0: no limit. */
  readonly maxConcurrent: number
  readonly next: readonly number[]
  readonly nextOnNodata: boolean
  readonly failover: readonly number[]
  readonly failfast: boolean
  readonly sourceAddress: string | undefined
  /** Addresses with ports; empty: the system's resolver. */
  readonly resolvers: readonly UpstreamAddress[]
}

export interface ForwardOptions {
  /** Tried in this order, each for the names it matches. */
  readonly stanzas: readonly Stanza[]
}

export type StanzaSettings = Omit<Stanza, 'at' | 'from' | 'targets'>

export const DEFAULTS: StanzaSettings = {
  except: [],
  policy: 'random',
  forceTcp: false,
  preferUdp: false,
  expireMs: 10_000,
  maxAgeMs: 0,
  maxIdleConnections: 0,
  readTimeoutMs: 2000,
  maxFails: 2,
  maxConnectAttempts: undefined,
  healthCheck: { intervalMs: 500, recursionDesired: true, domain: '.' },
  dohMethod: 'POST',
  tls: {},
  tlsServerName: undefined,
  maxConcurrent: 0,
  next: [],
  nextOnNodata: false,
  failover: [],
  failfast: false,
  sourceAddress: undefined,
  resolvers: [],
}

/** TOs of one stanza, before host names and resolv.conf files are expanded. */
export const TARGETS_MAX = 15
/** A query is given up after it, however many upstreams are left. */
export const QUERY_TIMEOUT_MS = 5000
/** Default of `max_connect_attempts`, for each upstream. */
export const CONNECT_ATTEMPTS_PER_UPSTREAM = 2
