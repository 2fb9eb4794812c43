/** Bounds of the upstream client. All are per upstream and thread. */

/**
 * Exchanges that wait at once, whatever carries them. One more fails as `overload`: a dead upstream costs bounded memory,
 * 6 KB each in all. An upstream that takes 100 ms for an answer can still be asked 20,000 times a second.
 */
export const WAITING_MAX = 2048

/** UDP sockets in use at once, each with a source port of its own. */
export const UDP_SOCKETS_MAX = 8
/** Queries after which a socket gives way to one with a new port. What each costs: docs/decisions/0012. */
export const UDP_SOCKET_QUERIES_MAX = 16
/** A socket also gives way after this time, used or not: nobody can search for its port for long. */
export const UDP_SOCKET_AGE_MS_MAX = 10_000
/** Queries that wait on one socket; above it a further socket is opened even beyond UDP_SOCKETS_MAX. */
export const UDP_SOCKET_WAITING_MAX = 2048
/** Wrong messages after which a socket's port counts as found out: what waits there goes on through another port. */
export const UDP_SOCKET_FORGED_MAX = 256

/** TCP or TLS connections at once. */
export const STREAMS_MAX = 16
/** Queries that wait on one connection before another is opened. */
export const STREAM_PIPELINE_TARGET = 64
/** Queries that wait on one connection when no further connection may be opened. */
export const STREAM_WAITING_MAX = 2048
/** Octets not taken by the kernel yet; above it a connection gets no more queries. */
export const STREAM_QUEUED_BYTES_MAX = 256 * 1024

/** Time to connect starts in the middle and follows what is observed, between these. */
export const CONNECT_TIMEOUT_MS_MIN = 1000
export const CONNECT_TIMEOUT_MS_MAX = 30_000

/** After connections failed in a row without any answer, the next one waits: two attempts are free, then these steps. */
export const RECONNECT_DELAYS_MS: readonly number[] = [0, 0, 250, 500, 1000]
