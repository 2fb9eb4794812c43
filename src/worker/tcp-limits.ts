/** Limits of DNS over TCP, with the values that hold unless a configuration says otherwise. Milliseconds, octets, counts. */

export interface TcpLimits {
  /** Open connections of a process. At the limit the one that is idle the longest makes room. */
  readonly connectionsMax: number
  /** Open connections of one client: an IPv4 address, or an IPv6 /64. */
  readonly connectionsPerClientMax: number
  /** Queries of a connection that wait for answers; then it is not read from. */
  readonly queriesInFlightMax: number
  /** Frames handled before other connections and UDP get their turn. */
  readonly framesPerTurn: number
  /** Octets of answers that wait for the client; then it is not read from. */
  readonly queuedSizeHigh: number
  /** Octets of answers that wait for the client; a client that lets more pile up is cut. */
  readonly queuedSizeMax: number
  /** Octets that wait in all connections of a process, queries and answers; beyond it those that add to them are cut. */
  readonly bufferedSizeMax: number
  /** From connect to the first query. CoreDNS: 3 s. */
  readonly firstReadMs: number
  /** Without a query in flight. CoreDNS: 10 s. */
  readonly idleMs: number
  /** From the first octet of a message to its last. */
  readonly messageMs: number
  /** Answers wait and the client takes none. */
  readonly writeMs: number
  /** Our end is closed and the client's isn't. */
  readonly lingerMs: number
}

export const TCP_LIMITS: TcpLimits = {
  connectionsMax: 8192,
  connectionsPerClientMax: 2048,
  queriesInFlightMax: 128,
  framesPerTurn: 128,
  queuedSizeHigh: 16 * 1024,
  queuedSizeMax: 256 * 1024,
  bufferedSizeMax: 32 << 20,
  firstReadMs: 3000,
  idleMs: 10_000,
  messageMs: 2000,
  writeMs: 5000,
  lingerMs: 1000,
}

/** How often deadlines are looked at, so how late a connection may be closed. */
export const SWEEP_MS = 250
