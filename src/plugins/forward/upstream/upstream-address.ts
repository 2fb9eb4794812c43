/** An upstream as the configuration keeps it: plain data. */
export type UpstreamProtocol = 'dns' | 'tls' | 'https'

export interface UpstreamAddress {
  readonly protocol: UpstreamProtocol
  /** IP address, IPv6 without brackets; `fe80::1%eth0` keeps its zone. */
  readonly host: string
  readonly port: number
  /** TLS server name: what the certificate is checked against. Absent: the address. */
  readonly serverName?: string
}

/** `192.0.2.53:53`, `[2001:db8::53]:53`: as metrics and log lines show it. */
export function addressAndPort({ host, port }: { readonly host: string; readonly port: number }): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

/** PEM texts of the `tls` option; empty: the system's roots and no client certificate. */
export interface TlsFiles {
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
}

/** How one upstream is asked. */
export interface UpstreamOptions {
  readonly address: UpstreamAddress
  readonly readTimeoutMs: number
  /** Idle connections and sockets are closed after it; 0: never used twice. */
  readonly expireMs: number
  /** Connections are closed after it, used or not; 0: never. */
  readonly maxAgeMs: number
  /** Idle connections kept per protocol; 0: all. */
  readonly maxIdleConnections: number
  readonly sourceAddress?: string
  readonly tls: TlsFiles
  readonly dohMethod: 'POST' | 'GET'
}
