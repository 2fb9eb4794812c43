/** Addresses with a port, as upstreams and primaries of transfers are given. */
import { readFileSync } from 'node:fs'
import { parseAddress } from '../wire/address.ts'

/** Why a text is no address, in CoreDNS's words. */
export class HostPortError extends Error {
  readonly code = 'SHOAL_HOST_PORT'
  constructor(problem: string) {
    super(problem)
    this.name = 'HostPortError'
  }
}

/** Transports that an upstream's text can start with. */
export type UpstreamTransport = 'dns' | 'tls' | 'quic' | 'grpc' | 'https' | 'https3' | 'unix'

export const DEFAULT_PORTS: Readonly<Record<UpstreamTransport, number>> = {
  dns: 53,
  tls: 853,
  quic: 853,
  grpc: 443,
  https: 443,
  https3: 443,
  unix: 0,
}

export interface Upstream {
  readonly transport: UpstreamTransport
  /** IP address without brackets, perhaps with `%zone`; the path for `unix`. */
  readonly host: string
  /** 0 for `unix`. */
  readonly port: number
}

/** Octets of a resolv.conf-like file that are read. */
const RESOLV_CONF_SIZE_MAX = 1 << 20

/** Cuts a scheme off: `tls://192.0.2.1` → `tls`, `192.0.2.1`. Without one it is plain DNS. */
export function splitTransport(text: string): { readonly transport: UpstreamTransport; readonly rest: string } {
  const found = /^(tls|dns|quic|grpc|https3|https|unix):\/\//.exec(text)
  return found === null
    ? { transport: 'dns', rest: text }
    : { transport: found[1] as UpstreamTransport, rest: text.slice(found[0].length) }
}

/** Cuts `host:port`, `[v6]:port` apart as Go's net.SplitHostPort does; undefined where that is no such pair. */
export function splitHostPort(text: string): { readonly host: string; readonly port: string } | undefined {
  const found = /^(?:\[([^[\]]*)\]|([^:[\]]*)):([^:[\]]*)$/.exec(text)
  return found === null ? undefined : { host: found[1] ?? found[2] ?? '', port: found[3]! }
}

/** `192.0.2.1`, `192.0.2.1:53`, `2001:db8::1`, `[2001:db8::1]:53`, with a `%zone` after a link-local address. */
export function parseHostPort(text: string, defaultPort: number): { readonly host: string; readonly port: number } {
  const pair = splitHostPort(text)
  const host = pair === undefined ? text : pair.host
  if (!isAddress(host)) throw new HostPortError(`must specify an IP address: \`${host}'`)
  return { host, port: pair === undefined || pair.port === '' ? defaultPort : portNumber(pair.port, text) }
}

/**
 * One word that names servers: an address with or without a port, `SCHEME://address…`, or the path of a file whose
 * `nameserver` lines name them, as in resolv.conf. Throws HostPortError. Reads the file: blocks.
 */
export function hostPortOrFile(word: string, resolvePath: (path: string) => string = (path) => path): Upstream[] {
  const { transport, rest } = splitTransport(word)
  if (rest === '') throw new HostPortError(`invalid address: "${word}"`)
  if (transport === 'unix') return [{ transport, host: rest, port: 0 }]
  const pair = splitHostPort(rest)
  const host = pair === undefined ? rest.replace(/^[[\]]+|[[\]]+$/g, '') : pair.host
  if (isAddress(host)) {
    const port = pair === undefined ? DEFAULT_PORTS[transport] : portNumber(pair.port, word)
    return [{ transport, host, port }]
  }
  return serversOfFile(pair === undefined ? host : rest, resolvePath)
}

/** As `hostPortOrFile` for several words; an error where they name no server at all. */
export function hostPortsOrFiles(words: readonly string[], resolvePath?: (path: string) => string): Upstream[] {
  const upstreams = words.flatMap((word) => hostPortOrFile(word, resolvePath))
  if (upstreams.length === 0) throw new HostPortError('no nameservers found')
  return upstreams
}

/** The text of an upstream: `192.0.2.1:53`, `tls://[2001:db8::1]:853`. */
export function printUpstream({ transport, host, port }: Upstream): string {
  if (transport === 'unix') return `unix://${host}`
  return `${transport === 'dns' ? '' : `${transport}://`}${joinHostPort(host, port)}`
}

export function joinHostPort(host: string, port: number | string): string {
  return host.includes(':') || host.includes('%') ? `[${host}]:${port}` : `${host}:${port}`
}

/** Whether the text is an IPv4 or IPv6 address, with or without a `%zone` at its end. */
export function isAddress(text: string): boolean {
  return parseAddress(text.replace(/%[^%]*$/, ''), new Uint8Array(16)) !== 0 && !/%.*%/.test(text)
}

function serversOfFile(name: string, resolvePath: (path: string) => string): Upstream[] {
  let text: string
  try {
    text = readFileSync(resolvePath(name)).subarray(0, RESOLV_CONF_SIZE_MAX).toString('utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const why =
      code === 'ENOENT' || code === 'ENOTDIR'
        ? `failed to open file "${name}": "open ${name}: no such file or directory"`
        : `open ${name}: ${code}`
    throw new HostPortError(`not an IP address or file "${name}": ${why}`)
  }
  const upstreams: Upstream[] = []
  for (const line of text.split('\n')) {
    const [keyword, server] = line.trim().split(/\s+/)
    if (keyword !== 'nameserver' || server === undefined) continue
    const host = server.replace(/%[^%]*$/, '')
    if (isAddress(host)) upstreams.push({ transport: 'dns', host, port: DEFAULT_PORTS.dns })
  }
  return upstreams
}

function portNumber(text: string, word: string): number {
  if (!/^[0-9]{1,5}$/.test(text) || Number(text) > 65_535 || Number(text) === 0) {
    throw new HostPortError(`"${text}" in "${word}" is no port: write a number from 1 to 65535`)
  }
  return Number(text)
}
