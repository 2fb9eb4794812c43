/** The TO words of a stanza: `192.0.2.53`, `[2001:db8::53]:5353`, `tls://9.9.9.9%dns.quad9.net`, `/etc/resolv.conf`, a host name. */
import { existsSync, readFileSync, statSync } from 'node:fs'
import { CorefileError } from '../../corefile/corefile-error.ts'
import type { Token } from '../../corefile/directive.ts'
import { addressFamily } from '../../wire/address.ts'
import { textToName } from '../../wire/name.ts'
import type { Target } from './options.ts'
import type { UpstreamAddress } from './upstream/upstream-address.ts'

const PORTS: Record<UpstreamAddress['protocol'], number> = { dns: 53, tls: 853, https: 443 }
const SCHEMES = ['tls', 'dns', 'quic', 'grpc', 'https3', 'https', 'unix'] as const
const EXAMPLE = 'forward . 192.0.2.53 tls://192.0.2.54%dns.example.org'

/** Octets of a resolv.conf-like file that are read: more is no such file. */
const RESOLV_CONF_SIZE_MAX = 1024 * 1024

/**
 * The upstreams that one TO stands for: none for a file without `nameserver` lines. Reads files; asks nobody. Throws
 * CorefileError.
 */
export function parseTarget(token: Token): Target[] {
  const { text, at } = token
  const { scheme, rest } = splitScheme(text)
  if (rest === '') throw new CorefileError(at, `invalid address: "${text}"`, EXAMPLE)
  if (scheme !== 'dns' && scheme !== 'tls' && scheme !== 'https') {
    throw new CorefileError(at, `'${scheme}' is not supported as a destination protocol in forward: ${text}`, EXAMPLE)
  }
  if (scheme === 'https' && rest.includes('/')) {
    throw new CorefileError(
      at,
      `paths are not allowed in HTTPS upstream addresses (the /dns-query path is used by default): ${text}`,
      'forward . https://192.0.2.53',
    )
  }
  const { host, serverName, port: portText } = splitHost(rest)
  const port = portText === undefined ? PORTS[scheme] : parsePort(portText)
  if (port !== undefined && addressFamily(host) !== 0) {
    // A link-local address needs its interface to be reachable; for dns:// the word behind % is one.
    const zoned = `${host}%${serverName ?? ''}`
    const isZone = scheme === 'dns' && isLinkLocal(host) && addressFamily(zoned) !== 0
    const address: UpstreamAddress = {
      protocol: scheme,
      host: isZone ? zoned : host,
      port,
      ...(serverName === undefined || scheme === 'dns' ? {} : { serverName }),
    }
    return [{ kind: 'address', at, text: withoutServerName(text), address }]
  }
  const fromFile = readNameservers(rest, token)
  if (fromFile !== undefined) return fromFile
  if (port === undefined || !isHostName(host)) {
    throw new CorefileError(at, `not an IP address, file, or valid domain: "${text}"`, EXAMPLE)
  }
  return [
    {
      kind: 'host',
      at,
      hostName: host,
      port,
      protocol: scheme,
      ...(serverName === undefined ? {} : { serverName }),
    },
  ]
}

/** `IP` or `IP:PORT` of the `resolver` option, or undefined. */
export function parseResolver(text: string): UpstreamAddress | undefined {
  const { host, port: portText } = splitHost(text)
  const port = portText === undefined ? PORTS.dns : parsePort(portText)
  return port === undefined || addressFamily(host) === 0 ? undefined : { protocol: 'dns', host, port }
}

function splitScheme(text: string): { scheme: (typeof SCHEMES)[number]; rest: string } {
  for (const scheme of SCHEMES) {
    if (text.startsWith(`${scheme}://`)) return { scheme, rest: text.slice(scheme.length + 3) }
  }
  return { scheme: 'dns', rest: text }
}

/** `HOST[%NAME][:PORT]` or `[HOST[%NAME]][:PORT]`; a bare IPv6 address has no port. */
export function splitHost(text: string): { host: string; serverName: string | undefined; port: string | undefined } {
  let host = text
  let port: string | undefined
  const bracket = text.lastIndexOf(']')
  const colon = text.lastIndexOf(':')
  if (text.startsWith('[') && bracket > 0) {
    host = text.slice(1, bracket)
    if (text[bracket + 1] === ':') port = text.slice(bracket + 2)
    else if (bracket !== text.length - 1) host = text
  } else {
    const percent = text.lastIndexOf('%')
    // In `2001:db8::1%name:853` the port follows the name; in `2001:db8::1` there is none.
    const isPort = percent >= 0 ? colon > percent : colon >= 0 && text.indexOf(':') === colon
    if (isPort) {
      host = text.slice(0, colon)
      port = text.slice(colon + 1)
    }
  }
  const percent = host.lastIndexOf('%')
  if (percent < 0) return { host, serverName: undefined, port }
  return { host: host.slice(0, percent), serverName: host.slice(percent + 1), port }
}

/** fe80::/10, RFC 4291 section 2.5.6. */
function isLinkLocal(host: string): boolean {
  return /^fe[89ab][0-9a-f]:/i.test(host)
}

function withoutServerName(text: string): string {
  return text.replace(/%[^\]:]*(?=\]|:\d+$|$)/, '')
}

function parsePort(text: string): number | undefined {
  return /^[0-9]{1,5}$/.test(text) && Number(text) > 0 && Number(text) <= 65535 ? Number(text) : undefined
}

function isHostName(text: string): boolean {
  try {
    return textToName(text).length > 1
  } catch {
    return false
  }
}

/** The `nameserver` lines of a file in the form of resolv.conf(5), or undefined when there is no such file. */
function readNameservers(path: string, { at }: Token): Target[] | undefined {
  if (!existsSync(path)) return undefined
  const targets: Target[] = []
  let text: string
  try {
    const status = statSync(path)
    if (status.size > RESOLV_CONF_SIZE_MAX) throw new Error(`it has more than ${RESOLV_CONF_SIZE_MAX} octets`)
    text = status.isDirectory() ? '' : readFileSync(path, 'utf8')
  } catch (error) {
    throw new CorefileError(at, `not an IP address or file "${path}": ${(error as Error).message}`, EXAMPLE)
  }
  for (const line of text.split('\n')) {
    const [word, server] = line.trim().split(/\s+/)
    if (word !== 'nameserver' || server === undefined) continue
    // As in CoreDNS the interface is dropped, except where nothing could be reached without it.
    const host = isLinkLocal(server) ? server : server.replace(/%.*$/, '')
    if (addressFamily(host) === 0) continue
    targets.push({ kind: 'address', at, text: host, address: { protocol: 'dns', host, port: PORTS.dns } })
  }
  return targets
}
