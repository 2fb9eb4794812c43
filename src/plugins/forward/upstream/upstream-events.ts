/** What the upstream client tells its user to count. */
export type ConnectionKind = 'udp' | 'tcp' | 'tcp-tls'

export interface UpstreamEvents {
  /** A query goes out over a socket or connection that was open. */
  reused(kind: ConnectionKind): void
  /** A socket or connection was opened for a query. */
  opened(kind: ConnectionKind): void
  /** A message came that answers nothing: a forgery, or a reply of another question. */
  ignored(): void
}
